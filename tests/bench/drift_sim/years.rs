//! Simulated years of a model that does not change, and changes that are found: through the detectors themselves.

use opsagent::drift::Stream;
use opsagent::drift::budget::{ALARMS_A_YEAR, Budget};
use opsagent::drift::evidence::Evidence;
use opsagent::drift::random::Random;
use opsagent::drift::slow::{BLOCK, Slow};
use opsagent::drift::tolerance;

/// Runs of a year at a beat of 5 minutes.
pub const YEAR: usize = 105_120;

/// Runs of a full baseline.
pub const BASELINE: usize = 300;

/// Seconds from run to run.
const BEAT: f64 = 300.0;

/// How the scores of a model behave that does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// Independent, log-normal.
    Independent,
    /// Zero, but for one run in fifty that falls into another numeric state.
    Sparse,
    /// Busy spells, a fifth of the time: ten times the noise.
    Spells,
    /// Ten times the noise from 9 to 18 o'clock.
    OfficeHours,
    /// Each run's noise is nearly that of the one before (log-scale AR(1), ρ 0.95).
    Sticky,
}

impl Null {
    pub const ALL: [Null; 5] =
        [Self::Independent, Self::Sparse, Self::Spells, Self::OfficeHours, Self::Sticky];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Independent => "independent, log-normal",
            Self::Sparse => "sparse: 2 % of runs in another state",
            Self::Spells => "busy spells: 20 % of the time, noise × 10",
            Self::OfficeHours => "office hours: 9 to 18 h, noise × 10",
            Self::Sticky => "AR(1), ρ 0.95",
        }
    }

    /// So many scores.
    pub fn scores(self, runs: usize, random: &mut Random) -> Vec<f64> {
        let usual = |random: &mut Random| (-7.0 + 0.6 * normal(random)).exp();
        let mut busy = false;
        let mut left = 0_u64;
        let mut sticky = normal(random);
        let mut one = |at: usize| match self {
            Self::Independent => usual(random),
            Self::Sparse if random.unit() < 0.02 => (-5.5 + 0.5 * normal(random)).exp(),
            Self::Sparse => 0.0,
            Self::Spells => {
                if left == 0 {
                    busy = at > 0 && !busy;
                    left = geometric(if busy { 24.0 } else { 96.0 }, random);
                }
                left -= 1;
                usual(random) * if busy { 10.0 } else { 1.0 }
            }
            Self::OfficeHours => {
                let hour = (at % 288) / 12;
                usual(random) * if (9..18).contains(&hour) { 10.0 } else { 1.0 }
            }
            Self::Sticky => {
                sticky = 0.95 * sticky + (1.0_f64 - 0.95 * 0.95).sqrt() * normal(random);
                (-7.0 + 0.6 * sticky).exp()
            }
        };
        (0..runs).map(&mut one).collect()
    }

    /// The largest score of a baseline: of those that depend on load, half its runs were under forced load.
    fn most(self, baseline: &[f64], random: &mut Random) -> f64 {
        baseline.iter().copied().chain(self.forced(random)).fold(0.0, f64::max)
    }

    /// Scores of the runs under forced load, of noise that depends on load.
    pub fn forced(self, random: &mut Random) -> Vec<f64> {
        let forced = match self {
            Self::Spells | Self::OfficeHours => Self::Independent.scores(30, random),
            _ => Vec::new(),
        };
        forced.into_iter().map(|score| score * 10.0).collect()
    }
}

/// False alarms of one simulated time: of the fast path with each factor, and of the slow path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alarms {
    pub fast: [u32; 2],
    pub slow: [u32; 2],
}

/// The factors of the tolerance that are compared.
pub const FACTORS: [f64; 2] = [tolerance::DETERMINISTIC, tolerance::NOISY];

/// The slow path's.
pub const SLOW_FACTORS: [f64; 2] = [1.5, tolerance::SLOW];

/// A baseline and then so many runs of a model that does not change. There is no floor under the tolerance here: with
/// the floor that the agent has, most of these noises would not be seen at all.
pub fn quiet_time(null: Null, runs: usize, seed: u64) -> Alarms {
    let mut random = Random::new(seed);
    let scores = null.scores(BASELINE + runs, &mut random);
    let (baseline, rest) = scores.split_at(BASELINE);
    let most = null.most(baseline, &mut random);
    let mut alarms = Alarms::default();
    for (factor, count) in FACTORS.into_iter().zip(&mut alarms.fast) {
        let mut evidence = fast(0);
        *count = rest.iter().filter(|score| evidence.observe(**score > factor * most)).count() as u32;
    }
    for (factor, count) in SLOW_FACTORS.into_iter().zip(&mut alarms.slow) {
        let mut slow = Slow::new(Budget::of(Stream::FingerprintSlow, ALARMS_A_YEAR, BEAT * BLOCK as f64));
        *count = rest.iter().filter(|score| slow.observe(**score, factor * most)).count() as u32;
    }
    alarms
}

/// False alarms of runs that exceed at a rate, baseline included: also where the baseline was lucky and the bound is
/// wrong.
pub fn at_rate(rate: f64, runs: usize, seed: u64) -> u32 {
    let mut random = Random::new(seed);
    let exceeding = (0..BASELINE).filter(|_| random.unit() < rate).count() as u64;
    let mut evidence = fast(exceeding);
    (0..runs).filter(|_| evidence.observe(random.unit() < rate)).count() as u32
}

/// Runs to the alarm of a change that hits `share` of the runs, after a baseline and so many quiet runs: each of
/// `times` trials, in order of size, and what the detector said before.
pub fn delays(quiet: usize, share: f64, times: u64) -> (Vec<u64>, Option<u64>) {
    let mut before = fast(0);
    for _ in 0..quiet {
        assert!(!before.observe(false), "an alarm without a run that exceeds");
    }
    let trial = |seed: u64| {
        let mut random = Random::new(seed);
        let mut evidence = before.clone();
        (1..20_000).find(|_| evidence.observe(random.unit() < share)).unwrap_or(20_000)
    };
    let mut all: Vec<u64> = (0..times).map(|at| trial(at * 7 + 1)).collect();
    all.sort_unstable();
    (all, before.runs_to_alarm(share))
}

pub fn fast(exceeding: u64) -> Evidence {
    let budget = Budget::of(Stream::FingerprintFast, ALARMS_A_YEAR, BEAT);
    Evidence::new(exceeding, BASELINE as u64, budget)
}

/// Standard normal (Box and Muller).
pub fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

/// How long a spell lasts, of that mean, from 1.
fn geometric(mean: f64, random: &mut Random) -> u64 {
    ((1.0 - random.unit()).ln() / (1.0 - 1.0 / mean).ln()).floor() as u64 + 1
}
