//! Why the store cannot do what it was asked: which file, what was found, what would do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The kind of a failure: a closed set, and a value of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing says where the store should lie.
    NoPlace,
    /// The folder is not there and cannot be made.
    NoFolder,
    /// There is no store yet.
    Missing,
    /// This user may not.
    Permission,
    /// The file system takes no writes.
    ReadOnly,
    /// It lies on another machine's disk, where SQLite's locks and shared memory do not hold.
    Network,
    /// The file is something else.
    Foreign,
    /// The file is damaged.
    Damaged,
    /// A newer opsagent wrote it.
    Newer,
    /// Another process holds it for too long.
    Busy,
    /// The disk is full.
    Full,
    /// The system cannot read or write it.
    Io,
    /// The file was moved, removed or replaced while it was open.
    Gone,
    /// Another process wrote meanwhile: what was based on the state before is refused.
    Changed,
    /// A file that would be overwritten.
    Exists,
    /// It may not be stored so.
    Refused,
    /// More waits to be written than is kept.
    Overflow,
    /// The store was closed.
    Closed,
}

impl Reason {
    /// Every kind.
    pub const ALL: [Reason; 18] = [
        Self::NoPlace,
        Self::NoFolder,
        Self::Missing,
        Self::Permission,
        Self::ReadOnly,
        Self::Network,
        Self::Foreign,
        Self::Damaged,
        Self::Newer,
        Self::Busy,
        Self::Full,
        Self::Io,
        Self::Gone,
        Self::Changed,
        Self::Exists,
        Self::Refused,
        Self::Overflow,
        Self::Closed,
    ];

    /// Its name in labels and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPlace => "no_place",
            Self::NoFolder => "no_folder",
            Self::Missing => "missing",
            Self::Permission => "permission",
            Self::ReadOnly => "read_only",
            Self::Network => "network",
            Self::Foreign => "foreign",
            Self::Damaged => "damaged",
            Self::Newer => "newer",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Io => "io",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Exists => "exists",
            Self::Refused => "refused",
            Self::Overflow => "overflow",
            Self::Closed => "closed",
        }
    }

    /// Whether what could not be written now is worth another try.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Permission
                | Self::ReadOnly
                | Self::Busy
                | Self::Full
                | Self::Io
                | Self::Gone
                | Self::NoFolder
        )
    }

    /// What would do.
    const fn remedy(self) -> &'static str {
        match self {
            Self::NoPlace => "set path in [store], STATE_DIRECTORY, or StateDirectory= in the unit",
            Self::NoFolder | Self::ReadOnly => {
                "set path in [store] to a file in a folder that can be written, or StateDirectory= in the unit"
            }
            Self::Missing => "the agent makes it at its start, and so does `opsagent canary --save`",
            Self::Permission => "run this as the agent's user, or let it write there",
            Self::Network => "set path in [store] to a file on a disk of this machine",
            Self::Foreign => "set path in [store] to another file: this one is left as it is",
            Self::Damaged => {
                "stop the agent, move the file aside, and put a backup (`opsagent store backup`) in its place or \
                 begin anew: it is left as it is"
            }
            Self::Newer => {
                "run that opsagent again, or set path in [store] to another file: this one is left as it is"
            }
            Self::Busy => "find out which process holds it (`fuser`), and try again",
            Self::Full => "free space on its disk, or `opsagent store prune`",
            Self::Io => "look at the disk and at the kernel's log",
            Self::Gone => "put it back while the agent is stopped, or restart the agent to begin anew",
            Self::Changed => "read what is there now and do it anew",
            Self::Exists => "name another file, or say --force where it is an old copy",
            Self::Refused => "this is a fault of the program",
            Self::Overflow => "find out why the disk takes nothing",
            Self::Closed => "the agent is stopping, and writes no more",
        }
    }
}

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {found}: {}", path.display(), reason.remedy())]
pub struct StoreError {
    reason: Reason,
    path: PathBuf,
    found: String,
}

impl StoreError {
    /// A failure with what was found.
    pub(super) fn new(reason: Reason, path: &Path, found: impl Into<String>) -> StoreError {
        StoreError { reason, path: path.to_owned(), found: found.into() }
    }

    /// Its kind.
    pub const fn kind(&self) -> Reason {
        self.reason
    }

    /// Its kind as a value of labels.
    pub const fn reason(&self) -> &'static str {
        self.reason.name()
    }

    /// What was found, without file and remedy.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The file it is about.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what was to be written is kept and tried again.
    pub const fn is_kept(&self) -> bool {
        self.reason.may_pass()
    }

    /// What the system said of a file.
    pub(super) fn of_io(path: &Path, doing: &str, error: &std::io::Error) -> StoreError {
        use std::io::ErrorKind as Kind;
        let reason = match error.kind() {
            Kind::PermissionDenied => Reason::Permission,
            Kind::ReadOnlyFilesystem => Reason::ReadOnly,
            Kind::StorageFull | Kind::QuotaExceeded => Reason::Full,
            Kind::NotFound | Kind::NotADirectory => Reason::NoFolder,
            _ => Reason::Io,
        };
        StoreError::new(reason, path, format!("cannot {doing}: {error}"))
    }

    /// What SQLite said.
    pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> StoreError {
        let found = match error {
            rusqlite::Error::SqliteFailure(_, Some(said)) => said.clone(),
            other => other.to_string(),
        };
        let reason = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Reason::Busy,
            Some(ErrorCode::DiskFull) => Reason::Full,
            // No code: a value of another type than the schema says, which no opsagent wrote.
            Some(ErrorCode::DatabaseCorrupt) | None => Reason::Damaged,
            Some(ErrorCode::NotADatabase) => Reason::Foreign,
            Some(ErrorCode::PermissionDenied) => Reason::Permission,
            Some(ErrorCode::ReadOnly) if error.sqlite_extended_error_code() == Some(DB_MOVED) => Reason::Gone,
            Some(ErrorCode::ReadOnly) => Reason::ReadOnly,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Reason::Io,
            Some(_) => Reason::Refused,
        };
        let code = error.sqlite_extended_error_code().map(|code| format!(" (SQLite's error {code})"));
        StoreError::new(reason, path, format!("{found}{}", code.unwrap_or_default()))
    }
}

/// SQLite's extended code for a file that is not at its path any more.
const DB_MOVED: i32 = rusqlite::ffi::SQLITE_READONLY_DBMOVED;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_name_of_its_own_and_says_what_would_do() {
        let names: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let said = StoreError::new(reason, Path::new("/s/opsagent.db"), "it is odd").to_string();
            assert!(said.starts_with("/s/opsagent.db: it is odd: "), "{said}");
            assert!(said.len() > 45 && !said.contains("  "), "{said}");
        }
    }
}
