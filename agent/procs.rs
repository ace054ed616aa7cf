//! What runs on this machine: processes and the sockets they listen on, read from `/proc`.
//!
//! Everything here may be missing (another system, hidepid, another user's process): what cannot
//! be seen is left out, never guessed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use procfs::net::TcpNetEntries;
use procfs::process::{FDTarget, Process as ProcProcess};
use procfs::{FromBufReadSI as _, FromRead as _, current_system_info};

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

/// A socket that listens for TCP connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to, maybe a wildcard.
    pub address: SocketAddr,
    /// Its inode: names this socket, and no later one at the same address.
    pub inode: u64,
    /// The process that holds it, where that can be seen (the same user, or root).
    pub pid: Option<u32>,
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
        let dir = self.root.join(pid.to_string());
        let stat = procfs::process::Stat::from_file(dir.join("stat")).ok()?;
        let args: Vec<String> = std::fs::read(dir.join("cmdline"))
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

    /// The listening sockets. Whose they are is looked up only for the processes in `owners`: it
    /// takes a look at every open file of each.
    ///
    /// # Errors
    /// The table of sockets cannot be read.
    pub fn listeners(&self, owners: &[Process]) -> io::Result<Vec<Listener>> {
        let sockets = self.listening()?;
        let wanted: HashSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
        let mut holders: HashMap<u64, u32> = HashMap::new();
        for owner in owners {
            for inode in self.sockets_of(owner.pid) {
                if wanted.contains(&inode) {
                    // Children inherit sockets; the first, the one with the lowest pid, is the owner.
                    holders.entry(inode).or_insert(owner.pid);
                }
            }
        }
        let held = |inode| holders.get(&inode).copied();
        Ok(sockets
            .into_iter()
            .map(|(address, inode)| Listener { address, inode, pid: held(inode) })
            .collect())
    }

    /// The listening sockets by address and inode, without whose they are: a cheap look, to see
    /// whether anything changed. Linux tells listening sockets first and then walks a table of every
    /// connection there might be, for milliseconds: the look ends before that. Where another kernel
    /// mixes them, it sees fewer.
    ///
    /// # Errors
    /// The table of sockets cannot be read.
    pub fn listening(&self) -> io::Result<Vec<(SocketAddr, u64)>> {
        let table = |name: &str| {
            let file = File::open(self.root.join("self/net").join(name))?;
            let head = Listening { lines: BufReader::with_capacity(RECORD, file), line: Vec::new(), at: 0 };
            let entries = TcpNetEntries::from_buf_read(BufReader::new(head), current_system_info())
                .map_err(io::Error::other)?;
            io::Result::Ok(entries.0.into_iter().map(|entry| (entry.local_address, entry.inode)))
        };
        let mut sockets: Vec<_> = table("tcp")?.collect();
        // A kernel without IPv6 has no second table.
        sockets.extend(table("tcp6").into_iter().flatten());
        sockets.sort_unstable();
        Ok(sockets)
    }

    fn sockets_of(&self, pid: u32) -> Vec<u64> {
        let Ok(process) = ProcProcess::new_with_root(self.root.join(pid.to_string())) else {
            return Vec::new();
        };
        let Ok(files) = process.fd() else { return Vec::new() };
        files
            .flatten()
            .filter_map(|file| match file.target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect()
    }
}

/// One line of the table of sockets, so that no read takes more from the kernel than it.
const RECORD: usize = 150;

/// The head of a table of sockets, up to the first that does not listen.
struct Listening<R> {
    lines: BufReader<R>,
    line: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for Listening<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            self.lines.read_until(b'\n', &mut self.line)?;
            let mut words = self.line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            // The head's own word, and the state LISTEN.
            if !matches!(words.nth(3), Some(b"st" | b"0A")) {
                self.line.clear();
            }
        }
        let taken = (&self.line[self.at..]).read(to)?;
        self.at += taken;
        Ok(taken)
    }
}

/// Whether the address is one of this machine's: only then can a socket be bound to it.
pub fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}
