//! Measures one answer as it passes: bytes and instants in, a [`Generation`] out. The tap and the canary both
//! drive it.

use std::time::{Duration, Instant};

use super::answer::Answer;
use super::dialects::{Anthropic, LmStudio, Ollama, Openai, Responses};
use super::ending::Ending;
use super::frames::{Form, Frames};
use super::pace::Pace;
use super::request::Request;
use super::tally;
use super::unpack::Unpack;
use crate::sample::{Dialect, End, Failure, Generation, MeterFault, Phase};

/// Measures one request and its answer. Holds no text longer than the line that is being read, and of that only
/// the short value that is not whole.
#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    request: Request,
    sent: Option<Instant>,
    status: Option<u16>,
    /// Bytes of the answer's body came.
    began: bool,
    /// The body is read; else it is passed by.
    reading: bool,
    fault: Option<MeterFault>,
    /// The body is compressed.
    unpack: Option<Box<Unpack>>,
    frames: Frames,
    answer: Answer,
    pace: Pace,
}

/// What of an answer's head decides how its body is read.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Type`, as it came.
    pub content_type: Option<&'a [u8]>,
    /// `Content-Encoding`, as it came: of a compressed answer a copy is decoded.
    pub content_encoding: Option<&'a [u8]>,
}

/// What some bytes of an answer held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pieces with generated text.
    pub pieces: u32,
    /// The first of them was the answer's first.
    pub first: bool,
}

/// How the connection of an answer ended, as its carrier saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The message is whole, as HTTP counts it.
    Whole,
    /// The carrier could not bring it whole, for this reason.
    Broken(Failure),
    /// The client left first.
    ClientGone,
}

impl Meter {
    /// A request in this dialect begins.
    pub fn new(dialect: Dialect) -> Meter {
        Meter {
            dialect,
            request: Request::new(),
            sent: None,
            status: None,
            began: false,
            reading: false,
            fault: None,
            unpack: None,
            frames: Frames::new(Form::Whole),
            answer: Answer::default(),
            pace: Pace::default(),
        }
    }

    /// Some bytes of the request's body, in order, before they are sent: which model, streamed or not.
    pub fn request(&mut self, bytes: &[u8]) {
        self.request.feed(bytes);
    }

    /// The whole request was handed to the server: all times count from here. An answer that begins before
    /// counts from its head.
    pub fn sent(&mut self, now: Instant) {
        self.sent.get_or_insert(now);
    }

    /// The answer's head came.
    pub fn head(&mut self, head: Head<'_>, now: Instant) {
        self.sent.get_or_insert(now);
        self.status = Some(head.status);
        self.reading = true;
        self.frames = Frames::new(form(head.content_type, self.asked_stream()));
        match Unpack::new(head.content_encoding.unwrap_or_default()) {
            Ok(unpack) => self.unpack = unpack.map(Box::new),
            Err(fault) => self.give_up(fault),
        }
    }

    /// Some bytes of the answer's body, in order, without HTTP's own framing.
    #[inline]
    pub fn body(&mut self, bytes: &[u8], now: Instant) -> Progress {
        if bytes.is_empty() {
            return Progress::default();
        }
        self.began = true;
        if !self.reading {
            return Progress::default();
        }
        if let Err(fault) = self.read(bytes) {
            self.give_up(fault);
        }
        if !self.is_stream() {
            return Progress::default();
        }
        let pieces = std::mem::take(&mut self.answer.pieces);
        let visible = std::mem::take(&mut self.answer.visible);
        Progress { pieces, first: self.pace.pieces(pieces, visible, now) }
    }

    /// The end, and what came of it all. Nothing is shown after it.
    pub fn finish(&mut self, close: Close, now: Instant) -> Generation {
        let ending = self.ending();
        let (end, complete) = (ending.end(close), ending.is_complete(close));
        let streamed = self.is_stream();
        let pieces = if streamed { self.pace.count() } else { 0 };
        // An error comes in one piece, also to who asked for a stream.
        let by_request = self.status.is_none() || matches!(end, End::Failed(_));
        let asked_stream = self.asked_stream();
        let limit = self.request.asked().limit;
        let tokens = tally::tokens(&self.answer, pieces, complete);
        let (first, first_answer) = self.sent.map_or((None, None), |sent| self.pace.to_first(sent));
        Generation {
            streamed: Some(streamed || (by_request && asked_stream)),
            finish: self.answer.finish,
            status: self.status,
            truncated: tally::truncation(&self.answer, &tokens, limit),
            time_to_first_token: first,
            time_to_first_answer: first_answer,
            time_per_output_token: self.pace.per_token(tokens.output),
            pieces,
            gaps: self.pace.gaps(),
            tokens,
            told: tally::times(&self.answer),
            fault: self.fault,
            model: self.request.take_model().or_else(|| self.answer.model.take().map(String::from)),
            ..Generation::new(self.dialect, end, self.since_sent(now))
        }
    }

