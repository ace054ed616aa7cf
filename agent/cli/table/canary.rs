//! The canaries of a target: a line a model; more only for what moved.

use anstyle::Style;

use super::{block, more};
use crate::cli::{style, text};
use crate::drift::Verdict;
use crate::view::{CanaryView, Health, TargetView, View};

/// Models shown of one target, the worst first.
const SHOWN: usize = 8;

/// Lines of explanation shown of a model that moved.
const SHOWN_WORDS: usize = 8;

/// How long such a line may be: what is longer was written to fill a screen.
const SENTENCE: usize = 400;

/// What the lines begin with: as wide as those of traffic.
const INDENT: usize = 11;

/// Those that moved with what the agent says of it, the others in a line each.
pub(super) fn canaries(view: &View, target: &TargetView, width: usize, lines: &mut Vec<String>) {
    let mut all: Vec<&CanaryView> = target.canaries.iter().collect();
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    for canary in all.iter().take(SHOWN) {
        let begin = format!("  {:<pad$}", word(canary), pad = INDENT - 2);
        let said = format!("{} {}", canary.model, canary.said(view.at));
        lines.extend(block(looks(canary), &begin, &text::fit(&text::clean(&said), SENTENCE), width));
        if canary.report.is_moved() {
            sentences(&canary.report.words, style::PLAIN, width, lines);
        }
        sentences(&canary.left_out_words, style::DIM, width, lines);
    }
    if let Some(more) = more(all.len(), SHOWN) {
        lines.extend(block(
            style::DIM,
            "  ",
            &format!("and canaries of {more} more models: see --json"),
            width,
        ));
    }
}

fn sentences(all: &[String], looks: Style, width: usize, lines: &mut Vec<String>) {
    let indent = " ".repeat(INDENT);
    for sentence in all.iter().take(SHOWN_WORDS) {
        let sentence = text::fit(&text::clean(sentence), SENTENCE);
        lines.extend(block(looks, &indent, &sentence, width));
    }
}

/// What the line is about, louder where somebody should read it.
fn word(canary: &CanaryView) -> &'static str {
    match canary.report.verdict {
        Verdict::Drifting => "DRIFT",
        Verdict::Failing => "FAILING",
        Verdict::Learning | Verdict::Steady | Verdict::Suspect => "canary",
    }
}

/// The looks of how a model fares.
pub(in crate::cli) fn looks(canary: &CanaryView) -> Style {
    match canary.report.health() {
        Health::Critical => style::CRITICAL,
        Health::Warning => style::WARNING,
        Health::Ok | Health::Unknown if canary.report.is_moved() => style::PLAIN,
        Health::Ok | Health::Unknown => style::DIM,
    }
}
