//! The way of a request: from the client to the server.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::{Break, Exchange};
use crate::tap::body::Body;
use crate::tap::outbox::{Outbox, write_or_keep};
use crate::tap::refusal::Refused;
use crate::tap::request::Request;
use crate::tap::scratch;
use crate::tap::watch::Watch;

/// How far a request is.
#[derive(Debug)]
pub(super) struct Up {
    body: Body,
    out: Outbox,
    /// What of `out` is the beginning of the body, from there on and in this framing, and was not shown yet.
    unshown: Option<(usize, Body)>,
    /// Bytes of data so far, and how many may come.
    data: u64,
    most: Option<u64>,
    /// The server has it all.
    sent: bool,
    /// The server takes no more of it. It may answer all the same.
    deaf: bool,
    /// Something may wait within TLS.
    unflushed: bool,
    /// The connection was there then; `None` once the head is written.
    began: Option<Instant>,
    /// To do it twice does no harm.
    idempotent: bool,
}

impl Up {
    /// A request with what came of its body so far; the rest of the inbox is left there.
    pub(super) fn new(request: &mut Request, inbox: &mut Vec<u8>, most: Option<u64>) -> Result<Up, Refused> {
        let head = std::mem::take(&mut request.head);
        let mut up = Up {
            body: request.body,
            unshown: Some((head.len(), request.body)),
            out: Outbox::of(head),
            data: 0,
            most,
            sent: false,
            deaf: false,
            unflushed: false,
            began: None,
            idempotent: request.idempotent,
        };
        up.absorb(inbox, None)?;
        Ok(up)
    }

    /// It is to be sent, from its beginning, over a new connection or one that was used before.
    pub(super) fn start(&mut self, now: Instant, reused: bool) {
        self.out.rewind();
        self.out.hold(reused);
        (self.began, self.sent, self.deaf) = (Some(now), false, false);
    }

    /// Nothing of it was written yet.
    pub(super) fn is_unsent(&self) -> bool {
        self.began.is_some()
    }

    /// The server has it all.
    pub(super) fn is_sent(&self) -> bool {
        self.sent
    }

    /// All of it was read, and taken or given up.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_over() && (self.sent || self.deaf)
    }

    /// More is to come, and it is not read, for the server takes none.
    pub(super) fn is_stuck(&self) -> bool {
        !self.body.is_over() && (self.deaf || !self.out.is_empty())
    }

    /// See [`Exchange::may_retry`].
    pub(super) fn may_retry(&self) -> bool {
        self.out.is_held() && (self.idempotent || self.out.is_untouched())
    }

    /// Some of it was written: what must not be sent twice is held no longer. A prompt is not to wait here with its
    /// request for an answer.
    fn has_left(&mut self) {
        if self.idempotent {
            self.out.let_go();
        } else {
            self.out.hold(false);
        }
    }

    /// The server answers: it will not be sent once more.
    pub(super) fn is_answered(&mut self) {
        if self.out.is_held() {
            self.out.hold(false);
        }
    }

    /// What waits still.
    pub(super) fn into_outbox(mut self) -> Outbox {
        self.out.hold(false);
        self.out
    }

    /// Takes what is of this request out of the inbox. What comes after the first write is shown to `watch` here.
    fn absorb(&mut self, inbox: &mut Vec<u8>, watch: Option<&mut Watch>) -> Result<(), Refused> {
        if inbox.is_empty() || self.body.is_over() {
            return Ok(());
        }
        let mut before = self.body;
        let own = self.advance(inbox)?;
        self.out.push(&inbox[..own]);
        if let Some(watch) = watch.filter(|watch| self.unshown.is_none() && watch.is_on()) {
            before.advance(&inbox[..own], |part| watch.request(part)).ok();
        }
        inbox.drain(..own);
        Ok(())
    }

    /// How many of these bytes are of this request.
    fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refused> {
        let data = &mut self.data;
        let own = self.body.advance(bytes, |part| *data += part.len() as u64);
        let own = own.map_err(|_| Refused::bad_chunk())?;
        match self.most {
            Some(most) if self.data > most => Err(Refused::body_too_large(most)),
            _ => Ok(own),
        }
    }

    /// Shows the meter what was sent along with the head.
    pub(super) fn show(&mut self, watch: &mut Watch) {
        if let Some((from, mut body)) = self.unshown.take()
            && watch.is_on()
            && let Some(bytes) = self.out.bytes().get(from..)
        {
            // Its framing was found to be good before.
            body.advance(bytes, |part| watch.request(part)).ok();
        }
    }
}

