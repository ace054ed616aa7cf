//! The job that reads the GPUs. A driver may block for ever, so it is asked by threads of their own
//! (`worker`), which are left behind where they are held up (`reader`).

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::whose::Whose;
use crate::fleet::Fleet;
use crate::gpus::{GpuError, Open};
use crate::jobs::Job;

mod reader;
mod worker;

use reader::{Reader, Reading};
pub use worker::OnOpen;

/// The longest wait between two tries while nothing can be read: a driver may be loaded later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Reads the GPUs of one backend on its beat.
pub struct GpuPoller {
    backend: &'static str,
    every: Duration,
    fleet: Fleet,
    reader: Reader,
    whose: Option<Whose>,
    failures: u32,
    skip: u32,
    told: Option<Result<(), &'static str>>,
}

impl GpuPoller {
    /// A job that reads `backend`'s cards and records them; `every` is its beat.
    pub fn new(backend: &'static str, open: Open, every: Duration, fleet: Fleet) -> GpuPoller {
        let reader = Reader::new(backend, open);
        GpuPoller { backend, every, fleet, reader, whose: None, failures: 0, skip: 0, told: None }
    }

    /// The same with another limit for one call to the driver.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> GpuPoller {
        self.reader.limit = limit;
        self
    }

    /// The same with each process told whose it is.
    #[must_use]
    pub fn joined_by(self, whose: Whose) -> GpuPoller {
        GpuPoller { whose: Some(whose), ..self }
    }

    /// The same; each way that is opened is told, on the driver's own thread.
    #[must_use]
    pub fn telling(mut self, on_open: OnOpen) -> GpuPoller {
        self.reader.on_open = Some(on_open);
        self
    }

    /// Reads once and records it; does nothing on a beat that is let pass after errors.
    pub async fn once(&mut self) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let start = Instant::now();
        let mut result = self.reader.read().await;
        let took = match &result {
            // A call that did not return yet takes as long as it has taken, whatever this beat took.
            Err(GpuError::Timeout(held)) => *held,
            _ => start.elapsed(),
        };
        self.skip = self.beats_to_skip(&result);
        self.tell(&result);
        if let (Some(whose), Ok(cards)) = (&mut self.whose, &mut result) {
            whose.join(&self.fleet, cards).await;
        }
        let result = result.map_err(|error| (error.reason(), error.to_string()));
        self.fleet.record_gpus(self.backend, result, took, self.every);
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
