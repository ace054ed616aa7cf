//! How much room a folder's filesystem has. The question may block for ever: a network mount whose
//! server is gone.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

use super::mounts::Mounts;
use crate::sample::Disk;

/// The filesystem that holds the folder. Of a folder behind one that this user may not enter, the
/// place where its filesystem is mounted is asked, by the table of mounts. Blocks.
///
/// # Errors
/// Why it cannot be told, in a clause.
pub(super) fn disk(procfs: &Path, folder: &Path) -> Result<Disk, String> {
    let told = match statvfs(folder) {
        Err(error) if error == rustix::io::Errno::ACCESS => match Mounts::read(procfs).of(folder) {
            Some(mount) => statvfs(mount).map_err(io::Error::from),
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
}
