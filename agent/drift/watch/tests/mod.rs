use super::*;
use crate::drift::{Cause, Severity};

mod model;

use model::{Model, suite};

/// A watch that saw so many runs of the model, and a baseline captured of them.
fn captured(model: &mut Model, runs: usize) -> Watch {
    let suite = suite();
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    let runs: Vec<Run> = (0..runs).map(|_| model.beat()).collect();
    watch.capture(&runs, &suite, model.at).unwrap();
    watch
}

/// Runs until an alarm, and the report then.
fn until_alarm(watch: &mut Watch, model: &mut Model, most: u64) -> Option<(u64, Report)> {
    let suite = suite();
    for run in 1..=most {
        watch.observe(&model.beat(), &suite);
        let report = watch.report(model.at);
        if !report.alarms.is_empty() {
            return Some((run, report));
        }
    }
    None
}

#[test]
fn other_weights_are_found_in_four_runs_after_three_hundred_and_twelve_after_twenty() {
    for (before, after) in [(300, 4), (20, 12)] {
        let mut model = Model::new();
        let mut watch = captured(&mut model, before);
        model.weights = 0.8;
        let (runs, report) = until_alarm(&mut watch, &mut model, 20).unwrap();
        assert_eq!(runs, after, "after {before}");
        assert_eq!((report.cause, report.severity), (Some(Cause::Weights), Some(Severity::Critical)));
        assert_eq!(report.verdict, Verdict::Drifting);
        assert_eq!(report.alarms[0].runs, after);
    }
}
