//! A model that is made up: it answers a small suite in numbers that follow from a few knobs.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::asked::{CHAT, LONG, position};
use crate::drift::random::Random;
use crate::sample::{
    Answer, AskError, Dialect, End, Fact, Facts, Generation, Part, Position, Purpose, Reply, Run, Token,
};
use crate::suite::SAMPLER;

/// Tokens of a fingerprint.
const TOKENS: usize = 4;

/// A model on a server, with knobs.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// When the next run is.
    pub at: Timestamp,
    /// From one beat to the next.
    pub every: SignedDuration,
    /// Numeric states of each prompt.
    pub states: u64,
    /// How far they lie apart, in nats.
    pub noise: f64,
    /// Whether log probabilities are told.
    pub text_only: bool,
    /// How far other weights move every answer, in nats.
    pub weights: f64,
    /// How far another cache type moves all but position 0.
    pub attention: f64,
    /// How far another template moves the chat.
    pub template: f64,
    /// Prompt tokens that it adds.
    pub template_tokens: u64,
    /// How far other sampling defaults move the sampler's probabilities.
    pub sampling: f64,
    /// Whether a penalty chooses other tokens out of the same distributions.
    pub penalty: bool,
    /// Whether long prompts are refused.
    pub too_long: bool,
    /// Long prompts lose so many tokens of their front.
    pub cut: u64,
    /// How far chunking moves long prompts.
    pub chunking: f64,
    /// Whether log probabilities are none.
    pub nan: bool,
    /// The part of the runs that a change hits.
    pub share: f64,
    /// Whether nobody answers.
    pub away: bool,
    /// Canaries whose checks fail.
    pub failing: Vec<&'static str>,
    /// How often they do, 0..1.
    pub fails: f64,
    /// Canaries of its owner's, asked at each beat beside the others.
    pub own: Vec<&'static str>,
    /// Canaries whose prompt is another one now, of another count of tokens.
    pub edited: Vec<&'static str>,
    /// Whether the longest prompts never fitted.
    pub tight: bool,
    /// How long a token of a whole answer takes. `None`: the server tells no times.
    pub token: Option<Duration>,
    /// What the server tells.
    pub facts: Facts,
    /// Long prompts are asked in each run of so many.
    pub long_each: u64,
    /// Beats and looks so far.
    pub runs: u64,
    /// What falls by chance.
    pub random: Random,
}

impl Model {
    pub(super) fn new() -> Model {
        let mut facts = Facts::default();
        for (fact, told) in [
            (Fact::Digest, "sha256:1d3f"),
            (Fact::Quantization, "Q4_1"),
            (Fact::Version, "llama.cpp b9000"),
            (Fact::Template, "sha256:aaaa"),
            (Fact::Context, "2048"),
            (Fact::Sampling, "temperature 0.8, top_p 0.95"),
        ] {
            facts.of.insert(fact, told.into());
        }
        Model {
            at: "2026-11-22T08:00:00Z".parse().unwrap(),
            every: SignedDuration::from_mins(5),
            states: 1,
            noise: 0.0,
            text_only: false,
            weights: 0.0,
            attention: 0.0,
            template: 0.0,
            template_tokens: 0,
            sampling: 0.0,
            penalty: false,
            too_long: false,
            cut: 0,
            chunking: 0.0,
            nan: false,
            share: 1.0,
            away: false,
            failing: Vec::new(),
            fails: 1.0,
            own: Vec::new(),
            edited: Vec::new(),
            tight: false,
            token: None,
            facts,
            long_each: 12,
            runs: 0,
            random: Random::new(11),
        }
    }

    /// One whose prompts have three numeric states each, seldom the third.
    pub(super) fn noisy() -> Model {
        Model { states: 3, noise: 0.15, ..Model::new() }
    }

    /// The next beat.
    pub(super) fn beat(&mut self) -> Run {
        self.at += self.every;
        self.run(Purpose::Beat)
    }

    /// A run beside the beat, so many seconds after the last.
    pub(super) fn look_again(&mut self, seconds: i64) -> Run {
        self.at += SignedDuration::from_secs(seconds);
        self.run(Purpose::Confirm)
    }

    /// A pass of the long prompts alone, an hour's.
    pub(super) fn long(&mut self) -> Run {
        self.at += SignedDuration::from_secs(60);
        self.run(Purpose::Long)
    }

    /// A person's whole command, so many seconds after the last run: all canaries, the long ones too.
    pub(super) fn by_hand(&mut self, seconds: i64) -> Run {
        self.at += SignedDuration::from_secs(seconds);
        self.run(Purpose::Manual)
    }

    /// One canary alone, asked again.
    pub(super) fn again(&mut self, canary: &str) -> Run {
        let mut run = self.look_again(10);
        run.answers.retain(|answer| answer.canary == canary && answer.part == Part::Fingerprint);
        run
    }

