//! What this process itself takes of the machine, read from `/proc/self`, and what it may take.

use std::fs::File;
use std::os::fd::RawFd;
use std::path::Path;

use procfs::process::{LimitValue, Process};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One reading. `None`: cannot be read here, or there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessStats {
    /// Processor time, user and system, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in RAM, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// The most address space, in bytes.
    pub virtual_max_bytes: Option<u64>,
    /// Open files and sockets.
    pub open_fds: Option<u64>,
    /// The most open files and sockets.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When the process started, in seconds since the Unix epoch.
    pub started_at: Option<f64>,
}

impl ProcessStats {
    /// Reads this process. Takes some tens of microseconds, all of it in the kernel.
    pub fn read() -> ProcessStats {
        ProcessStats::at(Path::new("/proc/self"))
    }

    /// Reads the process of that folder, made as those of `/proc` are.
    pub fn at(folder: &Path) -> ProcessStats {
        let Ok(process) = Process::new_with_root(folder.to_owned()) else { return ProcessStats::default() };
        let (stat, limits) = (process.stat().ok(), process.limits().ok());
        let ticks = procfs::ticks_per_second() as f64;
        let boot = procfs::boot_time_secs().ok();
        ProcessStats {
            cpu_seconds: stat.as_ref().map(|stat| (stat.utime + stat.stime) as f64 / ticks),
            resident_bytes: stat.as_ref().map(|stat| stat.rss * procfs::page_size()),
            virtual_bytes: stat.as_ref().map(|stat| stat.vsize),
            virtual_max_bytes: limits.as_ref().and_then(|limits| limit(limits.max_address_space.soft_limit)),
            open_fds: process.fd_count().ok().map(|count| count as u64),
            max_fds: limits.as_ref().and_then(|limits| limit(limits.max_open_files.soft_limit)),
            threads: stat.as_ref().and_then(|stat| u64::try_from(stat.num_threads).ok()),
            started_at: stat.zip(boot).map(|(stat, boot)| boot as f64 + stat.starttime as f64 / ticks),
        }
    }
}

/// How many files and sockets this process may have open, once [`raise_open_files`] did what it may. `None`: any
/// number.
pub fn most_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Raises the limit of open files and sockets (`RLIMIT_NOFILE`) to the most that this process may ask for: the
/// soft limit is low for the sake of programs that use select(2), which this one does not.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Has the system make the table of open files as large as a busy tap needs it. It grows by doubling, and while
/// several threads share it each step makes the thread that opens a file wait for all processors, for tens of
/// milliseconds: long for the streams of a tap. To be called before there are threads; what is made stays.
pub fn make_room_for_files() {
    let room = most_open_files().map_or(FILES, |most| most.min(FILES));
    // A file that stands so high, for a moment.
    let high = RawFd::try_from(room.saturating_sub(1)).unwrap_or_default();
    if let Err(error) = File::open("/proc/self").and_then(|file| Ok(fcntl_dupfd_cloexec(file, high)?)) {
        tracing::debug!(%error, "the table of open files grows as it is needed");
    }
}

/// Some eight thousand streams through taps, two sockets for each. The table takes 8 bytes for each, of the kernel's
/// memory.
const FILES: u64 = 16_384;

fn limit(value: LimitValue) -> Option<u64> {
    match value {
        LimitValue::Value(value) => Some(value),
        LimitValue::Unlimited => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let stats = ProcessStats::read();
        assert!(stats.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{stats:?}");
        assert!(stats.virtual_bytes >= stats.resident_bytes, "{stats:?}");
        assert!(stats.threads.is_some_and(|threads| threads >= 1), "{stats:?}");
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(stats.started_at.is_some_and(|at| at <= now + 1.0 && at > now - 86_400.0), "{stats:?}");
    }

    #[test]
    fn an_open_file_and_work_are_seen() {
        let before = ProcessStats::read();
        let files: Vec<_> = (0..64).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        let mut sum = 0_u64;
        let mut after = ProcessStats::read();
        while after.cpu_seconds <= before.cpu_seconds {
            sum = (0..1_000_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            after = ProcessStats::read();
        }
        // Other tests of this process open and close files as they like; these are open for sure.
        assert!(after.open_fds >= Some(files.len() as u64), "{before:?} {after:?}");
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
        raise_open_files();
        assert_eq!(ProcessStats::read().max_fds, most_open_files());
    }

    #[test]
    fn the_table_of_open_files_has_room_before_it_is_needed() {
        raise_open_files();
        make_room_for_files();
        let room = Process::myself().unwrap().status().unwrap().fdsize;
        assert!(u64::from(room) >= most_open_files().unwrap_or(FILES).min(FILES), "{room}");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(ProcessStats::at(Path::new("/nowhere/1")), ProcessStats::default());
    }
}
