//! A model that does not change, on a server that is not always the same: what it answers to a small suite, cheap to
//! make by the million. All streams have noise: numeric states, checks that fail at times, speed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use opsagent::checks::{Check, Wanted};
use opsagent::drift::random::Random;
use opsagent::sample::{
    Answer, Dialect, End, Facts, Generation, Part, Position, Prompt, Purpose, Reply, Run, Token,
};
use opsagent::suite::{Canary, SAMPLER, Suite};

use super::years::{Null, normal};

/// Chat canaries of the fingerprint.
const CHAT: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];

/// Long ones, beside the probes `p2` and `p3`.
const LONG: [&str; 2] = ["l0", "l1"];

/// Graded canaries, and how often each fails although nothing changed: some are near a tie.
const GRADED: [(&str, f64); 12] = [
    ("c0", 0.0),
    ("c1", 0.0),
    ("c2", 0.003),
    ("c3", 0.0),
    ("c4", 0.01),
    ("c5", 0.0),
    ("g0", 0.03),
    ("g1", 0.0),
    ("g2", 0.1),
    ("g3", 0.02),
    ("g4", 0.3),
    ("g5", 0.0),
];

/// Likeliest tokens that are told: enough that two answers that moved are no nearer to each other than to the usual one.
const TOLD: u32 = 16;

/// Nats that answers move by in the mean, for each of the score: as much as a fingerprint may have, which drops canaries
/// whose answers lie farther apart. Ten times the usual score is well above the least tolerance, and so are the largest
/// of the others.
const fn jitter(null: Null) -> f64 {
    match null {
        Null::Spells | Null::OfficeHours => 4.0,
        Null::Independent | Null::Sparse | Null::Sticky => 12.0,
    }
}

/// Nats between two numeric states of a prompt.
const APART: f64 = 0.12;

/// The spread of the logarithm of its speed: from half as fast to twice as fast as usual in 19 of 20 runs.
const PACE: f64 = 0.3;

/// What a run asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks<'a> {
    /// The first tokens, and two whole answers.
    Beat,
    /// The long prompts.
    Long,
    /// The first tokens alone, again.
    Again,
    /// All there is, by hand.
    All,
    /// Whole answers of these, so often.
    Checks(&'a [String], u32),
}

/// The model and its server.
#[derive(Debug)]
pub struct Served {
    null: Null,
    random: Random,
    /// When the next run is.
    pub at: Timestamp,
    scores: std::vec::IntoIter<f64>,
    /// The noise now.
    score: f64,
    /// The logarithm of its speed beside the usual.
    pace: f64,
    beats: usize,
}

/// What is asked.
pub fn suite() -> Suite {
    let canary = |id: &str| Canary {
        id: id.into(),
        category: "arithmetic",
        prompt: Prompt::Raw(String::new()),
        checks: vec![Check::Contains(Wanted::exactly("yes"))],
        max_tokens: 16,
        fingerprint: CHAT.contains(&id),
        long: LONG.contains(&id),
    };
    let mut names: Vec<&str> = CHAT.to_vec();
    names.extend(LONG);
    names.extend(GRADED.iter().map(|(name, _)| *name).filter(|name| !CHAT.contains(name)));
    let probes = ["p0", "p1", "p2", "p3"].map(|name| (name, String::new())).to_vec();
    let canaries = names.into_iter().map(canary).collect();
    Suite { canaries, probes, sampler: String::new(), drawn: String::new(), open: Vec::new() }
}