    fn run(&mut self, purpose: Purpose) -> Run {
        self.runs += u64::from(purpose != Purpose::Long);
        let hit = self.random.unit() < self.share;
        let mut answers = Vec::new();
        let by_hand = purpose == Purpose::Manual;
        let long = by_hand || purpose == Purpose::Beat && self.runs.is_multiple_of(self.long_each);
        let only_long = purpose == Purpose::Long;
        let mut names: Vec<&str> = Vec::new();
        if !only_long {
            names.extend(["p0", "p1"]);
            names.extend(CHAT);
            names.extend(self.own.clone());
        }
        if long || only_long {
            names.extend(["p2", "p3"]);
            names.extend(LONG);
        }
        for name in names {
            answers.push(self.answer(name, Part::Fingerprint, hit));
        }
        if !self.text_only && !only_long {
            answers.push(self.sampler(hit));
        }
        let turn = |nth: usize| by_hand || nth as u64 / 2 == self.runs % 4;
        let graded: Vec<&str> = (0..CHAT.len()).filter(|nth| turn(*nth)).map(|nth| CHAT[nth]).collect();
        for canary in graded.into_iter().filter(|_| !only_long) {
            answers.push(self.answer(canary, Part::Graded, hit));
        }
        for canary in self.own.clone().into_iter().filter(|_| !only_long) {
            answers.push(self.answer(canary, Part::Graded, hit));
        }
        Run {
            target: "gpu1".into(),
            model: "qwen3:8b".into(),
            at: self.at,
            purpose,
            suite: "suite-1".into(),
            facts: self.facts.clone(),
            idle: Some(true),
            concurrency: [1, 1, 2, 4][self.random.below(4)],
            answers,
        }
    }

    fn answer(&mut self, name: &str, part: Part, hit: bool) -> Answer {
        let result = self.result(name, part, hit);
        Answer { canary: name.into(), part, result }
    }

    fn result(&mut self, name: &str, part: Part, hit: bool) -> Result<Reply, AskError> {
        if self.away {
            return Err(AskError::Unreachable { reason: "refused", text: "connection refused".into() });
        }
        let long = LONG.contains(&name) || matches!(name, "p2" | "p3");
        let never_fitted = self.tight && matches!(name, "lc3" | "p3");
        if self.too_long && long && hit || never_fitted {
            return Err(AskError::TooLong { text: "1463 tokens, 256 of context".into() });
        }
        if self.nan && hit && part == Part::Fingerprint && !self.text_only {
            return Err(AskError::BadLogprob { found: "null".into() });
        }
        let raw = name.starts_with('p');
        let is_edited = self.edited.contains(&name);
        let prompt = if is_edited { format!("{name}, edited") } else { name.to_owned() };
        let state = self.random.below(100);
        let state =
            if self.states == 1 { 0 } else { [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][state / 10] % self.states };
        let count = if raw { 1 } else { TOKENS };
        let mut generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(300));
        let mut tokens = 10 + name.len() as u64 + if long { 600 } else { 0 };
        if hit && !raw {
            tokens += self.template_tokens;
        }
        tokens += u64::from(is_edited) * 7;
        if hit && long {
            tokens -= self.cut.min(tokens);
        }
        generation.tokens.input = Some(tokens);
        generation.tokens.output = Some(count as u64);
        let mut far = 0.0;
        if hit {
            far += self.weights;
            far += if name == "p0" { 0.0 } else { self.attention };
            far += if raw { 0.0 } else { self.template };
            far += if long { self.chunking } else { 0.0 };
        }
        let mut positions: Vec<Position> = (0..count)
            .map(|at| position(&prompt, at, &[(state, self.noise), (u64::from(far > 0.0) * 1000, far)]))
            .collect();
        let otherwise = hit && !raw && (self.penalty || far > 0.5);
        if otherwise {
            let at = positions.len() - 1;
            positions[at].token = positions[at].top[1].0;
        }
        let mut text = format!("{:?}", positions.iter().map(|position| position.token).collect::<Vec<_>>());
        if part == Part::Graded {
            let fails = hit && self.failing.contains(&name) && self.random.unit() < self.fails;
            text = if fails { "no".into() } else { "yes".into() };
            generation.told.decode = self.token.map(|token| token * count as u32);
            generation.told.decode_tokens = self.token.map(|_| count as u64);
        }
        let none = self.text_only || part == Part::Graded;
        let positions = if none { Vec::new() } else { positions };
        Ok(Reply { text, positions, sampler: Vec::new(), generation })
    }

    fn sampler(&mut self, hit: bool) -> Answer {
        let generation =
            Generation::new(Dialect::LlamaCppCompletion, End::Complete, Duration::from_millis(50));
        let moved = if hit { self.sampling } else { 0.0 } as f32;
        let sampler = vec![(Token::of_id(7), 0.691 - moved), (Token::of_id(8), 0.309 + moved)];
        let result = if self.away {
            Err(AskError::Unreachable { reason: "refused", text: "connection refused".into() })
        } else {
            Ok(Reply { text: "one".into(), positions: Vec::new(), sampler, generation })
        };
        Answer { canary: SAMPLER.into(), part: Part::Sampler, result }
    }
}
