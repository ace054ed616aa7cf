//! What follows a 101: bytes both ways, until both sides have ended. WebSockets are such.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{After, Client};
use super::outbox::{Outbox, write_or_keep};
use super::scratch;
use super::upstream::Stream;

/// One way of a tunnel.
#[derive(Debug, Default)]
struct Way {
    out: Outbox,
    /// The sender has ended.
    ended: bool,
    /// The receiver knows it.
    told: bool,
    /// Something may wait within TLS.
    unflushed: bool,
}

/// Carries bytes until both sides have ended, one has failed, or nothing went on for `idle`.
pub(super) async fn run(
    client: &mut Client,
    upstream: &mut Stream,
    to_server: Outbox,
    to_client: Outbox,
    idle: Duration,
) -> After {
    let mut up = Way { out: to_server, ..Way::default() };
    let mut down = Way { out: to_client, ..Way::default() };
    let mut moved = Instant::now();
    poll_fn(|cx| {
        let mut went = false;
        loop {
            let (Ok(a), Ok(b)) =
                (up.poll(&mut client.stream, upstream, cx), down.poll(upstream, &mut client.stream, cx))
            else {
                return Poll::Ready(After::Reset);
            };
            if up.told && down.told {
                return Poll::Ready(After::Close);
            }
            if !a && !b {
                break;
            }
            went = true;
        }
        let now = Instant::now();
        if went {
            moved = now;
        }
        if client.alarm.rings(cx, now, moved + idle) { Poll::Ready(After::Close) } else { Poll::Pending }
    })
    .await
}

impl Way {
    /// Goes on; whether anything moved.
    fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        if !self.out.is_empty() {
            return match self.out.poll_write(to, cx) {
                Poll::Pending => Ok(false),
                Poll::Ready(written) => {
                    self.unflushed = true;
                    self.out.let_go();
                    written.map(|_| true)
                }
            };
        }
        if self.unflushed {
            match Pin::new(&mut *to).poll_flush(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(flushed) => flushed?,
            }
            self.unflushed = false;
        }
        if self.ended {
            if self.told {
                return Ok(false);
            }
            return match Pin::new(to).poll_shutdown(cx) {
                Poll::Pending => Ok(false),
                Poll::Ready(shut) => {
                    self.told = true;
                    shut.map(|()| true)
                }
            };
        }
        let (out, unflushed, ended) = (&mut self.out, &mut self.unflushed, &mut self.ended);
        let read = scratch::poll_read(from, cx, |read, cx| {
            let bytes = read?;
            if bytes.is_empty() {
                *ended = true;
                return Ok(());
            }
            *unflushed = true;
            write_or_keep(to, cx, bytes, out)
        });
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(done) => done.map(|()| true),
        }
    }
}
