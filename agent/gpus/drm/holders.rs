//! Which processes hold files of cards open. To find out, every process's open files are looked at, which is
//! too dear for each read: that is done now and then, and in between only what is new is looked at. The files
//! themselves are not read here: at some drivers that wakes the card.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::files;

/// From one look at all processes to the next.
const EVERY: Duration = Duration::from_secs(30);

/// Where that look takes long (ten thousand processes, a hundred files each: seconds), it comes so many times its own
/// duration later, so that it never takes more than a fiftieth of a core.
const REST: u32 = 50;

/// For so long a process is new and looked at each time: a server opens its cards in its first seconds.
const NEW: Duration = Duration::from_secs(60);

/// Within this time several cards are read, and one look serves them all.
const ONE_ROUND: Duration = Duration::from_secs(1);

/// Processes looked at; the kernel's own bound is 4 million, a machine's use some thousands.
const MOST_PROCESSES: usize = 65_536;

/// Open files of one process that are looked at: what holds more is a database or a web server.
const MOST_FILES: usize = 4096;

/// Files of cards that one process is remembered to hold. One that uses 16 cards has some 40.
const MOST_HELD: usize = 256;

/// One file of a card that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The process.
    pub(super) pid: u32,
    /// The file's name under `/dev/dri`, such as `renderD128`.
    pub(super) node: String,
    /// What tells of the use that is made of it.
    pub(super) fdinfo: PathBuf,
    /// The link to the file.
    fd: PathBuf,
}

impl Held {
    /// Whether it is held still. A number that was closed is given to the next file.
    pub(super) fn is_open(&self) -> bool {
        node(&self.fd).is_some_and(|node| node == self.node)
    }
}

/// What the looks found.
#[derive(Debug, Clone, Default)]
pub(super) struct Holders {
    processes: BTreeMap<u32, Process>,
    /// Some processes may not be looked into by this user, or not even be seen.
    pub(super) some_hidden: bool,
}

#[derive(Debug, Clone)]
struct Process {
    /// When it was first seen. `None`: it was there before.
    seen: Option<Instant>,
    held: Vec<Held>,
}

impl Holders {
    /// The files that are held, by process.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        self.processes.values().flat_map(|process| &process.held)
    }
}

/// Knows the holders.
#[derive(Debug)]
pub(super) struct Census {
    procfs: PathBuf,
    /// Held only to copy in and out, never while something is read.
    found: Mutex<Option<Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    all_at: Instant,
    /// How long the look at all took.
    all_took: Duration,
    at: Instant,
    holders: Arc<Holders>,
}

impl Census {
    /// Of the processes at this root.
    pub(super) fn of(procfs: &Path) -> Census {
        Census { procfs: procfs.to_path_buf(), found: Mutex::default() }
    }

    /// Who holds files of cards: new processes as of now, older ones as of at most half a minute ago.
    pub(super) fn holders(&self) -> Arc<Holders> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let at = Instant::now();
        let (all_at, holders) = match &known {
            Some(known) if at.saturating_duration_since(known.at) < ONE_ROUND => {
                return known.holders.clone();
            }
            Some(known) if at.saturating_duration_since(known.all_at) < EVERY.max(known.all_took * REST) => {
                (known.all_at, look(&self.procfs, &known.holders, at, false))
            }
            Some(known) => (at, look(&self.procfs, &known.holders, at, true)),
            None => (at, first(&self.procfs)),
        };
        let all_took = known.filter(|known| known.all_at == all_at).map(|known| known.all_took);
        let all_took = all_took.unwrap_or_else(|| at.elapsed());
        let holders = Arc::new(holders);
        let found = Found { all_at, all_took, at, holders: holders.clone() };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        holders
    }
}

fn pids(procfs: &Path) -> impl Iterator<Item = u32> {
    files::names(procfs, MOST_PROCESSES).into_iter().filter_map(|name| name.parse().ok())
}

