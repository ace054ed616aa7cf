//! A machine on paper: a folder that reads like `/proc`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use opsagent::procs::Machine;
use tempfile::TempDir;

/// Processes and sockets that tests make up.
pub struct Paper {
    root: TempDir,
    sockets: Vec<(SocketAddr, u64)>,
    next_inode: u64,
}

impl Paper {
    /// A machine where nothing runs.
    pub fn new() -> Paper {
        let mut paper = Paper { root: tempfile::tempdir().unwrap(), sockets: Vec::new(), next_inode: 1000 };
        // Whose `self` is: a process that is in no list, since it has no `stat`.
        std::fs::create_dir_all(paper.path("2/net")).unwrap();
        std::os::unix::fs::symlink("2", paper.path("self")).unwrap();
        paper.write_sockets();
        paper
    }

    pub fn machine(&self) -> Machine {
        Machine::at(self.root.path())
    }

    /// A process with those arguments, written with `|` between.
    pub fn process(&mut self, pid: u32, parent: u32, line: &str) {
        let args: Vec<&str> = line.split('|').collect();
        let name = args[0].rsplit('/').next().unwrap();
        let dir = self.path(&pid.to_string());
        std::fs::create_dir_all(dir.join("fd")).unwrap();
        let zeros = "0 ".repeat(48);
        std::fs::write(
            dir.join("stat"),
            format!("{pid} ({}) S {parent} {zeros}\n", &name[..name.len().min(15)]),
        )
        .unwrap();
        std::fs::write(dir.join("cmdline"), args.join("\0") + "\0").unwrap();
    }

    /// A process that ends; its sockets close.
    pub fn end(&mut self, pid: u32) {
        for file in std::fs::read_dir(self.path(&format!("{pid}/fd"))).unwrap() {
            let target = std::fs::read_link(file.unwrap().path()).unwrap();
            let inode =
                target.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').to_owned();
            self.sockets.retain(|(_, own)| own.to_string() != inode);
        }
        std::fs::remove_dir_all(self.path(&pid.to_string())).unwrap();
        self.write_sockets();
    }

    /// A listening socket of that process; of one that cannot be seen into where there is none.
    pub fn listen(&mut self, pid: Option<u32>, address: &str) {
        let address: SocketAddr = address.parse().unwrap();
        let inode = self.next_inode;
        self.next_inode += 1;
        self.sockets.push((address, inode));
        if let Some(pid) = pid {
            let link = self.path(&format!("{pid}/fd/{inode}"));
            std::os::unix::fs::symlink(format!("socket:[{inode}]"), link).unwrap();
        }
        self.write_sockets();
    }

    /// Takes the table of sockets away: another system, or one that hides it.
    pub fn hide_sockets(&mut self) {
        std::fs::remove_file(self.path("self")).unwrap();
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn write_sockets(&mut self) {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let (mut v4, mut v6) = (head.to_owned(), head.to_owned());
        for (nth, (address, inode)) in self.sockets.iter().enumerate() {
            let (table, bytes) = match address.ip() {
                IpAddr::V4(ip) => (&mut v4, ip.octets().to_vec()),
                IpAddr::V6(ip) => (&mut v6, ip.octets().to_vec()),
            };
            // As the kernel writes it: words in the machine's own order.
            let mut hex = String::new();
            for word in bytes.chunks(4) {
                write!(hex, "{:08X}", u32::from_ne_bytes(word.try_into().unwrap())).unwrap();
            }
            let none = "0".repeat(hex.len());
            writeln!(
                table,
                "{nth:4}: {hex}:{:04X} {none}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0",
                address.port()
            )
            .unwrap();
        }
        std::fs::write(self.path("self/net/tcp"), v4).unwrap();
        std::fs::write(self.path("self/net/tcp6"), v6).unwrap();
    }
}