    #[inline]
    fn read(&mut self, bytes: &[u8]) -> Result<(), MeterFault> {
        match self.unpack.take() {
            None => self.read_plain(bytes),
            Some(mut unpack) => {
                let result = unpack.feed(bytes, |plain| self.read_plain(plain));
                self.unpack = Some(unpack);
                result
            }
        }
    }

    #[inline]
    fn read_plain(&mut self, bytes: &[u8]) -> Result<(), MeterFault> {
        let (frames, answer) = (&mut self.frames, &mut self.answer);
        match self.dialect {
            Dialect::OllamaGenerate | Dialect::OllamaChat | Dialect::OllamaEmbed => {
                frames.feed::<Ollama>(bytes, answer)
            }
            Dialect::OpenaiChat
            | Dialect::OpenaiCompletions
            | Dialect::OpenaiEmbeddings
            | Dialect::LlamaCppCompletion
            | Dialect::LlamaCppInfill
            | Dialect::LlamaCppEmbedding
            | Dialect::Unknown => frames.feed::<Openai>(bytes, answer),
            Dialect::OpenaiResponses => frames.feed::<Responses>(bytes, answer),
            Dialect::AnthropicMessages => frames.feed::<Anthropic>(bytes, answer),
            Dialect::LmStudioChat => frames.feed::<LmStudio>(bytes, answer),
        }
    }

    /// Reads no further. An answer that is an error may be of any form: that it cannot be read is no fault.
    #[cold]
    fn give_up(&mut self, fault: MeterFault) {
        self.reading = false;
        self.unpack = None;
        self.frames = Frames::new(self.frames.form());
        if self.status.is_some_and(|status| (200..300).contains(&status)) {
            self.fault = Some(fault);
        }
    }

    fn ending(&self) -> Ending<'_> {
        Ending {
            dialect: self.dialect,
            status: self.status,
            form: self.status.map(|_| self.frames.form()),
            answer: &self.answer,
            whole: self.frames.is_document_whole(),
            faulty: self.fault.is_some(),
            phase: self.phase(),
        }
    }

    /// How far the answer is, as far as can be seen.
    fn phase(&self) -> Phase {
        if self.pace.count() > 0 || (self.began && (!self.is_stream() || self.fault.is_some())) {
            return Phase::Decode;
        }
        // Ollama's head comes with its first token, and any server's with the whole answer where there is no
        // stream: without one nobody knows how long it waited.
        let told_late = !self.asked_stream() || self.dialect.is_ollama();
        if self.status.is_some() || (self.sent.is_some() && told_late) {
            Phase::Prefill
        } else {
            Phase::Queued
        }
    }

    fn is_stream(&self) -> bool {
        self.status.is_some() && matches!(self.frames.form(), Form::Events | Form::Lines)
    }

    /// Whether a stream was asked for: Ollama's is one unless it is declined.
    fn asked_stream(&self) -> bool {
        let usual = matches!(self.dialect, Dialect::OllamaGenerate | Dialect::OllamaChat);
        self.request.asked().stream.unwrap_or(usual)
    }

    fn since_sent(&self, now: Instant) -> Duration {
        self.sent.map_or_else(Default::default, |sent| now.saturating_duration_since(sent))
    }
}

/// How an answer with this `Content-Type` is framed.
fn form(content_type: Option<&[u8]>, asked_stream: bool) -> Form {
    let whole = content_type.unwrap_or_default();
    let end = memchr::memchr(b';', whole).unwrap_or(whole.len());
    let told = whole[..end].trim_ascii();
    let is = |name: &&[u8]| told.eq_ignore_ascii_case(name);
    match () {
        // Some servers call their streams so, too.
        () if is(&&b"application/json"[..]) => Form::Unknown { lines: false },
        () if is(&&b"text/event-stream"[..]) => Form::Events,
        () if LINES.iter().any(is) => Form::Lines,
        () => Form::Unknown { lines: asked_stream },
    }
}

/// What streams of lines are called.
const LINES: [&[u8]; 4] =
    [b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/stream+json"];
