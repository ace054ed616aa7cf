//! Measures one answer as it passes: bytes and instants in, a [`Generation`] out. The tap and the canary both
//! drive it.

use std::time::Instant;

use crate::sample::{Dialect, End, Failure, Generation, Phase};

/// Measures one request and its answer. Holds no text longer than the line that is being read.
#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    sent: Option<Instant>,
    head: Option<u16>,
    pieces: u64,
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
        Meter { dialect, sent: None, head: None, pieces: 0 }
    }

    /// Some bytes of the request's body, in order, before they are sent: which model, streamed or not.
    pub fn request(&mut self, _bytes: &[u8]) {}

    /// The whole request was handed to the server: all times count from here. An answer that begins before
    /// counts from its head.
    pub fn sent(&mut self, now: Instant) {
        self.sent = Some(now);
    }

    /// The answer's head came.
    pub fn head(&mut self, head: Head<'_>, now: Instant) {
        self.sent.get_or_insert(now);
        self.head = Some(head.status);
    }

    /// Some bytes of the answer's body, in order, without HTTP's own framing.
    pub fn body(&mut self, _bytes: &[u8], _now: Instant) -> Progress {
        Progress::default()
    }

    /// The end, and what came of it all.
    pub fn finish(self, close: Close, now: Instant) -> Generation {
        let end = match close {
            Close::Whole => End::Complete,
            Close::Broken(reason) => End::Failed(reason),
            Close::ClientGone if self.pieces > 0 => End::Cancelled(Phase::Decode),
            Close::ClientGone if self.head.is_some() => End::Cancelled(Phase::Prefill),
            Close::ClientGone => End::Cancelled(Phase::Queued),
        };
        let duration = self.sent.map_or_else(Default::default, |sent| now.saturating_duration_since(sent));
        Generation { status: self.head, ..Generation::new(self.dialect, end, duration) }
    }
}
