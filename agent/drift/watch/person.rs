//! What a person decides: that what a model does now is right, that an earlier baseline was, or that all is well.

use jiff::Timestamp;

use super::{Watch, facts, policy};
use crate::drift::baseline::Baseline;
use crate::drift::held::Fit;
use crate::drift::learning::Learning;
use crate::drift::look::Look;
use crate::drift::making::{self, Refused};
use crate::drift::seen::{Event, Seen, What};
use crate::sample::Run;
use crate::suite::Suite;

impl Watch {
    /// Takes what the model does since it moved as the baseline: the alarms end.
    ///
    /// # Errors
    ///
    /// Nothing moved, or what it does now is too unsteady.
    pub fn accept(&mut self, now: Timestamp) -> Result<Seen, Refused> {
        let baseline = policy::adopt(self, now)?;
        let number = baseline.number;
        let name = self.plan.name();
        let text =
            format!("{name}: what it does now was accepted as baseline {number} ({} runs)", baseline.runs);
        let events = vec![Event { at: now, what: What::Accepted { number }, text }];
        Ok(Seen { events, made: Some(baseline), ..Seen::default() })
    }

    /// Goes back to an earlier baseline: from now on the model is held against that one.
    ///
    /// # Errors
    ///
    /// It knows too few of the canaries that are asked now.
    pub fn rollback(&mut self, mut to: Baseline, now: Timestamp) -> Result<Seen, Refused> {
        // An earlier version kept the hash of all alone; of the one in force it is known what that stands for.
        to.was_asked(&self.suite, &self.asked);
        if let Some(known) = &self.baseline {
            to.was_asked(&known.suite, &known.asked);
        }
        let of_others = if self.asked.is_empty() {
            !self.suite.is_empty() && to.suite != self.suite
        } else {
            to.fit(&self.asked) == Fit::Nothing
        };
        if of_others {
            return Err(Refused::Nothing(format!(
                "baseline {} was made of other canaries than are asked now: ask those, or take another baseline",
                to.number
            )));
        }
        let number = to.number;
        let text = format!("{}: went back to baseline {number}", self.plan.name());
        self.put_in_force(to, Some(Learning::default()), now);
        let events = vec![Event { at: now, what: What::RolledBack { number }, text }];
        Ok(Seen { events, ..Seen::default() })
    }

    /// Makes a baseline of these runs alone, the last ones too: a person says that all was well.
    ///
    /// # Errors
    ///
    /// They hold no answer, or the model answers too unsteadily.
    pub fn capture(&mut self, runs: &[Run], suite: &Suite, now: Timestamp) -> Result<Seen, Refused> {
        let mut learning = Learning::default();
        for run in runs {
            let look = Look::of(run, suite);
            if look.can_be_judged() && !look.is_broken() {
                learning.take(run, &look);
            }
        }
        let Some(last) = runs.last() else { return Err(Refused::Nothing("there was no run".into())) };
        let asked = suite.asked();
        let baseline = making::make(&learning, (&last.suite, &asked), self.numbers + 1, true)?;
        self.suite.clone_from(&last.suite);
        self.asked = asked;
        let mut events = facts::told(&mut self.facts, &learning.facts, now, &self.plan);
        let number = baseline.number;
        let text = format!("{}: baseline {number} was captured ({} runs)", self.plan.name(), baseline.runs);
        self.put_in_force(baseline.clone(), Some(learning), now);
        events.push(Event { at: now, what: What::BaselineMade { number }, text });
        Ok(Seen { events, made: Some(baseline), ..Seen::default() })
    }
}
