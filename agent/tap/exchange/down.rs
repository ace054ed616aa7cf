//! The way of an answer: from the server to the client.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::Instant;

use super::{Break, Exchange, Trouble};
use crate::sample::Failure;
use crate::tap::answer::Asked;
use crate::tap::body::Body;
use crate::tap::connection::Client;
use crate::tap::outbox::{Outbox, write_or_keep};
use crate::tap::scratch;
use crate::tap::watch::Watch;
use crate::wire::Close;

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Down {
    pub(super) asked: Asked,
    pub(super) stage: Stage,
    pub(super) out: Outbox,
    /// A byte of it came.
    begun: bool,
    /// Its head went to the client; one of 1xx does not count.
    pub(super) passed: bool,
    pub(super) open_ended: bool,
    pub(super) streamed: bool,
    pub(super) keep_upstream: bool,
    pub(super) keep_client: bool,
}

/// What of an answer comes next.
#[derive(Debug)]
pub(super) enum Stage {
    /// So much of a head.
    Head(Vec<u8>),
    Body(Body),
    /// It is no HTTP any more.
    Switched,
}

/// Where an answer goes.
pub(super) struct To<'a> {
    pub(super) client: &'a mut Client,
    pub(super) watch: &'a mut Watch,
    pub(super) head_bytes: usize,
    /// The tap ends: connections are not kept.
    pub(super) stopping: bool,
    /// The request is not wholly read.
    pub(super) unread: bool,
    /// What came was written then, where that is known.
    pub(super) wrote: Option<Instant>,
}

impl Down {
    /// An answer to one who asked so.
    pub(super) fn new(asked: Asked) -> Down {
        Down {
            asked,
            stage: Stage::Head(Vec::new()),
            out: Outbox::default(),
            begun: false,
            passed: false,
            open_ended: false,
            streamed: false,
            keep_upstream: false,
            keep_client: false,
        }
    }

    /// A byte of it came.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Its head was passed on.
    pub(super) fn is_passed(&self) -> bool {
        self.passed
    }

    /// The client has it all.
    pub(super) fn is_over(&self) -> bool {
        self.out.is_empty() && matches!(&self.stage, Stage::Body(body) if body.is_over())
    }

    /// The client has all that came.
    pub(super) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// What follows is no HTTP.
    pub(super) fn is_switched(&self) -> bool {
        matches!(self.stage, Stage::Switched)
    }

    /// Its end is that of the connection.
    pub(super) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// It came in chunks.
    pub(super) fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// The server's connection can be used on.
    pub(super) fn leaves_upstream_open(&self) -> bool {
        self.keep_upstream
    }

    /// The client's connection can be used on.
    pub(super) fn keeps_client(&self) -> bool {
        self.keep_client
    }

    /// What waits still.
    pub(super) fn into_outbox(self) -> Outbox {
        self.out
    }

