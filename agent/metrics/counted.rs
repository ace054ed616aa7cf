//! The metrics that this process counts itself, from its start.

use super::Spec;
use super::buckets::Buckets;
use super::declare::metrics;
use super::family::Family;
use super::traffic::Traffic;
use crate::gpus::GpuError;
use crate::http::HttpError;

metrics! {
    /// What this process counted of its own work.
    pub(super) struct OwnWork in "opsagent_" {
        /// Polls of the target by the agent, whatever came of them.
        polls_total: Counter ["target"],
        /// Polls of the target that failed, by reason: refused, unreachable, dns, tls, timeout, reset, unauthorized, redirect, status, malformed, too_large.
        poll_errors_total: Counter ["target", "reason"],
        /// Models beyond the most that the agent keeps of a target, whose series were dropped: each is counted at each poll.
        series_dropped_total: Counter ["target"],
        /// Reads of the GPUs by this backend that failed, by reason: no_driver, library_missing, driver_not_loaded, driver_mismatch, no_permission, timeout, gpu_lost, other.
        gpu_read_errors_total: Counter ["backend", "reason"],
        /// Beats of a job of the agent that ended in a panic: a fault of the agent, told in its log.
        job_panics_total: Counter ["job"],
    }
}

/// What this process counted itself, from its start.
#[derive(Debug)]
pub struct Counted {
    own: OwnWork,
    /// Of real traffic.
    pub traffic: Traffic,
}

impl Default for Counted {
    fn default() -> Counted {
        Counted::new()
    }
}

impl Counted {
    /// What is declared here.
    pub(super) const SPECS: &'static [Spec] = OwnWork::SPECS;

    /// No series yet; histograms have the usual bounds.
    pub fn new() -> Counted {
        Counted::with(&Buckets::default())
    }

    /// The same with these bounds.
    pub fn with(buckets: &Buckets) -> Counted {
        Counted { own: OwnWork::with(buckets), traffic: Traffic::with(buckets) }
    }

    /// The families as they are now, each sorted.
    pub(super) fn families(&self) -> Vec<Box<dyn Family>> {
        let mut all = self.own.families();
        all.extend(self.traffic.families());
        all
    }

    /// Makes every counter of a target be there, at zero, so that a first step is seen.
    pub fn touch_target(&self, target: &str) {
        self.own.polls_total.of([target]);
        self.own.series_dropped_total.of([target]);
        for reason in HttpError::REASONS {
            self.own.poll_errors_total.of([target, reason]);
        }
    }

    /// Ends the series of a target.
    pub fn forget_target(&self, target: &str) {
        self.own.end_target(target);
        self.traffic.end_target(target);
    }

    /// One poll, and why it failed if it did; `left_out`: models beyond the limit.
    pub fn count_poll(&self, target: &str, reason: Option<&'static str>, left_out: u64) {
        self.own.polls_total.of([target]).inc();
        self.own.series_dropped_total.of([target]).inc_by(left_out);
        if let Some(reason) = reason {
            self.own.poll_errors_total.of([target, reason]).inc();
        }
    }

    /// One read of the GPUs by a backend, and why it failed if it did.
    pub fn count_gpu_read(&self, backend: &'static str, reason: Option<&'static str>) {
        for reason in GpuError::REASONS {
            self.own.gpu_read_errors_total.of([backend, reason]);
        }
        if let Some(reason) = reason {
            self.own.gpu_read_errors_total.of([backend, reason]).inc();
        }
    }

    /// One panic of a job.
    pub fn count_panic(&self, job: &str) {
        self.own.job_panics_total.of([job]).inc();
    }
}
