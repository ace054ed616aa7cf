//! What counters grew by, added to what was kept before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::fleet::{Counter, Kept};
use crate::store::{Batch, Key, Total};

/// The name under which it is stored since when a target's totals are kept: seconds since 1970.
const SINCE: &str = "since_seconds";

/// The name of the hours in which an agent looked: an hour without it is a gap, and with it what has no value was
/// zero.
const WATCHED: &str = "watched_seconds";

/// Kept totals, and the counters as they stood at the last look.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    totals: BTreeMap<Counter, f64>,
    seen: BTreeMap<Counter, f64>,
    at: Option<Timestamp>,
    /// What the store does not have yet.
    dirty: BTreeSet<Counter>,
}

impl Ledger {
    /// Goes on from what is stored.
    pub(super) fn load(&mut self, totals: Vec<Total>) {
        let of = |total: Total| {
            (Counter { target: total.target, model: total.model, name: total.name }, total.value)
        };
        self.totals = totals.into_iter().map(of).collect();
    }

    /// Another agent keeps them: what grew until now is its own.
    pub(super) fn pass(&mut self, counters: BTreeMap<Counter, f64>, at: Timestamp) {
        (self.seen, self.at) = (counters, Some(at));
    }

    /// Whether any but energy differs from the last look.
    pub(super) fn worked(&self, counters: &BTreeMap<Counter, f64>) -> bool {
        let differs = |(counter, value): (&Counter, &f64)| {
            let is_work = value.is_finite() && !counter.name.ends_with("energy_joules");
            is_work && self.seen.get(counter) != Some(value)
        };
        counters.iter().any(differs)
    }

    /// Adds what grew since the last look, and gives it as values of the hour. A counter that is new, or that fell,
    /// began at zero: all of it is new.
    pub(super) fn look(&mut self, counters: BTreeMap<Counter, f64>, at: Timestamp) -> Batch {
        let mut batch = Batch::new();
        let mut targets = BTreeSet::new();
        for (counter, value) in &counters {
            if !value.is_finite() || *value < 0.0 {
                continue;
            }
            targets.insert(&counter.target);
            let was = self.seen.get(counter).copied().unwrap_or(0.0);
            let step = if *value >= was { value - was } else { *value };
            let new = !self.totals.contains_key(counter);
            *self.totals.entry(counter.clone()).or_default() += step;
            if step > 0.0 || new {
                self.dirty.insert(counter.clone());
            }
            if step > 0.0 {
                batch = batch.hour(&key(counter), at, &counter.name, step);
            }
        }
        for target in targets {
            let since = Counter { target: target.clone(), model: None, name: SINCE.into() };
            if !self.totals.contains_key(&since) {
                let from = self.at.unwrap_or(at).as_second() as f64;
                self.totals.insert(since.clone(), from);
                self.dirty.insert(since);
            }
            if let Some(before) = self.at {
                let seconds = at.duration_since(before).as_secs_f64();
                if seconds > 0.0 {
                    batch = batch.hour(&Key::new(target, ""), at, WATCHED, seconds);
                }
            }
        }
        (self.seen, self.at) = (counters, Some(at));
        batch
    }

    /// The totals that the store does not have yet.
    pub(super) fn unwritten(&self, at: Timestamp) -> Batch {
        self.dirty.iter().fold(Batch::new(), |batch, counter| {
            let value = self.totals.get(counter).copied().unwrap_or(f64::NAN);
            let Counter { target, model, name } = counter.clone();
            batch.total(Total { target, model, name, value }, at)
        })
    }

    /// The store has them all.
    pub(super) fn written(&mut self) {
        self.dirty.clear();
    }

    /// To be shown.
    pub(super) fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        for (counter, value) in &self.totals {
            if counter.name == "card_energy_joules" {
                kept.cards.insert(counter.target.clone(), *value);
            }
            if counter.name == SINCE
                && let Ok(since) = Timestamp::from_second(*value as i64)
            {
                kept.targets.entry(counter.target.clone()).or_default().since = since;
            }
        }
        for (counter, value) in &self.totals {
            if let Some(view) = kept.targets.get_mut(&counter.target) {
                view.take(counter.model.as_deref(), &counter.name, *value);
            }
        }
        kept
    }
}

