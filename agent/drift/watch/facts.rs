//! What the server tells of itself and the model: a change is an event. A fact that is not told is no change.

use jiff::Timestamp;

use crate::drift::seen::{Event, What};
use crate::drift::{Change, Plan};
use crate::sample::Facts;

/// Compares what a run told with what was told before, and takes it in. One event a fact that is another now.
pub(super) fn told(known: &mut Facts, run: &Facts, at: Timestamp, plan: &Plan) -> Vec<Event> {
    let mut events = Vec::new();
    for (fact, to) in &run.of {
        let from = known.of.insert(*fact, to.clone());
        let Some(from) = from.filter(|from| from != to) else { continue };
        let text = format!("{}: {} changed: {from} -> {to}", plan.name(), fact.name());
        let change = Change { fact: *fact, from: Some(from), to: Some(to.clone()), at };
        events.push(Event { at, what: What::Changed(change), text });
    }
    known.notes.clone_from(&run.notes);
    events
}

/// The facts that differ, each since when it was first seen to.
pub(super) fn differences(baseline: &Facts, told: &Facts, before: &[Change], at: Timestamp) -> Vec<Change> {
    let one = |(fact, from): (&crate::sample::Fact, &String)| {
        let to = told.of.get(fact).filter(|to| *to != from)?;
        let earlier = before.iter().find(|change| change.fact == *fact && change.to.as_ref() == Some(to));
        Some(Change {
            fact: *fact,
            from: Some(from.clone()),
            to: Some(to.clone()),
            at: earlier.map_or(at, |change| change.at),
        })
    };
    baseline.of.iter().filter_map(one).collect()
}
