//! The GPUs: a row each, the ill ones first, and under it who uses it and what is wrong.

use std::cmp::Reverse;

use super::block;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::{style, words};
use crate::gpus::words as words_of;
use crate::view::{BackendView, CardView, View};

mod detail;

/// Up to so many cards say each who uses it; of more it is told in sum, so that a full machine fits a screen.
const FEW: usize = 8;

/// Signs of a bar.
const BAR: usize = 10;

/// What stands for "it does not say".
const NOTHING: &str = "-";

/// Every card, then what is wrong with all of them.
pub(super) fn gpus(view: &View, width: usize, lines: &mut Vec<String>) {
    let gpus = &view.gpus;
    let before = lines.len();
    if !gpus.cards.is_empty() {
        cards(view, width, lines);
    }
    detail::machine(view, width, lines);
    backends(view, width, lines);
    if lines.len() > before {
        lines.insert(before, String::new());
    }
}

fn cards(view: &View, width: usize, lines: &mut Vec<String>) {
    let mut grid = Grid::new([
        Column::fixed("STATE"),
        Column::flexible("GPU", 8),
        Column::fixed("").goes(1),
        Column::fixed("VRAM"),
        Column::fixed("TEMP").goes(4),
        Column::fixed("POWER").goes(3),
        Column::fixed("BUSY").goes(2),
    ]);
    let mut cards: Vec<&CardView> = view.gpus.cards.iter().collect();
    cards.sort_by_key(|card| Reverse(card.health()));
    for card in &cards {
        grid.push(row(card));
    }
    grid.drop_columns_of(NOTHING);
    grid.drop_columns_to_fit(width);
    let (head, rows) = grid.lines(width, style::BOLD);
    lines.push(head);
    let few = cards.len() <= FEW;
    for (row, card) in rows.into_iter().zip(cards) {
        lines.push(row);
        detail::card(view, card, few, width, lines);
    }
    if !few {
        detail::users_in_sum(&view.gpus.cards, width, lines);
    }
}

fn row(card: &CardView) -> Vec<Cell> {
    let told = &card.told;
    let health = card.health();
    let state = told.fault.as_ref().map_or(health.name(), |fault| words_of::fault(fault).name);
    let index = told.index.map(|index| index.to_string());
    let name: Vec<String> =
        index.into_iter().chain([words_of::short(told).to_owned()]).filter(|text| !text.is_empty()).collect();
    let name = if name.is_empty() { told.uuid.clone() } else { name.join(" ") };
    let or_nothing = |text: Option<String>| Cell::new(text.as_deref().unwrap_or(NOTHING));
    let used = told.memory_used_bytes.zip(told.memory_total_bytes);
    let memory = match (told.memory_used_bytes, told.memory_total_bytes) {
        (Some(used), Some(total)) => Some(format!("{}/{} GiB", words::gib(used), words::gib(total))),
        (Some(used), None) => Some(words::bytes(used)),
        (None, Some(total)) => Some(format!("?/{} GiB", words::gib(total))),
        (None, None) => (told.shared_memory == Some(true)).then(|| "the machine's".to_owned()),
    };
    let power = match (told.power_watts, told.power_limit_watts) {
        (Some(now), Some(limit)) => Some(format!("{now:.0}/{limit:.0} W")),
        (now, _) => now.map(|now| format!("{now:.0} W")),
    };
    vec![
        Cell::styled(state, style::health(health)),
        Cell::styled(&name, style::BOLD),
        or_nothing(used.and_then(|(used, total)| bar(used, total))),
        or_nothing(memory),
        or_nothing(told.celsius().map(|degrees| format!("{degrees:.0} °C"))),
        or_nothing(power),
        or_nothing(told.utilization_ratio.map(words::percent)),
    ]
}

/// `[####------]`: full only if it is, empty only if it is.
fn bar(used: u64, total: u64) -> Option<String> {
    let part = (total > 0).then(|| used as f64 / total as f64)?;
    let signs = (part * BAR as f64).round() as usize;
    let signs = match signs {
        0 if used > 0 => 1,
        BAR.. if used < total => BAR - 1,
        signs => signs.min(BAR),
    };
    Some(format!("[{}{}]", "#".repeat(signs), "-".repeat(BAR - signs)))
}

/// What cannot be read. A machine without GPUs is told in one calm line.
fn backends(view: &View, width: usize, lines: &mut Vec<String>) {
    let (absent, failed): (Vec<_>, Vec<_>) =
        view.gpus.backends.iter().filter(|backend| !backend.up).partition(|backend| has_no_driver(backend));
    for backend in &failed {
        let what = format!("the GPUs cannot be read by {}: {}", backend.name, why(backend));
        lines.extend(block(style::WARNING, "", &what, width));
    }
    if !view.gpus.cards.is_empty() || !failed.is_empty() || view.gpus.backends.is_empty() {
        return;
    }
    let none = match absent[..] {
        [] => "no GPU on this machine".to_owned(),
        [one] => format!("no GPU: {}", why(one)),
        _ => {
            let names: Vec<&str> = absent.iter().map(|backend| backend.name.as_str()).collect();
            format!("no GPU: no driver for one on this machine (looked for {})", names.join(", "))
        }
    };
    lines.extend(block(style::DIM, "", &none, width));
}

fn why(backend: &BackendView) -> &str {
    backend.error.as_deref().or(backend.reason.as_deref()).unwrap_or("no reason told")
}

/// Whether nothing of that driver is there, as on any machine without such a card.
fn has_no_driver(backend: &BackendView) -> bool {
    backend.reason.as_deref() == Some("no_driver")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_or_empty_only_if_the_memory_is() {
        let bars = [(0, "[----------]"), (1, "[#---------]"), (460, "[#####-----]"), (999, "[#########-]")];
        for (used, wanted) in bars {
            assert_eq!(bar(used, 1000).as_deref(), Some(wanted));
        }
        assert_eq!(bar(1000, 1000).as_deref(), Some("[##########]"));
        assert_eq!(bar(2000, 1000).as_deref(), Some("[##########]"));
        assert_eq!(bar(1, 0), None);
    }
}
