//! The job that follows a server's own log and records the requests that it tells of.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::jobs::Job;
use crate::logs::{Follower, LogPlace, Look, Position, Positions};
use crate::sample::Source;
use crate::wire::server_log::{Ended, Kept, Loaded, Read, ServerLog, Speaker};

/// From one look to the next: how late a request may be seen.
pub const SERVER_LOG_EVERY: Duration = Duration::from_secs(1);

/// How long one look may take. What is read in one is read in a tenth of a second.
const LIMIT: Duration = Duration::from_secs(10);

/// A date this far ahead is of a clock that was set meanwhile, or of another zone than was thought: when that line
/// was written is not known.
const AHEAD: SignedDuration = SignedDuration::from_secs(5);

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
    kept: Option<(Position, Kept)>,
}

/// What came of one look.
#[derive(Debug)]
struct Heard {
    look: Look,
    ended: Vec<Ended>,
}

/// A look that is under way, or what came of one being kept. Either may be on a disk that hangs.
#[derive(Debug)]
struct UnderWay {
    since: Instant,
    done: JoinHandle<(Box<Reading>, Done)>,
}

#[derive(Debug)]
enum Done {
    Heard(Heard),
    /// How far it was read is kept, or cannot be, and why.
    Kept(Result<(), String>),
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
    ///
    /// How far the log was read is kept once what it told is recorded, together with what waits to be told: who is
    /// stopped before that reads it again, who is stopped after it does not.
    pub async fn once(&mut self) {
        let mut next = self.look.take().or_else(|| self.reading.take().map(|reading| self.start(reading)));
        while let Some(mut look) = next.take() {
            match tokio::time::timeout(self.limit, &mut look.done).await {
                Ok(Ok((reading, Done::Heard(heard)))) => {
                    self.record(heard);
                    next = Some(keep(reading));
                }
                Ok(Ok((reading, Done::Kept(kept)))) => {
                    self.reading = Some(reading);
                    self.tell_unkept(kept.err());
                }
                Ok(Err(error)) => {
                    let text = "reading a server's log ended; it is read no more";
                    tracing::error!(target = self.target, %error, "{text}");
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
            (reading, Done::Heard(heard))
        };
        UnderWay { since: Instant::now(), done: tokio::task::spawn_blocking(look) }
    }

    fn record(&mut self, heard: Heard) {
        let Heard { look, ended } = heard;
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
        // The target may be another one of the same name by now.
        let Some(live) = self.fleet.live(&self.target, Source::Log) else { return };
        let (now, at) = (Instant::now(), Timestamp::now());
        for Ended { generation, at: ended } in ended {
            match ended.and_then(|ended| age(at.duration_since(ended))).and_then(|age| now.checked_sub(age)) {
                Some(when) => live.end_at(when, generation),
                None => live.end_before(generation),
            }
        }
    }

    fn tell_unkept(&mut self, error: Option<String>) {
        if let Some(error) = error.filter(|_| !self.told_unkept) {
            self.told_unkept = true;
            let text = "how far a server's log was read cannot be kept: after a restart it begins at its end";
            tracing::warn!(target = self.target, %error, "{text}");
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
        let follower = follower.get_or_insert_with(|| {
            *kept = positions.load(target, &place.to_string());
            let (position, waiting) = kept.clone().unzip();
            log.go_on(waiting.unwrap_or_default());
            log.zone(TimeZone::system());
            Follower::new(place.clone(), position)
        });
        let (now, just) = (Instant::now().into_std(), Timestamp::now());
        let look = follower.look(&mut |line, written| {
            let at = written.at.or_else(|| written.live.then_some(just));
            log.hear(line, Read { now, at, live: written.live });
        });
        Heard { look, ended: log.settle(now) }
    }

    /// Keeps how far it was read, if that is new.
    fn keep(&mut self) -> Result<(), String> {
        let Some(follower) = &self.follower else { return Ok(()) };
        let now = (follower.position().clone(), self.log.kept());
        if self.kept.as_ref() == Some(&now) {
            return Ok(());
        }
        let saved = self.positions.save(&self.target, &self.place.to_string(), &now.0, &now.1);
        self.kept = Some(now);
        saved
    }
}

fn keep(mut reading: Box<Reading>) -> UnderWay {
    let keep = move || {
        let kept = reading.keep();
        (reading, Done::Kept(kept))
    };
    UnderWay { since: Instant::now(), done: tokio::task::spawn_blocking(keep) }
}

/// How long ago that is. `None`: it is yet to come.
fn age(ago: SignedDuration) -> Option<Duration> {
    (ago > -AHEAD).then(|| Duration::try_from(ago).unwrap_or_default())
}

impl Job for FollowLog {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}
