//! The job that listens to the kernel's log.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::xids;
use crate::fleet::Fleet;
use crate::gpus::kernel_log::{Heard, KernelLog, Place};
use crate::jobs::Job;
use crate::sample::HangEvent;
use crate::view::HangCount;

/// From one look to the next: how late an XID may be seen.
pub const KERNEL_LOG_EVERY: Duration = Duration::from_secs(1);

/// Listens to the kernel's log on its beat.
#[derive(Debug)]
pub struct ListenToKernel {
    /// `None` while a look is under way: one that never comes back leaves it so.
    log: Option<KernelLog>,
    fleet: Fleet,
    told: Option<Result<(), String>>,
}

impl ListenToKernel {
    /// A job that records what the log at `place` tells of cards.
    pub fn new(place: Place, fleet: Fleet) -> ListenToKernel {
        let started = fleet.started_at();
        ListenToKernel { log: Some(KernelLog::new(place, started)), fleet, told: None }
    }

    /// Looks once and records what came.
    pub async fn once(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        // A log may lie on a disk that hangs.
        let look = tokio::task::spawn_blocking(move || {
            let heard = log.hear();
            (log, heard)
        });
        match look.await {
            Ok((log, heard)) => {
                self.log = Some(log);
                self.record(heard);
            }
            Err(error) => {
                tracing::error!(%error, "reading the kernel's log ended; it is read no more");
                self.fleet.record_kernel_log(String::new(), Some(error.to_string()), 0);
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

impl Job for ListenToKernel {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}
