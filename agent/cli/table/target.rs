//! The targets: a row each, and under it what is wrong, the loaded models, the traffic, the canaries, and the notes.

use super::{block, canary, more, traffic};
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::{style, words};
use crate::sample::{NoteLevel, ServerState};
use crate::view::{KeptView, ModelView, TargetView, View};

/// Loaded models shown of one target.
const SHOWN_MODELS: usize = 10;

/// On less than this, versions are left out.
const NARROW: usize = 70;

/// An agent that runs for less than this many seconds has seen one poll of a target, or none.
const YOUNG: i64 = 10;

/// What stands for "it does not say".
const NOTHING: &str = "-";

/// Every target, the worst first: what does not fit the screen is what is well.
pub(super) fn table(view: &View, width: usize, lines: &mut Vec<String>) {
    let mut grid = Grid::new([
        Column::fixed("STATE"),
        Column::flexible("TARGET", 10),
        Column::flexible("KIND", 9),
        Column::fixed("LOADED").goes(2),
        Column::fixed("SLOTS").goes(3),
        Column::fixed("QUEUE").goes(4),
        Column::fixed("SINCE").goes(1),
    ]);
    let mut targets: Vec<&TargetView> = view.targets.iter().collect();
    targets.sort_by(|a, b| b.health().cmp(&a.health()).then_with(|| a.name.cmp(&b.name)));
    for target in &targets {
        grid.push(row(view, target, width));
    }
    grid.drop_columns_of(NOTHING);
    grid.drop_columns_to_fit(width);
    let (head, rows) = grid.lines(width, style::BOLD);
    lines.push(head);
    for (row, target) in rows.into_iter().zip(targets) {
        lines.push(row);
        trouble(view, target, width, lines);
        models(view, target, width, lines);
        traffic::traffic(view, target, width, lines);
        canary::canaries(view, target, width, lines);
        if let Some(kept) = target.kept.as_ref().and_then(KeptView::words) {
            lines.extend(block(style::DIM, "  kept     ", &kept, width));
        }
        notes(target, width, lines);
    }
}

fn row(view: &View, target: &TargetView, width: usize) -> Vec<Cell> {
    let state = target.state.map_or("unknown", ServerState::name);
    let version = target.version.as_deref().or(target.build.as_deref()).filter(|_| width >= NARROW);
    let demo = (target.demo && target.kind != "demo").then_some("(demo)");
    let kind: Vec<&str> = [Some(target.kind.as_str()), version, demo].into_iter().flatten().collect();
    let queued: Vec<u64> = target.models.iter().filter_map(|model| model.queue_depth).collect();
    let or_nothing = |text: Option<String>| Cell::new(text.as_deref().unwrap_or(NOTHING));
    vec![
        Cell::styled(state, style::state(target.state)),
        Cell::styled(&target.name, style::BOLD),
        Cell::new(&kind.join(" ")),
        or_nothing(loaded(target)),
        or_nothing(target.slots().map(|(busy, all)| format!("{busy}/{all}"))),
        or_nothing(
            (!queued.is_empty()).then(|| queued.iter().fold(0_u64, |a, b| a.saturating_add(*b)).to_string()),
        ),
        or_nothing(target.state_since.filter(|_| !young(view)).map(|since| words::since(since, view.at))),
    ]
}

/// Whether the agent has only just begun to look, or this was the one look of `status` itself: since
/// when something is so is not known then.
fn young(view: &View) -> bool {
    view.at.duration_since(view.agent.started_at).as_secs() < YOUNG
}

/// `1/12`: models in memory, of those on disk.
fn loaded(target: &TargetView) -> Option<String> {
    let told = target.models.iter().any(|model| model.loaded.is_some());
    let loaded = target.models.iter().filter(|model| model.loaded == Some(true)).count();
    match target.models_installed {
        Some(installed) => Some(format!("{loaded}/{installed}")).filter(|_| told || target.models.is_empty()),
        None => told.then(|| loaded.to_string()),
    }
}

