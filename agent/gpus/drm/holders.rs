//! Which processes hold files of cards open. To find out, every process's open files are looked at, which is
//! too dear for each read: it is done now and then, and in between only what was found is read.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::{self, Client};
use super::files;

/// From one look at all processes to the next.
const EVERY: Duration = Duration::from_secs(30);

/// Processes looked at; the kernel's own bound is 4 million, a machine's use some thousands.
const MOST_PROCESSES: usize = 65_536;

/// Open files of one process that are looked at: what holds more is a database or a web server.
const MOST_FILES: usize = 4096;

/// Files of cards that are remembered. A process that uses 16 cards has some 40.
const MOST_HELD: usize = 4096;

/// One file of a card that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The process.
    pub(super) pid: u32,
    /// The card's PCI address, and the number of its client.
    pub(super) client: (String, u64),
    /// The file that tells of it.
    pub(super) fdinfo: PathBuf,
}

impl Held {
    /// What it tells now. `None`: it was closed, or is another client's now.
    pub(super) fn read(&self) -> Option<Client> {
        let client = client::parse(&files::text(&self.fdinfo).ok()?)?;
        (client.pci == self.client.0 && client.id == self.client.1).then_some(client)
    }
}

/// What a look at all processes found.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Each client once, by the first process that holds it.
    pub(super) held: Vec<Held>,
    /// Some processes may not be looked into by this user.
    pub(super) some_hidden: bool,
    /// Files under `/dev/dri` that are held and of which the driver tells nothing, as older kernels do.
    pub(super) untold: BTreeSet<OsString>,
}

/// Knows the holders.
#[derive(Debug)]
pub(super) struct Census {
    procfs: PathBuf,
    /// Held only to copy in and out, never while something is read.
    found: Mutex<Option<(Instant, Arc<Holders>)>>,
}

impl Census {
    /// Of the processes at this root.
    pub(super) fn of(procfs: &Path) -> Census {
        Census { procfs: procfs.to_path_buf(), found: Mutex::default() }
    }

    /// Who holds files of cards, as of at most half a minute ago.
    pub(super) fn holders(&self) -> Arc<Holders> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((at, holders)) if at.elapsed() < EVERY => holders,
            _ => {
                let holders = Arc::new(look(&self.procfs));
                let now = Some((Instant::now(), holders.clone()));
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = now;
                holders
            }
        }
    }
}

fn look(procfs: &Path) -> Holders {
    let mut holders = Holders::default();
    let names = files::names(procfs, MOST_PROCESSES);
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        let process = procfs.join(pid.to_string());
        let open = match std::fs::read_dir(process.join("fd")) {
            Ok(open) => open,
            Err(error) => {
                // One that ended meanwhile hides nothing.
                holders.some_hidden |= error.kind() == ErrorKind::PermissionDenied;
                continue;
            }
        };
        for file in open.flatten().take(MOST_FILES) {
            let target = std::fs::read_link(file.path()).ok();
            let Some(target) = target.filter(|target| target.starts_with("/dev/dri")) else { continue };
            if holders.held.len() + holders.untold.len() >= MOST_HELD {
                continue;
            }
            let fdinfo = process.join("fdinfo").join(file.file_name());
            let client = files::text(&fdinfo).ok().and_then(|text| client::parse(&text));
            match client {
                Some(client) => holders.held.push(Held { pid, client: (client.pci, client.id), fdinfo }),
                None => holders.untold.extend(target.file_name().map(OsStr::to_os_string)),
            }
        }
    }
    holders.held.sort_by(|one, other| one.client.cmp(&other.client));
    holders.held.dedup_by(|later, first| later.client == first.client);
    holders
}