impl Exchange<'_> {
    /// Goes on with the request; whether anything moved.
    pub(super) fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<bool, Break> {
        let mut went = false;
        if !self.up.out.is_empty() && !self.up.deaf {
            match self.up.out.poll_write(&mut self.upstream, cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(_)) => self.turn_deaf(),
                Poll::Ready(Ok(_)) => {
                    self.has_written();
                    self.up.show(&mut self.watch);
                    self.up.has_left();
                }
            }
            if !self.up.out.is_empty() && !self.up.deaf {
                return Ok(true);
            }
            went = true;
        }
        if self.up.unflushed && !self.up.deaf {
            match Pin::new(&mut self.upstream).poll_flush(cx) {
                Poll::Pending => return Ok(went),
                Poll::Ready(Err(_)) => self.turn_deaf(),
                Poll::Ready(Ok(())) => self.up.unflushed = false,
            }
        }
        if !self.up.body.is_over() {
            return Ok(self.poll_body(cx)? || went);
        }
        if !self.up.sent && !self.up.deaf {
            self.up.sent = true;
            self.watch.sent(self.moved);
        }
        // Nothing more is expected; to read is to see whether the client is still there.
        match self.client.poll_gone(cx) {
            Poll::Ready(()) => Err(Break::ClientGone),
            Poll::Pending => Ok(went),
        }
    }

    /// More of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<bool, Break> {
        // Whether the server still wants it is told by its answer; without one, by its silence.
        if self.up.deaf && !self.down.is_over() {
            return Ok(false);
        }
        if !self.client.inbox.is_empty() {
            self.up.absorb(&mut self.client.inbox, Some(&mut self.watch)).map_err(Break::Refused)?;
            self.client.let_go();
            return Ok(true);
        }
        let (up, upstream, watch, client) =
            (&mut self.up, &mut self.upstream, &mut self.watch, &mut *self.client);
        let inbox = &mut client.inbox;
        let read = scratch::poll_read(&mut client.stream, cx, |read, cx| {
            let bytes = read.map_err(|_| Break::ClientGone)?;
            if bytes.is_empty() {
                return Err(Break::ClientGone);
            }
            let mut before = up.body;
            let own = up.advance(bytes).map_err(Break::Refused)?;
            inbox.extend_from_slice(&bytes[own..]);
            // From here on it cannot be sent once more.
            up.out.hold(false);
            if !up.deaf {
                up.unflushed = upstream.needs_flush();
                up.deaf = write_or_keep(upstream, cx, &bytes[..own], &mut up.out).is_err();
            }
            if watch.is_on() {
                before.advance(&bytes[..own], |part| watch.request(part)).ok();
            }
            Ok(())
        });
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(done) => {
                done?;
                self.moved = Instant::now();
                Ok(true)
            }
        }
    }

    fn has_written(&mut self) {
        self.moved = Instant::now();
        self.up.unflushed = self.upstream.needs_flush();
        if let Some(began) = self.up.began.take() {
            self.watch.add(self.moved.saturating_duration_since(began));
        }
    }

    /// The server takes no more. What it says to that is read before it is called broken.
    fn turn_deaf(&mut self) {
        self.up.deaf = true;
        self.up.show(&mut self.watch);
        if !self.up.out.is_held() {
            self.up.out.clear();
        }
    }
}
