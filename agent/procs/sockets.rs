//! The sockets that listen: of this machine, or of the network that a process lives in.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::{IpAddr, SocketAddr};

use procfs::net::TcpNetEntries;
use procfs::process::{FDTarget, Process as ProcProcess};
use procfs::{FromBufReadSI as _, current_system_info};

use super::{Machine, Process};

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

/// A listening socket as the table of sockets has it, without whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// The address it is bound to, maybe a wildcard.
    pub address: SocketAddr,
    /// Its inode: one for all networks of the machine.
    pub inode: u64,
    /// The user who opened it.
    pub uid: u32,
}

impl Machine {
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
    /// whether anything changed.
    ///
    /// # Errors
    /// The table of sockets cannot be read.
    pub fn listening(&self) -> io::Result<Vec<(SocketAddr, u64)>> {
        Ok(self.sockets(None)?.into_iter().map(|socket| (socket.address, socket.inode)).collect())
    }

    /// The listening sockets of this machine's network, or of the one that a process lives in. Linux
    /// tells listening sockets first and then walks a table of every connection there might be, for
    /// milliseconds: the look ends before that. Where another kernel mixes them, it sees fewer.
    ///
    /// # Errors
    /// The table of sockets cannot be read.
    pub fn sockets(&self, of: Option<u32>) -> io::Result<Vec<Socket>> {
        let net = self.net(of);
        let table = |name: &str| {
            let file = File::open(net.join(name))?;
            let head = Listening { lines: BufReader::with_capacity(RECORD, file), line: Vec::new(), at: 0 };
            let entries = TcpNetEntries::from_buf_read(BufReader::new(head), current_system_info())
                .map_err(io::Error::other)?;
            io::Result::Ok(entries.0.into_iter().map(|entry| Socket {
                address: entry.local_address,
                inode: entry.inode,
                uid: entry.uid,
            }))
        };
        let mut sockets: Vec<_> = table("tcp")?.collect();
        // A kernel without IPv6 has no second table.
        sockets.extend(table("tcp6").into_iter().flatten());
        sockets.sort_unstable();
        Ok(sockets)
    }

    /// The inodes of the sockets that a process holds; none where its files cannot be seen.
    pub fn sockets_of(&self, pid: u32) -> Vec<u64> {
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

/// Whether a connection to `target` ends at a socket that is bound to `bound`.
pub fn accepts(bound: SocketAddr, target: SocketAddr) -> bool {
    let (at, ip) = (bound.ip().to_canonical(), target.ip().to_canonical());
    bound.port() == target.port()
        && match at {
            IpAddr::V4(any) if any.is_unspecified() => ip.is_ipv4(),
            IpAddr::V6(any) if any.is_unspecified() => true,
            at => at == ip,
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
