//! The kernel's ring buffer, read from `/dev/kmsg`: each read gives one record. A reader that is too slow is told
//! that records were overwritten, and goes on with the oldest that is left.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::clocks::Clocks;
use super::record::record;
use super::{Hear, MOST_LINES};

/// Longer than any record with its keys; the kernel refuses to give one that does not fit.
const RECORD: usize = 16 << 10;

/// The device, open.
#[derive(Debug)]
pub(super) struct Kmsg {
    file: File,
    buffer: Vec<u8>,
    /// The last record that was read, so that none is read twice when the device is opened anew.
    last: Option<u64>,
    /// Records are coming that were there when the device was opened.
    history: bool,
}

impl Kmsg {
    /// Opens the device at its oldest record; what was read up to `last` is left out.
    pub(super) fn open(path: &Path, last: Option<u64>) -> io::Result<Kmsg> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Kmsg { file, buffer: vec![0; RECORD], last, history: last.is_none() })
    }

    /// The last record that was read.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Reads what has come since; says how many records were lost. What was written before `started` is history.
    pub(super) fn drain(
        &mut self,
        clocks: &Clocks,
        started: Timestamp,
        hear: &mut Hear<'_>,
    ) -> io::Result<u64> {
        let mut lost = 0;
        let mut overrun = false;
        for _ in 0..MOST_LINES {
            let read = match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(lost),
                Ok(read) => read,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.history = false;
                        return Ok(lost);
                    }
                    ErrorKind::BrokenPipe => {
                        overrun = true;
                        continue;
                    }
                    ErrorKind::Interrupted => continue,
                    _ => return Err(error),
                },
            };
            let Some(record) = record(&self.buffer[..read]) else { continue };
            if self.last.is_some_and(|last| record.sequence <= last) {
                continue;
            }
            if overrun {
                let expected = self.last.map_or(record.sequence, |last| last + 1);
                lost += record.sequence.saturating_sub(expected).max(1);
                overrun = false;
            }
            self.last = Some(record.sequence);
            // What comes now is timed by the wall: over weeks the kernel's clock goes wrong by seconds.
            let at = if self.history { clocks.wall(record.since_boot) } else { clocks.now };
            hear(&record.text, at, self.history && at < started);
        }
        Ok(lost)
    }
}
