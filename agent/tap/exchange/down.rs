//! The way of an answer: from the server to the client.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::Instant;

use super::{Break, Exchange, Trouble};
use crate::sample::Failure;
use crate::tap::answer::{self, Answer, Asked, Kind};
use crate::tap::body::Body;
use crate::tap::connection::Client;
use crate::tap::head::may_end;
use crate::tap::outbox::{Outbox, write_or_keep};
use crate::tap::scratch;
use crate::tap::watch::Watch;
use crate::wire::{Close, Head};

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Down {
    asked: Asked,
    stage: Stage,
    out: Outbox,
    /// A byte of it came.
    begun: bool,
    /// Its head went to the client; one of 1xx does not count.
    passed: bool,
    open_ended: bool,
    keep_upstream: bool,
    keep_client: bool,
}

#[derive(Debug)]
enum Stage {
    /// So much of a head.
    Head(Vec<u8>),
    Body(Body),
    /// It is no HTTP any more.
    Switched,
}

/// Where an answer goes.
struct To<'a> {
    client: &'a mut Client,
    watch: &'a mut Watch,
    head_bytes: usize,
    /// The tap ends: connections are not kept.
    stopping: bool,
    /// The request is not wholly read.
    unread: bool,
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

    /// Heads, of which `looked` bytes were looked at before, and what follows them.
    fn take_head(
        &mut self,
        bytes: &[u8],
        looked: usize,
        to: &mut To<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Break> {
        let came = Instant::now();
        let (mut rest, mut looked) = (bytes, looked);
        loop {
            let found = if looked == 0 || may_end(rest, looked) {
                answer::read(rest, self.asking(to)).map_err(|text| {
                    broken(Failure::Malformed, format!("the server's answer cannot be passed on: {text}"))
                })?
            } else {
                None
            };
            let Some((answer, used)) = found else {
                if rest.len() > to.head_bytes {
                    let text = format!(
                        "the head of the server's answer is larger than {} bytes (max_header)",
                        to.head_bytes
                    );
                    return Err(broken(Failure::Malformed, text));
                }
                self.stage = Stage::Head(rest.to_vec());
                return self.write(to, cx);
            };
            self.out.push(&answer.head);
            rest = &rest[used..];
            match answer.kind {
                Kind::Interim => (looked, self.stage) = (0, Stage::Head(Vec::new())),
                Kind::Switch => {
                    (self.stage, self.passed) = (Stage::Switched, true);
                    self.out.push(rest);
                    return Ok(());
                }
                Kind::Final => return self.begin(&answer, rest, came, to, cx),
            }
            if rest.is_empty() {
                return self.write(to, cx);
            }
        }
    }

    /// What the request asked for, as of now.
    fn asking(&self, to: &To<'_>) -> Asked {
        // One that was told to wait may never send its body now, and begin its next request instead.
        let unsure = self.asked.continues && to.unread;
        Asked { keep: self.asked.keep && !to.stopping && !unsure, ..self.asked }
    }

    /// The head of the answer itself, and what came of its body with it.
    fn begin(
        &mut self,
        answer: &Answer,
        rest: &[u8],
        came: Instant,
        to: &mut To<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Break> {
        let mut body = answer.body;
        let fine = body.advance(rest, |_| ());
        let own = fine.unwrap_or(rest.len());
        self.out.push(&rest[..own]);
        self.passed = true;
        self.open_ended = answer.body == Body::UntilClose;
        self.keep_upstream = answer.keep_upstream && own == rest.len();
        self.keep_client = answer.keep_client;
        self.stage = Stage::Body(body);
        self.write(to, cx)?;
        if self.open_ended {
            // Whatever ends it before the server does, the end of this very process too, must not look like the
            // end of the answer.
            drop(to.client.stream.set_zero_linger());
        }
        let now = Instant::now();
        if to.watch.is_on() {
            let head = Head {
                status: answer.status,
                content_type: answer.content_type(),
                content_encoding: answer.content_encoding(),
            };
            to.watch.head(head, came);
            show(answer.body, &rest[..own], to.watch, now, now.saturating_duration_since(came));
        }
        fine.map(drop).map_err(|_| bad_framing())
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
            let here = came.map_or(Duration::ZERO, |came| now.saturating_duration_since(came));
            show(before, &bytes[..own], to.watch, now, here);
        }
        // What is broken is passed on, so that the client finds it broken in the same place.
        fine.map(drop).map_err(|_| bad_framing())
    }

    /// Writes what is in the outbox, as far as the client takes it.
    fn write(&mut self, to: &mut To<'_>, cx: &mut Context<'_>) -> Result<(), Break> {
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
        };
        let down = &mut self.down;
        let read = scratch::poll_read(&mut self.upstream, cx, |read, cx| match read {
            Ok(bytes) => down.take(bytes, &mut to, cx),
            Err(error) => Err(failed(&error, down)),
        });
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(taken) => {
                self.moved = Instant::now();
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
            self.watch.end(Close::Whole);
        }
    }
}

/// Shows the meter data of a body.
fn show(mut body: Body, bytes: &[u8], watch: &mut Watch, now: Instant, here: Duration) {
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

fn broken(failure: Failure, text: impl Into<String>) -> Break {
    Break::Upstream(Trouble { failure, text: text.into(), reset: false })
}

fn bad_framing() -> Break {
    broken(Failure::Malformed, "")
}