/// Why it is not up, and since when.
fn trouble(view: &View, target: &TargetView, width: usize, lines: &mut Vec<String>) {
    let mut parts = Vec::new();
    match (target.state, &target.error, target.last_poll_at) {
        (_, Some(error), _) => parts.push(format!("{}: {error}", target.url)),
        (None, None, None) => parts.push(format!("{}: not polled yet", target.url)),
        (None, None, Some(last)) => {
            parts.push(format!("{}: last polled {}", target.url, words::ago(last, view.at)));
        }
        _ => return,
    }
    if target.up == Some(false) {
        match target.last_success_at {
            Some(last) => parts.push(format!("last good answer {}", words::ago(last, view.at))),
            None if young(view) => {}
            None => parts.push("no good answer since the agent started".into()),
        }
    }
    lines.extend(block(style::state(target.state), "  ", &parts.join("; "), width));
}

fn models(view: &View, target: &TargetView, width: usize, lines: &mut Vec<String>) {
    let loaded: Vec<&ModelView> = target.models.iter().filter(|model| model.loaded == Some(true)).collect();
    let fixed = Column::fixed("");
    let columns =
        [Column::flexible("", 12), fixed, fixed.goes(1), fixed.goes(2), fixed, fixed, fixed.goes(3)];
    let mut grid = Grid::new(columns);
    for model in loaded.iter().take(SHOWN_MODELS) {
        grid.push(model_cells(view, model, loaded.len() > 1));
    }
    grid.drop_columns_of("");
    grid.drop_columns_to_fit(width.saturating_sub(2));
    let (_, rows) = grid.lines(width.saturating_sub(2), style::PLAIN);
    lines.extend(rows.into_iter().map(|row| format!("  {row}")));
    if let Some(more) = more(loaded.len(), SHOWN_MODELS) {
        lines.extend(block(style::DIM, "  ", &format!("and {more} more loaded models: see --json"), width));
    }
    if target.models_left_out > 0 {
        let what = format!("{} more models are told of than are kept (max_models)", target.models_left_out);
        lines.extend(block(style::DIM, "  ", &what, width));
    }
}

/// `several`: its slots are only worth a cell if the target's row does not say the same.
fn model_cells(view: &View, model: &ModelView, several: bool) -> Vec<Cell> {
    let said = |text: Option<String>| text.unwrap_or_default();
    let slots = match (model.slots_busy, model.slots) {
        (Some(busy), Some(all)) if several => format!("{busy}/{all} slots"),
        _ => String::new(),
    };
    let odd = |state: &ServerState| !matches!(state, ServerState::Ready | ServerState::Busy);
    let state = model.state.filter(odd);
    let expiry = match (model.stays, model.expires_at) {
        (Some(true), _) => "stays".to_owned(),
        (_, Some(at)) => format!("unloads {}", words::until(at, view.at)),
        _ => String::new(),
    };
    vec![
        Cell::new(shown_name(&model.name)),
        Cell::styled(state.map_or("", ServerState::name), style::state(state)),
        Cell::new(&said(model.context_tokens.map(|tokens| format!("ctx {tokens}")))),
        Cell::new(&said(model.memory_bytes.map(words::bytes))),
        Cell::new(&said(model.offload_ratio.map(|ratio| format!("{} VRAM", words::percent(ratio))))),
        Cell::new(&expiry),
        Cell::new(&slots),
    ]
}

/// A path's last part: the folder says less than the end of the name, which would be cut.
fn shown_name(name: &str) -> &str {
    let file = name.starts_with('/').then(|| name.rsplit('/').next()).flatten();
    file.filter(|file| !file.is_empty()).unwrap_or(name)
}

/// What asks for a person first, then what only explains.
fn notes(target: &TargetView, width: usize, lines: &mut Vec<String>) {
    for (level, begin, looks) in
        [(NoteLevel::Warning, "  warning: ", style::WARNING), (NoteLevel::Info, "  note: ", style::DIM)]
    {
        for note in target.notes.iter().filter(|note| note.level == level) {
            lines.extend(block(looks, begin, &note.text, width));
            if let Some(remedy) = &note.remedy {
                lines.extend(block(style::PLAIN, "    -> ", remedy, width));
            }
        }
    }
}
