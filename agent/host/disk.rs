//! How much room a folder's filesystem has. The question may block for ever: a network mount whose
//! server is gone.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::files;
use crate::sample::Disk;

/// The filesystem that holds the folder. Of a folder behind one that this user may not enter, the
/// place where its filesystem is mounted is asked, by the table of mounts. Blocks.
///
/// # Errors
/// Why it cannot be told, in a clause.
pub(super) fn disk(procfs: &Path, folder: &Path) -> Result<Disk, String> {
    let told = match statvfs(folder) {
        Err(error) if error == rustix::io::Errno::ACCESS => match mounted_at(procfs, folder) {
            Some(mount) => statvfs(&mount).map_err(io::Error::from),
            None => Err(error.into()),
        },
        told => told.map_err(io::Error::from),
    };
    let told = told.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not look into it".to_owned(),
        _ => error.to_string(),
    })?;
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    if told.f_blocks == 0 {
        return Err("its filesystem tells no size".into());
    }
    Ok(Disk {
        size_bytes: bytes(told.f_blocks),
        used_bytes: bytes(told.f_blocks.saturating_sub(told.f_bfree)),
        available_bytes: bytes(told.f_bavail),
    })
}

/// Where the filesystem of that path is mounted: the longest mount point that it begins with, and of
/// several mounts on one place the last.
fn mounted_at(procfs: &Path, path: &Path) -> Option<PathBuf> {
    let mounts = files::text(&procfs.join("self/mountinfo")).ok()?;
    mount_of(&mounts, path)
}

fn mount_of(mounts: &str, path: &Path) -> Option<PathBuf> {
    let points = mounts.lines().filter_map(|line| Some(PathBuf::from(unescape(line.split(' ').nth(4)?))));
    points.filter(|point| path.starts_with(point)).max_by_key(|point| point.components().count())
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
    fn a_folder_of_this_machine_has_a_disk_and_one_that_is_not_there_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let told = disk(Path::new("/proc"), folder.path()).unwrap();
        assert!(told.size_bytes > 0 && told.used_bytes <= told.size_bytes, "{told:?}");
        assert!(told.available_bytes <= told.size_bytes - told.used_bytes, "{told:?}");
        let gone = disk(Path::new("/proc"), &folder.path().join("gone"));
        assert_eq!(gone, Err("there is no such folder".into()));
    }

    #[test]
    fn the_mount_of_a_path_is_the_longest_that_it_begins_with() {
        let mounts = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      28 27 0:24 / /usr/share/ollama\\040two rw - xfs /dev/sdb rw\n\
                      29 27 0:25 / /usr/share/oll rw - xfs /dev/sdc rw\ngarbage\n";
        let of = |path: &str| mount_of(mounts, Path::new(path)).unwrap();
        assert_eq!(of("/usr/share/ollama two/.ollama"), Path::new("/usr/share/ollama two"));
        assert_eq!(of("/usr/share/ollama"), Path::new("/"), "parts of a name are no folder");
        assert_eq!(mount_of("", Path::new("/x")), None);
    }
}
