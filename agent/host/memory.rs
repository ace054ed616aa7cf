//! Memory: `/proc/meminfo`, `/proc/vmstat` and ZFS's `arcstats`. Pure. Read by hand, since the library's reader refuses
//! the whole file for one field that a container's imitation of it leaves out, and panics at some.

use super::files::named;
use crate::sample::HostMemory;

/// What the files tell together. Pages of `vmstat` have so many bytes; `arcstats` is empty without ZFS.
pub(super) fn memory(meminfo: &str, vmstat: &str, arcstats: &str, page_bytes: u64) -> HostMemory {
    let of = |name: &str| named(meminfo, name);
    let pages = |name: &str| named(vmstat, name)?.checked_mul(page_bytes);
    let page_cache = of("Cached").map(|cached| {
        let files = cached.saturating_add(of("Buffers").unwrap_or(0));
        // Shared memory is counted among the files; it is none, and can only be swapped.
        files.saturating_sub(of("Shmem").unwrap_or(0))
    });
    HostMemory {
        total_bytes: of("MemTotal"),
        available_bytes: of("MemAvailable"),
        free_bytes: of("MemFree"),
        page_cache_bytes: page_cache,
        zfs_cache_bytes: zfs_cache(arcstats),
        swap_total_bytes: of("SwapTotal"),
        swap_free_bytes: of("SwapFree"),
        swapped_in_bytes: pages("pswpin"),
        swapped_out_bytes: pages("pswpout"),
        oom_kills: named(vmstat, "oom_kill"),
    }
}

/// Lines of `name type number`.
fn zfs_cache(arcstats: &str) -> Option<u64> {
    let of = |name: &str| {
        let mut lines = arcstats.lines().map(str::split_whitespace);
        let mut words = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
        words.nth(1)?.parse::<u64>().ok()
    };
    Some(of("size")?.saturating_sub(of("c_min")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_and_a_missing_line_is_not_zero() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 10 kB\nCached: 500 kB\nBuffers: 20 kB\nShmem: 30 kB\n";
        let memory = memory(meminfo, "pswpin 3\noom_kill 2\n", "", 4096);
        assert_eq!(memory.total_bytes, Some(1_024_000));
        assert_eq!(memory.page_cache_bytes, Some(490 * 1024));
        assert_eq!((memory.available_bytes, memory.swap_total_bytes), (None, None));
        assert_eq!((memory.swapped_in_bytes, memory.swapped_out_bytes), (Some(12_288), None));
        assert_eq!(memory.oom_kills, Some(2));
    }

    #[test]
    fn what_is_no_size_is_left_out() {
        let huge = format!("MemTotal: {} kB\nMemFree: -1 kB\nCached: kB\nSwapFree: 7", u64::MAX);
        let memory = memory(&huge, "pswpin 18446744073709551615\n", "size 4 -1\nc_min 4 1\n", 4096);
        assert_eq!(memory, HostMemory { swap_free_bytes: Some(7), ..HostMemory::default() });
    }

    #[test]
    fn of_zfs_what_it_gives_up_is_told() {
        let arcstats = "13 1 0x01 147 39984 1 2\nname type data\nhits 4 5\nc_min 4 1000\nsize 4 9000\n";
        assert_eq!(memory("", "", arcstats, 4096).zfs_cache_bytes, Some(8000));
        assert_eq!(memory("", "", "size 4 9000\n", 4096).zfs_cache_bytes, None);
        assert_eq!(memory("", "", "size 4 9\nc_min 4 1000\n", 4096).zfs_cache_bytes, Some(0));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(MemTotal|Cached|Shmem|é)?:?( -?[0-9a-z]{0,22}){0,3}\n?.{0,40}") {
            memory(&text, &text, &text, u64::MAX);
        }
    }
}
