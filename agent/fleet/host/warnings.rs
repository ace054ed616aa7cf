//! When somebody should look after the host. Few and late on purpose: a machine that serves models is
//! meant to have its memory full of them. Pure.

use crate::sample::{CgroupSample, Disk, FolderSample, HostMemory, HostSample, Note};

/// A disk is nearly full when less than this part of it is left,
const DISK_LEFT: f64 = 0.05;

/// and so little that no model worth a download fits: a disk of 20 TB at 95 % is in no trouble.
const DISK_LEFT_BYTES: u64 = 10 << 30;

/// Two folders whose disks are of one size and differ by less in what is left are on one disk, that is written to
/// while they are asked one after the other.
const ONE_DISK_BYTES: u64 = 256 << 20;

/// Memory is nearly used up when less than this part of it could still be had. The kernel kills at
/// about one percent.
const MEMORY_LEFT: f64 = 0.03;

/// The warnings of a look; `killed`: processes killed lately for want of memory, and the group with a
/// limit that they were in.
pub(super) fn of(sample: &HostSample, killed: Option<(u64, Option<&str>)>) -> Vec<Note> {
    let mut notes = Vec::new();
    notes.extend(killed.map(|(count, group)| kills(count, group)));
    notes.extend(memory(&sample.memory));
    notes.extend(sample.cgroups.iter().filter_map(limit));
    let mut told: Vec<Disk> = Vec::new();
    for folder in &sample.folders {
        notes.extend(hangs(folder));
        if let Some(disk) = folder.disk.filter(|disk| is_nearly_full(*disk)) {
            // Folders on one disk are one trouble.
            if !told.iter().any(|other| is_one(*other, disk)) {
                notes.push(nearly_full(folder, disk));
            }
            told.push(disk);
        }
    }
    notes
}

fn kills(count: u64, group: Option<&str>) -> Note {
    let within = group.map(|group| format!(", within {}", whose(group))).unwrap_or_default();
    let processes = if count == 1 { "process" } else { "processes" };
    Note::warning(
        "oom_kill",
        format!("killed for want of memory (OOM) in the last 10 minutes: {count} {processes}{within}"),
        Some(
            "see which by `journalctl -k --grep 'Killed process'`; a smaller model, context or number of slots needs less",
        ),
    )
}

fn memory(memory: &HostMemory) -> Option<Note> {
    let (total, available) = (memory.total_bytes?, memory.available_bytes?);
    let (swap, swap_free) = (memory.swap_total_bytes?, memory.swap_free_bytes?);
    let available = available.saturating_add(memory.zfs_cache_bytes.unwrap_or(0));
    let is_out = is_less(available, total, MEMORY_LEFT);
    let swap_is_out = swap == 0 || is_less(swap_free, swap, MEMORY_LEFT);
    (is_out && swap_is_out).then(|| {
        let swap = if swap == 0 { "there is no swap" } else { "swap is full" };
        Note::warning(
            "memory_nearly_out",
            format!(
                "{} of {} of memory are left, and {swap}: the kernel will kill",
                gib(available),
                gib(total)
            ),
            Some("unload a model, or take a smaller one"),
        )
    })
}

fn limit(group: &CgroupSample) -> Option<Note> {
    let (limit, used) = (group.limit_bytes?, group.used_bytes?);
    let left = limit.saturating_sub(used.saturating_sub(group.page_cache_bytes?));
    let whose = whose(&group.cgroup);
    is_less(left, limit, MEMORY_LEFT).then(|| {
        Note::warning(
            "memory_limit_nearly_reached",
            format!(
                "{} of the {} of memory that {whose} may use are left: the kernel will kill in it",
                gib(left),
                gib(limit)
            ),
            Some(
                "raise its limit (MemoryMax= of a service, --memory of a container), or take a smaller model",
            ),
        )
    })
}

/// A control group in words.
fn whose(group: &str) -> &str {
    if group == "/" { "this container" } else { group }
}

fn hangs(folder: &FolderSample) -> Option<Note> {
    folder.hangs.then(|| {
        Note::warning(
            "disk_hangs",
            format!("the disk below {} gives no answer", folder.folder),
            Some("a network mount whose server is gone? what loads a model from it hangs too"),
        )
    })
}

fn is_nearly_full(disk: Disk) -> bool {
    is_less(disk.available_bytes, disk.size_bytes, DISK_LEFT) && disk.available_bytes < DISK_LEFT_BYTES
}

