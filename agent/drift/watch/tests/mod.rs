use super::*;
use crate::drift::look::Look;
use crate::drift::{Cause, Judged, Severity, Stream, Wants, What};
use crate::sample::Fact;

mod alarms;
mod asked;
mod dated;
mod edits;
mod finding;
mod growing;
mod hard;
mod kept;
mod looks;
mod model;
mod others;
mod prompts;
mod texts;

use asked::suite;
use model::Model;

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

/// A watch that learned by itself, and the runs that it saw.
fn grown(model: &mut Model, runs: usize) -> Watch {
    let mut watch = Watch::new(Plan::new("gpu1", "qwen3:8b", std::time::Duration::from_secs(300)));
    (0..runs).for_each(|_| drop(watch.observe(&model.beat(), &suite())));
    watch
}
