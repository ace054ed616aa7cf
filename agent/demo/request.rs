//! One simulated request: it waits, its prompt is read, its answer is written, and it is seen as a tap would see it.

use std::sync::Arc;
use std::time::Duration;

use super::random::Random;
use crate::fleet::{InFlight, Live};
use crate::sample::{
    Dialect, End, Failure, Finish, Gaps, Generation, Phase, ServerTimes, Tokens, Truncation,
};

/// Prompt tokens a second that a model reads, and tokens a second that it writes, alone.
pub(super) const PROMPT_SPEED: f64 = 1400.0;
pub(super) const OUTPUT_SPEED: f64 = 64.0;

/// What the answer of a loaded model says of getting it ready, in seconds.
const READY: f64 = 0.002;

/// What a tap adds to a request, in seconds.
const ADDED: f64 = 0.000_07;

/// Parts of all requests: asked for in one piece, cut by the limit that they set, broken off by the server, left by
/// their client in the midst of the answer.
const WHOLE: f64 = 0.12;
const CUT: f64 = 0.04;
const BROKEN: f64 = 0.02;
const LEFT: f64 = 0.06;

/// How its requests are seen: by whom, and what is spoken.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) live: Arc<Live>,
    pub(super) dialect: Dialect,
    pub(super) model: &'static str,
}

/// How it ends if nobody loses patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stops,
    IsCut,
    Breaks,
    IsLeft,
}

/// A request. Times are seconds since the start of the demo.
#[derive(Debug)]
pub(super) struct Request {
    arrived: f64,
    /// How long its client waits for a first token.
    patience: f64,
    streamed: bool,
    fate: Fate,
    prompt: f64,
    cached: f64,
    output: f64,
    /// How long it waited for its model, where that had to be loaded.
    load: Option<f64>,
    admitted: bool,
    read: f64,
    prompt_took: f64,
    written: f64,
    first: Option<f64>,
    last: f64,
    gaps: Gaps,
    in_flight: InFlight,
}

/// What a step did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Step {
    pub(super) read: f64,
    pub(super) written: f64,
    /// When it was done, if it is.
    pub(super) done: Option<f64>,
}

impl Request {
    /// Many short questions, some with a long page before them or a long answer after.
    pub(super) fn new(random: &mut Random, arrived: f64, seen: &Seen) -> Request {
        let (prompt, output) = (random.low(40.0, 1540.0).round(), random.low(30.0, 670.0).round());
        let (chance, part, whole) = (random.unit(), random.unit(), random.unit());
        let (fate, part) = match chance {
            c if c < BROKEN => (Fate::Breaks, part),
            c if c < BROKEN + LEFT => (Fate::IsLeft, part),
            c if c < BROKEN + LEFT + CUT => (Fate::IsCut, 1.0),
            _ => (Fate::Stops, 1.0),
        };
        Request {
            arrived,
            patience: random.low(8.0, 60.0),
            streamed: whole >= WHOLE,
            fate,
            prompt,
            cached: (random.unit() * 520.0).round(),
            output: (output * part).ceil().max(2.0),
            load: None,
            admitted: false,
            read: 0.0,
            prompt_took: 0.0,
            written: 0.0,
            first: None,
            last: arrived,
            gaps: Gaps::default(),
            in_flight: seen.live.begin(),
        }
    }

    /// The same with a long answer, to the end.
    pub(super) fn lasting(self) -> Request {
        Request { output: self.output.max(400.0), fate: Fate::Stops, streamed: true, ..self }
    }

    /// Tokens of its prompt that the server found in its cache.
    pub(super) fn cached(&self) -> f64 {
        self.cached
    }

    /// A slot takes it. `loaded`: since when its model was there, where it had to be loaded.
    pub(super) fn admit(&mut self, loaded: Option<f64>) {
        self.admitted = true;
        self.load = loaded.map(|at| at - self.arrived).filter(|waited| *waited > 0.0);
    }

    /// Whether its client has gone by then.
    pub(super) fn is_given_up(&self, at: f64) -> bool {
        self.first.is_none() && at - self.arrived > self.patience
    }

