//! What a run says in the end: passes by category, speed, distance, verdict. Pure.

use jiff::Timestamp;

use super::answers::{self, Graded};
use super::outcome::{Outcome, Standing};
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::kept::Compared;
use crate::cli::{style, text};
use crate::drift::{CategoryResult, Report, Verdict};
use crate::view::canary_words::{self, nats};
use crate::view::traffic_words::{number, seconds};

/// Lines of explanation shown.
const SHOWN_WORDS: usize = 12;

/// What each head is filled up to.
const HEAD: usize = 11;

/// All of it, no line wider than `width`.
pub(super) fn lines(
    outcome: &Outcome<'_>,
    graded: &[Graded<'_>],
    now: Timestamp,
    width: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !graded.is_empty() {
        lines.extend(categories(outcome, graded, width));
        lines.push(String::new());
    }
    let mut say = |head: &str, looks, sentence: &str| lines.extend(said(head, looks, sentence, width));
    say("speed", style::PLAIN, &speed(outcome));
    match &outcome.standing {
        Standing::None { why } => say("baseline", style::PLAIN, why),
        Standing::Compared(Compared { report, exceeding, runs: compared, .. }) => {
            if let Some(baseline) = &report.baseline {
                say("baseline", style::PLAIN, &baseline.said(now));
            }
            if let Some(distance) = distance(report) {
                say("distance", style::PLAIN, &distance);
            }
            if *compared > 0 {
                let runs = if *compared == 1 { "run" } else { "runs" };
                say("runs", style::PLAIN, &format!("{exceeding} of {compared} {runs} beyond the baseline"));
            }
        }
    }
    for (looks, sentence) in verdict(outcome, now) {
        say("verdict", looks, &sentence);
    }
    if let Standing::Compared(Compared { report, .. }) = &outcome.standing {
        if report.is_moved() {
            for sentence in report.words.iter().take(SHOWN_WORDS) {
                say("", style::PLAIN, sentence);
            }
        }
        // Of what moved the words tell it.
        let unwatched = report.unwatched.iter().filter(|_| !report.is_moved());
        for sentence in unwatched.take(SHOWN_WORDS) {
            say("unwatched", style::DIM, sentence);
        }
        if !report.is_moved() && (report.verdict == Verdict::Learning || outcome.saved.is_some()) {
            for capability in report.capabilities.iter().take(SHOWN_WORDS) {
                say("", style::DIM, &capability.said());
            }
        }
    }
    if let Some(saved) = &outcome.saved {
        say("saved", style::PLAIN, saved);
    }
    lines
}

/// `head       sentence`, on as many lines as it takes.
fn said(head: &str, looks: anstyle::Style, sentence: &str, width: usize) -> Vec<String> {
    let indent = if width >= HEAD + 20 { HEAD } else { 2 };
    let mut lines = Vec::new();
    for (nth, line) in
        text::wrap(&text::clean(sentence), width.saturating_sub(indent)).into_iter().enumerate()
    {
        let begin = if nth == 0 && indent == HEAD { format!("{head:<HEAD$}") } else { " ".repeat(indent) };
        lines.push(format!("{}{begin}{:#}{looks}{line}{looks:#}", style::BOLD, style::BOLD));
    }
    if indent != HEAD && !head.is_empty() {
        lines.insert(0, format!("{}{}{:#}", style::BOLD, text::fit(head, width), style::BOLD));
    }
    lines
}

fn categories(outcome: &Outcome<'_>, graded: &[Graded<'_>], width: usize) -> Vec<String> {
    let mut grid = Grid::new([
        Column::flexible("CATEGORY", 12),
        Column::fixed("PASSED"),
        Column::fixed("95 % INTERVAL").goes(1),
        Column::fixed("BASELINE").goes(2),
    ]);
    let report = match &outcome.standing {
        Standing::Compared(Compared { report, .. }) => Some(report),
        Standing::None { .. } => None,
    };
    let all = answers::categories(graded);
    let (of, asked) = all.iter().fold((0, 0), |sum, (_, passed)| (sum.0 + passed.of, sum.1 + passed.all));
    for (category, passed) in &all {
        let known =
            report.and_then(|report| report.categories.iter().find(|known| known.category == *category));
        let baseline = known.and_then(|known| known.baseline);
        // Against what was passed before, the answers of this command alone.
        let now = CategoryResult { category: (*category).to_owned(), passed: *passed, baseline };
        let (baseline, worse) = (baseline.and_then(|baseline| baseline.ratio()), now.is_worse());
        let looks = if worse { style::WARNING } else { style::PLAIN };
        let asked = passed.all > 0;
        grid.push(vec![
            Cell::new(category),
            Cell::styled(&if asked { passed.said() } else { "no answer".into() }, looks),
            Cell::new(&if asked { passed.interval() } else { String::new() }),
            Cell::new(&baseline.map(crate::cli::words::percent).unwrap_or_default()),
        ]);
    }
    let whole = crate::drift::Proportion::new(of, asked);
    grid.push(vec![
        Cell::styled("all", style::BOLD),
        Cell::new(&whole.said()),
        Cell::new(&whole.interval()),
        Cell::default(),
    ]);
    grid.drop_columns_of("");
    grid.drop_columns_to_fit(width);
    let (head, rows) = grid.lines(width, style::BOLD);
    std::iter::once(head).chain(rows).collect()
}

