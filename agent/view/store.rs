//! The store, as the outside sees it.

use serde::{Deserialize, Serialize};

/// How the store of baselines, runs and events fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreView {
    /// Where it lies. `None`: there is no place for one.
    pub path: Option<String>,
    /// Whether it takes what is written.
    pub up: bool,
    /// Why it does not, with what would do.
    pub error: Option<String>,
    /// Its size on the disk, in bytes.
    pub size_bytes: Option<u64>,
    /// Runs and events that could not be kept, since the agent started.
    pub writes_lost: u64,
}
