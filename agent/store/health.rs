//! How the store fares: what the page and the metrics tell of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::StoreError;

/// How the agent's store fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Batches that were written since the start.
    pub written: u64,
    /// Batches that are kept in memory until they can be written.
    pub waiting: u64,
    /// Runs that were lost since the start: they could not be written, and too much waited.
    pub lost_runs: u64,
    /// Events that were lost so.
    pub lost_events: u64,
    /// Tries that failed since the start, by [`super::Reason::name`].
    pub failures: BTreeMap<&'static str, u64>,
    /// Since when writing fails, and why. `None`: the last try went well.
    pub failing: Option<(Timestamp, StoreError)>,
    /// The file's size in bytes. `None`: it cannot be asked.
    pub bytes: Option<u64>,
    /// The size of its write-ahead log in bytes. `None`: there is none.
    pub wal_bytes: Option<u64>,
}