fn speed(outcome: &Outcome<'_>) -> String {
    let first = outcome.speed.time_to_first_token_seconds.map(|time| format!("TTFT {}", seconds(time)));
    let rate = outcome.speed.tokens_per_second.map(|rate| format!("{} tokens/s", number(rate)));
    let parts: Vec<String> = first.into_iter().chain(rate).collect();
    let busy = if outcome.busy { "; the server also worked for others" } else { "" };
    let spent = format!("{} prompt and {} completion tokens", outcome.spent.prompt, outcome.spent.completion);
    if parts.is_empty() {
        return format!("not measured ({spent})");
    }
    format!("{} (medians; {spent}{busy})", parts.join(", "))
}

/// `KLD 0.22 nat; p0 0.68, chat 0.83 nat`.
fn distance(report: &Report) -> Option<String> {
    let kld = report.kld.map(|kld| format!("KLD equivalent {} nat", nats(kld)));
    let probes: Vec<String> =
        report.distances.iter().map(|(probe, far)| format!("{} {}", probe.name(), nats(*far))).collect();
    let texts = report
        .text_match_ratio
        .map(|ratio| format!("{} of the texts as known", crate::cli::words::percent(ratio)));
    let flips =
        report.confident_flips.filter(|flips| *flips > 0).map(|flips| format!("{flips} confident flips"));
    let probes = (!probes.is_empty()).then(|| format!("probes {} nat", probes.join(", ")));
    let parts: Vec<String> = [kld, probes, texts, flips].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn verdict(outcome: &Outcome<'_>, now: Timestamp) -> Vec<(anstyle::Style, String)> {
    let looks = match outcome.code {
        0 => anstyle::AnsiColor::Green.on_default(),
        1 => style::WARNING,
        _ => style::CRITICAL,
    };
    let mut all = Vec::new();
    match &outcome.standing {
        Standing::Compared(Compared { report, exceeding, sure: true, .. }) if report.alarms.is_empty() => {
            let cause = report.cause.map(|cause| format!(", most likely {}", canary_words::cause(cause)));
            let cause = cause.unwrap_or_default();
            all.push((
                looks,
                format!("drifted: all {exceeding} looks are beyond the baseline, which is no chance{cause}"),
            ));
        }
        Standing::Compared(Compared { report, exceeding, .. }) => {
            let because = report.because().filter(|_| !report.is_explained());
            let because = because.map(|because| format!(": {because}")).unwrap_or_default();
            let words = match report.verdict {
                Verdict::Steady if *exceeding == 0 => "answers as it did".to_owned(),
                Verdict::Steady => "moved, by one look; not enough to be sure".to_owned(),
                _ => format!("{}{because}", report.verdict_said(now)),
            };
            all.push((looks, words));
        }
        Standing::None { .. } if outcome.code == 0 => {
            all.push((
                looks,
                "answers; nothing to compare with, so whether it moved is not known".to_owned(),
            ));
        }
        Standing::None { .. } if outcome.nothing_is_right() => {
            let words =
                format!("answers, and none of {} answers is right: see each above", outcome.passed.all);
            all.push((style::CRITICAL, words));
        }
        Standing::None { .. } => {}
    }
    if outcome.own_fails {
        all.push((style::WARNING, "canaries of the config fail".to_owned()));
    }
    for (bad, words) in outcome.silence.words() {
        all.push((if bad { style::CRITICAL } else { style::WARNING }, words));
    }
    all
}
