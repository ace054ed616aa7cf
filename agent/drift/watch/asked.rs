//! By which canaries a watch learned what it knows: a run of others makes it begin anew.

use std::collections::BTreeSet;

use super::Watch;
use crate::suite::{PROBES, SAMPLER, Suite};

/// Names that are told of a difference.
const SHOWN: usize = 6;

impl Watch {
    /// How these canaries differ from those that it learned by, in words. `None`: they are the same, or it learned
    /// nothing yet. A run of others makes it begin anew.
    pub fn learned_by_others(&self, suite: &Suite) -> Option<String> {
        if self.suite.is_empty() || self.suite == suite.hash() {
            return None;
        }
        let known = self.canaries();
        let gone: Vec<&str> = known.iter().copied().filter(|name| suite.canary(name).is_none()).collect();
        // Of the built-in ones some may not have had their turn yet.
        let builtin = Suite::builtin();
        let more = suite.canaries.iter().map(|canary| canary.id.as_str());
        let more: Vec<&str> =
            more.filter(|name| !known.contains(name) && builtin.canary(name).is_none()).collect();
        Some(match (&gone[..], &more[..]) {
            ([], []) => "names are the same, prompts or checks are not".to_owned(),
            ([], more) => format!("it was never asked {}", list(more)),
            (gone, _) => format!("it was asked {} too", list(gone)),
        })
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

fn list(names: &[&str]) -> String {
    match names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}
