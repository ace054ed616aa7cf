//! The standard family of metrics that a process tells of itself.

use super::declare::metrics;
use crate::usage::ProcessStats;

metrics! {
    /// What the agent's own process takes of the machine.
    pub(super) struct Process<'a> in "process_" {
        /// Processor time that the agent took, user and system, in seconds.
        cpu_seconds_total: Counter [],
        /// Memory of the agent that is in RAM, in bytes.
        resident_memory_bytes: Gauge [],
        /// Address space of the agent, in bytes.
        virtual_memory_bytes: Gauge [],
        /// The most address space that the agent may take, in bytes. No series without a limit.
        virtual_memory_max_bytes: Gauge [],
        /// Files and sockets that the agent has open.
        open_fds: Gauge [],
        /// The most files and sockets that the agent may have open. No series without a limit.
        max_fds: Gauge [],
        /// Threads of the agent.
        threads: Gauge [],
        /// When the agent's process started, in seconds since the Unix epoch, as the kernel says.
        start_time_seconds: Gauge [],
    }
}

impl Process<'_> {
    /// The families of what was read; what could not be read has no series.
    pub(super) fn of(stats: &ProcessStats) -> Self {
        let number = |number: Option<u64>| number.map(|number| number as f64);
        let mut process = Self::new();
        process.cpu_seconds_total.set([], stats.cpu_seconds);
        process.resident_memory_bytes.set([], number(stats.resident_bytes));
        process.virtual_memory_bytes.set([], number(stats.virtual_bytes));
        process.virtual_memory_max_bytes.set([], number(stats.virtual_max_bytes));
        process.open_fds.set([], number(stats.open_fds));
        process.max_fds.set([], number(stats.max_fds));
        process.threads.set([], number(stats.threads));
        process.start_time_seconds.set([], stats.started_at);
        process
    }
}
