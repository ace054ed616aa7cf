//! What runs on this machine: processes and the sockets they listen on, read from `/proc`.
//!
//! Everything here may be missing (another system, hidepid, another user's process): what cannot
//! be seen is left out, never guessed.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};

mod network;
mod sight;
mod sockets;

pub use sockets::{Listener, Socket, accepts};

/// The machine's process table, at a root that tests may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    root: PathBuf,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its start, in clock ticks since boot: with the pid, what tells it from a later one.
    pub started_ticks: u64,
    /// The program's name: the last part of its first argument, or the kernel's name for it.
    pub name: String,
    /// The arguments, the program first. Empty where they cannot be read.
    pub args: Vec<String>,
}

impl Process {
    /// `pid:starttime`: names this process and no later one.
    pub fn incarnation(&self) -> String {
        format!("{}:{}", self.pid, self.started_ticks)
    }

    /// The value of an option, written `--name value` or `--name=value`, under any of its names.
    pub fn option(&self, names: &[&str]) -> Option<&str> {
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            for name in names {
                if arg == name {
                    return args.next().map(String::as_str);
                }
                if let Some(value) = arg.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                    return Some(value);
                }
            }
        }
        None
    }
}

impl Machine {
    /// The process table at that root, usually `/proc`.
    pub fn at(root: impl Into<PathBuf>) -> Machine {
        Machine { root: root.into() }
    }

    /// This machine.
    pub fn here() -> Machine {
        Machine::at("/proc")
    }

    /// Every process that can be seen.
    ///
    /// # Errors
    /// There is no process table at that root.
    pub fn processes(&self) -> io::Result<Vec<Process>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let Ok(entry) = entry else { continue };
            if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
                && let Some(process) = self.process(pid)
            {
                found.push(process);
            }
        }
        found.sort_by_key(|process| process.pid);
        Ok(found)
    }

    /// One process, if it can be seen.
    pub fn process(&self, pid: u32) -> Option<Process> {
        let stat = self.stat(pid)?;
        let args: Vec<String> = std::fs::read(self.root.join(pid.to_string()).join("cmdline"))
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        let args: Vec<String> = match args.split_last() {
            Some((last, rest)) if last.is_empty() => rest.to_vec(),
            _ => args,
        };
        let name = args
            .first()
            .and_then(|arg| Path::new(arg).file_name())
            .and_then(|name| name.to_str())
            .map_or_else(|| stat.comm.clone(), str::to_owned);
        Some(Process {
            pid,
            parent: u32::try_from(stat.ppid).unwrap_or(0),
            started_ticks: stat.starttime,
            name,
            args,
        })
    }

    /// The ids of a process's children, by the kernel's list of each of its threads. `None` where
    /// this kernel keeps no such list, or the process is gone.
    pub fn children(&self, pid: u32) -> Option<Vec<u32>> {
        let mut children = None;
        for thread in std::fs::read_dir(self.root.join(pid.to_string()).join("task")).ok()?.flatten() {
            // A thread may end while it is looked at; its children are another's then.
            if let Ok(list) = std::fs::read_to_string(thread.path().join("children")) {
                let pids = list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok());
                children.get_or_insert_with(Vec::new).extend(pids);
            }
        }
        children
    }

    /// A variable of a process's environment. `Err`: the environment cannot be read (another user's).
    pub fn variable(&self, pid: u32, name: &str) -> io::Result<Option<String>> {
        let environ = std::fs::read(self.root.join(pid.to_string()).join("environ"))?;
        Ok(environ.split(|byte| *byte == 0).find_map(|entry| {
            String::from_utf8_lossy(entry).strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
        }))
    }
}

/// Whether the address is one of this machine's: only then can a socket be bound to it.
pub fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}
