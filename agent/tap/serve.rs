//! Accepts clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::refusal::{Manner, Refused};
use super::site::Tap;
use super::{Plan, SharedPlan};
use crate::jobs::Jobs;
use crate::sample::Refusal;

/// How long is waited when no connection can be accepted, mostly for want of file descriptors.
const NO_ROOM: Duration = Duration::from_millis(100);

/// How long one that is told that there is no room may take to read it.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// How long is waited for what it asks, to tell it in the manner of that.
const ASKED: Duration = Duration::from_millis(200);

/// How many may be told so at a time; more are closed without a word.
const MOST_TURNED_AWAY: usize = 64;

/// Takes connections of clients until `stop`, and completes then: each runs by `jobs`, and goes on to its end.
/// To be run by the same `jobs`, best those of a thread of its own ([`Jobs::on_thread`]).
///
/// A connection that waits for its next request ends at `stop`; one with a request ends after its answer, or is
/// cut with all jobs.
pub async fn serve(listener: std::net::TcpListener, plan: SharedPlan, jobs: Jobs, stop: CancellationToken) {
    let listener = match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, tap = plan.load().target, "a tap cannot listen");
            return;
        }
    };
    let tap = Arc::new(Tap::new(plan, stop.clone()));
    let turned_away = Arc::new(());
    let mut deaf = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            () = tap.pool.reap() => continue,
            accepted = listener.accept() => accepted,
        };
        let plan = Arc::clone(&tap.site().plan);
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_client(&error) => continue,
            Err(error) => {
                if !std::mem::replace(&mut deaf, true) {
                    cannot_accept(&plan, &error);
                }
                tokio::time::sleep(NO_ROOM).await;
                continue;
            }
        };
        if std::mem::take(&mut deaf) {
            plan.live.set_deaf(None);
            tracing::info!(target = plan.target, "the tap accepts connections again");
        }
        let most = plan.limits.connections;
        if plan.live.connections() < most as u64 {
            // Tokens are small, and each is to leave at once. Without it they come late, but they come.
            drop(stream.set_nodelay(true));
            // It counts from here on: many may come before the first of them runs.
            let open = plan.live.connect();
            jobs.run("tap", connection::serve(Arc::clone(&tap), stream, peer.ip(), open));
        } else {
            plan.live.refuse(Refusal::Connections);
            if Arc::strong_count(&turned_away) <= MOST_TURNED_AWAY {
                let one_more = Arc::clone(&turned_away);
                jobs.run("tap", async move {
                    turn_away(stream, most).await;
                    drop(one_more);
                });
            }
        }
    }
}

/// Whether a client had left again before it was accepted: that tells nothing of the tap.
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Says so once, until it can again: clients wait meanwhile, and see nothing.
fn cannot_accept(plan: &Plan, error: &io::Error) {
    tracing::warn!(
        target = plan.target,
        %error,
        "the tap cannot accept connections: more open files may be allowed (LimitNOFILE, ulimit -n), or fewer connections \
         (max_connections under [tap])"
    );
    plan.live.set_deaf(Some(error.to_string()));
}

/// Says that there is no room.
async fn turn_away(mut stream: TcpStream, most: usize) {
    let text =
        format!("{most} connections are open, as many as max_connections under [tap] in the config allows");
    let refused = Refused::new(Refusal::Connections, 503, text);
    let told = async {
        let mut begin = [0; 256];
        let read = timeout(ASKED, stream.peek(&mut begin)).await.map_or(Ok(0), |read| read)?;
        let answer = refused.answer(Manner::of(&begin[..read]));
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        // Closed with the request unread, the connection would be reset and the answer lost.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    drop(timeout(TURNED_AWAY, told).await);
}
