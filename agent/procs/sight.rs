//! What can be told of processes beyond what they are: whose they are, and whether all of them are seen.

use std::path::Path;

use procfs::FromRead as _;
use procfs::process::Stat;

use super::Machine;

/// The name of the machine's first namespace of processes: the same on every Linux.
const FIRST: &str = "pid:[4026531836]";

impl Machine {
    /// Whether process ids here are the machine's own, as drivers tell them: not those of a container,
    /// where the same numbers are other processes. (NVIDIA's open kernel module tells a container its
    /// own ids, the closed one the host's; which of them is loaded cannot be told for sure in there.)
    pub fn has_own_pids(&self) -> bool {
        let first = |process: &str| {
            std::fs::read_link(self.root.join(process).join("ns/pid")).is_ok_and(|ns| ns == Path::new(FIRST))
        };
        // The machine's own /proc may be mounted in a container, which is in another namespace itself:
        // only the first namespace has the kernel's own processes, and their parent is the second.
        let kernel = || self.stat(2).is_some_and(|stat| stat.ppid == 0 && stat.comm == "kthreadd");
        first("self") || kernel()
    }

    /// The users whose process it is, real and effective. Empty where that cannot be seen.
    pub fn users(&self, pid: u32) -> Vec<u32> {
        let status = std::fs::read_to_string(self.root.join(pid.to_string()).join("status"));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.into_iter().flat_map(str::split_whitespace).take(2).filter_map(|uid| uid.parse().ok()).collect()
    }

    /// The terminal that a process was started from; 0: none.
    pub fn terminal(&self, pid: u32) -> Option<i32> {
        self.stat(pid).map(|stat| stat.tty_nr)
    }

    /// Parent and start, as [`Process`](super::Process) has them, for one read.
    pub fn birth(&self, pid: u32) -> Option<(u32, u64)> {
        let stat = self.stat(pid)?;
        Some((u32::try_from(stat.ppid).unwrap_or(0), stat.starttime))
    }

    /// Whether that very process still runs; not so one that ended and is kept for its parent.
    pub fn runs(&self, pid: u32, started_ticks: u64) -> bool {
        self.stat(pid).is_some_and(|stat| stat.starttime == started_ticks && !"ZX".contains(stat.state))
    }

    pub(super) fn stat(&self, pid: u32) -> Option<Stat> {
        Stat::from_file(self.root.join(pid.to_string()).join("stat")).ok()
    }
}
