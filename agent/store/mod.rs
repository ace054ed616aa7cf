//! What outlives a restart: baselines, runs, events, totals and hourly history, in one SQLite file.
//!
//! The agent and the commands at a shell open the same file, each by itself; SQLite's locks keep them apart. What one
//! of them replaces it bases on what it read ([`Tag`]), so neither overwrites what the other wrote meanwhile.

mod apply;
mod backlog;
mod backup;
mod batch;
mod beats;
mod check;
mod clock;
mod db;
mod error;
mod handle;
mod health;
mod place;
mod read;
mod records;
mod retention;
mod save;
mod schema;
mod writer;

pub use apply::{MOST_DETAILS, MOST_DOCUMENT};
pub use batch::{Applied, Batch};
pub use beats::BeatRecord;
pub use check::{Report, Table};
pub use db::Db;
pub use error::{Reason, StoreError};
pub use handle::{Receipt, Store};
pub use health::Health;
pub use place::{FILE_NAME, of_agent, of_command};
pub use read::Wanted;
pub use records::{
    BaselineRecord, EventRecord, Hour, Key, RunRecord, StoredEvent, StoredRun, Tag, Total, WatchRecord,
};
pub use retention::{Cut, Pruned, Retention};

#[cfg(test)]
mod tests;
