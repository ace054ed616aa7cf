//! What models said in the runs of the past, where the config lets the text be stored.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::baseline::which;
use crate::cli::failure::Failure;
use crate::cli::{style, text, words};
use crate::store::{Db, StoredRun};

/// Lines shown of one answer.
const MOST_LINES: usize = 40;

/// A run with canary and text of each of its answers that are stored.
pub(super) struct Said<'a> {
    run: &'a StoredRun,
    answers: Vec<(String, String)>,
}

/// The stored answers of these runs; runs without any are left out.
///
/// # Errors
/// The store cannot be read.
pub(super) fn of<'a>(db: &Db, runs: &'a [StoredRun]) -> Result<Vec<Said<'a>>, Failure> {
    let mut all = Vec::new();
    for run in runs {
        let answers = db.answers(run.id).map_err(which::failed)?;
        if !answers.is_empty() {
            all.push(Said { run, answers });
        }
    }
    Ok(all)
}

/// The answers of a run as JSON; `run` is its id among the runs.
pub(super) fn json(said: &Said<'_>) -> Value {
    let answers = said.answers.iter();
    let answers: Vec<Value> =
        answers.map(|(canary, text)| json!({ "canary": canary, "text": text })).collect();
    json!({ "run": said.run.id, "answers": answers })
}

/// As a person reads them: a line for each run, below it each answer with its own lines.
pub(super) fn lines(all: &[Said<'_>], now: Timestamp, width: usize) -> Vec<String> {
    if all.is_empty() {
        let none = "no answer of these runs is stored: store_answers under [canaries] says for how long the text of \
                    answers is kept, and by default none is";
        return text::wrap(none, width.max(20));
    }
    let mut lines = Vec::new();
    for said in all {
        let run = &said.run.run;
        let name = format!("{}/{}", said.run.key.target, said.run.key.model);
        let head = format!("{}  {name}  {}: {}", words::ago(run.at, now), run.purpose, run.result);
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let head = text::fit(&text::clean(&head), width);
        lines.push(format!("{}{head}{:#}", style::BOLD, style::BOLD));
        for (canary, answer) in &said.answers {
            lines.push(text::fit(&format!("  {}", text::clean(canary)), width));
            lines.extend(whole(answer, width));
        }
    }
    lines
}

/// An answer with its own lines, harmless.
fn whole(answer: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(6).max(1);
    let own = answer.lines().flat_map(|line| {
        let wrapped = text::wrap(&text::clean(line), room);
        if wrapped.is_empty() { vec![String::new()] } else { wrapped }
    });
    let mut shown: Vec<String> = own.take(MOST_LINES + 1).collect();
    if shown.is_empty() {
        shown.push("(nothing)".to_owned());
    }
    if shown.len() > MOST_LINES {
        shown.truncate(MOST_LINES);
        shown.push("…".to_owned());
    }
    shown.into_iter().map(|line| format!("    {}| {line}{:#}", style::DIM, style::DIM)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Key, RunRecord};

    fn run() -> StoredRun {
        let record = RunRecord { purpose: "beat".into(), result: "ok".into(), ..RunRecord::default() };
        StoredRun { id: 7, key: Key::new("box", "qwen3:8b"), run: record }
    }

    #[test]
    fn answers_stand_below_their_run_and_fit_the_screen_and_cannot_steer_it() {
        let run = run();
        let answers = vec![
            ("ar1".to_owned(), "42".to_owned()),
            ("js1".to_owned(), format!("{{\u{1b}[2J\n\n  {}", "word ".repeat(60))),
            ("dg1".to_owned(), "line\n".repeat(500)),
            ("op1".to_owned(), String::new()),
        ];
        let all = [Said { run: &run, answers }];
        for width in [40, 80, 120] {
            let shown = lines(&all, Timestamp::from_second(7200).unwrap(), width).join("\n");
            let plain = anstream::adapter::strip_str(&shown).to_string();
            assert!(plain.lines().all(|line| text::width(line) <= width), "{plain}");
            assert!(
                plain.starts_with("2 h ago  box/qwen3:8b  beat: ok\n  ar1\n    | 42\n  js1\n"),
                "{plain}"
            );
            assert!(
                !plain.contains('\u{1b}') && plain.contains("    | …\n  op1\n    | (nothing)"),
                "{plain}"
            );
            assert!(plain.lines().count() < 70, "{plain}");
        }
        assert_eq!(json(&all[0])["answers"][0], json!({ "canary": "ar1", "text": "42" }));
        assert!(lines(&[], Timestamp::UNIX_EPOCH, 80)[0].contains("store_answers"));
    }
}
