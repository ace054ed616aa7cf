//! A client's connection: one request after the other, in order, whatever the client sends ahead.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::alarm::Alarm;
use super::exchange;
use super::head::may_end;
use super::refusal::{Manner, Refused};
use super::request::{self, Request};
use super::scratch::{self, SCRATCH};
use super::site::{Site, Tap};
use crate::fleet::Connected;
use crate::sample::Refusal;

/// How long a connection may wait for its next request: as with nginx, and longer than the minute that a scraper
/// leaves between two.
const KEPT: Duration = Duration::from_secs(75);

/// How long a head may take to come: a client that needs longer than milliseconds is in trouble or an attacker.
const HEAD: Duration = Duration::from_secs(60);

/// How much a client may send ahead of its answer; more is left with the system until the answer is over.
const AHEAD: usize = SCRATCH;

/// How long is waited for the client to take an answer that ends the connection, and to stop sending: to close
/// while it sends would reset the connection and could destroy the answer before it is read.
const LINGER: Duration = Duration::from_secs(5);

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    /// What was read and is of no request yet, or of the body of the one that begins.
    pub(super) inbox: Vec<u8>,
    pub(super) alarm: Alarm,
    /// It waits for its next request since then.
    pub(super) since: Instant,
}

/// What becomes of a connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next request is read.
    Next,
    /// It is closed.
    Close,
    /// It is closed when the client has read what it was told.
    Linger,
    /// It is reset: what the client got is not whole.
    Reset,
}

/// What came on a connection.
enum Heard {
    Request(Request, Arc<Site>, Instant),
    Refused(Refused, Manner),
    /// Nothing more is to come.
    Gone,
}

/// Serves one connection to its end; `open` is its place among the others.
pub(super) async fn serve(tap: Arc<Tap>, stream: TcpStream, peer: IpAddr, open: Connected) {
    let _open = open;
    let mut client =
        Client { stream, peer, inbox: Vec::new(), alarm: Alarm::default(), since: Instant::now() };
    let mut stopped = pin!(tap.stop.cancelled());
    loop {
        let after = match client.hear(&tap, stopped.as_mut()).await {
            Heard::Gone => return,
            Heard::Request(request, site, read_at) => {
                exchange::run(&mut client, &tap, &site, request, read_at).await
            }
            Heard::Refused(refused, manner) => {
                tap.site().plan.live.refuse(refused.reason);
                client.tell(&refused.answer(manner)).await
            }
        };
        match after {
            After::Next => {}
            After::Close => return,
            After::Linger => return client.linger().await,
            // Closing does it, and cannot fail.
            After::Reset => return drop(client.stream.set_zero_linger()),
        }
    }
}

impl Client {
    /// Whether the client has left. What it sends meanwhile is kept, as far as there is room.
    ///
    /// A client that says it will send no more has left: so nginx and Go take it, too. Nobody who waits for an
    /// answer closes its own side, and a generation that nobody reads costs a GPU.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.inbox.len() < AHEAD {
            let inbox = &mut self.inbox;
            let read = scratch::poll_read(&mut self.stream, cx, |read, _| match read {
                Ok(bytes) if !bytes.is_empty() => {
                    inbox.extend_from_slice(bytes);
                    true
                }
                _ => false,
            });
            match read {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Whether the system says so, of a client whose bytes are not read now.
    pub(super) fn has_left(&self) -> bool {
        let ready = self.stream.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| !matches!(ready, Ok(ready) if !ready.is_read_closed()))
    }

    /// Whether there is room for what it sends ahead.
    pub(super) fn is_heard(&self) -> bool {
        self.inbox.len() < AHEAD
    }

    /// Tells it something in full; the connection is over then.
    pub(super) async fn tell(&mut self, bytes: &[u8]) -> After {
        match timeout(LINGER, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => After::Linger,
            _ => After::Close,
        }
    }

    /// Waits until it has read all, or sends no more.
    async fn linger(mut self) {
        let read_out = async {
            self.stream.shutdown().await.ok();
            let more =
                |read: std::io::Result<&[u8]>, _: &mut Context<'_>| read.is_ok_and(|bytes| !bytes.is_empty());
            while poll_fn(|cx| scratch::poll_read(&mut self.stream, cx, more)).await {}
        };
        drop(timeout(LINGER, read_out).await);
    }

    /// The next request, or why there is none.
    async fn hear(&mut self, tap: &Tap, mut stopped: Pin<&mut impl Future<Output = ()>>) -> Heard {
        let (mut looked, mut now) = (0, Some(self.since));
        poll_fn(|cx| match self.poll_hear(cx, tap, &mut looked, now.take()) {
            Poll::Pending if self.inbox.is_empty() && stopped.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Heard::Gone)
            }
            heard => heard,
        })
        .await
    }

    /// `looked`: how much of the inbox was looked at before; `now`: if that is known.
    fn poll_hear(
        &mut self,
        cx: &mut Context<'_>,
        tap: &Tap,
        looked: &mut usize,
        mut now: Option<Instant>,
    ) -> Poll<Heard> {
        loop {
            if self.inbox.len() > *looked {
                let now = *now.get_or_insert_with(Instant::now);
                if *looked == 0 {
                    self.since = now;
                }
                if let Some(heard) = self.look(tap, *looked, now) {
                    return Poll::Ready(heard);
                }
            }
            *looked = self.inbox.len();
            let inbox = &mut self.inbox;
            let read = scratch::poll_read(&mut self.stream, cx, |read, _| match read {
                Ok(bytes) if !bytes.is_empty() => {
                    inbox.extend_from_slice(bytes);
                    true
                }
                _ => false,
            });
            match read {
                Poll::Ready(true) => now = None,
                Poll::Ready(false) => return Poll::Ready(Heard::Gone),
                Poll::Pending => return self.poll_late(cx, now.unwrap_or_else(Instant::now)),
            }
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Heard> {
        let idle = self.inbox.is_empty();
        let deadline = self.since + if idle { KEPT } else { HEAD };
        if !self.alarm.rings(cx, now, deadline) {
            return Poll::Pending;
        }
        if idle {
            return Poll::Ready(Heard::Gone);
        }
        let text = format!("the head of the request did not come within {HEAD:?}");
        Poll::Ready(self.refused(Refused::new(Refusal::Slow, 408, text)))
    }

    /// The request in the inbox, once its head is whole.
    fn look(&mut self, tap: &Tap, looked: usize, now: Instant) -> Option<Heard> {
        let site = tap.site();
        let most = site.plan.limits.head_bytes;
        if looked == 0 || may_end(&self.inbox, looked) {
            match request::read(&self.inbox, &site, self.peer) {
                Ok(Some((request, used))) if used <= most => {
                    self.inbox.drain(..used);
                    self.let_go();
                    return Some(Heard::Request(request, site, now));
                }
                Ok(None) if self.inbox.len() <= most => {}
                Ok(_) => return Some(self.refused(Refused::head_too_large(most))),
                Err(refused) => return Some(self.refused(refused)),
            }
        }
        (self.inbox.len() > most).then(|| self.refused(Refused::head_too_large(most)))
    }

    /// Holds no room for what is not there.
    pub(super) fn let_go(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
    }

    fn refused(&self, refused: Refused) -> Heard {
        Heard::Refused(refused, Manner::of(&self.inbox))
    }
}

/// The client, while somebody else is waited for: `None` if it left.
pub(super) async fn unless_gone<R>(client: &mut Client, work: impl Future<Output = R>) -> Option<R> {
    let mut work: Pin<&mut _> = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => client.poll_gone(cx).map(|()| None),
    })
    .await
}
