//! Reads every card once, however a driver behaves: a card at which a call does not return is left to the
//! thread that is held up there, and another thread goes on with the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::worker::{Ask, OnOpen, Step, Worker, ended};
use crate::gpus::{GpuError, Gpus, Open};
use crate::sample::{CardFault, GpuSample};

/// How long one call may take. A driver without persistence mode takes seconds a card to wake.
const LIMIT: Duration = Duration::from_secs(10);

/// How long one may take once another was held up in the same round: the others wait for it meanwhile.
const SHORT_LIMIT: Duration = Duration::from_secs(2);

/// Threads that may be held up at once, at cards or by closing. A driver that holds up that many is asked nothing
/// more.
const MOST_HELD: usize = 16;

/// What came of one round.
pub(super) type Reading = Result<Vec<GpuSample>, GpuError>;

/// A thread that is held up, and since when: the beginning of the call that does not return.
struct Held {
    thread: JoinHandle<()>,
    since: Instant,
}

/// The open way. Closing it may block, so that is left to a thread of its own.
struct Session {
    gpus: Option<Arc<dyn Gpus>>,
    /// What each card is, by its place: a card that is lost no longer says it. A driver counts its cards when it
    /// is opened, so a place means the same card for as long as this lives.
    known: BTreeMap<u32, GpuSample>,
}

/// Reads one backend.
pub(super) struct Reader {
    backend: &'static str,
    open: Open,
    pub(super) on_open: Option<OnOpen>,
    pub(super) limit: Duration,
    session: Option<Session>,
    idle: Option<Worker>,
    /// Held up at a card, by place.
    cards: BTreeMap<u32, Held>,
    /// Held up at no card: while opening, or counting the cards.
    driver: Option<Held>,
    /// Ways that are being closed.
    closing: Vec<Held>,
}

/// What is known of a round that goes on.
#[derive(Default)]
struct Round {
    places: Option<u32>,
    looking: Option<u32>,
    cards: Vec<GpuSample>,
    silent: Vec<GpuSample>,
    /// Why cards are silent, the first reason.
    fault: Option<CardFault>,
    held_up: bool,
    /// When the call began that is waited for.
    since: Option<Instant>,
}

impl Reader {
    pub(super) fn new(backend: &'static str, open: Open) -> Reader {
        Reader {
            backend,
            open,
            on_open: None,
            limit: LIMIT,
            session: None,
            idle: None,
            cards: BTreeMap::new(),
            driver: None,
            closing: Vec::new(),
        }
    }

    /// One round. Takes no longer than the limit for the first call that does not return and the short one
    /// for each other.
    pub(super) async fn read(&mut self) -> Reading {
        self.cards.retain(|_, held| !held.thread.is_finished());
        self.closing.retain(|held| !held.thread.is_finished());
        if let Some(held) = self.driver.take_if(|held| held.thread.is_finished()) {
            tracing::info!(backend = self.backend, after = ?held.since.elapsed(), "the driver goes on");
        }
        if let Some(held) = &self.driver {
            return Err(GpuError::Timeout(held.since.elapsed()));
        }
        let mut round = Round::default();
        let result = self.whole(&mut round).await;
        if result.is_err() {
            self.close();
        }
        result?;
        self.conclude(round)
    }

    async fn whole(&mut self, round: &mut Round) -> Result<(), GpuError> {
        loop {
            if self.cards.len() + self.closing.len() >= MOST_HELD {
                let held = self.cards.values().chain(&self.closing).map(|held| held.since.elapsed());
                return Err(GpuError::Timeout(held.max().unwrap_or_default()));
            }
            let (tell, mut told) = unbounded_channel();
            let worker = match self.idle.take() {
                Some(worker) => worker,
                None => Worker::start(self.backend, self.open.clone(), self.on_open.clone())?,
            };
            let rest = round.looking.map(|place| place + 1).zip(round.places);
            worker.ask(Ask {
                gpus: self.session.as_ref().and_then(|session| session.gpus.clone()),
                rest,
                skip: self.cards.keys().copied().collect(),
                tell,
            })?;
            match self.follow(&mut told, round).await {
                Some(result) => {
                    // One that panicked ends; it is replaced when it is needed.
                    self.idle = Some(worker).filter(|_| result != Err(ended()));
                    return result;
                }
                None => self.leave(worker, round)?,
            }
        }
    }

