//! Where the store lies, and what must hold of the place before SQLite touches it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{Reason, StoreError};
use crate::logs;

/// The file's name in the state folder.
pub const FILE_NAME: &str = "opsagent.db";

/// Where a unit with `StateDirectory=opsagent` has its state: a shell has no STATE_DIRECTORY that would say so.
const OF_SERVICE: &str = "/var/lib/opsagent";

/// "opsa": marks the file as ours (SQLite's `application_id`, bytes 68 to 71 of the file).
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"opsa");

/// How each SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// SQLite's head, and the head of the page of tables that follows it.
const HEAD: usize = 108;

/// The file of an agent: what the config says, else in the state folder.
///
/// # Errors
/// Nothing says where.
pub fn of_agent(
    configured: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, StoreError> {
    let found = configured.map(Path::to_owned).or_else(|| Some(logs::state_folder(env)?.join(FILE_NAME)));
    found.ok_or_else(|| StoreError::new(Reason::NoPlace, Path::new(FILE_NAME), "there is no folder for it"))
}

/// The file that a command at a shell means: as [`of_agent`], but where the environment names no folder for state
/// and the service has a store, that one, which is the one of the agent that runs as a service.
///
/// # Errors
/// Nothing says where.
pub fn of_command(
    configured: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, StoreError> {
    of_command_at(configured, env, Path::new(OF_SERVICE))
}

fn of_command_at(
    configured: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
    service: &Path,
) -> Result<PathBuf, StoreError> {
    let told = env("STATE_DIRECTORY").is_some_and(|value| !value.is_empty());
    let own = of_agent(configured, env);
    if configured.is_some() || told {
        return own;
    }
    // A folder that may not be looked into is a service's all the same: the error then says whose it is.
    let of_service = service.join(FILE_NAME);
    let is_there = match fs::symlink_metadata(&of_service) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    };
    let own_is_there = own.as_ref().is_ok_and(|own| own.exists());
    if is_there && !own_is_there { Ok(of_service) } else { own }
}

/// What stands at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or an empty file.
    Nothing,
    /// A file of SQLite that is ours, or that SQLite must look at since its first transaction was not ended.
    Store,
}

/// Looks at the place without changing anything.
///
/// # Errors
/// No store can be there, or what is there is none.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    let folder = folder_of(path);
    if let Some(kind) = network(folder) {
        let found = format!("it lies on a network file system ({kind}), where SQLite's locks do not hold");
        return Err(StoreError::new(Reason::Network, path, found));
    }
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::of_io(path, "look at it", &error)),
    };
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a folder" } else { "it is no file" };
        return Err(StoreError::new(Reason::Foreign, path, what));
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    read.map_err(|error| StoreError::of_io(path, "read it", &error))?;
    if head.is_empty() {
        return Ok(Found::Nothing);
    }
    head_is_ours(path, &head, meta.len())?;
    Ok(Found::Store)
}

fn head_is_ours(path: &Path, head: &[u8], length: u64) -> Result<(), StoreError> {
    let begins = head.len().min(MAGIC.len());
    if head[..begins] != MAGIC[..begins] {
        let zeros = head.iter().all(|byte| *byte == 0);
        let found =
            if zeros { "it begins with zeros, not as a file of SQLite" } else { "it is no file of SQLite" };
        return Err(StoreError::new(if zeros { Reason::Damaged } else { Reason::Foreign }, path, found));
    }
    let word = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes)
    };
    let Some(application) = word(68) else {
        return Err(StoreError::new(Reason::Damaged, path, format!("it ends after {length} bytes")));
    };
    // A first transaction that was cut off leaves a journal, which SQLite takes back; the step before it, a file
    // without a table.
    let unfinished = application == 0 && (journal(path).exists() || is_empty(head));
    if application != APPLICATION_ID && !unfinished {
        let found = "it is a database of another program";
        return Err(StoreError::new(Reason::Foreign, path, found));
    }
    // While there is a log the file may be behind what its head says, or the head behind the file.
    let logged = ["-wal", "-journal"].iter().any(|ending| beside(path, ending).exists());
    let size = word(28).zip(page_size(head)).map(|(pages, size)| u64::from(pages) * size);
    if let Some(size) = size.filter(|size| length < *size && !logged) {
        let found = format!("it is cut off: it has {length} bytes, and its head says {size}");
        return Err(StoreError::new(Reason::Damaged, path, found));
    }
    Ok(())
}

/// The bytes of a page, as the head tells it: 1 stands for 65,536.
fn page_size(head: &[u8]) -> Option<u64> {
    let told = u16::from_be_bytes(head.get(16..18)?.try_into().ok()?);
    Some(if told == 1 { 65_536 } else { told.into() })
}

/// Whether there is nothing in it: no version of anybody's (bytes 60 to 63), and no table (in the page's head, a leaf
/// without a cell).
fn is_empty(head: &[u8]) -> bool {
    head.get(60..64) == Some(&[0; 4]) && head.get(100) == Some(&0x0D) && head.get(103..105) == Some(&[0; 2])
}

/// The journal of a transaction before the file had its write-ahead log.
fn journal(path: &Path) -> PathBuf {
    beside(path, "-journal")
}

/// A file that SQLite keeps beside the store.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder (0700) and an empty file (0600), as far as they are not there.
///
/// # Errors
/// The system refuses.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        let error = StoreError::of_io(path, &format!("make the folder {}", folder.display()), &error);
        // Whatever stands in the way, another folder would do.
        if error.kind() == Reason::Io {
            StoreError::new(Reason::NoFolder, path, error.found())
        } else {
            error
        }
    })?;
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(|error| StoreError::of_io(path, "make it", &error))?;
    let (Ok(own), Ok(of_folder)) = (file.metadata(), fs::metadata(folder)) else { return Ok(()) };
    if own.uid() == 0 && of_folder.uid() != 0 {
        // Root at a shell makes the agent's store: it must be the agent's.
        std::os::unix::fs::fchown(&file, Some(of_folder.uid()), Some(of_folder.gid())).ok();
    }
    Ok(())
}

/// Closes a store that others may read to them.
///
/// # Errors
/// This user may not write it, told as the system tells it.
pub(super) fn close_to_others(path: &Path) -> Result<(), StoreError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let file = opened.map_err(|error| StoreError::of_io(path, "open it", &error))?;
    if file.metadata().is_ok_and(|meta| meta.mode() & 0o077 != 0) {
        // It may be another user's: then it stays as it is.
        file.set_permissions(fs::Permissions::from_mode(0o600)).ok();
    }
    Ok(())
}

/// The kind of network file system a folder, or the nearest above it that is there, lies on.
fn network(folder: &Path) -> Option<&'static str> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    name_of(rustix::fs::statfs(there).ok()?.f_type as u32)
}

/// By the numbers of the kernel's `magic.h`. File systems in user space (FUSE) and of virtual machines (9p, virtiofs)
/// are not among them: most have locks that hold.
const fn name_of(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B | 0xFE53_4D42 => Some("SMB"),
        0xFF53_4D42 => Some("CIFS"),
        0x00C3_6400 => Some("Ceph"),
        0x5346_414F => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x0BD0_0BD0 => Some("Lustre"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
