//! The view as a table for a terminal: what fares how, why, and what to do. Pure; all times are told
//! from the moment the view was made.

use anstyle::Style;

use super::grid::{Cell, Column, Grid};
use super::{style, text, words};
use crate::view::{Health, View};

mod canary;
mod gpu;
mod host;
mod summary;
mod target;
mod traffic;

/// Places that discovery tried which are shown when it found nothing.
const SHOWN_PLACES: usize = 12;

/// Faults of a refused config which are shown; the agent's page and log have all.
const SHOWN_FAULTS: usize = 5;

/// An agent that was asked and did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its address, fit to be shown.
    pub agent: String,
    /// Why, in a clause.
    pub why: String,
}

/// How all that was asked about fares. An agent that does not answer is a thing not known.
pub fn health(view: &View, lost: &[Lost]) -> Health {
    if lost.is_empty() { view.health() } else { view.health().max(Health::Unknown) }
}

/// The table, with styles; no line is wider than `width` columns.
pub fn render(view: &View, lost: &[Lost], width: usize) -> String {
    let mut lines = summary::lines(view, lost, width);
    if view.agent.demo {
        lines.extend(block(style::WARNING, "DEMO: ", "nothing below is real (opsagent run --demo)", width));
    }
    for agent in lost {
        let what = format!("{} does not answer: {}", agent.agent, agent.why);
        lines.extend(block(style::WARNING, "no view: ", &what, width));
    }
    refused_config(view, width, &mut lines);
    lines.push(String::new());
    if view.targets.is_empty() {
        nothing(view, width, &mut lines);
    } else {
        target::table(view, width, &mut lines);
    }
    gpu::gpus(view, width, &mut lines);
    host::hosts(view, width, &mut lines);
    lines.push(String::new());
    lines.join("\n")
}

/// A sentence on as many lines as it takes, the first begun by a word, the others indented as far.
fn block(looks: Style, begin: &str, sentence: &str, width: usize) -> Vec<String> {
    // On the narrowest of terminals an indented text would be a column of letters.
    let indent = if width >= text::width(begin) + 20 { text::width(begin) } else { 2.min(width / 2) };
    let sentence = text::clean(sentence);
    let whole = text::wrap(&sentence, width.saturating_sub(indent));
    let fits = text::width(begin) <= indent;
    let mut lines =
        if fits { Vec::new() } else { vec![format!("{looks}{}{looks:#}", text::fit(begin, width))] };
    for (nth, line) in whole.iter().enumerate() {
        let begin = if nth == 0 && fits { begin.to_owned() } else { " ".repeat(indent) };
        lines.push(format!("{looks}{begin}{line}{looks:#}"));
    }
    lines
}

fn refused_config(view: &View, width: usize, lines: &mut Vec<String>) {
    let agent = &view.agent;
    if agent.config_ok {
        return;
    }
    let kept = words::ago(agent.config_at, view.at);
    let what = format!("the last reload of the config was refused; the one read {kept} holds");
    lines.extend(block(style::WARNING, "warning: ", &what, width));
    for fault in agent.config_errors.iter().take(SHOWN_FAULTS) {
        lines.extend(block(style::PLAIN, "  ", fault, width));
    }
    if let Some(more) = more(agent.config_errors.len(), SHOWN_FAULTS) {
        lines.extend(block(style::DIM, "  ", &format!("and {more} more"), width));
    }
}

/// Says what was tried, and how to go on.
fn nothing(view: &View, width: usize, lines: &mut Vec<String>) {
    let tried = &view.discovery.tried;
    if view.discovery.enabled && !tried.is_empty() {
        lines.push(text::fit("Looked for servers on this machine at:", width));
        let mut grid =
            Grid::new([Column::flexible("", 15), Column::flexible("", 12), Column::flexible("", 12)]);
        for place in tried.iter().take(SHOWN_PLACES) {
            grid.push([&place.address, &place.outcome, &place.why].map(|text| Cell::new(text)).into());
        }
        let (_, rows) = grid.lines(width.saturating_sub(2), style::PLAIN);
        lines.extend(rows.into_iter().map(|row| format!("  {row}")));
        if let Some(more) = more(tried.len(), SHOWN_PLACES) {
            lines.extend(block(style::DIM, "  ", &format!("and {more} more places"), width));
        }
    } else if view.discovery.enabled {
        lines.extend(block(style::PLAIN, "", "It was not looked for servers yet.", width));
    } else {
        lines.extend(block(style::PLAIN, "", "The config names none, and discovery is off.", width));
    }
    for how in [
        "Start a server on this machine: it is found by itself;",
        "or name one: opsagent config > opsagent.toml, edit it, opsagent run --config opsagent.toml;",
        "or see what it would look like: opsagent run --demo",
    ] {
        lines.extend(block(style::PLAIN, "- ", how, width));
    }
}

/// How many are not shown.
fn more(all: usize, shown: usize) -> Option<usize> {
    all.checked_sub(shown).filter(|more| *more > 0)
}
