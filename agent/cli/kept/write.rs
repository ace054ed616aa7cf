//! Writes into the store what a command keeps.

use super::Kept;
use crate::cli::canary::now;
use crate::store::{Batch, Retention, StoreError};

impl Kept {
    /// Without a store nothing is written.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        match &mut self.db {
            Some(db) => db.apply(batch).map(drop),
            None => Ok(()),
        }
    }

    /// The same, and what is too old goes: without an agent nobody else deletes it.
    pub(super) fn write_and_prune(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let said = self.config.file.is_some();
        let retention = if said { self.config.store.retention } else { Retention::unsaid() };
        match &mut self.db {
            Some(db) => db.save(batch, &retention, now()).map(drop),
            None => Ok(()),
        }
    }
}
