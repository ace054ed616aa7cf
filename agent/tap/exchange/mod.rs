//! One request and its answer, between a client and the server.
//!
//! Both ways run in the client's task: each looks whether bytes are there, reads them into the thread's buffer and
//! writes them at once. Only what the other side does not take yet is kept, and nothing more is read until it has.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::{After, Client, unless_gone};
use super::refusal::{self, Manner, Refused};
use super::request::Request;
use super::site::{Site, Tap};
use super::tunnel;
use super::upstream::{Stream, Unconnected};
use super::watch::Watch;
use crate::sample::Failure;
use crate::wire::Close;

mod down;
mod heads;
mod late;
mod up;

use down::Down;
use up::Up;

/// How long the client may take for what came before a break.
const FLUSH: Duration = Duration::from_secs(5);

/// Why an exchange ended before its answer did.
#[derive(Debug)]
enum Break {
    /// The client left.
    ClientGone,
    /// What the client sends cannot be passed on.
    Refused(Refused),
    /// The server failed.
    Upstream(Trouble),
}

/// What is wrong with the server.
#[derive(Debug)]
struct Trouble {
    failure: Failure,
    text: String,
    /// The connection was reset, and so will the client's be.
    reset: bool,
}

impl From<Unconnected> for Break {
    fn from(why: Unconnected) -> Break {
        Break::Upstream(Trouble { failure: why.failure, text: why.text, reset: false })
    }
}

/// A request on its way.
struct Exchange<'a> {
    client: &'a mut Client,
    upstream: Stream,
    up: Up,
    down: Down,
    watch: Watch,
    site: &'a Site,
    stop: &'a CancellationToken,
    /// Bytes went on then, whichever way.
    moved: Instant,
    /// The client was looked for then.
    looked: Instant,
}

/// Carries one request and its answer; `read_at` is when the last byte of its head was read.
pub(super) async fn run(
    client: &mut Client,
    tap: &Tap,
    site: &Arc<Site>,
    mut request: Request,
    read_at: Instant,
) -> After {
    let live = &site.plan.live;
    let manner = request.manner;
    if let (None, Some(client)) = (request.dialect, &request.client) {
        live.other(client);
    }
    let mut watch = Watch::new(request.dialect, live, request.client.clone(), request.trace_id.clone());
    let mut up = match Up::new(&mut request, &mut client.inbox, site.plan.limits.body_bytes) {
        Ok(up) => up,
        Err(refused) => return refuse(client, site, &mut watch, &refused, manner).await,
    };
    client.let_go();
    let mut now = Instant::now();
    watch.add(now.saturating_duration_since(read_at));
    let pooled = tap.pool.take(&site.upstream, now);
    let mut reused = pooled.is_some();
    let upstream = match pooled {
        Some(stream) => stream,
        None => match connect(client, site).await {
            Ok(stream) => {
                now = Instant::now();
                stream
            }
            Err(why) => {
                // What was asked for is of interest all the same.
                up.show(&mut watch);
                return give_up(client, site, &mut watch, why, manner).await;
            }
        },
    };
    let down = Down::new(request.asked);
    let mut exchange =
        Exchange { client, upstream, up, down, watch, site, stop: &tap.stop, moved: now, looked: now };
    exchange.up.start(now, reused);
    loop {
        let end = poll_fn(|cx| exchange.poll(cx)).await;
        match end {
            Ok(()) if exchange.down.is_switched() => return exchange.tunnel().await,
            Ok(()) => return exchange.finish(tap, reused),
            Err(Break::Upstream(trouble)) if reused && exchange.may_retry(&trouble) => {
                reused = false;
                exchange.upstream = match connect(exchange.client, site).await {
                    Ok(stream) => stream,
                    Err(why) => return exchange.fail(why, manner).await,
                };
                exchange.down = Down::new(request.asked);
                exchange.moved = Instant::now();
                exchange.up.start(exchange.moved, false);
            }
            Err(why) => return exchange.fail(why, manner).await,
        }
    }
}

/// A new connection to the server, unless the client leaves.
async fn connect(client: &mut Client, site: &Site) -> Result<Stream, Break> {
    // In a box, so that the room it takes is not a part of every stream's.
    let connecting = Box::pin(site.upstream.connect(site.plan.limits.connect));
    let connected = unless_gone(client, connecting).await.ok_or(Break::ClientGone)?;
    Ok(connected?)
}

