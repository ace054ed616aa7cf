//! The job that reads the GPUs. A driver may block for ever, so it is asked by a thread of its own;
//! the job waits no longer than a limit and asks nothing more while an answer is owed.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::whose::Whose;
use crate::fleet::Fleet;
use crate::gpus::{CardError, GpuError, Gpus, Open};
use crate::jobs::Job;
use crate::sample::GpuSample;

/// How long a read may take. A driver without persistence mode takes seconds a card to wake.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest wait between two tries while nothing can be read: a driver may be loaded later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

type Reading = Result<Vec<GpuSample>, GpuError>;

/// Reads the GPUs of one backend on its beat.
pub struct GpuPoller {
    backend: &'static str,
    open: Open,
    every: Duration,
    limit: Duration,
    fleet: Fleet,
    reader: Option<mpsc::Sender<oneshot::Sender<Reading>>>,
    /// The answer that is owed, and since when.
    owed: Option<(oneshot::Receiver<Reading>, Instant)>,
    failures: u32,
    skip: u32,
    told: Option<Result<(), &'static str>>,
    whose: Option<Whose>,
}

impl GpuPoller {
    /// A job that reads `backend`'s cards and records them; `every` is its beat.
    pub fn new(backend: &'static str, open: Open, every: Duration, fleet: Fleet) -> GpuPoller {
        GpuPoller {
            backend,
            open,
            every,
            limit: LIMIT,
            fleet,
            reader: None,
            owed: None,
            failures: 0,
            skip: 0,
            told: None,
            whose: None,
        }
    }

    /// The same with another limit for one read.
    #[must_use]
    pub fn within(self, limit: Duration) -> GpuPoller {
        GpuPoller { limit, ..self }
    }

    /// The same with each process told whose it is.
    #[must_use]
    pub fn joined_by(self, whose: Whose) -> GpuPoller {
        GpuPoller { whose: Some(whose), ..self }
    }

    /// Reads once and records it; does nothing on a beat that is let pass after errors.
    pub async fn once(&mut self) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let now = Instant::now();
        let (asked, mut result) = match self.owed.take() {
            Some((mut answer, asked)) => match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.owed = Some((answer, asked));
                    (asked, Err(GpuError::Timeout(asked.elapsed())))
                }
                // It came too late to be true now, or never will: ask anew.
                Ok(_) | Err(oneshot::error::TryRecvError::Closed) => (now, self.ask(now).await),
            },
            None => (now, self.ask(now).await),
        };
        self.skip = self.beats_to_skip(&result);
        self.tell(&result);
        if let (Some(whose), Ok(cards)) = (&mut self.whose, &mut result) {
            whose.join(&self.fleet, cards).await;
        }
        let result = result.map_err(|error| (error.reason(), error.to_string()));
        self.fleet.record_gpus(self.backend, result, asked.elapsed(), self.every);
    }

    async fn ask(&mut self, now: Instant) -> Reading {
        let (reply, mut answer) = oneshot::channel();
        let gone = |_| GpuError::Other("the thread that reads the GPUs ended".into());
        if self.reader.is_none() {
            self.reader = Some(start(self.backend, self.open.clone())?);
        }
        let sent = self.reader.as_ref().map(|reader| reader.send(reply));
        if let Some(Err(error)) = sent {
            self.reader = None;
            return Err(gone(error.to_string()));
        }
        match tokio::time::timeout(self.limit, &mut answer).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(error)) => {
                self.reader = None;
                Err(gone(error.to_string()))
            }
            Err(_) => {
                self.owed = Some((answer, now));
                Err(GpuError::Timeout(self.limit))
            }
        }
    }

    /// After an error fewer and fewer tries are made. A driver that owes an answer is not asked
    /// anyway, so the timeouts go on being told on every beat.
    fn beats_to_skip(&mut self, result: &Reading) -> u32 {
        self.failures = match result {
            Ok(_) | Err(GpuError::Timeout(_)) => 0,
            Err(_) => (self.failures + 1).min(16),
        };
        let longest = LONGEST_WAIT.as_secs_f64() / self.every.as_secs_f64().max(0.001);
        let beats = (1_u32 << self.failures.saturating_sub(1)).min(longest as u32);
        beats.saturating_sub(1)
    }

    /// Logs a change, and only that: a machine without a GPU says so once.
    fn tell(&mut self, result: &Reading) {
        let news = result.as_ref().map(|_| ()).map_err(GpuError::reason);
        if self.told.replace(news) == Some(news) {
            return;
        }
        let backend = self.backend;
        match result {
            Ok(cards) => tracing::info!(backend, cards = cards.len(), "the GPUs are read"),
            Err(error @ GpuError::NoDriver(_)) => {
                tracing::info!(backend, "no GPU: {error}; one that comes later is found");
            }
            Err(error) => {
                tracing::warn!(backend, reason = error.reason(), %error, "the GPUs cannot be read");
            }
        }
    }
}

impl Job for GpuPoller {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}

impl std::fmt::Debug for GpuPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuPoller({:?})", self.backend)
    }
}

/// Reads every card once. A card that cannot be reached is told by what it was, if it ever was; where none can
/// be, it is the driver's fault, or it needs to be opened anew.
fn read(gpus: &dyn Gpus, known: &mut BTreeMap<u32, GpuSample>) -> Reading {
    let (mut cards, mut silent, mut fault) = (Vec::new(), Vec::new(), None);
    for place in 0..gpus.places()? {
        match gpus.read(place) {
            Ok(card) => {
                known.insert(place, card.clone());
                cards.push(card);
            }
            Err(CardError::Driver(error)) => return Err(error),
            Err(CardError::Card(why)) => {
                silent.extend(known.get(&place).map(|card| card.silent(why.clone())));
                fault.get_or_insert(why);
            }
        }
    }
    match fault {
        Some(why) if cards.is_empty() => Err(GpuError::Other(why.error)),
        _ => Ok(cards.into_iter().chain(silent).collect()),
    }
}

/// The thread that owns the driver. It is never joined: it ends when the job is gone and the
/// driver lets it. One answer at most is owed, so the channel needs no bound.
fn start(backend: &str, open: Open) -> Result<mpsc::Sender<oneshot::Sender<Reading>>, GpuError> {
    let (ask, asked) = mpsc::channel::<oneshot::Sender<Reading>>();
    let work = move || {
        let mut gpus: Option<Arc<dyn Gpus>> = None;
        let mut known = BTreeMap::new();
        for reply in asked {
            let reading = match &gpus {
                None => open().and_then(|opened| read(&**gpus.insert(opened), &mut known)),
                Some(opened) => read(&**opened, &mut known),
            };
            if reading.is_err() {
                gpus = None;
                known.clear();
            }
            // Nobody waits for it any more: the job is gone.
            drop(reply.send(reading));
        }
    };
    let thread = std::thread::Builder::new().name(format!("gpus-{backend}"));
    match thread.spawn(work) {
        Ok(_) => Ok(ask),
        Err(error) => Err(GpuError::Other(format!("no thread for reading the GPUs: {error}"))),
    }
}
