//! The meter: what it makes of recorded and composed answers, however they are split and whatever is in them.

mod bounds;
mod ends;
mod noise;
mod packed;
mod read;
mod recorded;
mod split;

use std::time::{Duration, Instant};

use opsagent::sample::{Dialect, Failure, Generation};
use opsagent::wire::{Close, Head, Meter, Progress};

use crate::support::fixture;

/// A meter whose clock is told.
pub struct Bench {
    pub meter: Meter,
    start: Instant,
}

impl Bench {
    /// A request was sent at 0 ms.
    pub fn sent(dialect: Dialect, request: &str) -> Bench {
        let start = tokio::time::Instant::now().into_std();
        let mut meter = Meter::new(dialect);
        meter.request(request.as_bytes());
        meter.sent(start);
        Bench { meter, start }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    pub fn head(&mut self, millis: u64, status: u16, content_type: &str) {
        self.encoded_head(millis, status, content_type, None);
    }

    pub fn encoded_head(&mut self, millis: u64, status: u16, content_type: &str, encoding: Option<&str>) {
        let at = self.at(millis);
        let head = Head {
            status,
            content_type: (!content_type.is_empty()).then_some(content_type.as_bytes()),
            content_encoding: encoding.map(str::as_bytes),
        };
        self.meter.head(head, at);
    }

    pub fn body(&mut self, millis: u64, bytes: &[u8]) -> Progress {
        let at = self.at(millis);
        self.meter.body(bytes, at)
    }

    pub fn finish(mut self, millis: u64, close: Close) -> Generation {
        let at = self.at(millis);
        self.meter.finish(close, at)
    }
}

/// What comes of a whole answer, its head at 10 ms, its body at 20 ms, its end at 30 ms.
pub fn whole(dialect: Dialect, request: &str, status: u16, content_type: &str, body: &str) -> Generation {
    closed(dialect, request, status, content_type, &[body.as_bytes()], Close::Whole)
}

/// The same of a body in pieces, all of them at 20 ms, ended in some way.
pub fn closed(
    dialect: Dialect,
    request: &str,
    status: u16,
    content_type: &str,
    pieces: &[&[u8]],
    close: Close,
) -> Generation {
    let mut bench = Bench::sent(dialect, request);
    bench.head(10, status, content_type);
    for piece in pieces {
        bench.body(20, piece);
    }
    bench.finish(30, close)
}

/// A recorded answer: what it is an answer to, its status, type and body.
pub struct Recording {
    pub dialect: Dialect,
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

pub fn recording(dialect: Dialect, path: &str) -> Recording {
    let recorded = fixture::recorded(path);
    Recording {
        dialect,
        status: recorded.status.split(' ').next().unwrap().parse().unwrap(),
        content_type: recorded.header("content-type").unwrap_or_default().to_owned(),
        body: recorded.body,
    }
}

impl Recording {
    pub fn read(&self, pieces: &[&[u8]], close: Close) -> Generation {
        closed(self.dialect, "{}", self.status, &self.content_type, pieces, close)
    }

    pub fn whole(&self) -> Generation {
        self.read(&[&self.body], Close::Whole)
    }
}

/// Every recorded stream.
pub const STREAMS: [(Dialect, &str); 16] = [
    (Dialect::OllamaChat, "ollama/0.34.0/chat-stream.http"),
    (Dialect::OllamaChat, "ollama/0.11.4/chat-stream.http"),
    (Dialect::OllamaGenerate, "ollama/0.34.0/generate-stream.http"),
    (Dialect::OllamaGenerate, "ollama/0.11.4/generate-stream.http"),
    (Dialect::OpenaiChat, "ollama/0.34.0/v1-chat-stream.http"),
    (Dialect::OpenaiChat, "ollama/0.34.0/v1-chat-stream-usage.http"),
    (Dialect::OpenaiChat, "ollama/0.11.4/v1-chat-stream.http"),
    (Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-usage.http"),
    (Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-timings-progress.http"),
    (Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-logprobs.http"),
    (Dialect::OpenaiCompletions, "llama_cpp/b11434/oai-completion-stream.http"),
    (Dialect::OpenaiResponses, "llama_cpp/b11434/responses-stream.http"),
    (Dialect::OpenaiResponses, "ollama/0.34.0/v1-responses-stream.http"),
    (Dialect::LlamaCppCompletion, "llama_cpp/b11434/completion-stream-nprobs.http"),
    (Dialect::AnthropicMessages, "llama_cpp/b11434/anthropic-stream.http"),
    (Dialect::AnthropicMessages, "ollama/0.34.0/v1-messages-stream.http"),
];

/// A break that a carrier saw.
pub const RESET: Close = Close::Broken(Failure::Reset);