    /// Follows a worker's steps. `None`: it is held up.
    async fn follow(
        &mut self,
        told: &mut UnboundedReceiver<Step>,
        round: &mut Round,
    ) -> Option<Result<(), GpuError>> {
        loop {
            round.since = Some(Instant::now());
            let limit = if round.held_up { self.limit.min(SHORT_LIMIT) } else { self.limit };
            let Some(step) = tokio::time::timeout(limit, told.recv()).await.ok()? else {
                return Some(Err(ended()));
            };
            match step {
                Step::Open(gpus) => {
                    self.session = Some(Session { gpus: Some(gpus), known: BTreeMap::new() });
                }
                Step::Places(places) => round.places = Some(places),
                Step::Looking(place) => round.looking = Some(place),
                Step::Card(result) => self.card(round, result),
                Step::Done(result) => return Some(result),
            }
        }
    }

    fn card(&mut self, round: &mut Round, result: Result<Box<GpuSample>, CardFault>) {
        let (Some(session), Some(place)) = (&mut self.session, round.looking) else { return };
        match result {
            Ok(card) => {
                session.known.insert(place, (*card).clone());
                round.cards.push(*card);
            }
            Err(fault) => round.silence(place, session, fault),
        }
    }

    /// Leaves a worker that is held up behind.
    fn leave(&mut self, worker: Worker, round: &mut Round) -> Result<(), GpuError> {
        round.held_up = true;
        let held = Held { thread: worker.leave(), since: round.since.unwrap_or_else(Instant::now) };
        let Some(place) = round.looking else {
            self.driver = Some(held);
            return Err(GpuError::Timeout(self.limit));
        };
        tracing::warn!(
            backend = self.backend,
            place,
            "a call to the driver does not return at this GPU; the others go on"
        );
        self.cards.insert(place, held);
        Ok(())
    }

    /// Lets go of the open way.
    fn close(&mut self) {
        let thread = self.session.take().and_then(|mut session| session.close());
        self.closing.extend(thread.map(|thread| Held { thread, since: Instant::now() }));
    }

    /// Where no card can be read, it is the driver's fault, or it needs to be opened anew.
    fn conclude(&mut self, mut round: Round) -> Reading {
        let places = round.places.unwrap_or_default();
        if let Some(session) = &self.session {
            for (place, held) in self.cards.iter().filter(|(place, _)| **place < places) {
                let seconds = held.since.elapsed().as_secs();
                let why = format!("the driver has not answered for it for {seconds} s");
                round.silence(*place, session, CardFault::new("timeout", why));
            }
        }
        match round.fault {
            Some(fault) if round.cards.is_empty() => {
                if let Some(held) = self.cards.values().map(|held| held.since.elapsed()).max() {
                    return Err(GpuError::Timeout(held));
                }
                self.close();
                Err(match fault.reason.as_str() {
                    "lost" => GpuError::Lost(fault.error),
                    _ => GpuError::Other(fault.error),
                })
            }
            _ => {
                round.cards.extend(round.silent);
                Ok(round.cards)
            }
        }
    }
}

impl Round {
    /// A card that gives no readings, by what it was. One that never told who it is has its place for a name.
    fn silence(&mut self, place: u32, session: &Session, fault: CardFault) {
        self.fault.get_or_insert_with(|| fault.clone());
        let nameless =
            || GpuSample { uuid: format!("index-{place}"), index: Some(place), ..GpuSample::default() };
        let card = session.known.get(&place).cloned().unwrap_or_else(nameless);
        self.silent.push(card.silent(fault));
    }
}

impl Session {
    fn close(&mut self) -> Option<JoinHandle<()>> {
        let gpus = self.gpus.take()?;
        let close = std::thread::Builder::new().name("gpus-close".into()).spawn(move || drop(gpus));
        close.inspect_err(|error| tracing::warn!(%error, "no thread for closing the GPUs")).ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Nobody counts it any more: the job is gone.
        drop(self.close());
    }
}
