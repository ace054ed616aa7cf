//! The measuring of one request. Nothing here can hurt what passes: a panic of the meter ends the measuring of
//! that request and is told with it, and whatever becomes of the request, its end is told once.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::{InFlight, Live};
use crate::sample::{Dialect, End, Failure, Generation, MeterFault, Phase};
use crate::wire::{Close, Head, Meter};

/// Measures one request, or does nothing of one that is no generation.
#[derive(Debug)]
pub(super) struct Watch(Option<Box<Measured>>);

#[derive(Debug)]
struct Measured {
    /// `None`: it panicked.
    meter: Option<Meter>,
    dialect: Dialect,
    live: Arc<Live>,
    in_flight: InFlight,
    trace_id: Option<Arc<str>>,
    client: Option<Arc<str>>,
    added: Duration,
    sent: Option<Instant>,
    status: Option<u16>,
    pieces: bool,
}

impl Watch {
    /// Of a request in this dialect; it is in flight from now on.
    pub(super) fn new(
        dialect: Option<Dialect>,
        live: &Arc<Live>,
        client: Option<Arc<str>>,
        trace_id: Option<Arc<str>>,
    ) -> Watch {
        let Some(dialect) = dialect else { return Watch(None) };
        quiet();
        let mut watch = Watch(Some(Box::new(Measured {
            meter: None,
            dialect,
            live: Arc::clone(live),
            in_flight: live.begin(),
            trace_id,
            client,
            added: Duration::ZERO,
            sent: None,
            status: None,
            pieces: false,
        })));
        if let Some(measured) = &mut watch.0 {
            measured.meter = guarded(|| Meter::new(dialect));
        }
        watch
    }

    /// Whether bytes need be shown.
    pub(super) fn is_on(&self) -> bool {
        self.0.as_ref().is_some_and(|measured| measured.meter.is_some())
    }

    /// Whether no token came yet: then how long its bytes stay here is of interest.
    pub(super) fn awaits_first(&self) -> bool {
        self.0.as_ref().is_some_and(|measured| !measured.pieces)
    }

    /// The tap itself took so long.
    pub(super) fn add(&mut self, time: Duration) {
        if let Some(measured) = &mut self.0 {
            measured.added += time;
        }
    }

    /// Bytes of the request's body.
    pub(super) fn request(&mut self, bytes: &[u8]) {
        self.show(|meter| meter.request(bytes));
    }

    /// The whole request was handed over.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Some(measured) = &mut self.0 {
            measured.sent = Some(now);
        }
        self.show(|meter| meter.sent(now.into_std()));
    }

    /// The answer's head.
    pub(super) fn head(&mut self, head: Head<'_>, now: Instant) {
        if let Some(measured) = &mut self.0 {
            measured.status = Some(head.status);
        }
        self.show(|meter| meter.head(head, now.into_std()));
    }

    /// Bytes of the answer's body, which were read `here` before `now`.
    pub(super) fn body(&mut self, bytes: &[u8], now: Instant, here: Duration) {
        let progress = self.show(|meter| meter.body(bytes, now.into_std()));
        if let (Some(measured), Some(progress)) = (&mut self.0, progress) {
            measured.in_flight.pieces(progress.pieces);
            if progress.first {
                measured.added += here;
            }
            measured.pieces |= progress.pieces > 0;
        }
    }

    /// The end. What comes after it is not told.
    pub(super) fn end(&mut self, close: Close, now: Instant) {
        if let Some(mut measured) = self.0.take() {
            measured.end(close, now);
        }
    }

    fn show<R>(&mut self, show: impl FnOnce(&mut Meter) -> R) -> Option<R> {
        let measured = self.0.as_mut()?;
        let meter = measured.meter.as_mut()?;
        let shown = guarded(|| show(meter));
        if shown.is_none() {
            let broken = measured.meter.take();
            guarded(move || broken.map(drop));
        }
        shown
    }
}

impl Drop for Watch {
    /// Nobody told the end: the agent itself cut the request.
    fn drop(&mut self) {
        if self.0.is_some() {
            self.end(Close::Broken(Failure::AgentStopped), Instant::now());
        }
    }
}

impl Measured {
    fn end(&mut self, close: Close, now: Instant) {
        let told = self.meter.as_mut().and_then(|meter| guarded(|| meter.finish(close, now.into_std())));
        if let Some(broken) = self.meter.take_if(|_| told.is_none()) {
            guarded(move || drop(broken));
        }
        let mut generation = told.unwrap_or_else(|| self.unmeasured(close, now));
        generation.trace_id = self.trace_id.take();
        generation.client = self.client.take();
        generation.added = self.sent.map(|_| self.added);
        self.live.end_at(now, generation);
    }

    /// What is known of a request whose meter broke: how the connection ended.
    fn unmeasured(&self, close: Close, now: Instant) -> Generation {
        let end = match (close, self.status) {
            (Close::Broken(failure), _) => End::Failed(failure),
            (Close::ClientGone, _) if self.pieces => End::Cancelled(Phase::Decode),
            (Close::ClientGone, Some(_)) => End::Cancelled(Phase::Prefill),
            (Close::ClientGone, None) => End::Cancelled(Phase::Queued),
            (Close::Whole, Some(401 | 403)) => End::Failed(Failure::Unauthorized),
            (Close::Whole, Some(404)) => End::Failed(Failure::NotFound),
            (Close::Whole, Some(429 | 503)) => End::Failed(Failure::Overloaded),
            (Close::Whole, Some(400..=499)) => End::Failed(Failure::ClientError),
            (Close::Whole, Some(500..)) => End::Failed(Failure::ServerError),
            (Close::Whole, _) => End::Complete,
        };
        let duration = self.sent.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        let fault = Some(MeterFault::Panic);
        Generation { status: self.status, fault, ..Generation::new(self.dialect, end, duration) }
    }
}

thread_local! {
    /// The meter is at work on this thread.
    static MEASURING: Cell<bool> = const { Cell::new(false) };
}

/// `None`: it panicked.
fn guarded<R>(work: impl FnOnce() -> R) -> Option<R> {
    MEASURING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        tests::panic_if_planted();
        work()
    }));
    MEASURING.set(false);
    result.ok()
}

/// A panic's words may quote what was being read, which is somebody's prompt or answer: of the meter's only the
/// place is told.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if MEASURING.get() {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                tracing::error!(
                    place,
                    "a request is not measured: the meter panicked; the request itself goes on"
                );
            } else {
                others(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests;
