//! What stands under a card's row: why it is silent, who uses it, its parts, what holds it down, what is odd. Only
//! what there is to say.

use std::collections::BTreeMap;

use super::block;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::{style, words};
use crate::gpus::words as told;
use crate::sample::{MigInstance, Note, NoteLevel};
use crate::view::{CardUser, CardView, View, XidCount};

/// Programs named of those that are of no target.
const SHOWN_PROGRAMS: usize = 3;

/// The parts of a divided card that are shown; the card can have seven.
const SHOWN_PARTS: usize = 14;

/// What is known of one card.
///
/// `few`: there is room for what is normal, too.
pub(super) fn card(view: &View, card: &CardView, few: bool, width: usize, lines: &mut Vec<String>) {
    fault(view, card, width, lines);
    if few && card.told.sleeps() {
        let what = "asleep: the kernel saves its power until somebody uses it, and a look does not wake it";
        lines.extend(block(style::DIM, "  ", what, width));
    }
    if few {
        used_by(card, width, lines);
    }
    parts(card, width, lines);
    for word in told::holding(&card.told, &card.notes) {
        let trouble = word.name.starts_with("hw_") || word.name == "sw_thermal";
        if few || trouble {
            let looks = if trouble { style::WARNING } else { style::DIM };
            lines.extend(block(looks, "  ", word.says, width));
        }
    }
    for (level, begin, looks) in
        [(NoteLevel::Warning, "  warning: ", style::WARNING), (NoteLevel::Info, "  note: ", style::DIM)]
    {
        for note in card.notes.iter().filter(|note| note.level == level) {
            lines.extend(block(looks, begin, &note.text, width));
            if let Some(remedy) = &note.remedy {
                lines.extend(block(style::PLAIN, "    -> ", remedy, width));
            }
        }
    }
    let xids: Vec<String> =
        card.xids.iter().filter(|xid| !is_noted(xid, &card.notes)).filter_map(|one| xid(view, one)).collect();
    if !xids.is_empty() {
        lines.extend(block(style::DIM, "  ", &format!("its driver reported {}", xids.join("; ")), width));
    }
}

/// What goes for no card that is listed: those that are expected, and errors of cards unknown.
pub(super) fn machine(view: &View, width: usize, lines: &mut Vec<String>) {
    let gpus = &view.gpus;
    if let (Some(expected), Some(missing)) = (gpus.expected, gpus.missing)
        && missing > 0
    {
        let verb = if missing == 1 { "gives" } else { "give" };
        let what = format!("{missing} of {expected} GPUs that the config expects {verb} no readings");
        lines.extend(block(style::WARNING, "warning: ", &what, width));
    }
    for stray in &gpus.strays {
        let xids: Vec<String> = stray.xids.iter().filter_map(|one| xid(view, one)).collect();
        if !xids.is_empty() {
            let what = format!("of {}, which no driver lists, was reported: {}", stray.card, xids.join("; "));
            lines.extend(block(style::WARNING, "warning: ", &what, width));
        }
    }
    let hangs = gpus.kernel_log.iter().flat_map(|log| &log.hangs);
    for hang in hangs.filter(|hang| hang.count > 0) {
        let card = gpus.cards.iter().find(|card| card.told.uuid == hang.card);
        let name = card.map_or_else(|| hang.card.clone(), |card| told::called(&card.told));
        let last = hang.last_at.map(|at| format!(", last {}", words::ago(at, view.at))).unwrap_or_default();
        let times = words::count(usize::try_from(hang.count).unwrap_or(usize::MAX), "time");
        let what = format!("work on {name} hung {times} since boot{last} (the kernel's log)");
        lines.extend(block(style::DIM, "note: ", &what, width));
    }
    if let Some(fit) = &gpus.next_model {
        let what = format!("the next model, of {}, {}", words::bytes(fit.bytes), fit.text);
        lines.extend(block(style::PLAIN, "", &what, width));
    }
    let nvidia = gpus.cards.iter().any(|card| card.told.vendor == "nvidia");
    if let Some(log) = gpus.kernel_log.as_ref().filter(|log| !log.up && nvidia) {
        let why = log.error.as_deref().unwrap_or("no reason told");
        let what = format!("the kernel's log is not read, so some XIDs may be missed: {why}");
        lines.extend(block(style::DIM, "note: ", &what, width));
    }
}

/// Who holds how much on how many cards, for machines with many.
pub(super) fn users_in_sum(cards: &[CardView], width: usize, lines: &mut Vec<String>) {
    #[derive(Default)]
    struct Sum {
        told: Option<u64>,
        is_part: bool,
        cards: usize,
    }
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for user in cards.iter().flat_map(|card| &card.users) {
        let sum = sums.entry(&user.target).or_default();
        if let Some(bytes) = user.memory_bytes.or(user.memory_at_least_bytes) {
            sum.told = Some(sum.told.unwrap_or(0).saturating_add(bytes));
        }
        sum.is_part |= user.memory_bytes.is_none();
        sum.cards += 1;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.told));
    let said = |(target, sum): (&str, Sum)| {
        let memory = if sum.is_part { memory(None, sum.told) } else { memory(sum.told, None) };
        format!("{target} {memory} on {}", words::count(sum.cards, "GPU"))
    };
    let said: Vec<String> = sums.into_iter().map(said).collect();
    if !said.is_empty() {
        lines.extend(block(style::PLAIN, "used by ", &said.join(", "), width));
    }
}

