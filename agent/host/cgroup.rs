//! Memory limits below the machine's own (control groups): of the container that the agent is in, and
//! of the services and containers that model servers run in. Such a limit kills a server while the
//! machine has memory left, and `/proc/meminfo` does not show it.

use std::path::{Path, PathBuf};

use super::files::{named, number, text};
use crate::sample::CgroupSample;

/// Groups within groups that are walked through; real ones are four or five deep.
const MAX_DEPTH: usize = 32;

/// From here on a number means "none": version 1 writes the largest there is, to a whole page.
const NO_LIMIT: u64 = 1 << 60;

/// The tree of control groups that counts memory.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// The one tree of version 2, or version 1's own tree of memory.
    unified: bool,
}

impl Tree {
    /// The tree below that `/sys`. `None`: there is none.
    pub(super) fn of(sysfs: &Path) -> Option<Tree> {
        let base = sysfs.join("fs/cgroup");
        if base.join("cgroup.controllers").exists() {
            return Some(Tree { root: base, unified: true });
        }
        let memory = base.join("memory");
        memory.is_dir().then_some(Tree { root: memory, unified: false })
    }

    /// The limit of the group that this tree begins at. Only a container's has one: the machine's own
    /// group has no limit to set.
    pub(super) fn own(&self, total: Option<u64>) -> Option<CgroupSample> {
        self.read("/", total)
    }

    /// The group with the lowest limit of those that such a process is in. `None`: no limit holds it.
    pub(super) fn holding(&self, path: &str, total: Option<u64>) -> Option<CgroupSample> {
        // From the process's own group up to the root. One outside of what is mounted here has dots.
        let inside = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        let groups = Path::new(path).ancestors().take(MAX_DEPTH).filter(|_| inside);
        let limits = groups.filter_map(|group| self.read(group.to_str()?, total));
        limits.min_by_key(|group| group.limit_bytes.min(group.high_bytes.or(group.limit_bytes)))
    }

    /// The group of a process by its file `/proc/PID/cgroup`.
    pub(super) fn path_of<'t>(&self, file: &'t str) -> Option<&'t str> {
        file.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let wanted = if self.unified {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|controller| controller == "memory")
            };
            (wanted && path.starts_with('/')).then_some(path)
        })
    }

    /// The group, if it has a limit. What is not below the machine's memory limits nothing.
    fn read(&self, group: &str, total: Option<u64>) -> Option<CgroupSample> {
        let folder = self.root.join(group.trim_start_matches('/'));
        let limits = |limit: &u64| total.is_none_or(|total| *limit < total) && *limit < NO_LIMIT;
        let of = |name: &str| number(&folder.join(name));
        let (limit, high, used, kills, shared) = if self.unified {
            ("memory.max", "memory.high", "memory.current", "memory.events", "shmem")
        } else {
            ("memory.limit_in_bytes", "", "memory.usage_in_bytes", "memory.oom_control", "total_shmem")
        };
        let (limit_bytes, high_bytes) = (of(limit).filter(limits), of(high).filter(limits));
        if limit_bytes.is_none() && high_bytes.is_none() {
            return None;
        }
        let stat = text(&folder.join("memory.stat")).unwrap_or_default();
        let files = named(&stat, if self.unified { "file" } else { "total_cache" });
        Some(CgroupSample {
            cgroup: group.to_owned(),
            limit_bytes,
            high_bytes,
            used_bytes: of(used),
            page_cache_bytes: files.map(|files| files.saturating_sub(named(&stat, shared).unwrap_or(0))),
            oom_kills: text(&folder.join(kills)).ok().and_then(|text| named(&text, "oom_kill")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let sysfs = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = sysfs.path().join("fs/cgroup").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tree = Tree::of(sysfs.path()).unwrap();
        (sysfs, tree)
    }

    const TOTAL: Option<u64> = Some(100 << 30);

    #[test]
    fn of_groups_within_groups_the_lowest_limit_holds() {
        let (_kept, tree) = tree(&[
            ("cgroup.controllers", "memory\n"),
            ("a.slice/memory.max", "8589934592\n"),
            ("a.slice/memory.current", "4294967296\n"),
            ("a.slice/memory.stat", "anon 5\nfile 1000\nshmem 200\n"),
            ("a.slice/memory.events", "low 0\noom 2\noom_kill 1\n"),
            ("a.slice/b.service/memory.max", "17179869184\n"),
            ("c.service/memory.max", "max\n"),
            ("c.service/memory.high", "1073741824\n"),
        ]);
        let held = tree.holding("/a.slice/b.service", TOTAL).unwrap();
        assert_eq!((held.cgroup.as_str(), held.limit_bytes), ("/a.slice", Some(8 << 30)));
        assert_eq!(
            (held.used_bytes, held.page_cache_bytes, held.oom_kills),
            (Some(4 << 30), Some(800), Some(1))
        );
        let high = tree.holding("/c.service", TOTAL).unwrap();
        assert_eq!((high.limit_bytes, high.high_bytes), (None, Some(1 << 30)));
        assert_eq!(tree.holding("/nowhere", TOTAL), None);
        assert_eq!(tree.holding("/../a.slice", TOTAL), None, "outside of what is mounted here");
        assert_eq!(tree.own(TOTAL), None, "the machine's own group has no limit");
    }

    #[test]
    fn version_one_has_its_own_names_and_a_number_without_end() {
        let (_kept, tree) = tree(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.limit_in_bytes", "1073741824\n"),
            ("memory/x/memory.usage_in_bytes", "1000\n"),
            ("memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ]);
        assert_eq!(tree.own(None), None);
        let held = tree.holding("/x", TOTAL).unwrap();
        assert_eq!((held.limit_bytes, held.used_bytes, held.oom_kills), (Some(1 << 30), Some(1000), Some(3)));
        assert_eq!(tree.path_of("5:cpu,memory:/x:y\n0::/z\n"), Some("/x:y"));
    }

    #[test]
    fn a_limit_above_the_memory_there_is_limits_nothing() {
        let (_kept, tree) = tree(&[("cgroup.controllers", ""), ("memory.max", "214748364800")]);
        assert_eq!(tree.own(TOTAL), None);
        assert_eq!(tree.own(None).unwrap().limit_bytes, Some(200 << 30));
        assert_eq!(tree.path_of("1:name=systemd:/a\n0::/b\n"), Some("/b"));
        assert_eq!(tree.path_of("garbage\n::"), None);
    }
}
