//! A generation: one prompt in, one answer out, timed from outside. What a tapped client got, what a canary
//! asked, or what a server's log told of one.
//!
//! Every time counts from the moment at which the request was wholly handed to the server, on a monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MeterFault;

mod dialect;
mod end;
mod gaps;

pub use dialect::{Dialect, Source};
pub use end::{End, Failure, Finish, Phase, Truncation};
pub use gaps::{GAP_BOUNDS, Gaps};

/// One prompt in, one answer out. `None` means "it was not told", never zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// What was spoken.
    pub dialect: Dialect,
    /// The model that was asked for, or the one that the answer names where the request names none; as the
    /// wire spells it, at most 256 bytes. A client can send any name: see `fleet` for what becomes a label.
    pub model: Option<String>,
    /// Whether the answer came as a stream; of a request that failed or got none, whether it asked for one.
    /// `None`: that is not known, as in a log.
    pub streamed: Option<bool>,
    /// How it ended.
    pub end: End,
    /// Why the server stopped generating, as it says.
    pub finish: Option<Finish>,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// The answer was cut short or the prompt was: by which limit.
    pub truncated: Option<Truncation>,
    /// To the last byte of the answer.
    pub duration: Duration,
    /// To the first piece of the answer that carries generated text of any kind (an answer, reasoning, a tool
    /// call). Of streams alone.
    pub time_to_first_token: Option<Duration>,
    /// To the first piece that carries visible answer text: later than the first token where the model reasons.
    pub time_to_first_answer: Option<Duration>,
    /// (last token − first token) / (output tokens − 1), with at least two tokens. Of streams alone.
    pub time_per_output_token: Option<Duration>,
    /// Pieces that carry generated text, as whoever carried the answer counted them. Of streams alone.
    pub pieces: u64,
    /// Between successive reads with such pieces: those that came in one share it.
    pub gaps: Gaps,
    /// Tokens in and out.
    pub tokens: Tokens,
    /// What the server says of its own times.
    pub told: ServerTimes,
    /// The trace that the client says this is part of: 32 hex digits out of `traceparent`.
    pub trace_id: Option<Arc<str>>,
    /// The client's name, as the config gives it.
    pub client: Option<Arc<str>>,
    /// What the tap itself added: from bytes read to the same bytes written, request and first token together.
    pub added: Option<Duration>,
    /// Why it was not measured to its end, if it was not: then what is told here is what was seen until then.
    pub fault: Option<MeterFault>,
    /// These are only the tokens and times that a server told of one request, and cannot be said of which: it is
    /// told by another of these, without them. To be counted as tokens, not as a request.
    pub loose: bool,
}

impl Generation {
    /// One of which nothing is known but what was spoken, how it ended and how long it took.
    pub fn new(dialect: Dialect, end: End, duration: Duration) -> Generation {
        Generation {
            dialect,
            model: None,
            streamed: None,
            end,
            finish: None,
            status: None,
            truncated: None,
            duration,
            time_to_first_token: None,
            time_to_first_answer: None,
            time_per_output_token: None,
            pieces: 0,
            gaps: Gaps::default(),
            tokens: Tokens::default(),
            told: ServerTimes::default(),
            trace_id: None,
            client: None,
            added: None,
            fault: None,
            loose: false,
        }
    }
}

/// Tokens of one generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the whole prompt, the cached ones too.
    pub input: Option<u64>,
    /// The part of the prompt that came out of the cache.
    pub cached: Option<u64>,
    /// Generated: answer, reasoning and tool calls.
    pub output: Option<u64>,
    /// The part of them that is reasoning.
    pub reasoning: Option<u64>,
    /// `output` is our count of pieces, since the server tells none.
    pub output_estimated: bool,
}

/// What a server says of its own times in one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTimes {
    /// Getting the model ready: near zero if it was loaded. Ollama's `load_duration`, which holds its
    /// scheduler's queue too.
    pub load: Option<Duration>,
    /// On the part of the prompt that was not cached.
    pub prompt: Option<Duration>,
    /// Tokens of the prompt processed in that time.
    pub prompt_tokens: Option<u64>,
    /// From the first token to the last.
    pub decode: Option<Duration>,
    /// Tokens generated in that time, the first included.
    pub decode_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_at_a_bound_is_within_it() {
        let mut gaps = Gaps::default();
        for millis in [0, 10, 11, 9000] {
            gaps.add(Duration::from_millis(millis));
        }
        assert_eq!((gaps.counts[0], gaps.counts[2], gaps.counts[3], gaps.counts[15]), (1, 1, 1, 1));
        assert_eq!((gaps.count(), gaps.longest), (4, Duration::from_secs(9)));
    }

    #[test]
    fn names_are_told_apart() {
        let names: std::collections::BTreeSet<_> =
            Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
        assert_eq!(names.len(), Dialect::ALL.len());
        let reasons: std::collections::BTreeSet<_> =
            Failure::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(reasons.len(), Failure::ALL.len());
    }
}
