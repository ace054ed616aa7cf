//! Canaries of the config's own.

use super::{Canary, Suite};
use crate::sample::is_called;

/// Where nobody says which canaries are compared at each beat, so many short ones are: the built-in suite has eight.
const FINGERPRINT: usize = 8;

/// A canary of the config's, and of which models it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The canary. Its `fingerprint` is what was written, or false.
    pub canary: Canary,
    /// Whether `fingerprint` was written.
    pub decided: bool,
    /// Names of targets; of all where there are none.
    pub targets: Vec<String>,
    /// Models, as the target's inventory spells them, without a tag those of the latest; all where there are none.
    pub models: Vec<String>,
}

impl Own {
    /// Whether it is asked of this model of this target.
    pub fn applies(&self, target: &str, model: &str) -> bool {
        let here = self.targets.is_empty() || self.targets.iter().any(|one| one == target);
        here && (self.models.is_empty() || self.models.iter().any(|one| is_called(model, one)))
    }
}

impl Suite {
    /// All that is asked of one model: its own canaries, and the built-in ones where `builtin` says so. Probes and
    /// sampler are always asked: they tell causes apart.
    ///
    /// Without the built-in ones, and where the config names no canary of the fingerprint, the first eight short ones
    /// are compared at each beat.
    pub fn of(own: &[Own], builtin: bool, target: &str, model: &str) -> Suite {
        let mut suite = Suite::builtin();
        if !builtin {
            suite.canaries.clear();
        }
        let own: Vec<&Own> = own.iter().filter(|own| own.applies(target, model)).collect();
        suite.canaries.extend(own.iter().map(|own| own.canary.clone()));
        if suite.fingerprint().next().is_none() {
            let free = own.iter().filter(|own| !own.decided && !own.canary.long);
            let chosen: Vec<&str> = free.take(FINGERPRINT).map(|own| own.canary.id.as_str()).collect();
            for canary in suite.canaries.iter_mut().filter(|canary| chosen.contains(&canary.id.as_str())) {
                canary.fingerprint = true;
            }
        }
        suite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{OWN, chat};

    fn own(id: &str, targets: &[&str], models: &[&str]) -> Own {
        let canary = Canary {
            id: id.into(),
            category: OWN,
            prompt: chat("Say yes."),
            checks: Vec::new(),
            max_tokens: 8,
            fingerprint: false,
            long: id.starts_with("long"),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Own { canary, decided: false, targets: names(targets), models: names(models) }
    }

    #[test]
    fn own_canaries_are_asked_where_they_are_meant() {
        let all = [own("a", &[], &[]), own("b", &["box"], &[]), own("c", &["box"], &["m"])];
        let ids = |target, model| {
            let suite = Suite::of(&all, false, target, model);
            suite.canaries.into_iter().map(|canary| canary.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("box", "m"), ["a", "b", "c"]);
        assert_eq!(ids("box", "n"), ["a", "b"]);
        assert_eq!(ids("laptop", "m"), ["a"]);
        assert_eq!(ids("box", "m:latest"), ["a", "b", "c"], "as in [canaries]");
        assert_eq!(ids("box", "m:8b"), ["a", "b"]);
        let both = Suite::of(&all, true, "laptop", "m");
        assert_eq!((both.canaries.len(), both.probes.len()), (31, 4));
        assert_eq!(both.fingerprint().count(), 8, "own ones only where they are named");
    }

    #[test]
    fn a_suite_of_own_canaries_alone_has_a_fingerprint_too() {
        let mut all: Vec<Own> = (0..12).map(|nth| own(&format!("c{nth}"), &[], &[])).collect();
        all.insert(0, own("long", &[], &[]));
        all[1].decided = true;
        let chosen = |all: &[Own]| {
            let suite = Suite::of(all, false, "box", "m");
            suite.fingerprint().map(|canary| canary.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&all), ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]);
        all[12].canary.fingerprint = true;
        assert_eq!(chosen(&all), ["c11"], "who names one names all");
    }
}
