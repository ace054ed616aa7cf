//! Follows a server's log, whatever becomes of it, and never reads a line twice.

use std::io::ErrorKind;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::journal::{Journal, cannot_start};
use super::place::LogPlace;
use super::position::Position;
use super::tail::{From, Tail, cannot_read};
use super::tries::Tries;

/// Bytes that are read in one look. What is more is read in the next: a log of a gigabyte takes two minutes, and
/// meanwhile a tenth of one core.
const MOST_BYTES: usize = 8 << 20;

/// What is not read yet and further behind than this is never read: a server at its most verbose writes so much in an
/// hour, and what it wrote before is no news.
const MOST_BEHIND: u64 = 256 << 20;

/// What the journal got so long ago is not of now.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// A log that is followed.
#[derive(Debug)]
pub struct Follower {
    place: LogPlace,
    /// The program that reads the journal.
    journalctl: String,
    open: Option<Open>,
    position: Position,
    /// What was there before this is not told, where it is not known how far it was read.
    started: Timestamp,
    /// It was not there when it was looked for first: all of what comes is new.
    was_absent: bool,
    /// What is read was just written.
    live: bool,
    tries: Tries,
}

#[derive(Debug)]
enum Open {
    File(Tail),
    Journal(Journal),
}

/// How a line came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// When the journal got it. `None`: a file does not tell.
    pub at: Option<Timestamp>,
    /// It was just written.
    pub live: bool,
}

/// What came of one look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Lines that were heard.
    pub lines: u64,
    /// Bytes that are passed over, since they are too far behind.
    pub passed_over: u64,
    /// Why it cannot be read, and what would do.
    pub error: Option<String>,
    /// It was just opened, and whether anything can be read there shows in a moment.
    pub pending: bool,
}

impl Follower {
    /// Goes on at `position`; where there is none it begins with what comes from now on.
    pub fn new(place: LogPlace, position: Option<Position>) -> Follower {
        Follower {
            place,
            journalctl: "journalctl".into(),
            open: None,
            live: position.is_none(),
            position: position.unwrap_or_default(),
            started: Timestamp::now(),
            was_absent: false,
            tries: Tries::default(),
        }
    }

    /// The same with another program in the place of `journalctl`.
    #[must_use]
    pub fn by(self, journalctl: impl Into<String>) -> Follower {
        Follower { journalctl: journalctl.into(), ..self }
    }

    /// Which log it is.
    pub fn place(&self) -> &LogPlace {
        &self.place
    }

    /// How far it was read.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Reads what has come since the last look, without waiting for more; `hear` is told each line, and when it
    /// was written. May block for as long as a disk does.
    pub fn look(&mut self, hear: &mut dyn FnMut(&[u8], Written)) -> Look {
        let mut look = Look::default();
        if self.tries.due() {
            let result = self.read(&mut look, hear);
            self.tries.note(result, self.is_pending());
        }
        look.pending = self.is_pending();
        look.error = self.tries.error().map(str::to_owned);
        look
    }

    fn is_pending(&self) -> bool {
        matches!(&self.open, Some(Open::Journal(journal)) if journal.is_pending())
    }

    fn read(&mut self, look: &mut Look, hear: &mut dyn FnMut(&[u8], Written)) -> Result<(), String> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let done = match &mut open {
            Open::File(tail) => self.of_file(tail, look, hear),
            Open::Journal(journal) => self.of_journal(journal, look, hear),
        };
        match &open {
            Open::File(tail) => self.position.mark = Some(tail.mark()),
            Open::Journal(journal) => self.position.cursor = journal.cursor(),
        }
        self.open = done.is_ok().then_some(open);
        done
    }

    fn open(&mut self) -> Result<Open, String> {
        match &self.place {
            LogPlace::File(path) => {
                let opened = match self.position.mark {
                    Some(mark) => Tail::resume(path, mark),
                    None if self.was_absent => Tail::open(path, From::Beginning),
                    None => Tail::open(path, From::Last(0)),
                };
                let absent = opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
                self.was_absent |= absent;
                opened.map(Open::File).map_err(|error| cannot_read(path, &error))
            }
            LogPlace::Journal(unit) => {
                let unit = format!("--unit={unit}");
                // Of a unit that was not read yet one line is shown: it proves that there is something to read.
                let mut select = vec![unit.as_str()];
                if self.position.cursor.is_none() {
                    select.push("--lines=1");
                }
                let cursor = self.position.cursor.clone();
                Journal::start(&self.journalctl, &select, cursor, self.silent())
                    .map(Open::Journal)
                    .map_err(|error| cannot_start(&error))
            }
        }
    }

    fn of_file(
        &mut self,
        tail: &mut Tail,
        look: &mut Look,
        hear: &mut dyn FnMut(&[u8], Written),
    ) -> Result<(), String> {
        let path = match &self.place {
            LogPlace::File(path) => path.clone(),
            LogPlace::Journal(_) => Path::new("").to_owned(),
        };
        let cannot = |error| cannot_read(&path, &error);
        let behind = tail.behind().map_err(cannot)?;
        if behind > MOST_BEHIND {
            tail.skip_all_but(MOST_BEHIND).map_err(cannot)?;
            look.passed_over = behind - MOST_BEHIND;
        }
        let live = self.live;
        let is_more = tail.read(MOST_BYTES, &mut |line| {
            look.lines += 1;
            hear(line, Written { at: None, live });
            false
        });
        self.live = !is_more.map_err(cannot)?;
        Ok(())
    }

    fn of_journal(
        &mut self,
        journal: &mut Journal,
        look: &mut Look,
        hear: &mut dyn FnMut(&[u8], Written),
    ) -> Result<(), String> {
        let started = self.started;
        let is_new = self.position.cursor.is_none();
        let latest = Timestamp::now().checked_sub(LATE).unwrap_or(started);
        let read = journal.read(MOST_BYTES, &mut |entry| {
            for line in entry.text.split('\n').filter(|_| !is_new || entry.at >= started) {
                look.lines += 1;
                hear(line.as_bytes(), Written { at: Some(entry.at), live: entry.at >= latest });
            }
            false
        });
        read.map(drop)
    }

    fn silent(&self) -> String {
        format!(
            "journalctl shows no line of it: is {} the unit's name, and is the agent's user in the group systemd-journal?",
            match &self.place {
                LogPlace::Journal(unit) => unit.as_str(),
                LogPlace::File(_) => "it",
            }
        )
    }
}

#[cfg(test)]
mod tests;
