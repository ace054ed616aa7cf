//! A log in a file that grows, such as `/var/log/kern.log`, or in a pipe. A file that is cut short or replaced is
//! read anew from its beginning.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::clocks::Clocks;
use super::lines::Lines;
use super::plain::plain;
use super::{Hear, MOST_LINES};

/// How much of a file is looked at that was there before: days of an ordinary machine's log.
const HISTORY: u64 = 1 << 20;

/// The file or pipe, open.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    lines: Lines,
    is_pipe: bool,
    /// Which file it is: device and inode.
    identity: (u64, u64),
    /// How far it was read.
    offset: u64,
    /// Lines are coming that were there when the agent started.
    history: bool,
}

/// How far a file was read. It is opened anew after an error (a network disk that was away), and must not be read
/// twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    identity: (u64, u64),
    offset: u64,
    history: bool,
}

impl LogFile {
    /// Opens it anew and goes on where it was left; another file in its place came while the agent ran.
    pub(super) fn resume(path: &Path, point: Point) -> io::Result<LogFile> {
        let mut log = LogFile::open(path, false)?;
        if !log.is_pipe && log.identity == point.identity && log.file.metadata()?.len() >= point.offset {
            log.offset = log.file.seek(SeekFrom::Start(point.offset))?;
            log.history = point.history;
        }
        Ok(log)
    }

    /// Behind the last line that was whole.
    pub(super) fn point(&self) -> Point {
        let offset = self.offset.saturating_sub(self.lines.held() as u64);
        Point { identity: self.identity, offset, history: self.history }
    }

    /// Opens it. `first`: what it holds was there before the agent.
    pub(super) fn open(path: &Path, first: bool) -> io::Result<LogFile> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        let is_pipe = about.file_type().is_fifo();
        let mut lines = Lines::default();
        let mut offset = 0;
        if first && about.len() > HISTORY && !is_pipe {
            offset = file.seek(SeekFrom::Start(about.len() - HISTORY))?;
            lines = Lines::within();
        }
        let identity = (about.dev(), about.ino());
        Ok(LogFile { path: path.into(), file, lines, is_pipe, identity, offset, history: first && !is_pipe })
    }

    /// Reads what has come since.
    pub(super) fn drain(
        &mut self,
        clocks: &Clocks,
        started: Timestamp,
        hear: &mut Hear<'_>,
    ) -> io::Result<()> {
        if !self.is_pipe && self.file.metadata()?.len() < self.offset {
            self.file.rewind()?;
            (self.offset, self.lines) = (0, Lines::default());
        }
        let written = self.written();
        let mut count = 0;
        while count < MOST_LINES {
            let history = self.history;
            let read = self.lines.read(&mut self.file, |bytes| {
                count += 1;
                let (told, text) = plain(&String::from_utf8_lossy(bytes), clocks);
                // A line without a time is no younger than the file; one that comes now is of now.
                let at = told.or(written.filter(|_| history)).unwrap_or(clocks.now).min(clocks.now);
                if !history || at >= clocks.boot() {
                    hear(&text, at, history && at < started);
                }
            })?;
            match read {
                Some(read) => self.offset += read as u64,
                None if !self.is_pipe && self.replaced() => *self = LogFile::open(&self.path, false)?,
                None => {
                    self.history = false;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// When the file was written last.
    fn written(&self) -> Option<Timestamp> {
        self.file.metadata().ok()?.modified().ok()?.try_into().ok()
    }

    /// Whether another file stands in its place.
    fn replaced(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) != self.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clocks::tests::clocks;
    use super::*;

    fn heard(log: &mut LogFile) -> Vec<String> {
        let mut heard = Vec::new();
        log.drain(&clocks(), Timestamp::UNIX_EPOCH, &mut |text, _, _| heard.push(text.to_owned())).unwrap();
        heard
    }

    #[test]
    fn a_file_that_is_opened_anew_after_an_error_is_not_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kern.log");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut log = LogFile::open(&path, true).unwrap();
        assert_eq!(heard(&mut log), ["one"]);
        let point = log.point();
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let mut again = LogFile::resume(&path, point).unwrap();
        assert_eq!(heard(&mut again), ["two", "three"]);
        let point = again.point();
        std::fs::write(&path, "cut\n").unwrap();
        assert_eq!(heard(&mut LogFile::resume(&path, point).unwrap()), ["cut"]);
        std::fs::write(folder.path().join("other"), "of another file, as long as the first\n").unwrap();
        std::fs::rename(folder.path().join("other"), &path).unwrap();
        assert_eq!(heard(&mut LogFile::resume(&path, point).unwrap()).len(), 1);
    }
}
