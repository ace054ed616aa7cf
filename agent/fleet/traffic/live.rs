//! What passes by a target now, and the mailbox of what ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::own;
use crate::sample::{Dialect, Generation, Refusal};

/// Ends that wait to be counted. They are taken at every scrape and every second; a server that is used by
/// people ends a few requests a second, and the fastest tap some thousands.
const MAX_WAITING: usize = 65_536;

/// What ended, and when. `None`: some time before it was watched.
pub(super) type End = (Option<Instant>, Generation);

/// What passes by a target now, written by whoever carries it and read by the view. Writing waits for nothing
/// but another end of the same target.
///
/// It stays the same while its target does, also when that moves to another address: what ends after that is told
/// by the models of the new server. Once the target is removed its series are gone: what still ends here is counted
/// in `opsagent_gone_target_requests_total`, and nowhere else.
#[derive(Debug, Default)]
pub struct Live {
    in_flight: AtomicI64,
    decoding: AtomicI64,
    pieces: AtomicU64,
    connections: AtomicI64,
    lost: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    ended: Mutex<Vec<End>>,
    /// Why the tap cannot accept clients now, if so.
    deaf: Mutex<Option<String>>,
    /// Clients with a name, which the config bounds, that asked for something else than a generation.
    others: Mutex<BTreeMap<Arc<str>, u64>>,
    asked: Mutex<Vec<Asked>>,
}

/// A request for a generation that the agent itself made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) ended: Instant,
    pub(super) dialect: Dialect,
    pub(super) duration: Duration,
    /// `None`: no answer came.
    pub(super) status: Option<u16>,
    /// Tokens of the answer, as it told them itself.
    pub(super) output: Option<u64>,
    /// It was read to its end.
    pub(super) whole: bool,
}

impl Live {
    /// A request begins; it is in flight until the handle is dropped.
    pub fn begin(self: &Arc<Live>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { live: Arc::clone(self), decoding: false }
    }

    /// A connection is open until the handle is dropped.
    pub fn connect(self: &Arc<Live>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// A generation ended.
    pub fn end(&self, generation: Generation) {
        self.end_at(Instant::now(), generation);
    }

    /// A generation ended then.
    pub fn end_at(&self, when: Instant, generation: Generation) {
        self.push((Some(when), generation));
    }

    /// A generation ended some time before the target was watched: it is counted, and tells nothing of now.
    pub fn end_before(&self, generation: Generation) {
        self.push((None, generation));
    }

    fn push(&self, end: End) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() < MAX_WAITING {
            ended.push(end);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The agent itself makes a request, which ends when the handle is dropped. So it is known in a log, whatever became
    /// of it.
    pub fn ask(self: &Arc<Live>, dialect: Dialect) -> Asking {
        Asking {
            live: Arc::clone(self),
            began: Instant::now(),
            dialect,
            status: None,
            output: None,
            whole: false,
        }
    }

    /// What the agent itself asked since it was taken last.
    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request was answered by the tap itself.
    pub fn refuse(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The tap cannot accept clients, and why; or it can again.
    pub fn set_deaf(&self, why: Option<String>) {
        *self.deaf.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Why the tap cannot accept clients now, if so.
    pub fn deaf(&self) -> Option<String> {
        self.deaf.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client that has a name asked for something that is no generation.
    pub fn other(&self, client: &Arc<str>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        match others.get_mut(client) {
            Some(requests) => *requests += 1,
            None => drop(others.insert(Arc::clone(client), 1)),
        }
    }

    /// Who asked for something else since it was taken last, and how often.
    pub(super) fn take_others(&self) -> BTreeMap<Arc<str>, u64> {
        std::mem::take(&mut self.others.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What ended since it was taken last, and when.
    pub(super) fn take(&self) -> Vec<End> {
        self.swap(Vec::new())
    }

    /// The same; what ends from now on is written into `room`, which is empty.
    pub(super) fn swap(&self, room: Vec<End>) -> Vec<End> {
        std::mem::replace(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner), room)
    }

    /// What ended, for tests of who writes here.
    #[cfg(test)]
    pub(crate) fn ends(&self) -> Vec<Generation> {
        self.take().into_iter().map(|(_, generation)| generation).collect()
    }

    /// Requests in flight: all, and those of which tokens have come.
    pub fn in_flight(&self) -> (u64, u64) {
        let read = |count: &AtomicI64| count.load(Ordering::Relaxed).max(0) as u64;
        (read(&self.in_flight), read(&self.decoding))
    }

    /// Connections of clients.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed).max(0) as u64
    }

    /// Pieces of answers so far, those in flight included.
    pub fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Requests that the tap answered itself, in the order of [`Refusal::ALL`].
    pub fn refused(&self) -> [u64; Refusal::ALL.len()] {
        std::array::from_fn(|at| self.refused[at].load(Ordering::Relaxed))
    }

    /// Ends that were not kept, since too many waited.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight {
    live: Arc<Live>,
    decoding: bool,
}

impl InFlight {
    /// So many more pieces of its answer came.
    pub fn pieces(&mut self, pieces: u32) {
        if pieces == 0 {
            return;
        }
        if !self.decoding {
            self.decoding = true;
            self.live.decoding.fetch_add(1, Ordering::Relaxed);
        }
        self.live.pieces.fetch_add(u64::from(pieces), Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.live.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.decoding {
            self.live.decoding.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request of the agent itself, under way.
#[derive(Debug)]
pub struct Asking {
    live: Arc<Live>,
    began: Instant,
    dialect: Dialect,
    status: Option<u16>,
    output: Option<u64>,
    whole: bool,
}

impl Asking {
    /// It is being answered with this status.
    pub fn status(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// It was answered whole.
    pub fn whole(&mut self, one: &Generation) {
        self.whole = true;
        self.output = one.tokens.output.filter(|_| !one.tokens.output_estimated);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let ended = Instant::now();
        let (dialect, status, output, whole) = (self.dialect, self.status, self.output, self.whole);
        let asked = Asked { ended, dialect, duration: ended - self.began, status, output, whole };
        let mut all = self.live.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < own::MOST {
            all.push(asked);
        }
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Connected(Arc<Live>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