impl Exchange<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Break>> {
        // `settled`: nothing is to be done for the request until bytes come or go.
        let (mut went, mut settled) = (false, false);
        loop {
            // There is no answer to what was not asked.
            if self.up.is_unsent() && self.poll_up(cx)? {
                (went, settled) = (true, self.up.is_sent());
            }
            let down = self.poll_down(cx)?;
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            went |= down;
            if settled && !down {
                break;
            }
            let up = self.poll_up(cx)?;
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            went |= up;
            settled = !up;
            if settled && !down {
                break;
            }
        }
        let now = if went { self.moved.max(self.looked) } else { Instant::now() };
        self.poll_late(cx, now)
    }

    /// The answer is with the client, and the request with the server or at its end.
    fn is_over(&self) -> bool {
        self.down.is_switched() || (self.down.is_over() && self.up.is_over())
    }

    /// Whether the request may be sent once more: over a connection that had waited, the server may have closed
    /// it at the same moment. Only if no byte of an answer came and all is still here; and if either nothing was
    /// sent, or it does no harm to do it twice.
    fn may_retry(&self, trouble: &Trouble) -> bool {
        trouble.failure == Failure::Reset && !self.down.has_begun() && self.up.may_retry()
    }

    /// All went well.
    fn finish(self, tap: &Tap, reused: bool) -> After {
        let Exchange { client, upstream, up, down, site, moved, .. } = self;
        if down.leaves_upstream_open() && up.is_sent() {
            tap.pool.put(upstream, &site.upstream, moved, reused, down.is_streamed());
        }
        client.since = moved;
        match () {
            () if down.keeps_client() => After::Next,
            () if client.inbox.is_empty() => After::Close,
            () => After::Linger,
        }
    }

    async fn tunnel(mut self) -> After {
        self.watch.end(Close::Whole, Instant::now());
        let Exchange { client, mut upstream, up, down, site, .. } = self;
        let mut to_server = up.into_outbox();
        to_server.push(&std::mem::take(&mut client.inbox));
        tunnel::run(client, &mut upstream, to_server, down.into_outbox(), site.plan.limits.idle).await
    }

    /// The client is told, or sees the same.
    async fn fail(self, why: Break, manner: Manner) -> After {
        let Exchange { client, upstream, mut down, mut watch, site, .. } = self;
        // First of all: the server works for nobody now.
        drop(upstream);
        if !down.is_passed() {
            return give_up(client, site, &mut watch, why, manner).await;
        }
        let (close, reset) = match &why {
            Break::ClientGone => (Close::ClientGone, false),
            Break::Refused(refused) => {
                site.plan.live.refuse(refused.reason);
                (Close::Broken(Failure::ClientError), false)
            }
            Break::Upstream(trouble) => (Close::Broken(trouble.failure), trouble.reset),
        };
        watch.end(close, Instant::now());
        if !matches!(why, Break::ClientGone) {
            drop(timeout(FLUSH, poll_fn(|cx| down.poll_flush(client, cx))).await);
        }
        // An answer that ends with its connection would look whole if that just ended.
        if reset || (down.is_open_ended() && !matches!(why, Break::ClientGone)) {
            After::Reset
        } else {
            After::Close
        }
    }
}

/// No byte of an answer was passed on: the tap answers.
async fn give_up(client: &mut Client, site: &Site, watch: &mut Watch, why: Break, manner: Manner) -> After {
    match why {
        Break::ClientGone => {
            watch.end(Close::ClientGone, Instant::now());
            After::Close
        }
        Break::Refused(refused) => refuse(client, site, watch, &refused, manner).await,
        Break::Upstream(trouble) => {
            watch.end(Close::Broken(trouble.failure), Instant::now());
            client.tell(&refusal::failure(trouble.failure, &trouble.text, manner)).await
        }
    }
}

/// The request cannot be passed on, or not on.
async fn refuse(
    client: &mut Client,
    site: &Site,
    watch: &mut Watch,
    refused: &Refused,
    manner: Manner,
) -> After {
    watch.end(Close::Broken(Failure::ClientError), Instant::now());
    site.plan.live.refuse(refused.reason);
    client.tell(&refused.answer(manner)).await
}
