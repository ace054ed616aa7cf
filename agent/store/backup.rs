//! Copies a store while others read and write it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::check;
use super::db::Db;
use super::error::{Reason, StoreError};
use super::place;

/// From one try to the next, while another process holds the store.
const PAUSE: Duration = Duration::from_millis(100);

/// Tries before it is given up.
const TRIES: u32 = 100;

/// Names that are tried for a copy that is under way: each that is taken is somebody's.
const NAMES: u32 = 100;

impl Db {
    /// Copies the store to a file, as it is at one instant; says how many bytes that are. The copy is looked through
    /// and lies on the disk before it gets its name, so a copy of this name is always whole. `force`: replaces a file
    /// that is there.
    ///
    /// # Errors
    /// There is a file of that name, it is the store itself, or it cannot be written.
    pub fn backup(&self, to: &Path, force: bool) -> Result<u64, StoreError> {
        self.may_be_written(to, force)?;
        let new = begun(to)?;
        let copied = self.copy(&new).and_then(|()| {
            // What came of that name meanwhile is not replaced either.
            self.may_be_written(to, force)?;
            settle(&new, to).map_err(|error| StoreError::of_io(to, "write it", &error))
        });
        if copied.is_err() {
            fs::remove_file(&new).ok();
        }
        copied
    }

    fn may_be_written(&self, to: &Path, force: bool) -> Result<(), StoreError> {
        let Ok(there) = fs::metadata(to) else { return Ok(()) };
        let refused = |found: &str| Err(StoreError::new(Reason::Exists, to, found));
        let own = ["", "-wal", "-shm"].map(|ending| place::beside(&self.path, ending));
        let is_own = |own: &PathBuf| {
            fs::metadata(own).is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
        };
        if own.iter().any(is_own) {
            return refused("it is the store itself");
        }
        if !there.is_file() {
            return refused("it is there, and no file");
        }
        if force { Ok(()) } else { refused("there is a file of that name") }
    }

    fn copy(&self, new: &Path) -> Result<(), StoreError> {
        let told = |error: &rusqlite::Error| StoreError::of_sqlite(new, error);
        let mut copy = Connection::open(new).map_err(|error| told(&error))?;
        let done = (|| {
            let backup = Backup::new(&self.connection, &mut copy)?;
            for _ in 0..TRIES {
                // All at once: it is of one instant, and in a write-ahead log a reader holds up no writer.
                match backup.step(-1)? {
                    StepResult::Done => return Ok(true),
                    _ => std::thread::sleep(PAUSE),
                }
            }
            Ok(false)
        })();
        if !done.map_err(|error| self.error(&error))? {
            let found = "another process held it all the while";
            return Err(StoreError::new(Reason::Busy, &self.path, found));
        }
        // One file that needs no log beside it, also where it may only be read.
        copy.pragma_update(None, "journal_mode", "DELETE").map_err(|error| told(&error))?;
        let mut faults = check::faults(&copy, false, 1).map_err(|error| told(&error))?;
        match faults.pop() {
            Some(fault) => Err(StoreError::new(Reason::Damaged, &self.path, fault)),
            None => copy.close().map_err(|(_, error)| told(&error)),
        }
    }
}

/// Makes the file of a copy that is under way, beside the one that it will be: under a name that nobody has.
fn begun(to: &Path) -> Result<PathBuf, StoreError> {
    let of = |nth| place::beside(to, &format!(".{}-{nth}.new", std::process::id()));
    let mut nth = 0;
    loop {
        let new = of(nth);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new) {
            Ok(_) => return Ok(new),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && nth < NAMES => nth += 1,
            Err(error) => return Err(StoreError::of_io(&new, "make it", &error)),
        }
    }
}

/// Gives the copy its name, once it is on the disk.
fn settle(new: &Path, to: &Path) -> std::io::Result<u64> {
    let file = File::open(new)?;
    file.sync_all()?;
    fs::rename(new, to)?;
    // The name, too. Some file systems cannot.
    File::open(place::folder_of(to))?.sync_all().ok();
    Ok(file.metadata()?.len())
}