fn key(counter: &Counter) -> Key {
    Key::new(&counter.target, counter.model.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn tokens(value: f64) -> BTreeMap<Counter, f64> {
        let counter =
            Counter { target: "box".into(), model: Some("m".into()), name: "tap_output_tokens".into() };
        BTreeMap::from([(counter, value)])
    }

    fn total(ledger: &Ledger) -> Option<f64> {
        ledger.kept().targets.get("box")?.sources.get("tap")?.output_tokens
    }

    fn stored(value: f64) -> Vec<Total> {
        let one = |model: Option<&str>, name: &str, value| Total {
            target: "box".into(),
            model: model.map(Into::into),
            name: name.into(),
            value,
        };
        vec![one(Some("m"), "tap_output_tokens", value), one(None, SINCE, 7.0)]
    }

    #[test]
    fn steps_are_added_to_what_is_stored_and_a_counter_that_starts_anew_takes_nothing_away() {
        let mut ledger = Ledger::default();
        ledger.load(stored(100.0));
        for (second, value, sum) in
            [(0, 10.0, 110.0), (60, 10.0, 110.0), (120, 25.0, 125.0), (180, 4.0, 129.0)]
        {
            ledger.look(tokens(value), at(second));
            assert_eq!(total(&ledger), Some(sum));
        }
        ledger.look(BTreeMap::new(), at(240));
        assert_eq!(total(&ledger), Some(129.0), "a target that is gone keeps what it had");
        ledger.look(tokens(50.0), at(300));
        assert_eq!(total(&ledger), Some(179.0), "it came back, and its counter began anew");
        ledger.look(tokens(f64::NAN), at(360));
        assert_eq!(total(&ledger), Some(179.0));
        assert_eq!(ledger.kept().targets["box"].since, Timestamp::from_second(7).unwrap());
    }

    #[test]
    fn what_grew_while_another_agent_kept_them_is_not_counted_twice() {
        let mut ledger = Ledger::default();
        ledger.pass(tokens(40.0), at(0));
        ledger.load(stored(40.0));
        ledger.look(tokens(45.0), at(60));
        assert_eq!(total(&ledger), Some(45.0));
    }

    #[test]
    fn requests_and_tokens_are_work_and_energy_alone_is_none() {
        let mut ledger = Ledger::default();
        let with = |tokens_out: f64, joules: f64| {
            let energy = |name: &str| Counter { target: "box".into(), model: None, name: name.into() };
            let grown = ["energy_joules", "card_energy_joules"].map(|name| (energy(name), joules));
            tokens(tokens_out).into_iter().chain(grown).collect::<BTreeMap<_, _>>()
        };
        assert!(
            !ledger.worked(&BTreeMap::new()) && ledger.worked(&with(0.0, 0.0)),
            "what is new is to be known"
        );
        ledger.look(with(5.0, 1.0), at(0));
        assert!(!ledger.worked(&with(5.0, 2.0)) && ledger.worked(&with(6.0, 1.0)));
        assert!(ledger.worked(&with(0.0, 1.0)), "it began anew");
    }

    #[test]
    fn what_is_written_is_what_changed_and_it_stays_until_the_store_has_it() {
        let mut ledger = Ledger::default();
        ledger.look(tokens(0.0), at(0));
        assert_eq!(total(&ledger), Some(0.0), "zero is told, and so it is known");
        ledger.look(tokens(3.0), at(60));
        let both = ledger.unwritten(at(60));
        assert!(!both.is_empty());
        assert_eq!(ledger.unwritten(at(60)), both, "it is not written yet");
        ledger.written();
        let quiet = ledger.look(tokens(3.0), at(120));
        assert!(ledger.unwritten(at(120)).is_empty());
        assert_eq!(quiet, Batch::new().hour(&Key::new("box", ""), at(120), WATCHED, 60.0));
    }
}
