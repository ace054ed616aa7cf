//! A log in a file that grows, or in a pipe. A file that is cut short or replaced is read anew from its beginning,
//! and the rest of one that was renamed first.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::lines::Lines;

/// By so many first bytes a file is known again: a log's first line holds a time.
const HEAD: usize = 256;

/// What no bytes give.
const NO_HEAD: (u64, u64) = (0, 0xcbf2_9ce4_8422_2325);

/// Files in a log's folder among which one that was renamed is looked for.
const MOST_SIBLINGS: usize = 1000;

/// From where a file is read that was not read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// All of it.
    Beginning,
    /// Its last bytes, so many.
    Last(u64),
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    device: u64,
    inode: u64,
    /// Behind the last line that was whole.
    offset: u64,
    /// In the midst of a line that is too long to be kept.
    within: bool,
    /// So many first bytes, and a number that is made of them.
    head: (u64, u64),
}

/// The file or pipe, open.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    lines: Lines,
    is_pipe: bool,
    /// Which file it is: device and inode.
    identity: (u64, u64),
    /// How far it was read.
    offset: u64,
    head: (u64, u64),
}

impl Tail {
    /// Opens it.
    ///
    /// # Errors
    /// It is not there, may not be read, or is a folder.
    pub fn open(path: &Path, from: From) -> io::Result<Tail> {
        let mut tail = Tail::at(path, path)?;
        let length = tail.file.metadata()?.len();
        if let From::Last(most) = from
            && length > most
            && !tail.is_pipe
        {
            tail.skip_to(length - most)?;
        }
        Ok(tail)
    }

    /// Opens it anew and goes on where it was left. If it was renamed since, its rest is read first; another file
    /// in its place is read from its beginning.
    ///
    /// # Errors
    /// As of [`Tail::open`].
    pub fn resume(path: &Path, mark: Mark) -> io::Result<Tail> {
        let tail = Tail::at(path, path)?;
        if tail.is_pipe || tail.is(&mark) {
            return tail.go_on(mark);
        }
        match renamed(path, &mark).map(|renamed| Tail::at(&renamed, path)) {
            Some(Ok(old)) if old.is(&mark) => old.go_on(mark),
            _ => Ok(tail),
        }
    }

    /// Where to go on: behind the last line that was whole.
    pub fn mark(&self) -> Mark {
        let (device, inode) = self.identity;
        let offset = self.offset.saturating_sub(self.lines.held() as u64);
        Mark { device, inode, offset, within: self.lines.is_within(), head: self.head }
    }

    /// Reads lines until so many bytes were read, `enough` says so, or nothing more is there; whether there may be
    /// more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&mut self, most: usize, enough: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<bool> {
        if !self.is_pipe && (self.file.metadata()?.len() < self.offset || self.is_written_anew()) {
            self.file.rewind()?;
            (self.offset, self.lines, self.head) = (0, Lines::default(), NO_HEAD);
        }
        let (mut bytes, mut stop) = (0, false);
        while !stop {
            match self.lines.read(&mut self.file, |line| stop |= enough(line))? {
                Some(read) => {
                    self.offset += read as u64;
                    bytes += read;
                    stop |= bytes >= most;
                }
                None if !self.is_pipe && self.is_replaced() => {
                    *self = Tail::open(&self.path, From::Beginning)?;
                }
                None => break,
            }
        }
        if !self.is_pipe && self.head.0 < HEAD as u64 {
            self.head = head(&self.file, HEAD as u64)?;
        }
        Ok(stop)
    }

    /// How many bytes are not read yet.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn behind(&self) -> io::Result<u64> {
        let length = if self.is_pipe { 0 } else { self.file.metadata()?.len() };
        Ok(length.saturating_sub(self.offset))
    }

    /// Goes on at its last bytes, so many: what is before them is not read.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn skip_all_but(&mut self, last: u64) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.skip_to(length.saturating_sub(last).max(self.offset))
    }

    /// When it was written last. `None`: the system does not tell.
    pub fn written(&self) -> Option<SystemTime> {
        self.file.metadata().ok()?.modified().ok()
    }

    /// Whether it is a pipe.
    pub fn is_pipe(&self) -> bool {
        self.is_pipe
    }

    /// `path`: where it is; `name`: where it is written to.
    fn at(path: &Path, name: &Path) -> io::Result<Tail> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        let is_pipe = about.file_type().is_fifo();
        let head = if is_pipe { NO_HEAD } else { head(&file, HEAD as u64)? };
        let identity = (about.dev(), about.ino());
        Ok(Tail { path: name.into(), file, lines: Lines::default(), is_pipe, identity, offset: 0, head })
    }

    /// Whether it is the file of that mark, and no other at the same place of the disk.
    fn is(&self, mark: &Mark) -> bool {
        let long_enough = self.file.metadata().is_ok_and(|about| about.len() >= mark.offset);
        let same = head(&self.file, mark.head.0).is_ok_and(|head| head == mark.head);
        self.identity == (mark.device, mark.inode) && long_enough && same
    }

    fn go_on(mut self, mark: Mark) -> io::Result<Tail> {
        if !self.is_pipe {
            self.offset = self.file.seek(SeekFrom::Start(mark.offset))?;
        }
        if mark.within {
            self.lines = Lines::within();
        }
        Ok(self)
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        if offset > 0 {
            // A line may end just before, and the next one be whole.
            self.offset = self.file.seek(SeekFrom::Start(offset - 1))?;
            self.lines = Lines::within();
        }
        Ok(())
    }

    /// Whether it was cut and has grown past where it was read.
    fn is_written_anew(&self) -> bool {
        head(&self.file, self.head.0).is_ok_and(|head| head != self.head)
    }

    /// Whether another file stands in its place.
    fn is_replaced(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) != self.identity)
    }
}

/// The file of that mark under another name in the same folder.
fn renamed(path: &Path, mark: &Mark) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?.take(MOST_SIBLINGS).flatten();
    let is_it = |about: std::fs::Metadata| (about.dev(), about.ino()) == (mark.device, mark.inode);
    entries.map(|entry| entry.path()).find(|path| std::fs::metadata(path).is_ok_and(is_it))
}

/// A file's first bytes, at most so many, as their count and a number (FNV-1a): nothing of a log is kept.
fn head(file: &File, most: u64) -> io::Result<(u64, u64)> {
    let mut bytes = [0; HEAD];
    let most = usize::try_from(most).unwrap_or(HEAD).min(HEAD);
    let mut count = 0;
    while count < most {
        match file.read_at(&mut bytes[count..most], count as u64) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    Ok((count as u64, bytes[..count].iter().fold(NO_HEAD.1, mix)))
}

/// Why a log cannot be read, and what would do.
pub fn cannot_read(path: &Path, error: &io::Error) -> String {
    let then = match error.kind() {
        ErrorKind::PermissionDenied if path.starts_with("/var/log") => {
            ": add the agent's user to the group that may read it, often adm"
        }
        ErrorKind::PermissionDenied => ": may the agent's user read it?",
        ErrorKind::IsADirectory => ": name the file in it",
        _ => "",
    };
    format!("{error}{then}")
}
