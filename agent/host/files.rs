//! Small files of `/proc` and `/sys`, read whole and bounded.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read here is `/proc/stat`, with a number for each interrupt: some tens of
/// KiB on the largest machines.
const MAX_BYTES: u64 = 1 << 20;

/// The file's text; what is no UTF-8 in it is replaced, what is beyond the bound is left out.
///
/// # Errors
/// It cannot be opened or read.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file's one number. `None`: it cannot be read, or is no number (`max` is none).
pub(super) fn number(path: &Path) -> Option<u64> {
    text(path).ok()?.trim().parse().ok()
}

/// The number behind a name in lines of `name number`, `name: number kB` and the like. Lines that are
/// otherwise are passed over: a kernel may add what it likes.
pub(super) fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let found = words.next()?;
        if found.strip_suffix(':').unwrap_or(found) != name {
            return None;
        }
        let value: u64 = words.next()?.parse().ok()?;
        match words.next() {
            Some("kB") => value.checked_mul(1024),
            _ => Some(value),
        }
    })
}
