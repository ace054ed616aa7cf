//! Each answer beside its checks. Pure.

use std::collections::BTreeMap;

use crate::checks::{self, Outcome};
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::{style, text};
use crate::drift::Proportion;
use crate::sample::{Answer, AskError, Part, Reply};
use crate::suite::{OWN, Suite};

/// Lines shown of one whole answer, and letters of each line.
const SHOWN_LINES: usize = 40;

/// How far the reason stands in.
const INDENT: usize = 8;

/// A canary, as it was answered in all runs of the command.
#[derive(Debug)]
pub(super) struct Graded<'a> {
    pub(super) canary: &'a str,
    pub(super) category: &'static str,
    /// Answers that passed every check, and all that could be judged.
    pub(super) passed: u64,
    pub(super) asked: u64,
    /// The last answer with what came of its checks, or why there is none.
    pub(super) last: Result<(&'a Reply, Vec<Outcome>), &'a AskError>,
}

impl Graded<'_> {
    /// Why it fails, if it does: the first check that fails, or why there is no answer.
    pub(super) fn why(&self) -> Option<String> {
        match &self.last {
            Ok((_, outcomes)) => outcomes.iter().find_map(|outcome| outcome.failed.clone()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn word(&self) -> (&'static str, anstyle::Style) {
        match &self.last {
            Err(_) => ("none", style::CRITICAL),
            Ok(_) if self.why().is_some() => ("FAIL", style::WARNING),
            Ok((_, outcomes)) if outcomes.is_empty() => ("-", style::DIM),
            Ok(_) => ("ok", style::PLAIN),
        }
    }
}

/// The whole answers, in the suite's order.
pub(super) fn graded<'a>(answers: impl Iterator<Item = &'a Answer>, suite: &'a Suite) -> Vec<Graded<'a>> {
    let mut of: BTreeMap<&str, Vec<&Answer>> = BTreeMap::new();
    for answer in answers.filter(|answer| answer.part == Part::Graded) {
        of.entry(&answer.canary).or_default().push(answer);
    }
    let judged = suite.canaries.iter().filter_map(|canary| {
        let answers = of.get(canary.id.as_str())?;
        let outcomes = |reply: &Reply| checks::all(&canary.checks, &reply.text);
        let replies: Vec<&Reply> = answers.iter().filter_map(|answer| answer.result.as_ref().ok()).collect();
        let passes = |reply: &&&Reply| outcomes(reply).iter().all(|outcome| outcome.failed.is_none());
        let last = match &answers.last()?.result {
            Ok(reply) => Ok((reply, outcomes(reply))),
            Err(error) => Err(error),
        };
        Some(Graded {
            canary: &canary.id,
            category: canary.category,
            passed: replies.iter().filter(passes).count() as u64,
            asked: replies.len() as u64,
            last,
        })
    });
    judged.collect()
}

/// Passes by category, in the suite's order; with one more run each canary counts once more.
pub(super) fn categories(graded: &[Graded<'_>]) -> Vec<(&'static str, Proportion)> {
    let mut sums: Vec<(&'static str, u64, u64)> = Vec::new();
    for one in graded {
        match sums.iter_mut().find(|(category, ..)| *category == one.category) {
            Some((_, passed, asked)) => (*passed, *asked) = (*passed + one.passed, *asked + one.asked),
            None => sums.push((one.category, one.passed, one.asked)),
        }
    }
    sums.into_iter().map(|(category, passed, asked)| (category, Proportion::new(passed, asked))).collect()
}

/// Whole answers that passed their checks, and all, of canaries that have checks.
pub(super) fn passed(graded: &[Graded<'_>]) -> Proportion {
    let checked = |one: &&Graded<'_>| !matches!(&one.last, Ok((_, outcomes)) if outcomes.is_empty());
    let sum = graded.iter().filter(checked).fold((0, 0), |sum, one| (sum.0 + one.passed, sum.1 + one.asked));
    Proportion::new(sum.0, sum.1)
}

/// Whether a canary of the config's own fails: those have somebody's word that a good model passes.
pub(super) fn own_fails(graded: &[Graded<'_>]) -> bool {
    graded.iter().any(|one| one.category == OWN && one.why().is_some())
}

/// The table of answers; `whole`: each answer whole below its line.
pub(super) fn lines(graded: &[Graded<'_>], whole: bool, width: usize) -> Vec<String> {
    let mut grid =
        Grid::new([Column::fixed("CHECKS"), Column::fixed("CANARY"), Column::flexible("ANSWER", 16)]);
    for one in graded {
        let (word, looks) = one.word();
        let answer = match &one.last {
            Ok((reply, _)) if reply.text.trim().is_empty() => "(nothing)".to_owned(),
            Ok((reply, _)) => text::clean(reply.text.trim()),
            Err(_) => String::new(),
        };
        let times = if one.asked > 1 { format!(" ({} of {})", one.passed, one.asked) } else { String::new() };
        grid.push(vec![
            Cell::styled(&format!("{word}{times}"), looks),
            Cell::new(&format!("{}/{}", one.category, one.canary)),
            Cell::styled(&answer, style::DIM),
        ]);
    }
    let (head, rows) = grid.lines(width, style::BOLD);
    let mut lines = vec![head];
    for (row, one) in rows.into_iter().zip(graded) {
        lines.push(row);
        if let Some(why) = one.why() {
            let why = text::wrap(&text::clean(&why), width.saturating_sub(INDENT).max(1));
            lines.extend(why.into_iter().map(|line| format!("{}{line}", " ".repeat(INDENT.min(width / 2)))));
        }
        if let (true, Ok((reply, _))) = (whole, &one.last) {
            lines.extend(answer(&reply.text, width));
        }
    }
    lines
}

/// A whole answer with its own lines, harmless.
fn answer(whole: &str, width: usize) -> Vec<String> {
    let mut shown = Vec::new();
    for line in whole.lines() {
        shown.extend(text::wrap(&text::clean(line), width.saturating_sub(6)));
        if shown.len() > SHOWN_LINES {
            shown.truncate(SHOWN_LINES);
            shown.push("…".to_owned());
            break;
        }
    }
    shown.into_iter().map(|line| format!("    {}| {line}{:#}", style::DIM, style::DIM)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{Dialect, End, Generation};

    fn answer(canary: &str, result: Result<&str, AskError>) -> Answer {
        let generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(100));
        let reply = |text: &str| Reply {
            text: text.into(),
            positions: Vec::new(),
            sampler: Vec::new(),
            generation: generation.clone(),
        };
        Answer { canary: canary.into(), part: Part::Graded, result: result.map(reply) }
    }

    #[test]
    fn each_answer_stands_beside_what_came_of_its_checks() {
        let suite = Suite::builtin();
        let answers = [
            answer("cl1", Ok("Positive")),
            answer("js1", Ok("sure!\u{1b}[2J here it comes")),
            answer("ml1", Err(AskError::Empty)),
        ];
        let graded = graded(answers.iter(), &suite);
        assert_eq!(graded.len(), 3);
        let js1 = graded.iter().find(|one| one.canary == "js1").unwrap();
        assert!(js1.why().is_some() && js1.passed == 0 && js1.asked == 1);
        for width in [40, 80, 120] {
            let lines = lines(&graded, false, width).join("\n");
            let plain = anstream::adapter::strip_str(&lines).to_string();
            assert!(plain.lines().all(|line| text::width(line) <= width), "{plain}");
            assert!(!plain.contains('\u{1b}') && plain.contains("js1"), "{plain}");
        }
        let categories = categories(&graded);
        let json = categories.iter().find(|(category, _)| *category == "json").unwrap().1;
        assert_eq!((json.of, json.all), (0, 1));
        let none = categories.iter().find(|(category, _)| *category == "multilingual").unwrap().1;
        assert_eq!(none.all, 0, "no answer is not a wrong one");
    }

    #[test]
    fn a_whole_answer_keeps_its_lines_and_has_an_end() {
        let suite = Suite::builtin();
        let answers = [answer("cl1", Ok(&"line\n".repeat(500)))];
        let lines = lines(&graded(answers.iter(), &suite), true, 80);
        assert!(lines.len() < 50 && lines.last().unwrap().contains('…'));
    }
}
