//! The job that listens to the kernel's log.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::xids;
use crate::fleet::Fleet;
use crate::gpus::kernel_log::{Heard, KernelLog, Place};
use crate::jobs::Job;
use crate::sample::HangEvent;
use crate::view::HangCount;

/// From one look to the next: how late an XID may be seen.
pub const KERNEL_LOG_EVERY: Duration = Duration::from_secs(1);

/// How long one look may take. Megabytes of a log are read in less.
const LIMIT: Duration = Duration::from_secs(10);

/// Listens to the kernel's log on its beat.
#[derive(Debug)]
pub struct ListenToKernel {
    /// `None` while a look is under way, and after one that panicked.
    log: Option<KernelLog>,
    look: Option<Look>,
    limit: Duration,
    fleet: Fleet,
    told: Option<Result<(), String>>,
}

/// A look that is under way. A log may lie on a disk that hangs.
#[derive(Debug)]
struct Look {
    source: String,
    since: Instant,
    heard: JoinHandle<(KernelLog, Heard)>,
}

impl ListenToKernel {
    /// A job that records what the log at `place` tells of cards.
    pub fn new(place: Place, fleet: Fleet) -> ListenToKernel {
        let log = Some(KernelLog::new(place, fleet.started_at()));
        ListenToKernel { log, look: None, limit: LIMIT, fleet, told: None }
    }

    /// The same with another limit for one look.
    #[must_use]
    pub fn within(self, limit: Duration) -> ListenToKernel {
        ListenToKernel { limit, ..self }
    }

    /// Looks once and records what came. A look that takes too long is told, and waited for on the next beats.
    pub async fn once(&mut self) {
        let under_way = self.look.take().or_else(|| self.log.take().map(Look::start));
        let Some(mut look) = under_way else { return };
        match tokio::time::timeout(self.limit, &mut look.heard).await {
            Ok(Ok((log, heard))) => {
                self.log = Some(log);
                self.record(heard);
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "reading the kernel's log ended; it is read no more");
                self.fleet.record_kernel_log(look.source, Some(error.to_string()), 0);
            }
            Err(_) => {
                self.tell(&look.source, Err("it gives no answer: does its disk hang?".into()));
                let error =
                    format!("no answer for {} s: does its disk hang?", look.since.elapsed().as_secs());
                self.fleet.record_kernel_log(look.source.clone(), Some(error), 0);
                self.look = Some(look);
            }
        }
    }

    fn record(&mut self, heard: Heard) {
        let Heard { xids: events, hangs, lost, source, error, pending } = heard;
        if !pending {
            self.tell(&source, error.clone().map_or(Ok(()), Err));
            self.fleet.record_kernel_log(source, error, lost);
        }
        for event in &events {
            xids::record(&self.fleet, event);
        }
        for event in &hangs {
            self.record_hang(event);
        }
    }

    /// Records work that hung, and logs it as an XID is logged.
    fn record_hang(&self, event: &HangEvent) {
        let Some(HangCount { card: gpu, count: times, told, .. }) = self.fleet.record_hang(event) else {
            return;
        };
        if !times.is_power_of_two() {
            return;
        }
        let told = told.unwrap_or_default();
        if event.before_start {
            tracing::info!(gpu, told, times, "work hung on a GPU before the agent started");
        } else {
            tracing::warn!(gpu, told, times, "work hangs on a GPU");
        }
    }

    /// Logs a change, and only that.
    fn tell(&mut self, source: &str, news: Result<(), String>) {
        if self.told.as_ref() == Some(&news) {
            return;
        }
        match &news {
            Ok(()) => tracing::info!(source, "the kernel's log is read for errors of GPUs"),
            // On a machine without such a card nothing is missed.
            Err(error) => {
                tracing::info!(source, %error, "the kernel's log cannot be read for errors of GPUs");
            }
        }
        self.told = Some(news);
    }
}

impl Look {
    fn start(mut log: KernelLog) -> Look {
        let (source, since) = (log.source(), Instant::now());
        let look = move || {
            let heard = log.hear();
            (log, heard)
        };
        Look { source, since, heard: tokio::task::spawn_blocking(look) }
    }
}

impl Job for ListenToKernel {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}