/// Whether all processes of the machine are listed. A container lists its own alone, and `hidepid` those of
/// this user; neither the thread with which the kernel begins, which every machine has.
fn lists_all(procfs: &Path) -> bool {
    files::line(&procfs.join("2/comm")).is_ok_and(|name| name == "kthreadd")
}

fn first(procfs: &Path) -> Holders {
    let mut holders = Holders { some_hidden: !lists_all(procfs), ..Holders::default() };
    for pid in pids(procfs) {
        let held = held(procfs, pid, &mut holders.some_hidden);
        holders.processes.insert(pid, Process { seen: None, held });
    }
    holders
}

/// Looks at those that are new, or at all.
fn look(procfs: &Path, before: &Holders, now: Instant, all: bool) -> Holders {
    let some_hidden = if all { !lists_all(procfs) } else { before.some_hidden };
    let mut holders = Holders { some_hidden, ..Holders::default() };
    for pid in pids(procfs) {
        let known = before.processes.get(&pid);
        let seen = known.map_or(Some(now), |known| known.seen);
        let new = seen.is_some_and(|seen| now.saturating_duration_since(seen) < NEW);
        let held = match known {
            Some(known) if !all && !new => known.held.clone(),
            _ => held(procfs, pid, &mut holders.some_hidden),
        };
        holders.processes.insert(pid, Process { seen, held });
    }
    holders
}

fn held(procfs: &Path, pid: u32, some_hidden: &mut bool) -> Vec<Held> {
    let process = procfs.join(pid.to_string());
    let open = match std::fs::read_dir(process.join("fd")) {
        Ok(open) => open,
        Err(error) => {
            // One that ended meanwhile hides nothing.
            *some_hidden |= error.kind() == ErrorKind::PermissionDenied;
            return Vec::new();
        }
    };
    let of_card = open.flatten().take(MOST_FILES).filter_map(|file| {
        let (fd, fdinfo) = (file.path(), process.join("fdinfo").join(file.file_name()));
        Some(Held { pid, node: node(&fd)?, fdinfo, fd })
    });
    let mut held: Vec<Held> = of_card.take(MOST_HELD).collect();
    held.sort_unstable_by(|one, other| one.fdinfo.cmp(&other.fdinfo));
    held
}

/// The file of a card that is open there, by its name under `/dev/dri`.
fn node(fd: &Path) -> Option<String> {
    Some(std::fs::read_link(fd).ok()?.strip_prefix("/dev/dri").ok()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn open(root: &Path, pid: u32, fd: u32, target: &str) {
        let folder = root.join(pid.to_string()).join("fd");
        std::fs::create_dir_all(&folder).unwrap();
        symlink(target, folder.join(fd.to_string())).unwrap();
    }

    fn nodes(census: &Census) -> Vec<(u32, String)> {
        census.holders().held().map(|held| (held.pid, held.node.clone())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_process_is_seen_at_once_an_old_one_that_begins_within_half_a_minute_and_one_that_ends_at_once()
     {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        std::fs::create_dir_all(at.join("2")).unwrap();
        std::fs::write(at.join("2/comm"), "kthreadd\n").unwrap();
        open(at, 10, 3, "/dev/dri/card0");
        open(at, 10, 4, "/dev/null");
        open(at, 11, 3, "socket:[5]");
        let census = Census::of(at);
        assert_eq!(nodes(&census), [(10, "card0".to_owned())]);

        open(at, 11, 9, "/dev/dri/renderD128");
        std::fs::create_dir_all(at.join("12/fd")).unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(nodes(&census), [(10, "card0".to_owned())], "11 is not looked at, 12 opened none yet");
        open(at, 12, 7, "/dev/dri/renderD129");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(nodes(&census), [(10, "card0".to_owned()), (12, "renderD129".to_owned())]);
        std::fs::remove_dir_all(at.join("10")).unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(nodes(&census), [(12, "renderD129".to_owned())]);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(nodes(&census), [(11, "renderD128".to_owned()), (12, "renderD129".to_owned())]);
        assert!(!census.holders().some_hidden);
    }
}
