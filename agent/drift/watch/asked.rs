//! By which canaries a watch learned what it knows, for those who ask by hand.

use std::collections::BTreeSet;

use super::Watch;
use crate::suite::{Asked, PROBES, SAMPLER, Suite};

/// Names that are told of a difference.
const SHOWN: usize = 6;

impl Watch {
    /// How these canaries differ from those that were asked last, in words. `None`: they are the same, or nothing was
    /// asked yet. A run of others makes it learn anew what is another.
    pub fn learned_by_others(&self, suite: &Suite) -> Option<String> {
        if self.suite.is_empty() || self.suite == suite.hash() {
            return None;
        }
        let now = suite.asked();
        // The rest of what is in the hash, such as the category, tells nothing of answers.
        if self.asked == now {
            return None;
        }
        let known = if self.asked.is_empty() { self.canaries() } else { names(&self.asked) };
        let asked = names(&now);
        let gone: Vec<&str> = known.difference(&asked).copied().collect();
        // Of the built-in ones some may not have had their turn yet, where only answers tell what was asked.
        let builtin = Suite::builtin();
        let had_a_turn = |name: &str| !self.asked.is_empty() || builtin.canary(name).is_none();
        let more: Vec<&str> = asked.difference(&known).copied().filter(|name| had_a_turn(name)).collect();
        Some(match (&gone[..], &more[..]) {
            ([], []) => "names are the same, prompts or checks are not".to_owned(),
            ([], more) => format!("it was never asked {}", list(more)),
            (gone, _) => format!("it was asked {} too", list(gone)),
        })
    }

    /// Whether answers to these canaries can be held against the baseline in force, be it without some of them.
    pub fn compares(&self, suite: &Suite) -> bool {
        let Some(baseline) = &self.baseline else { return false };
        let whole = suite.hash();
        let mut baseline = std::borrow::Cow::Borrowed(baseline);
        if baseline.asked.is_empty() {
            baseline.to_mut().was_asked(&whole, &suite.asked());
        }
        baseline.fit(&suite.asked()) != crate::drift::held::Fit::Nothing
    }

    /// The canaries of which it knows an answer.
    fn canaries(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if let Some(baseline) = &self.baseline {
            names.extend(baseline.canaries.keys().map(String::as_str));
            names.extend(baseline.dropped.keys().map(String::as_str));
            names.extend(baseline.checks.keys().map(String::as_str));
        }
        names.extend(self.checks.keys().map(String::as_str));
        if let Some(learning) = &self.learning {
            names.extend(learning.canaries.keys().map(String::as_str));
        }
        names.retain(|name| !PROBES.contains(name) && *name != SAMPLER);
        names
    }
}

/// All that are asked.
fn names(asked: &Asked) -> BTreeSet<&str> {
    asked.prompts.keys().map(String::as_str).collect()
}

/// The names, and how many more there are.
pub(super) fn list(names: &[&str]) -> String {
    match names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}