impl Served {
    /// With noise of that kind for so many beats.
    pub fn new(null: Null, beats: usize, seed: u64) -> Served {
        let mut random = Random::new(seed);
        let scores = null.scores(beats, &mut random).into_iter();
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 20_000);
        Served { null, random, at, scores, score: 0.0, pace: 0.0, beats: 0 }
    }

    /// The next beat's time, 5 minutes on and up to a fifth sooner or later. `None`: the time is over.
    pub fn next(&mut self) -> Option<()> {
        self.score = self.scores.next()?;
        self.at += SignedDuration::from_secs(240 + i64::try_from(self.random.below(121)).ok()?);
        // As sticky as the noise: where that is nearly what it was, so is the speed.
        let stays = if self.null == Null::Sticky { 0.95_f64 } else { 0.0 };
        self.pace = stays * self.pace + (1.0 - stays * stays).sqrt() * PACE * normal(&mut self.random);
        self.beats += 1;
        Some(())
    }

    /// Beats so far.
    pub fn beats(&self) -> usize {
        self.beats
    }

    /// A run of so many questions at once: of a server whose noise depends on load, those are load.
    pub fn run(&mut self, asks: Asks<'_>, at_once: u8) -> Run {
        let busy = at_once > 1 && matches!(self.null, Null::Spells | Null::OfficeHours);
        let score = if busy { self.score.max(0.01) } else { self.score };
        let mut answers = Vec::with_capacity(32);
        if matches!(asks, Asks::Beat | Asks::Again | Asks::All) {
            for name in ["p0", "p1"].into_iter().chain(CHAT) {
                answers.push(self.print(name, score));
            }
            answers.push(self.sampler(score));
        }
        if matches!(asks, Asks::Long | Asks::All) {
            // Long prompts carry the noise.
            for name in ["p2", "p3"].into_iter().chain(LONG) {
                answers.push(self.print(name, 3.0 * score));
            }
        }
        match asks {
            Asks::Beat => {
                for nth in [2 * self.beats, 2 * self.beats + 1] {
                    answers.push(self.graded(GRADED[nth % GRADED.len()]));
                }
            }
            Asks::All => answers.extend(GRADED.map(|one| self.graded(one))),
            Asks::Checks(names, times) => {
                for one in GRADED.iter().filter(|(name, _)| names.iter().any(|asked| asked == name)) {
                    (0..times).for_each(|_| answers.push(self.graded(*one)));
                }
            }
            Asks::Long | Asks::Again => {}
        }
        Run {
            target: "gpu1".into(),
            model: "m".into(),
            at: self.at,
            purpose: match asks {
                Asks::Beat => Purpose::Beat,
                Asks::Long => Purpose::Long,
                Asks::Again | Asks::Checks(..) => Purpose::Confirm,
                Asks::All => Purpose::Manual,
            },
            suite: "sim".into(),
            facts: Facts::default(),
            idle: Some(true),
            concurrency: at_once,
            answers,
        }
    }

    fn print(&mut self, name: &str, score: f64) -> Answer {
        let seed = name.bytes().fold(7_u64, |sum, byte| sum * 31 + u64::from(byte));
        let elsewhere = self.null == Null::Sparse && score > 0.0;
        let state = if elsewhere { 1 + self.random.below(3) as u64 } else { 0 };
        let mut of_state = Random::new(seed.wrapping_mul(0x9e37).wrapping_add(state));
        let moved = |random: &mut Random, far: f64| 2.0 * far * (2.0 * random.unit() - 1.0);
        let mut top = Vec::with_capacity(TOLD as usize);
        for rank in 0..TOLD {
            let mut logprob = -0.3 - f64::from(rank);
            if state > 0 {
                logprob -= moved(&mut of_state, APART).abs();
            }
            logprob += moved(&mut self.random, (jitter(self.null) * score).min(0.5));
            top.push((Token::of_id(seed as u32 % 1000 + rank), logprob.min(-1e-6) as f32));
        }
        let best = top.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or(top[0]);
        let position = Position { token: best.0, logprob: Some(best.1), top };
        let mut generation =
            Generation::new(Dialect::LlamaCppCompletion, End::Complete, Duration::from_millis(30));
        (generation.tokens.input, generation.tokens.output) = (Some(20), Some(1));
        let text = format!("{:?}", best.0);
        let reply = Reply { text, positions: vec![position], sampler: Vec::new(), generation };
        Answer { canary: name.into(), part: Part::Fingerprint, result: Ok(reply) }
    }

    fn sampler(&mut self, score: f64) -> Answer {
        let elsewhere = self.null == Null::Sparse && score > 0.0;
        let moved = if elsewhere { 0.03 } else { 0.0 } + score * self.random.unit();
        let sampler = vec![(Token::of_id(7), 0.691 - moved as f32), (Token::of_id(8), 0.309 + moved as f32)];
        let generation =
            Generation::new(Dialect::LlamaCppCompletion, End::Complete, Duration::from_millis(30));
        let reply = Reply { text: "one".into(), positions: Vec::new(), sampler, generation };
        Answer { canary: SAMPLER.into(), part: Part::Sampler, result: Ok(reply) }
    }

    fn graded(&mut self, (name, fails): (&str, f64)) -> Answer {
        let text = if self.random.unit() < fails { "no" } else { "yes" }.to_owned();
        let mut generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(300));
        let speed = 50.0 * (self.pace + 0.05 * normal(&mut self.random)).exp();
        (generation.tokens.input, generation.tokens.output) = (Some(40), Some(16));
        (generation.told.decode, generation.told.decode_tokens) =
            (Some(Duration::from_secs_f64(16.0 / speed)), Some(16));
        (generation.told.prompt, generation.told.prompt_tokens) =
            (Some(Duration::from_secs_f64(4.0 / speed)), Some(40));
        let reply = Reply { text, positions: Vec::new(), sampler: Vec::new(), generation };
        Answer { canary: name.into(), part: Part::Graded, result: Ok(reply) }
    }
}