    /// Gives the client what it has not got yet.
    pub(super) fn poll_flush(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            ready!(self.out.poll_write(&mut client.stream, cx))?;
        }
        self.out.let_go();
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, bytes: &[u8], to: &mut To<'_>, cx: &mut Context<'_>) -> Result<(), Break> {
        if bytes.is_empty() {
            return self.take_end();
        }
        self.begun = true;
        match &mut self.stage {
            Stage::Head(head) if head.is_empty() => self.take_head(bytes, 0, to, cx),
            Stage::Head(head) => {
                let mut head = std::mem::take(head);
                let looked = head.len();
                head.extend_from_slice(bytes);
                self.take_head(&head, looked, to, cx)
            }
            Stage::Body(_) => self.take_body(bytes, to, cx),
            Stage::Switched => Ok(()),
        }
    }

    /// The server sends no more.
    fn take_end(&mut self) -> Result<(), Break> {
        match &mut self.stage {
            Stage::Body(body @ Body::UntilClose) => {
                *body = Body::NONE;
                Ok(())
            }
            Stage::Head(_) if self.begun => {
                Err(broken(Failure::Reset, "the server closed the connection within the head of its answer"))
            }
            Stage::Head(_) => {
                Err(broken(Failure::Reset, "the server closed the connection before it answered"))
            }
            _ => Err(broken(Failure::CutShort, "")),
        }
    }

    /// More of the body: the way of every token.
    fn take_body(&mut self, bytes: &[u8], to: &mut To<'_>, cx: &mut Context<'_>) -> Result<(), Break> {
        let Stage::Body(body) = &mut self.stage else { return Ok(()) };
        let before = *body;
        let fine = body.advance(bytes, |_| ());
        let own = fine.unwrap_or(bytes.len());
        self.keep_upstream &= own == bytes.len();
        let came = to.watch.awaits_first().then(Instant::now);
        write_or_keep(&mut to.client.stream, cx, &bytes[..own], &mut self.out)
            .map_err(|_| Break::ClientGone)?;
        if to.watch.is_on() {
            let now = Instant::now();
            to.wrote = Some(now);
            let here = came.map_or(Duration::ZERO, |came| now.saturating_duration_since(came));
            show(before, &bytes[..own], to.watch, now, here);
        }
        // What is broken is passed on, so that the client finds it broken in the same place.
        fine.map(drop).map_err(|_| bad_framing())
    }

    /// Writes what is in the outbox, as far as the client takes it.
    pub(super) fn write(&mut self, to: &mut To<'_>, cx: &mut Context<'_>) -> Result<(), Break> {
        match self.poll_flush(to.client, cx) {
            Poll::Ready(Err(_)) => Err(Break::ClientGone),
            _ => Ok(()),
        }
    }
}

impl Exchange<'_> {
    /// Goes on with the answer; whether anything moved.
    pub(super) fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<bool, Break> {
        if !self.down.out.is_empty() {
            match self.down.out.poll_write(&mut self.client.stream, cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(_)) => return Err(Break::ClientGone),
                Poll::Ready(Ok(_)) => self.down.out.let_go(),
            }
            self.moved = Instant::now();
            self.tell_end();
            return Ok(true);
        }
        if self.down.is_over() {
            return Ok(false);
        }
        let mut to = To {
            client: self.client,
            watch: &mut self.watch,
            head_bytes: self.site.plan.limits.head_bytes,
            stopping: self.stop.is_cancelled(),
            unread: !self.up.is_over(),
            wrote: None,
        };
        let down = &mut self.down;
        let read = scratch::poll_read(&mut self.upstream, cx, |read, cx| match read {
            Ok(bytes) => down.take(bytes, &mut to, cx),
            Err(error) => Err(failed(&error, down)),
        });
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(taken) => {
                self.moved = to.wrote.unwrap_or_else(Instant::now);
                taken?;
                self.up.is_answered();
                self.tell_end();
                Ok(true)
            }
        }
    }

    fn tell_end(&mut self) {
        if self.down.is_over() {
            if self.down.open_ended {
                set_socket_linger(&self.client.stream, None).ok();
            }
            self.watch.end(Close::Whole, self.moved);
        }
    }
}

/// Shows the meter data of a body.
pub(super) fn show(mut body: Body, bytes: &[u8], watch: &mut Watch, now: Instant, here: Duration) {
    // Broken framing is found out by others.
    body.advance(bytes, |part| watch.body(part, now, here)).ok();
}

fn failed(error: &io::Error, down: &Down) -> Break {
    let text = if down.begun {
        format!("the connection to the server broke within the head of its answer: {error}")
    } else {
        format!("the connection to the server broke before it answered: {error}")
    };
    Break::Upstream(Trouble { failure: Failure::Reset, text, reset: true })
}

pub(super) fn broken(failure: Failure, text: impl Into<String>) -> Break {
    Break::Upstream(Trouble { failure, text: text.into(), reset: false })
}

pub(super) fn bad_framing() -> Break {
    broken(Failure::Malformed, "")
}
