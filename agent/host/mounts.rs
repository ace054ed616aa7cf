//! Which filesystem a path is on, by the table of mounts: no disk is asked.

use std::path::{Path, PathBuf};

use super::files;

/// The table of mounts of this process.
#[derive(Debug)]
pub(super) struct Mounts {
    points: Vec<PathBuf>,
}

impl Mounts {
    /// Reads it; an empty one if it cannot be read.
    pub(super) fn read(procfs: &Path) -> Mounts {
        Mounts::parse(&files::text(&procfs.join("self/mountinfo")).unwrap_or_default())
    }

    fn parse(text: &str) -> Mounts {
        let point = |line: &str| Some(PathBuf::from(unescape(line.split(' ').nth(4)?)));
        Mounts { points: text.lines().filter_map(point).collect() }
    }

    /// Where the filesystem of that path is mounted: the longest mount point that it begins with.
    pub(super) fn of(&self, path: &Path) -> Option<&Path> {
        let points = self.points.iter().filter(|point| path.starts_with(point));
        points.max_by_key(|point| point.components().count()).map(PathBuf::as_path)
    }
}

/// A path of the table of mounts: a space in it is written `\040`.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.into_iter().fold(text.to_owned(), |text, (code, meant)| text.replace(code, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path_is_the_longest_that_it_begins_with() {
        let mounts = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      28 27 0:24 / /usr/share/ollama\\040two rw - xfs /dev/sdb rw\n\
                      29 27 0:25 / /usr/share/oll rw - xfs /dev/sdc rw\ngarbage\n";
        let mounts = Mounts::parse(mounts);
        let of = |path: &str| mounts.of(Path::new(path)).unwrap();
        assert_eq!(of("/usr/share/ollama two/.ollama"), Path::new("/usr/share/ollama two"));
        assert_eq!(of("/usr/share/ollama"), Path::new("/"), "parts of a name are no folder");
        assert_eq!(Mounts::parse("").of(Path::new("/x")), None);
    }
}
