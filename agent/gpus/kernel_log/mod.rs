//! The kernel's log, in which drivers tell of cards in trouble: NVIDIA's XIDs, some of which its library never
//! reports.
//!
//! It is asked on a beat and never waited for. What the log holds from before the agent started is told too, as
//! what it is.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::time::{ClockId, clock_gettime};

use crate::logs::{Journal, Tries, cannot_read, cannot_start};
use crate::sample::{HangEvent, XidEvent};

mod clocks;
mod file;
mod hang;
mod kmsg;
mod nvidia;
mod plain;
mod record;
mod story;

use clocks::Clocks;
use file::LogFile;
use kmsg::Kmsg;
use story::{Event, Story};

/// Lines that are read in one go. A kernel that writes more is read on the next beat.
const MOST_LINES: usize = 8192;

/// The same in bytes.
const MOST_BYTES: usize = 16 << 20;

/// The kernel's own.
const DEVICE: &str = "/dev/kmsg";

/// What of the journal is the kernel's, from the last boot on.
const SELECT: [&str; 3] = ["--dmesg", "--boot", "--no-tail"];

/// Why the journal may have nothing to show. It says nothing of what it may not.
const SILENT: &str = "journalctl shows no line of the kernel: is a journal kept here, and is the agent's user in the \
                      group systemd-journal?";

/// Takes a message, its time, and whether it was there before the agent.
type Hear<'a> = dyn FnMut(&str, Timestamp, bool) + 'a;

/// Where the log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// From `/dev/kmsg`; where that is not permitted, from this program: `journalctl`.
    Auto(String),
    /// From this device, file or pipe.
    At(PathBuf),
}

/// What came of one look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// XIDs, in the log's order.
    pub xids: Vec<XidEvent>,
    /// Work that hung on other cards, in the log's order.
    pub hangs: Vec<HangEvent>,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
    /// Where it was read.
    pub source: String,
    /// Why it cannot be read, and what would do.
    pub error: Option<String>,
    /// It was just opened, and whether anything can be read there shows in a moment.
    pub pending: bool,
}

/// The log, and what was understood of it so far.
#[derive(Debug)]
pub struct KernelLog {
    place: Place,
    started: Timestamp,
    open: Option<Open>,
    story: Story,
    /// Where to go on when it is opened anew.
    resume: Resume,
    tries: Tries,
}

#[derive(Debug)]
enum Open {
    Kmsg(Kmsg),
    File(LogFile),
    Journal(Journal),
}

#[derive(Debug, Default)]
struct Resume {
    record: Option<u64>,
    cursor: Option<String>,
    /// A file was open before, and read so far.
    file: Option<file::Point>,
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Place::Auto(_) => Path::new(DEVICE),
            Place::At(path) => path,
        }
    }
}

impl KernelLog {
    /// A log that is not open yet. What it holds from before `started` is history.
    pub fn new(place: Place, started: Timestamp) -> KernelLog {
        KernelLog {
            place,
            started,
            open: None,
            story: Story::default(),
            resume: Resume::default(),
            tries: Tries::default(),
        }
    }

    /// Reads what has come since the last call, without waiting for more. May block for as long as a disk does.
    pub fn hear(&mut self) -> Heard {
        let mut heard = Heard::default();
        if self.tries.due() {
            let result = self.listen(&mut heard);
            self.tries.note(result, self.is_pending());
        }
        heard.source = self.source();
        heard.pending = self.is_pending();
        heard.error = self.tries.error().map(str::to_owned);
        heard
    }

    fn is_pending(&self) -> bool {
        matches!(&self.open, Some(Open::Journal(journal)) if journal.is_pending())
    }

    fn listen(&mut self, heard: &mut Heard) -> Result<(), String> {
        let clocks = clocks();
        if self.open.is_none() {
            self.open = Some(open(&self.place, &self.resume)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let story = &mut self.story;
        let mut hear = |text: &str, at: Timestamp, before: bool| {
            for event in story.hear(text, at, before) {
                match event {
                    Event::Xid(xid) => heard.xids.push(xid),
                    Event::Hang(hang) => heard.hangs.push(hang),
                }
            }
        };
        let done = match open {
            Open::Kmsg(kmsg) => kmsg
                .drain(&clocks, self.started, &mut hear)
                .map(|lost| heard.lost = lost)
                .map_err(|error| error.to_string()),
            Open::File(file) => {
                let path = self.place.path();
                file.drain(&clocks, self.started, &mut hear).map_err(|error| cannot_read(path, &error))
            }
            Open::Journal(journal) => {
                let mut count = 0;
                let read = journal.read(MOST_BYTES, &mut |entry| {
                    count += 1;
                    let at = entry.at;
                    hear(&record::text(entry), at, at < self.started);
                    count >= MOST_LINES
                });
                read.map(drop)
            }
        };
        self.resume.note(open);
        if done.is_err() {
            self.open = None;
        }
        done
    }

    /// Where it is read, or would be.
    pub fn source(&self) -> String {
        match (&self.place, &self.open) {
            (Place::Auto(program), Some(Open::Journal(_))) => program.clone(),
            (Place::Auto(_), _) => DEVICE.into(),
            (Place::At(path), _) => path.display().to_string(),
        }
    }
}

impl Resume {
    fn note(&mut self, open: &Open) {
        match open {
            Open::Kmsg(kmsg) => self.record = kmsg.last().or(self.record),
            Open::File(file) => self.file = Some(file.point()),
            Open::Journal(journal) => self.cursor = journal.cursor(),
        }
    }
}

fn open(place: &Place, resume: &Resume) -> Result<Open, String> {
    let kmsg = |path: &Path| Kmsg::open(path, resume.record).map(Open::Kmsg);
    match place {
        Place::At(path) => {
            let device = std::fs::metadata(path).is_ok_and(|about| is_device(&about));
            let file = || match resume.file {
                Some(point) => LogFile::resume(path, point),
                None => LogFile::open(path),
            };
            let opened = if device { kmsg(path) } else { file().map(Open::File) };
            opened.map_err(|error| cannot_read(path, &error))
        }
        Place::Auto(program) => kmsg(Path::new(DEVICE)).or_else(|denied| {
            let journal = journal(program, resume.cursor.clone());
            journal.map(Open::Journal).map_err(|error| neither(&denied, &cannot_start(&error)))
        }),
    }
}

fn is_device(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&about.file_type())
}

fn journal(program: &str, cursor: Option<String>) -> io::Result<Journal> {
    Journal::start(program, &SELECT, cursor, SILENT.into())
}

/// Why neither way is open.
fn neither(device: &io::Error, journal: &str) -> String {
    match device.kind() {
        ErrorKind::PermissionDenied => {
            format!("not permitted: it needs the capability CAP_SYSLOG; and {journal}")
        }
        ErrorKind::NotFound => {
            format!("it is not there (a container must be given the device); and {journal}")
        }
        _ => format!("{device}; and {journal}"),
    }
}

fn clocks() -> Clocks {
    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    Clocks {
        now: Timestamp::now(),
        awake: read(ClockId::Monotonic),
        up: read(ClockId::Boottime),
        zone: TimeZone::system(),
    }
}

#[cfg(test)]
mod tests;