    /// A step of that many seconds, in which `pace` divides the model's speed.
    pub(super) fn work(&mut self, from: f64, seconds: f64, pace: f64) -> Step {
        let mut step = Step::default();
        let (mut at, end) = (from, from + seconds);
        if self.read < self.prompt {
            let speed = PROMPT_SPEED / pace;
            let took = ((self.prompt - self.read) / speed).min(seconds);
            step.read = speed * took;
            self.read = if took < seconds { self.prompt } else { self.read + step.read };
            self.prompt_took += took;
            at += took;
        }
        if self.read >= self.prompt && at < end {
            let speed = OUTPUT_SPEED / pace;
            let before = self.written;
            let wanted = self.output - before;
            let (written, is_last) = if wanted <= speed * (end - at) + 1e-6 {
                (wanted, true)
            } else {
                (speed * (end - at), false)
            };
            self.written = if is_last { self.output } else { before + written };
            for token in before as u64 + 1..=self.written as u64 {
                self.piece(at + (token as f64 - before + wobble(token)) / speed);
            }
            step.written = written;
            step.done = is_last.then(|| at + written / speed);
        }
        step
    }

    fn piece(&mut self, at: f64) {
        if self.first.is_none() {
            self.first = Some(at);
        } else if self.streamed {
            self.gaps.add(span(at - self.last));
        }
        if self.streamed {
            self.in_flight.pieces(1);
        }
        self.last = at;
    }

    /// Its client has gone.
    pub(super) fn give_up(self, at: f64, seen: &Seen) {
        let phase = if self.admitted { Phase::Prefill } else { Phase::Queued };
        self.end(at, End::Cancelled(phase), seen);
    }

    /// It is done, as it was meant to be.
    pub(super) fn finish(self, at: f64, seen: &Seen) {
        let end = match self.fate {
            Fate::Stops | Fate::IsCut => End::Complete,
            Fate::Breaks => End::Failed(Failure::Reset),
            Fate::IsLeft => End::Cancelled(Phase::Decode),
        };
        self.end(at, end, seen);
    }

    fn end(self, at: f64, end: End, seen: &Seen) {
        let whole = end == End::Complete;
        let first = self.first.filter(|_| self.streamed);
        let tokens = self.written as u64;
        let flow = span(self.last - self.first.unwrap_or(self.last));
        let ollama = seen.dialect == Dialect::OllamaChat;
        let is_cut = self.fate == Fate::IsCut;
        let told = ServerTimes {
            load: ollama.then(|| span(self.load.unwrap_or(READY))),
            prompt: Some(span(self.prompt_took)),
            prompt_tokens: Some(self.prompt as u64),
            decode: Some(flow),
            decode_tokens: Some(tokens),
        };
        seen.live.end(Generation {
            model: Some(seen.model.into()),
            streamed: Some(self.streamed),
            finish: whole.then_some(if is_cut { Finish::Length } else { Finish::Stop }),
            status: (whole || self.first.is_some()).then_some(200),
            truncated: (whole && is_cut).then_some(Truncation::Length),
            time_to_first_token: first.map(|first| span(first - self.arrived)),
            time_to_first_answer: first.map(|first| span(first - self.arrived)),
            time_per_output_token: first.filter(|_| tokens >= 2).map(|_| flow.div_f64((tokens - 1) as f64)),
            gaps: self.gaps,
            tokens: Tokens {
                input: whole.then_some((self.prompt + self.cached) as u64),
                cached: whole.then_some(self.cached as u64),
                output: Some(tokens),
                output_estimated: !whole,
                ..Tokens::default()
            },
            told: if whole { told } else { ServerTimes::default() },
            added: Some(span(ADDED)),
            ..Generation::new(seen.dialect, end, span(at - self.arrived))
        });
    }
}

/// No two tokens take the same time: how much later or earlier one comes, in parts of a token's time.
fn wobble(token: u64) -> f64 {
    0.3 * (token as f64 * 2.4).sin() * if token > 1 { 1.0 } else { 0.0 }
}

fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.max(0.0))
}
