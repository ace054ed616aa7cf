//! The one thread that writes. Nobody waits for its end: a disk may block any call for ever.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backlog::{Backlog, Tell};
use super::batch::Batch;
use super::clock::Clock;
use super::db::Db;
use super::error::{Reason, StoreError};
use super::health::Health;
use super::place;
use super::retention::{Cut, Retention};

/// From one try to the next, where nothing new comes meanwhile.
const RETRY: Duration = Duration::from_secs(10);

/// From one look at what is too old to the next.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// From one piece of what is too old to the next: writes come between them.
const PIECE_EVERY: Duration = Duration::from_millis(20);

/// What the thread is asked.
pub(super) enum Ask {
    /// To write a batch.
    Write(Batch, Tell),
    /// Whether another connection wrote since this was asked last.
    Changed(oneshot::Sender<bool>),
    /// To keep this from now on.
    Retention(Retention),
    /// To end, once what waits was tried.
    Close(Sender<()>),
}

/// The thread's own.
pub(super) struct Writer {
    pub(super) db: Db,
    pub(super) retention: Retention,
    pub(super) health: Arc<Mutex<Health>>,
    /// The file that is open, by device and number.
    file: Option<(u64, u64)>,
    backlog: Backlog,
    /// What `data_version` said last.
    seen: Option<i64>,
    next_prune: Instant,
    /// What goes now, until all of it is gone.
    cut: Option<Cut>,
    clock: Clock,
    /// Whether the clock was believed at the last look.
    believed: bool,
}

impl Writer {
    pub(super) fn new(db: Db, retention: Retention, health: Arc<Mutex<Health>>) -> Writer {
        let file = fs::metadata(db.path()).ok().map(|meta| (meta.dev(), meta.ino()));
        let seen = db.data_version().ok();
        let now = Instant::now();
        let clock = Clock::new(db.known_time().ok().flatten(), now);
        Writer {
            db,
            retention,
            health,
            file,
            backlog: Backlog::default(),
            seen,
            next_prune: now + PIECE_EVERY,
            cut: None,
            clock,
            believed: true,
        }
    }

