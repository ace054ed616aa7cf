//! One connection to the store: what a command uses, and each thread of the agent's handle. Blocks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{Reason, StoreError};
use super::place::{self, Found};
use super::schema;

/// How long one process waits for another that writes. A write takes some milliseconds; a prune of much holds the
/// lock for one piece at a time.
const BUSY: Duration = Duration::from_secs(5);

/// The write-ahead log is cut to this after it was carried over: one large write would else take its room for ever.
const WAL_BYTES: u32 = 8 << 20;

/// An open store.
#[derive(Debug)]
pub struct Db {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

impl Db {
    /// Opens the store, makes it where there is none, looks through it whole, and brings an older one to this version.
    /// A file that is something else, damaged or newer is never written to: whoever opens it here may write, and a page
    /// of noise shows only in a look at all pages. That took 1.2 s for 100,000 runs (200 MB) on a busy machine.
    ///
    /// # Errors
    /// No store can be there, or what is there is none that can be used.
    pub fn open(path: &Path) -> Result<Db, StoreError> {
        if place::look(path)? == Found::Nothing {
            place::make(path)?;
        }
        Db::open_found(path)
    }

    /// Opens a store that must be there, as [`Db::open`] does.
    ///
    /// # Errors
    /// There is none, or none that can be used.
    pub fn open_existing(path: &Path) -> Result<Db, StoreError> {
        if place::look(path)? == Found::Nothing {
            return Err(StoreError::new(Reason::Missing, path, "there is no store"));
        }
        Db::open_found(path)
    }

    /// Another connection to it, that only reads.
    pub(super) fn reader(&self) -> Result<Db, StoreError> {
        let db = Db::connect(&self.path)?;
        let told = db.connection.busy_timeout(BUSY);
        let told = told.and_then(|()| db.connection.pragma_update(None, "query_only", "ON"));
        told.map_err(|error| db.error(&error))?;
        Ok(db)
    }

    /// Opens a store that must be there as it is, to look at it.
    pub(super) fn open_to_look(path: &Path) -> Result<Db, StoreError> {
        if place::look(path)? == Found::Nothing {
            return Err(StoreError::new(Reason::Missing, path, "there is no store"));
        }
        let db = Db::connect(path)?;
        let told = db.connection.busy_timeout(BUSY).and_then(|()| {
            db.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            db.connection.pragma_update(None, "query_only", "ON")?;
            schema::version(&db.connection)
        });
        let version = told.map_err(|error| db.error(&error))?;
        if version == 0 {
            return Err(StoreError::new(
                Reason::Missing,
                path,
                "there is nothing in it: its making was cut off",
            ));
        }
        db.newer(version).map_or(Ok(db), Err)
    }

    fn open_found(path: &Path) -> Result<Db, StoreError> {
        place::close_to_others(path)?;
        let mut db = Db::connect(path)?;
        let told = db.prepare();
        told.map_err(|error| db.error(&error))??;
        Ok(db)
    }

    fn connect(path: &Path) -> Result<Db, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags);
        let connection = connection.map_err(|error| StoreError::of_sqlite(path, &error))?;
        Ok(Db { path: path.to_owned(), connection })
    }

    /// What must hold before the first question.
    fn prepare(&mut self) -> rusqlite::Result<Result<(), StoreError>> {
        self.connection.busy_timeout(BUSY)?;
        // Whatever is wrong with the file, leaving it again must not carry its log over.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Takes back what a process that was killed left, and so is the first to see a damaged file.
        let version = schema::version(&self.connection)?;
        if let Some(newer) = self.newer(version) {
            return Ok(Err(newer));
        }
        if version == 0 {
            // Somebody else's file may have come between the look and now.
            let tables: i64 =
                self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables > 0 {
                let found = "it is a database of another program";
                return Ok(Err(StoreError::new(Reason::Foreign, &self.path, found)));
            }
            // Only a file without a table takes this.
            self.connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        if let Some(fault) = super::check::faults(&self.connection, false, 1)?.pop() {
            return Ok(Err(StoreError::new(Reason::Damaged, &self.path, fault)));
        }
        self.settings()?;
        // The tables come while the file has no write-ahead log yet: so its head tells whose it is from then on.
        schema::migrate(&mut self.connection, schema::MIGRATIONS)?;
        self.write_ahead()?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(Ok(()))
    }

    fn settings(&self) -> rusqlite::Result<()> {
        let set = |name, value: &str| self.connection.pragma_update(None, name, value);
        set("foreign_keys", "ON")?;
        // Each commit is on the disk when it is told: a machine that loses power loses no more than a process that is
        // killed. A run comes every few minutes; what it costs is measured in tests/it/store.
        set("synchronous", "FULL")?;
        // Texts of answers that were deleted are gone, not only free.
        set("secure_delete", "ON")?;
        set("trusted_schema", "OFF")?;
        set("cell_size_check", "ON")?;
        self.connection.pragma_update(None, "journal_size_limit", WAL_BYTES)
    }

    /// Readers and a writer do not wait for one another. Another process may be doing the same just now.
    fn write_ahead(&self) -> rusqlite::Result<()> {
        let mode: String =
            self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        let said = format!("the file system takes no write-ahead log (journal_mode is {mode})");
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        Err(rusqlite::Error::SqliteFailure(code, Some(said)))
    }

    /// The error, if that version is beyond what this opsagent knows.
    fn newer(&self, version: u32) -> Option<StoreError> {
        let known = schema::VERSION;
        let found = format!("its schema has version {version}, a newer opsagent's; this one knows {known}");
        (version > known).then(|| StoreError::new(Reason::Newer, &self.path, found))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number that is another one once another connection wrote.
    pub(super) fn data_version(&self) -> Result<i64, StoreError> {
        let told = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        told.map_err(|error| self.error(&error))
    }

    /// Does something in one transaction that writes.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let told = |error: &rusqlite::Error| StoreError::of_sqlite(&path, error);
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| told(&error))?;
        // Another opsagent may have brought the store to its own version meanwhile.
        let version = schema::version(&transaction).map_err(|error| told(&error))?;
        if version != schema::VERSION {
            let found =
                format!("its schema has version {version} now; this opsagent knows {}", schema::VERSION);
            return Err(StoreError::new(Reason::Newer, &path, found));
        }
        // What fails is taken back as the transaction is dropped.
        let done = work(&transaction).map_err(|error| told(&error))??;
        transaction.commit().map_err(|error| told(&error))?;
        Ok(done)
    }

    /// Reads something.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| self.error(&error))
    }

    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::of_sqlite(&self.path, error)
    }
}
