//! The job that polls a server.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::http::HttpError;
use crate::jobs::Job;
use crate::sample::ServerState;
use crate::servers::Server;

/// Beyond a question's own time limit, a poll of several questions may take this much more before
/// it is given up: a slow disk, a long table of processes.
const SLACK: Duration = Duration::from_secs(5);

/// Polls one target on its beat.
pub struct PollServer {
    target: String,
    server: Box<dyn Server>,
    limit: Duration,
    fleet: Fleet,
}

impl PollServer {
    /// A job that polls `server` as `target` and records what it saw.
    pub fn new(
        target: impl Into<String>,
        server: Box<dyn Server>,
        timeout: Duration,
        fleet: Fleet,
    ) -> PollServer {
        PollServer { target: target.into(), server, limit: timeout * 2 + SLACK, fleet }
    }

    /// Polls once and records it.
    pub async fn once(&mut self) {
        let start = Instant::now();
        let result = match tokio::time::timeout(self.limit, self.server.poll()).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout(self.limit)),
        };
        let why = result.as_ref().err().map(ToString::to_string);
        let news = self.fleet.record_poll(&self.target, result, start.elapsed());
        if let Some((before, now)) = news.state {
            self.tell(before, now, why);
        }
        for note in news.warnings {
            let (target, remedy) = (self.target.as_str(), note.remedy.unwrap_or_default());
            tracing::warn!(target, code = note.code, remedy, "{target}: {}", note.text);
        }
    }

    /// Says a change of state, but not that of a server at work: from ready to busy and back is
    /// what it is for.
    fn tell(&self, before: Option<ServerState>, now: ServerState, why: Option<String>) {
        let at_work = |state| matches!(state, ServerState::Ready | ServerState::Busy);
        if before.is_some_and(at_work) && at_work(now) {
            return;
        }
        let (target, before, now) =
            (self.target.as_str(), before.map_or("unknown", ServerState::name), now.name());
        if let Some(why) = why {
            tracing::warn!(target, why, "{target}: {before} -> {now}");
        } else {
            tracing::info!(target, "{target}: {before} -> {now}");
        }
    }
}

impl Job for PollServer {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}

impl std::fmt::Debug for PollServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PollServer({:?})", self.target)
    }
}
