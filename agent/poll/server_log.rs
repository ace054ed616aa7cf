//! The job that follows a server's own log and records the requests that it tells of.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::jobs::Job;
use crate::logs::{Follower, LogPlace, Look, Position, Positions};
use crate::sample::{Generation, Source};
use crate::wire::server_log::{Loaded, ServerLog, Speaker};

/// From one look to the next: how late a request may be seen.
pub const SERVER_LOG_EVERY: Duration = Duration::from_secs(1);

/// How long one look may take. What is read in one is read in a tenth of a second.
const LIMIT: Duration = Duration::from_secs(10);

/// Follows a target's log on its beat.
#[derive(Debug)]
pub struct FollowLog {
    target: String,
    place: String,
    /// `None` while a look is under way, and after one that panicked.
    reading: Option<Box<Reading>>,
    look: Option<UnderWay>,
    limit: Duration,
    fleet: Fleet,
    told: Option<Result<(), String>>,
    told_unkept: bool,
}

/// A log, how far it was read, and what was understood.
#[derive(Debug)]
struct Reading {
    /// `None`: what is kept of it was not read yet.
    follower: Option<Follower>,
    log: ServerLog,
    target: String,
    place: LogPlace,
    positions: Positions,
    kept: Option<Position>,
}

/// What came of one look.
#[derive(Debug)]
struct Heard {
    look: Look,
    ended: Vec<Generation>,
    /// Why its position cannot be kept.
    unkept: Option<String>,
}

/// A look that is under way. A log may lie on a disk that hangs.
#[derive(Debug)]
struct UnderWay {
    since: Instant,
    heard: JoinHandle<(Box<Reading>, Heard)>,
}

impl FollowLog {
    /// A job that follows the log of a target at `place`, and keeps how far it was read in `positions`.
    pub fn new(target: &str, place: LogPlace, positions: Positions, fleet: Fleet) -> FollowLog {
        let shown = place.to_string();
        let log = ServerLog::default();
        let reading = Reading { follower: None, log, target: target.into(), place, positions, kept: None };
        FollowLog {
            target: target.into(),
            place: shown,
            reading: Some(Box::new(reading)),
            look: None,
            limit: LIMIT,
            fleet,
            told: None,
            told_unkept: false,
        }
    }

    /// Looks once and records what came. A look that takes too long is told, and waited for on the next beats.
    pub async fn once(&mut self) {
        let under_way = self.look.take().or_else(|| self.reading.take().map(|reading| self.start(reading)));
        let Some(mut look) = under_way else { return };
        match tokio::time::timeout(self.limit, &mut look.heard).await {
            Ok(Ok((reading, heard))) => {
                self.reading = Some(reading);
                self.record(heard);
            }
            Ok(Err(error)) => {
                tracing::error!(target = self.target, %error, "reading a server's log ended; it is read no more");
                self.fleet.record_log(&self.target, &self.place, Some(error.to_string()));
            }
            Err(_) => {
                let error =
                    format!("no answer for {} s: does its disk hang?", look.since.elapsed().as_secs());
                self.tell(Some("it gives no answer: does its disk hang?"));
                self.fleet.record_log(&self.target, &self.place, Some(error));
                self.look = Some(look);
            }
        }
    }

    fn start(&self, mut reading: Box<Reading>) -> UnderWay {
        let speaker = match self.fleet.kind(&self.target) {
            Some("ollama") => Some(Speaker::Ollama),
            Some("llama_cpp") => Some(Speaker::LlamaServer),
            _ => None,
        };
        let loaded = self.fleet.loaded(&self.target);
        reading.log.knows(speaker, loaded.map(|(at, models)| Loaded { models, at: at.into_std() }));
        let look = move || {
            let heard = reading.hear();
            (reading, heard)
        };
        UnderWay { since: Instant::now(), heard: tokio::task::spawn_blocking(look) }
    }

    fn record(&mut self, heard: Heard) {
        let Heard { look, ended, unkept } = heard;
        if !look.pending {
            self.tell(look.error.as_deref());
            self.fleet.record_log(&self.target, &self.place, look.error);
        }
        if look.passed_over > 0 {
            let bytes = look.passed_over;
            tracing::warn!(
                target = self.target,
                bytes,
                "a server's log is too far ahead: a part of it is not read"
            );
        }
        if let Some(error) = unkept.filter(|_| !self.told_unkept) {
            self.told_unkept = true;
            let text = "how far a server's log was read cannot be kept: after a restart it begins at its end";
            tracing::warn!(target = self.target, %error, "{text}");
        }
        // The target may be another one of the same name by now.
        let Some(live) = self.fleet.live(&self.target, Source::Log) else { return };
        for generation in ended {
            live.end(generation);
        }
    }

    /// Logs a change, and only that.
    fn tell(&mut self, error: Option<&str>) {
        let news = error.map_or(Ok(()), |error| Err(error.to_owned()));
        if self.told.as_ref() == Some(&news) {
            return;
        }
        let (target, place) = (&self.target, &self.place);
        match error {
            None => tracing::info!(target, place, "a server's log is followed for its requests"),
            Some(error) => tracing::warn!(target, place, %error, "a server's log cannot be followed"),
        }
        self.told = Some(news);
    }
}

impl Reading {
    fn hear(&mut self) -> Heard {
        let Reading { follower, log, target, place, positions, kept } = self;
        let shown = place.to_string();
        let follower = follower.get_or_insert_with(|| {
            *kept = positions.load(target, &shown);
            Follower::new(place.clone(), kept.clone())
        });
        let now = Instant::now().into_std();
        let look = follower.look(&mut |line, live| log.hear(line, now, live));
        let ended = log.settle(now);
        let position = follower.position();
        let mut unkept = None;
        if kept.as_ref() != Some(position) {
            unkept = positions.save(target, &shown, position).err();
            *kept = Some(position.clone());
        }
        Heard { look, ended, unkept }
    }
}

impl Job for FollowLog {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}
