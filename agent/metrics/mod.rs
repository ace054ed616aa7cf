//! The catalogue: every metric the agent exports, declared once.

/// What this process counted itself, from its start.
#[derive(Debug, Default)]
pub struct Counted {}

impl Counted {
    /// All at zero.
    pub fn new() -> Counted {
        Counted {}
    }

    /// Makes every counter of a target be there, at zero, so that a first step is seen.
    pub fn touch_target(&self, _target: &str) {}

    /// Ends the series of a target.
    pub fn forget_target(&self, _target: &str) {}

    /// One poll, and why it failed if it did; `left_out`: models beyond the limit.
    pub fn count_poll(&self, _target: &str, _reason: Option<&'static str>, _left_out: u64) {}

    /// One read of the GPUs by a backend, and why it failed if it did.
    pub fn count_gpu_read(&self, _backend: &'static str, _reason: Option<&'static str>) {}

    /// One panic of a job.
    pub fn count_panic(&self, _job: &str) {}
}
