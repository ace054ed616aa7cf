//! A machine on paper: a folder that reads like `/proc`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use opsagent::procs::Machine;
use tempfile::TempDir;

/// Processes and sockets that tests make up.
pub struct Paper {
    root: TempDir,
    sockets: Vec<Socket>,
    next_inode: u64,
}

struct Socket {
    address: SocketAddr,
    inode: u64,
    uid: u32,
    /// The process whose network it is in; of none, the machine's own.
    network: Option<u32>,
}

impl Paper {
    /// A machine where nothing runs.
    pub fn new() -> Paper {
        let mut paper = Paper { root: tempfile::tempdir().unwrap(), sockets: Vec::new(), next_inode: 1000 };
        // Whose `self` is: a process that is in no list, since it has no `stat`.
        std::fs::create_dir_all(paper.path("2/net")).unwrap();
        std::os::unix::fs::symlink("2", paper.path("self")).unwrap();
        paper.namespace(2, "pid", 4_026_531_836);
        paper.namespace(2, "net", 4_026_531_840);
        paper.write_sockets(None);
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
        let stat = format!("{pid} ({}) S {parent} {}\n", &name[..name.len().min(15)], "0 ".repeat(48));
        std::fs::write(dir.join("stat"), stat).unwrap();
        std::fs::write(dir.join("cmdline"), args.join("\0") + "\0").unwrap();
    }

    /// A process that ends; its sockets close.
    pub fn end(&mut self, pid: u32) {
        let held = self.held(pid);
        self.sockets.retain(|socket| !held.contains(&socket.inode));
        std::fs::remove_dir_all(self.path(&pid.to_string())).unwrap();
        self.write_sockets(None);
    }

    /// A listening socket of that process; of one that cannot be seen into where there is none.
    pub fn listen(&mut self, pid: Option<u32>, address: &str) {
        self.open(pid, address, 0, None);
    }

    /// The same of a user, in the network of that process.
    pub fn open(&mut self, pid: Option<u32>, address: &str, uid: u32, network: Option<u32>) {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.sockets.push(Socket { address: address.parse().unwrap(), inode, uid, network });
        if let Some(pid) = pid {
            self.holds(pid, inode);
        }
        self.write_sockets(network);
    }

    /// That process holds the sockets of another one too: it is its child.
    pub fn inherits(&self, pid: u32, from: u32) {
        for inode in self.held(from) {
            self.holds(pid, inode);
        }
    }

    /// Nobody can see what files a process has open.
    pub fn hide_files(&self, pid: u32) {
        std::fs::remove_dir_all(self.path(&format!("{pid}/fd"))).unwrap();
    }

    /// A field of a process's `stat`, by its number in proc(5): 3 is the state, 4 the parent, 7 the terminal, 22 the start.
    pub fn stat(&self, pid: u32, field: usize, value: &str) {
        let path = self.path(&format!("{pid}/stat"));
        let stat = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = stat.rsplit_once(')').unwrap();
        let mut fields: Vec<&str> = rest.split_whitespace().collect();
        fields[field - 3] = value;
        std::fs::write(path, format!("{head}) {}\n", fields.join(" "))).unwrap();
    }

    /// The user of a process.
    pub fn user(&self, pid: u32, uid: u32) {
        let status = format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        std::fs::write(self.path(&format!("{pid}/status")), status).unwrap();
    }

    /// A namespace of a process, by its kind (`net`, `pid`) and number.
    pub fn namespace(&self, pid: u32, kind: &str, number: u64) {
        let link = self.path(&format!("{pid}/ns/{kind}"));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(format!("{kind}:[{number}]"), link).unwrap();
    }

    /// The process lives in a network that has this address.
    pub fn network(&mut self, pid: u32, number: u64, address: &str) {
        self.namespace(pid, "net", number);
        std::fs::create_dir_all(self.path(&format!("{pid}/net"))).unwrap();
        let table = format!("Main:\n  |-- {address}\n     /32 host LOCAL\n");
        std::fs::write(self.path(&format!("{pid}/net/fib_trie")), table).unwrap();
        self.write_sockets(Some(pid));
    }

    /// A variable of a process's environment.
    pub fn environment(&self, pid: u32, variable: &str) {
        std::fs::write(self.path(&format!("{pid}/environ")), format!("A=b\0{variable}\0")).unwrap();
    }

    /// Takes the table of sockets away: another system, or one that hides it.
    pub fn hide_sockets(&mut self) {
        std::fs::remove_file(self.path("self")).unwrap();
    }

    /// A file of it.
    pub fn file(&self, below: &str) -> PathBuf {
        self.path(below)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn held(&self, pid: u32) -> Vec<u64> {
        let files = std::fs::read_dir(self.path(&format!("{pid}/fd"))).into_iter().flatten();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.map(|name| name.parse().unwrap()).collect()
    }

    fn holds(&self, pid: u32, inode: u64) {
        let link = self.path(&format!("{pid}/fd/{inode}"));
        std::os::unix::fs::symlink(format!("socket:[{inode}]"), link).unwrap();
    }

    fn write_sockets(&mut self, network: Option<u32>) {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let (mut v4, mut v6) = (head.to_owned(), head.to_owned());
        for (nth, socket) in self.sockets.iter().filter(|socket| socket.network == network).enumerate() {
            let Socket { address, inode, uid, .. } = socket;
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
                "{nth:4}: {hex}:{:04X} {none}:0000 0A 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 0000000000000000 100 0 0 10 0",
                address.port()
            )
            .unwrap();
        }
        let net = network.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
        std::fs::write(self.path(&format!("{net}/net/tcp")), v4).unwrap();
        std::fs::write(self.path(&format!("{net}/net/tcp6")), v6).unwrap();
    }
}