fn is_one(disk: Disk, other: Disk) -> bool {
    disk.size_bytes == other.size_bytes
        && disk.available_bytes.abs_diff(other.available_bytes) < ONE_DISK_BYTES
}

fn nearly_full(folder: &FolderSample, disk: Disk) -> Note {
    Note::warning(
        "disk_nearly_full",
        format!(
            "the disk below {} is nearly full: {} of {} are left",
            folder.folder,
            gib(disk.available_bytes),
            gib(disk.size_bytes)
        ),
        Some("remove models that nobody uses (`ollama rm`), or give it a larger disk"),
    )
}

fn is_less(part: u64, whole: u64, ratio: f64) -> bool {
    (part as f64) < whole as f64 * ratio
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn codes(sample: &HostSample, killed: Option<u64>) -> Vec<String> {
        of(sample, killed.map(|count| (count, None))).into_iter().map(|note| note.code).collect()
    }

    fn memory(available: u64, swap: u64, swap_free: u64) -> HostSample {
        let memory = HostMemory {
            total_bytes: Some(100 * GIB),
            available_bytes: Some(available),
            swap_total_bytes: Some(swap),
            swap_free_bytes: Some(swap_free),
            ..HostMemory::default()
        };
        HostSample { memory, ..HostSample::default() }
    }

    #[test]
    fn memory_warns_when_it_and_swap_are_out() {
        assert_eq!(codes(&memory(2 * GIB, 0, 0), None), ["memory_nearly_out"]);
        assert_eq!(codes(&memory(2 * GIB, 8 * GIB, 0), None), ["memory_nearly_out"]);
        assert!(codes(&memory(2 * GIB, 8 * GIB, 4 * GIB), None).is_empty(), "there is swap yet");
        assert!(codes(&memory(3 * GIB, 0, 0), None).is_empty());
        let mut zfs = memory(2 * GIB, 0, 0);
        zfs.memory.zfs_cache_bytes = Some(5 * GIB);
        assert!(codes(&zfs, None).is_empty(), "what ZFS gives up is not out");
        assert!(codes(&HostSample::default(), None).is_empty(), "nothing is known");
        assert_eq!(codes(&memory(50 * GIB, 0, 0), Some(2)), ["oom_kill"]);
    }

    #[test]
    fn a_disk_warns_when_little_is_left_of_it_and_little_in_all() {
        let folder = |name: &str, size: u64, available: u64| FolderSample {
            folder: name.into(),
            disk: Some(Disk { size_bytes: size, used_bytes: size - available, available_bytes: available }),
            ..FolderSample::default()
        };
        let of = |folders: Vec<FolderSample>| codes(&HostSample { folders, ..HostSample::default() }, None);
        assert_eq!(of(vec![folder("/m", 500 * GIB, 9 * GIB)]), ["disk_nearly_full"]);
        assert!(of(vec![folder("/m", 20_000 * GIB, 600 * GIB)]).is_empty(), "much is left");
        assert!(of(vec![folder("/m", 30 * GIB, 9 * GIB)]).is_empty(), "a small disk, a third of it free");
        let one_disk = vec![folder("/a", 500 * GIB, GIB), folder("/b", 500 * GIB, GIB - 4096)];
        assert_eq!(
            of(one_disk).len(),
            1,
            "two folders on one disk are one trouble, while a model is fetched too"
        );
        assert_eq!(
            of(vec![folder("/a", 500 * GIB, GIB), folder("/b", 500 * GIB, 2 * GIB)]).len(),
            2,
            "two disks"
        );
        let dead = FolderSample { folder: "/nfs".into(), hangs: true, ..FolderSample::default() };
        assert_eq!(of(vec![dead]), ["disk_hangs"]);
    }

    #[test]
    fn a_limit_warns_by_what_cannot_be_given_up() {
        let group = |used: u64, files: Option<u64>| HostSample {
            cgroups: vec![CgroupSample {
                cgroup: "/".into(),
                limit_bytes: Some(32 * GIB),
                used_bytes: Some(used),
                page_cache_bytes: files,
                ..CgroupSample::default()
            }],
            ..HostSample::default()
        };
        assert_eq!(codes(&group(32 * GIB, Some(GIB / 2)), None), ["memory_limit_nearly_reached"]);
        assert!(codes(&group(32 * GIB, Some(20 * GIB)), None).is_empty(), "files are given up first");
        assert!(codes(&group(32 * GIB, None), None).is_empty(), "how much that is, is not known");
    }
}
