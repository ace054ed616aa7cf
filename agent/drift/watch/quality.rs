//! How checks fare since the baseline.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::drift::baseline::Record;
use crate::drift::look::Graded;
use crate::drift::{CategoryResult, CheckLost, Proportion};

/// Outcomes of a canary that are remembered.
const RECENT: usize = 4;

/// Outcomes among them that are to have failed, for a check to be called lost.
const FAILED: usize = 2;

/// Clean passes in the baseline, for a check to be one that always passed.
const ALWAYS: u64 = 3;

/// How one canary's checks fared lately.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recent {
    category: String,
    /// Whether each of the last answers passed, the oldest first.
    passed: VecDeque<bool>,
    /// Why the last that failed did.
    why: String,
    /// Whether it should be refused.
    refuse: Option<bool>,
    /// Whether the last was.
    refused: bool,
}

impl Recent {
    pub(super) fn take(&mut self, graded: &Graded<'_>) {
        graded.category.clone_into(&mut self.category);
        self.passed.push_back(graded.failed.is_empty());
        while self.passed.len() > RECENT {
            self.passed.pop_front();
        }
        if !graded.failed.is_empty() {
            self.why = graded.failed.join("; ");
        }
        self.refuse = graded.refuse;
        self.refused = graded.refused;
    }

    /// The canary's category.
    pub(super) fn category(&self) -> &str {
        &self.category
    }

    /// Whether the last answer failed.
    pub(super) fn fails(&self) -> bool {
        self.passed.back() == Some(&false)
    }

    /// Failures among the last answers, and those.
    pub(super) fn failures(&self) -> (usize, usize) {
        (self.passed.iter().filter(|passed| !**passed).count(), self.passed.len())
    }

    /// Whether a check that the baseline always passed fails now, and not by one accident.
    pub(super) fn is_lost(&self, record: Option<&Record>) -> bool {
        let always = record.is_some_and(|record| record.is_clean() && record.asked >= ALWAYS);
        always && self.fails() && self.failures().0 >= FAILED
    }

    /// Whether it failed once, and always passed before: worth asking again at once.
    pub(super) fn is_doubtful(&self, record: Option<&Record>) -> bool {
        let always = record.is_some_and(|record| record.is_clean() && record.asked >= ALWAYS);
        always && self.fails() && self.failures().0 < FAILED
    }

    pub(super) fn lost(&self, canary: &str, record: Option<&Record>) -> CheckLost {
        let (failed, all) = self.failures();
        let was =
            record.map(|record| format!("was {}/{}, ", record.passed, record.asked)).unwrap_or_default();
        let why = format!("{was}now {}/{all}: {}", all - failed, self.why);
        CheckLost { canary: canary.to_owned(), category: self.category.clone(), why }
    }
}

/// Passed canaries by category, by the last answer of each.
pub(super) fn categories<'a>(
    checks: impl Iterator<Item = (&'a String, &'a Recent)>,
    record: impl Fn(&str) -> Option<Record>,
) -> Vec<CategoryResult> {
    let mut all: std::collections::BTreeMap<&str, (u64, u64, u64, u64)> = std::collections::BTreeMap::new();
    for (canary, recent) in checks {
        let sums = all.entry(&recent.category).or_default();
        sums.0 += u64::from(!recent.fails());
        sums.1 += 1;
        if let Some(record) = record(canary) {
            sums.2 += record.passed;
            sums.3 += record.asked;
        }
    }
    let one = |(category, (of, all, before, asked)): (&str, (u64, u64, u64, u64))| CategoryResult {
        category: category.to_owned(),
        passed: Proportion::new(of, all),
        baseline: (asked > 0).then(|| Proportion::new(before, asked)),
    };
    all.into_iter().map(one).collect()
}

/// Refusals among those that should be refused (`expected`), or answered, by the last answer of each.
pub(super) fn refusals<'a>(checks: impl Iterator<Item = &'a Recent>, expected: bool) -> Option<Proportion> {
    let asked: Vec<bool> =
        checks.filter(|recent| recent.refuse == Some(expected)).map(|recent| recent.refused).collect();
    let refused = asked.iter().filter(|refused| **refused).count() as u64;
    (!asked.is_empty()).then(|| Proportion::new(refused, asked.len() as u64))
}
