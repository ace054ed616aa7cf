//! Simulated years of a model that does not change, and of which texts alone are compared.

use opsagent::drift::random::Random;
use opsagent::drift::tolerance::of_texts;

use super::years::{BASELINE, Null, fast, normal};

/// Texts of a run.
const TEXTS: usize = 10;

/// States of a text up to which, and with none of them new in the last half of the baseline, it is called steady.
const FEW_STATES: usize = 3;

/// A text: at its nearest tie the two likeliest tokens are so far apart, in nats; and what was seen of it.
struct Text {
    margin: f64,
    /// Each state with the number of runs that showed it, and the first of them.
    seen: Vec<(u8, usize, usize)>,
}

impl Text {
    /// Noise that is larger than the margin makes it another text: one at one side, one at the other.
    fn state(&self, noise: f64, random: &mut Random) -> u8 {
        let moved = noise * normal(random);
        if moved.abs() < self.margin { 0 } else { 1 + u8::from(moved > 0.0) }
    }

    fn knows(&self, state: u8) -> bool {
        self.seen.iter().any(|(known, ..)| *known == state)
    }

    fn take(&mut self, state: u8, run: usize) {
        match self.seen.iter_mut().find(|(known, ..)| *known == state) {
            Some((_, times, _)) => *times += 1,
            None => self.seen.push((state, 1, run)),
        }
    }

    fn is_steady(&self, runs: usize) -> bool {
        let new = |(_, _, first): &(u8, usize, usize)| *first > 0 && *first >= runs / 2;
        self.seen.len() <= FEW_STATES && !self.seen.iter().any(new)
    }
}

/// False alarms of one simulated time of texts alone. Margins go from below the usual noise to far above the largest,
/// evenly on a logarithmic scale: so there are texts that flip all the time, seldom, and never.
pub fn quiet_texts(null: Null, runs: usize, seed: u64) -> u32 {
    let mut random = Random::new(seed);
    let mut texts: Vec<Text> =
        (0..TEXTS).map(|_| Text { margin: (-8.0 + 7.0 * random.unit()).exp(), seen: Vec::new() }).collect();
    let scores = null.scores(BASELINE + runs, &mut random);
    let (baseline, rest) = scores.split_at(BASELINE);
    let baseline = [null.forced(&mut random), baseline.to_vec()].concat();
    for (run, noise) in baseline.iter().enumerate() {
        for text in &mut texts {
            let state = text.state(*noise, &mut random);
            text.take(state, run);
        }
    }
    let deterministic = texts.iter().all(|text| text.is_steady(baseline.len()));
    let alone = |run: usize| {
        let only = |text: &&Text| text.seen.iter().any(|(_, times, first)| (*times, *first) == (1, run));
        texts.iter().filter(only).count() as f64 / TEXTS as f64
    };
    let most = (0..baseline.len()).map(alone).fold(0.0, f64::max);
    let tolerance = of_texts(most, TEXTS as f64, deterministic);
    let mut evidence = fast(0);
    let mut alarms = 0;
    for noise in rest {
        let mut unknown = 0;
        for text in &texts {
            unknown += u32::from(!text.knows(text.state(*noise, &mut random)));
        }
        alarms += u32::from(evidence.observe(f64::from(unknown) / TEXTS as f64 > tolerance));
    }
    alarms
}