/// Why it gives no readings, and where it is, since that is where somebody must go.
fn fault(view: &View, card: &CardView, width: usize, lines: &mut Vec<String>) {
    let Some(fault) = &card.told.fault else { return };
    let word = told::fault(fault);
    // Of these the driver's own words tell more; of the others they say the same again.
    let what = match word.name {
        "timeout" | "stale" | "no_permission" | "other" => format!("{}: {}", word.says, fault.error),
        _ => word.says.to_owned(),
    };
    let pci = card.told.pci.as_ref().map(|pci| format!("PCI {pci}"));
    let seen = card.last_seen_at.map(|at| format!("last seen {}", words::ago(at, view.at)));
    let place: Vec<String> = seen.into_iter().chain(pci).chain([card.told.uuid.clone()]).collect();
    lines.extend(block(style::CRITICAL, "  ", &format!("{what} ({})", place.join(", ")), width));
}

fn used_by(card: &CardView, width: usize, lines: &mut Vec<String>) {
    let said: Vec<String> = card.users.iter().map(user).collect();
    if said.is_empty() {
        // That nobody uses a card is no news; that nobody may see who does is.
        let hidden = card.told.untold.get("processes").is_some_and(|why| why == "no_permission");
        if hidden {
            let what = "who uses it is not told: that takes permission (root, or the host's processes)";
            lines.extend(block(style::DIM, "  ", what, width));
        }
        return;
    }
    let room = card.headroom_bytes.map(|room| format!("; room for {} more", words::bytes(room)));
    let said = said.join(", ") + &room.unwrap_or_default();
    lines.extend(block(style::PLAIN, "  used by ", &said, width));
}

/// How much somebody holds: the whole, a part of it, or not told.
fn memory(whole: Option<u64>, part: Option<u64>) -> String {
    match (whole, part) {
        (Some(bytes), _) => words::bytes(bytes),
        (None, Some(bytes)) => format!("at least {}", words::bytes(bytes)),
        (None, None) => "(memory not told)".to_owned(),
    }
}

/// `box 60.0 GiB`, and of what is of no target also the programs.
fn user(user: &CardUser) -> String {
    let memory = memory(user.memory_bytes, user.memory_at_least_bytes);
    if user.target != "other" || user.programs.is_empty() {
        return format!("{} {memory}", user.target);
    }
    let named: Vec<&str> = user.programs.iter().take(SHOWN_PROGRAMS).map(String::as_str).collect();
    let more = if user.programs.len() > SHOWN_PROGRAMS { ", …" } else { "" };
    format!("other {memory} ({}{more})", named.join(", "))
}

/// The instances of a divided card, a row each.
fn parts(card: &CardView, width: usize, lines: &mut Vec<String>) {
    let Some(mig) = card.told.mig.as_ref().filter(|mig| mig.enabled) else { return };
    if mig.instances.is_empty() {
        lines.extend(block(style::DIM, "  ", "divided (MIG), and no part of it is set up", width));
    }
    let mut grid = Grid::new([Column::fixed(""), Column::flexible("", 6), Column::fixed("")]);
    for part in mig.instances.iter().take(SHOWN_PARTS) {
        grid.push(part_cells(part));
    }
    let rows = grid.lines(width.saturating_sub(2), style::PLAIN).1;
    lines.extend(rows.into_iter().map(|row| format!("  {row}")));
    if let Some(more) = super::super::more(mig.instances.len(), SHOWN_PARTS) {
        lines.extend(block(style::DIM, "  ", &format!("and {more} more parts: see --json"), width));
    }
}

fn part_cells(part: &MigInstance) -> Vec<Cell> {
    let number = part.gpu_instance.map_or_else(|| "MIG".to_owned(), |number| format!("MIG {number}"));
    let memory = match (part.memory_used_bytes, part.memory_total_bytes) {
        (Some(used), Some(total)) => format!("{}/{} GiB", words::gib(used), words::gib(total)),
        (_, total) => total.map(words::bytes).unwrap_or_default(),
    };
    vec![Cell::new(&number), Cell::new(part.profile.as_deref().unwrap_or("")), Cell::new(&memory)]
}

/// `XID 63 (row of memory remapped) twice, last 2 h ago`; nothing of one that never came.
fn xid(view: &View, xid: &XidCount) -> Option<String> {
    let times = match xid.count {
        0 => return None,
        1 => String::new(),
        count => format!(" {count} times"),
    };
    let meaning = xid.meaning.as_ref().map(|meaning| format!(" ({meaning})")).unwrap_or_default();
    let name = if xid.xid == "other" { "other XIDs".to_owned() } else { format!("XID {}", xid.xid) };
    let last = xid.last_at.map(|at| words::ago(at, view.at));
    let last = match (last, xid.count) {
        (Some(last), 1) => format!(" {last}"),
        (Some(last), _) => format!(", last {last}"),
        (None, _) => String::new(),
    };
    Some(format!("{name}{meaning}{times}{last}"))
}

/// Whether a note tells of that XID already.
fn is_noted(xid: &XidCount, notes: &[Note]) -> bool {
    let begin = format!("XID {} ", xid.xid);
    notes.iter().any(|note| note.code == "xid" && note.text.starts_with(&begin))
}