    /// Does what it is asked until nobody can ask any more.
    pub(super) fn run(mut self, asks: Receiver<Ask>) {
        self.measure();
        loop {
            let until_prune = self.next_prune.saturating_duration_since(Instant::now());
            let patience = if self.backlog.len() > 0 { RETRY.min(until_prune) } else { until_prune };
            match asks.recv_timeout(patience) {
                Ok(Ask::Write(batch, tell)) => {
                    let gone = self.backlog.push(batch, tell);
                    self.lose(&gone);
                    self.flush();
                }
                Ok(Ask::Changed(tell)) => {
                    tell.send(self.changed()).ok();
                }
                Ok(Ask::Retention(retention)) => (self.retention, self.cut) = (retention, None),
                Ok(Ask::Close(closed)) => {
                    self.end();
                    // Whoever asks after this is told so at once, and counted.
                    drop(asks);
                    closed.send(()).ok();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    self.prune();
                }
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    /// Writes what waits, the oldest first, as far as it goes.
    fn flush(&mut self) {
        while let Some(oldest) = self.backlog.front() {
            let told = self.same_file().and_then(|()| self.db.apply(&oldest.batch));
            match &told {
                Err(error) if error.is_kept() => {
                    self.failed(error);
                    self.measure();
                    self.backlog.tell_all(error);
                    break;
                }
                Err(error) => {
                    // Whoever based it on what is no more does it anew: that is neither lost nor a fault.
                    if error.kind() != Reason::Changed {
                        let lost = oldest.batch.clone();
                        self.lose(&[lost]);
                        self.failed(error);
                    }
                }
                Ok(_) => {
                    let mut health = health(&self.health);
                    health.written += 1;
                    health.failing = None;
                }
            }
            let tell = self.backlog.pop().and_then(|oldest| oldest.tell);
            self.measure();
            if let Some(tell) = tell {
                tell.send(told).ok();
            }
        }
    }

    /// A file that was removed would take all writes, and be gone with the agent.
    fn same_file(&self) -> Result<(), StoreError> {
        let path = self.db.path();
        match fs::metadata(path) {
            Ok(meta) if self.file.is_none_or(|file| file == (meta.dev(), meta.ino())) => Ok(()),
            Ok(_) => Err(StoreError::new(Reason::Gone, path, "another file was put in its place")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(StoreError::new(Reason::Gone, path, "the file was removed"))
            }
            Err(error) => Err(StoreError::of_io(path, "look at it", &error)),
        }
    }

    fn changed(&mut self) -> bool {
        let now = self.db.data_version().ok();
        let other = now.is_some() && now != self.seen;
        self.seen = now.or(self.seen);
        other
    }

    fn prune(&mut self) {
        let now = Instant::now();
        if now < self.next_prune {
            return;
        }
        let pruned = self.same_file().and_then(|()| {
            let cut = match self.cut {
                Some(cut) => cut,
                None => self.too_old(now)?,
            };
            Ok((cut, self.db.prune_piece(&cut)?))
        });
        self.cut = pruned.ok().filter(|(_, pruned)| !pruned.is_nothing()).map(|(cut, _)| cut);
        self.next_prune = now + if self.cut.is_some() { PIECE_EVERY } else { PRUNE_EVERY };
        self.measure();
    }

    /// What is too old by the clock, or as much of it as goes while the clock is not believed.
    fn too_old(&mut self, now: Instant) -> Result<Cut, StoreError> {
        let wall = Timestamp::now();
        let cut = self.retention.cut(wall);
        let before = self.clock.known();
        let slowly = self.clock.look(wall, now);
        if let Some(known) = self.clock.known().filter(|known| Some(*known) != before) {
            // A disk that is full is no reason to delete nothing.
            self.db.note_time(known).ok();
        }
        if slowly.is_some() && std::mem::replace(&mut self.believed, slowly.is_none()) {
            tracing::warn!(
                clock = %wall,
                known = ?before,
                "the clock is more than a day ahead of the last time that the store knows of: if the agent was not off so \
                 long, set it right; until then history goes slowly, the oldest first, and not at once"
            );
        }
        self.believed = slowly.is_none();
        slowly.map_or(Ok(cut), |most| self.db.slowly(&cut, most))
    }

    fn end(&mut self) {
        self.flush();
        // Those who are stopped every hour would else never know that time passes.
        if self.same_file().is_ok() {
            self.too_old(Instant::now()).ok();
        }
        let left: Vec<Batch> = std::iter::from_fn(|| self.backlog.pop()).map(|left| left.batch).collect();
        self.lose(&left);
    }

    fn failed(&self, error: &StoreError) {
        let mut health = health(&self.health);
        *health.failures.entry(error.reason()).or_default() += 1;
        let since = health.failing.as_ref().map_or_else(Timestamp::now, |(since, _)| *since);
        health.failing = Some((since, error.clone()));
    }

    fn lose(&self, lost: &[Batch]) {
        lose(&self.health, lost);
    }

    fn measure(&self) {
        let path = self.db.path();
        let bytes = |path| fs::metadata(path).ok().map(|meta| meta.len());
        let (file, wal) = (bytes(path.to_owned()), bytes(place::beside(path, "-wal")));
        let mut health = health(&self.health);
        (health.bytes, health.wal_bytes) = (file, wal);
        health.waiting = self.backlog.len() as u64;
    }
}

/// Counts what is lost.
pub(super) fn lose(of: &Mutex<Health>, lost: &[Batch]) {
    let mut health = health(of);
    for (runs, events) in lost.iter().map(Batch::counts) {
        health.lost_runs += runs;
        health.lost_events += events;
    }
}

/// Short sections only, none of which can panic.
pub(super) fn health(of: &Mutex<Health>) -> std::sync::MutexGuard<'_, Health> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
