//! The slow path: medians of blocks of runs. On a noisy server they spread less than single runs, so a smaller
//! change stands out of them, later.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::evidence::Evidence;

/// Runs of a block: an hour at a beat of 5 minutes. A step of this stream is a block, so its budget is to be made
/// with the time of a block: that makes A a twelfth.
pub const BLOCK: usize = 12;

/// Blocks that are watched before the first counts as evidence: a week, with its nights, its office hours and its
/// weekend. The hour of a baseline knows none of them.
pub const WARM_UP: u64 = 168;

/// The slow path of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    budget: Budget,
    /// Scores of the block that is not full yet.
    block: Vec<f64>,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    WarmUp { blocks: u64, exceeding: u64 },
    Watching(Evidence),
}

impl Slow {
    /// Anew, after a baseline.
    pub fn new(budget: Budget) -> Slow {
        Slow { budget, block: Vec::new(), stage: Stage::WarmUp { blocks: 0, exceeding: 0 } }
    }

    /// Takes a run's score in, which exceeds above `tolerance`. Tells whether that raises the alarm.
    ///
    /// While an alarm holds, runs are not to be shown here. A score that is no number is left out.
    pub fn observe(&mut self, score: f64, tolerance: f64) -> bool {
        if score.is_nan() {
            return false;
        }
        self.block.push(score);
        if self.block.len() < BLOCK {
            return false;
        }
        let exceeds = median(std::mem::take(&mut self.block)) > tolerance;
        match &mut self.stage {
            Stage::Watching(evidence) => evidence.observe(exceeds),
            Stage::WarmUp { blocks, exceeding } => {
                *blocks += 1;
                *exceeding += u64::from(exceeds);
                if *blocks >= WARM_UP {
                    self.stage = Stage::Watching(Evidence::new(*exceeding, *blocks, self.budget));
                }
                false
            }
        }
    }

    /// Its evidence. `None`: it still warms up.
    pub fn evidence(&self) -> Option<&Evidence> {
        match &self.stage {
            Stage::Watching(evidence) => Some(evidence),
            Stage::WarmUp { .. } => None,
        }
    }

    /// What is left of δ for the bounds of a next baseline.
    pub(super) fn left(&self) -> f64 {
        self.evidence().map_or(self.budget.delta, Evidence::left)
    }

    /// ln A: an alarm at and above it.
    pub fn threshold(&self) -> f64 {
        self.budget.threshold
    }

    /// Another beat or another number of allowed alarms: the evidence so far is kept.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.budget.threshold = threshold;
        if let Stage::Watching(evidence) = &mut self.stage {
            evidence.set_threshold(threshold);
        }
    }

    /// Runs until this can find anything. 0: it can.
    pub fn runs_to_warm(&self) -> u64 {
        match &self.stage {
            Stage::Watching(_) => 0,
            Stage::WarmUp { blocks, .. } => (WARM_UP - blocks) * BLOCK as u64 - self.block.len() as u64,
        }
    }

    /// Runs that a change which makes each block exceed takes to be found from now, the warm-up included. `None`: it is
    /// not known before the warm-up ends.
    pub fn runs_to_alarm(&self) -> Option<u64> {
        Some(self.evidence()?.runs_to_alarm(1.0)? * BLOCK as u64 - self.block.len() as u64)
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    let middle = of.len() / 2;
    if of.len().is_multiple_of(2) { f64::midpoint(of[middle - 1], of[middle]) } else { of[middle] }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{ALARMS_A_YEAR, Budget};
    use super::super::words::Stream;
    use super::*;

    fn slow() -> Slow {
        Slow::new(Budget::of(Stream::FingerprintSlow, ALARMS_A_YEAR, 300.0 * BLOCK as f64))
    }

    #[test]
    fn a_small_change_is_found_after_the_warm_up() {
        let mut slow = slow();
        let week = WARM_UP * BLOCK as u64;
        assert_eq!((slow.runs_to_warm(), slow.runs_to_alarm()), (week, None));
        assert!((0..week).all(|_| !slow.observe(0.01, 0.02)));
        assert_eq!(slow.runs_to_warm(), 0);
        let said = slow.runs_to_alarm().unwrap();
        let found = (1..1000).find(|_| slow.observe(0.03, 0.02)).unwrap();
        assert_eq!((found, said), (5 * BLOCK as u64, 5 * BLOCK as u64), "five hours");
    }

    #[test]
    fn a_block_exceeds_by_its_median() {
        let mut slow = slow();
        for _ in 0..WARM_UP * 4 {
            for at in 0..BLOCK {
                assert!(!slow.observe(if at % 2 == 0 && at > 1 { 9.0 } else { 0.01 }, 0.02));
            }
        }
        assert_eq!(slow.evidence().unwrap().rate().counted().1, 0, "five of twelve far off are no block");
    }

    #[test]
    fn what_exceeds_in_the_warm_up_is_held_for_benign() {
        let mut slow = slow();
        assert!((0..WARM_UP * BLOCK as u64).all(|at| !slow.observe(if at < 240 { 1.0 } else { 0.0 }, 0.02)));
        assert!(slow.evidence().unwrap().rate().bound() > 20.0 / WARM_UP as f64);
    }
}
