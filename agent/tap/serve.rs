//! Accepts clients.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::SharedPlan;
use crate::jobs::Jobs;

/// How long is waited when no connection can be accepted, mostly for want of file descriptors.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Takes connections of clients until `stop`, and completes then: each runs by `jobs`, and goes on to its end.
/// To be run by the same `jobs`, best those of a thread of its own ([`Jobs::on_thread`]).
///
/// A connection that waits for its next request ends at `stop`; one with a request ends after its answer, or is
/// cut with all jobs.
pub async fn serve(listener: std::net::TcpListener, plan: SharedPlan, jobs: Jobs, stop: CancellationToken) {
    let listener = match listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, target_name = plan.load().target, "a tap cannot listen");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => jobs.run("tap", async { drop(stream) }),
            Err(error) => {
                tracing::debug!(%error, "a tap cannot accept a connection");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}
