//! What is said of a baseline that was made just now: what it is of, what it leaves out, what it lets be found. Pure.

use crate::drift::{Baseline, Record, Report};

/// The head of each line, and the line.
pub(super) fn told(name: &str, made: &Baseline, report: &Report) -> Vec<(&'static str, String)> {
    let mut all = vec![("captured", format!("{name}: baseline {} of {} runs", made.number, made.runs))];
    let of = |is: fn(&Record) -> bool| -> Vec<&str> {
        made.checks.iter().filter(|(_, record)| is(record)).map(|(canary, _)| canary.as_str()).collect()
    };
    let (stable, unstable) = (of(Record::is_stable), of(Record::is_unstable));
    if !stable.is_empty() || !unstable.is_empty() {
        let (watched, all_of) = (stable.len(), stable.len() + unstable.len());
        all.push(("checks", format!("{watched} of {all_of} pass reliably, and are watched")));
    }
    if !unstable.is_empty() {
        all.push(("not watched", format!("passed too seldom: {}", unstable.join(", "))));
    }
    all.extend(report.unwatched.iter().map(|said| ("not watched", said.clone())));
    all.extend(made.weak.iter().map(|weak| ("weak", weak.clone())));
    let finds = report.capabilities.iter().enumerate();
    all.extend(finds.map(|(nth, can)| (if nth == 0 { "finds" } else { "" }, can.said())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Capability;

    #[test]
    fn what_is_not_watched_and_what_can_be_found_is_told() {
        let mut made = Baseline { number: 2, runs: 20, weak: vec!["few".into()], ..Baseline::default() };
        for (canary, passed) in [("ar1", 6), ("js2", 1)] {
            let category = "c".to_owned();
            made.checks.insert(canary.into(), Record { category, asked: 6, passed });
        }
        let can = |change: &str, runs| Capability { change: change.into(), runs, note: None };
        let report = Report {
            unwatched: vec!["lc3, p3: the prompt is longer than the context of a slot".into()],
            capabilities: vec![can("other weights", Some(11)), can("images", None)],
            ..Report::default()
        };
        let told = told("box/m", &made, &report);
        let told: Vec<String> = told.into_iter().map(|(head, said)| format!("{head}|{said}")).collect();
        assert_eq!(
            told,
            [
                "captured|box/m: baseline 2 of 20 runs",
                "checks|1 of 2 pass reliably, and are watched",
                "not watched|passed too seldom: js2",
                "not watched|lc3, p3: the prompt is longer than the context of a slot",
                "weak|few",
                "finds|other weights: within 11 runs",
                "|images: not found",
            ]
        );
    }
}
