//! Parts of a suite, for those who ask by hand.

use super::{Canary, PROBES, SAMPLER, Suite};

impl Suite {
    /// The canaries and probes of these names (`ar1`, `p0`, `sampler`) and of these categories (`json`).
    ///
    /// # Errors
    /// A name that is neither, with all there are.
    pub fn only(&self, names: &[&str]) -> Result<Suite, String> {
        if let Some(name) = names.iter().find(|name| !self.knows(name)) {
            return Err(self.unknown(name));
        }
        let named = |name: &str| names.contains(&name);
        let wanted = |canary: &&Canary| named(&canary.id) || named(canary.category);
        Ok(Suite {
            canaries: self.canaries.iter().filter(wanted).cloned().collect(),
            probes: self.probes.iter().filter(|(name, _)| named(name)).cloned().collect(),
            sampler: if named(SAMPLER) { self.sampler.clone() } else { String::new() },
            drawn: if named(SAMPLER) { self.drawn.clone() } else { String::new() },
            open: self.open.iter().filter(|(name, _)| named(name)).cloned().collect(),
        })
    }

    /// What answers in seconds: the canaries of the fingerprint, the short probes and the sampler. Some 600 tokens of
    /// prompts, so it can be compared with the baseline.
    #[must_use]
    pub fn quick(&self) -> Suite {
        Suite {
            canaries: self.fingerprint().filter(|canary| !canary.long).cloned().collect(),
            probes: self.probes.iter().filter(|(name, _)| matches!(*name, "p0" | "p1")).cloned().collect(),
            sampler: self.sampler.clone(),
            drawn: self.drawn.clone(),
            open: self.open.clone(),
        }
    }

    fn knows(&self, name: &str) -> bool {
        let canary = |canary: &Canary| canary.id == name || canary.category == name;
        self.canaries.iter().any(canary)
            || self.probes.iter().chain(&self.open).any(|(probe, _)| *probe == name)
            || name == SAMPLER && !self.sampler.is_empty()
    }

    fn unknown(&self, name: &str) -> String {
        /// Below this a name is no misspelling of another (Jaro-Winkler, 0..1).
        const ALIKE: f64 = 0.7;
        let mut known: Vec<&str> = self.canaries.iter().map(|canary| canary.category).collect();
        known.dedup();
        known.extend(self.canaries.iter().map(|canary| canary.id.as_str()));
        known.extend(PROBES.iter().copied().chain([SAMPLER]));
        let shown: String = name.chars().take(60).collect();
        let alike = known.iter().map(|known| (strsim::jaro_winkler(&shown.to_lowercase(), known), *known));
        let nearest = alike.filter(|(score, _)| *score >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let hint = match nearest {
            Some((_, known)) => format!(", did you mean {known}?"),
            None => format!(", known here: {}", known.join(", ")),
        };
        format!("no canary and no category is named {shown:?}{hint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_by_canaries_and_categories() {
        let suite = Suite::builtin();
        let part = suite.only(&["json", "ar2", "p0"]).unwrap();
        let ids: Vec<&str> = part.canaries.iter().map(|canary| canary.id.as_str()).collect();
        assert_eq!(ids, ["ar2", "js1", "js2", "js3"]);
        assert_eq!((part.probes.len(), part.sampler.as_str()), (1, ""));
        assert_ne!(part.hash(), suite.hash());
        let open = crate::suite::OPEN.map(|(name, _)| name);
        let all = crate::suite::CATEGORIES.into_iter().chain(PROBES).chain(open).chain([SAMPLER]);
        let all: Vec<&str> = all.collect();
        assert_eq!(suite.only(&all).unwrap(), suite);
        let said = suite.only(&["ar2", "jsn"]).unwrap_err();
        assert_eq!(said, "no canary and no category is named \"jsn\", did you mean json?");
        assert!(suite.only(&["xyzzy"]).unwrap_err().contains("known here: arithmetic, json"));
    }

    #[test]
    fn the_quick_part_is_short_and_has_what_the_beat_compares() {
        let suite = Suite::builtin();
        let quick = suite.quick();
        assert_eq!((quick.canaries.len(), quick.probes.len()), (8, 2));
        assert_eq!(quick.sampler, suite.sampler);
        assert!(quick.canaries.iter().all(|canary| canary.fingerprint && canary.max_tokens <= 40));
    }
}
