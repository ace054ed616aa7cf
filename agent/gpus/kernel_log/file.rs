//! The kernel's log in a file that grows, such as `/var/log/kern.log`, or in a pipe.

use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::clocks::Clocks;
use super::plain::plain;
use super::{Hear, MOST_BYTES, MOST_LINES};
use crate::logs::{From, Mark, Tail};

/// How much of a file is looked at that was there before: days of an ordinary machine's log.
const HISTORY: u64 = 1 << 20;

/// The file or pipe, open.
#[derive(Debug)]
pub(super) struct LogFile {
    tail: Tail,
    /// Lines are coming that were there when the agent started.
    history: bool,
}

/// How far a file was read. It is opened anew after an error (a network disk that was away), and must not be read
/// twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    mark: Mark,
    history: bool,
}

impl LogFile {
    /// Opens it anew and goes on where it was left; another file in its place came while the agent ran.
    pub(super) fn resume(path: &Path, point: Point) -> io::Result<LogFile> {
        Ok(LogFile { tail: Tail::resume(path, point.mark)?, history: point.history })
    }

    /// Behind the last line that was whole.
    pub(super) fn point(&self) -> Point {
        Point { mark: self.tail.mark(), history: self.history }
    }

    /// Opens it; what it holds was there before the agent.
    pub(super) fn open(path: &Path) -> io::Result<LogFile> {
        let tail = Tail::open(path, From::Last(HISTORY))?;
        let history = !tail.is_pipe();
        Ok(LogFile { tail, history })
    }

    /// Reads what has come since.
    pub(super) fn drain(
        &mut self,
        clocks: &Clocks,
        started: Timestamp,
        hear: &mut Hear<'_>,
    ) -> io::Result<()> {
        let written: Option<Timestamp> = self.tail.written().and_then(|written| written.try_into().ok());
        let (mut count, history) = (0, self.history);
        let is_more = self.tail.read(MOST_BYTES, &mut |bytes| {
            count += 1;
            let (told, text) = plain(&String::from_utf8_lossy(bytes), clocks);
            // A line without a time is no younger than the file; one that comes now is of now.
            let at = told.or(written.filter(|_| history)).unwrap_or(clocks.now).min(clocks.now);
            if !history || at >= clocks.boot() {
                hear(&text, at, history && at < started);
            }
            count >= MOST_LINES
        })?;
        self.history &= is_more;
        Ok(())
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
        let mut log = LogFile::open(&path).unwrap();
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
