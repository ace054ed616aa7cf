//! How long what is kept, and how the rest goes: in pieces, so that nobody who writes waits long.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::db::Db;
use super::error::StoreError;

const DAY: Duration = Duration::from_secs(86_400);

/// Rows that go in one transaction: it takes some ten milliseconds.
const PIECE: u32 = 500;

/// How long what is kept. Baselines, what is watched, and counters are kept for ever: they are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs with all that they told: at one in five minutes 288 a day and model.
    pub runs: Duration,
    /// Texts of answers, where they are stored at all.
    pub answers: Duration,
    /// Events: few, and what a person asks for later.
    pub events: Duration,
    /// The history by hours.
    pub hourly: Duration,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { runs: 30 * DAY, answers: 7 * DAY, events: 730 * DAY, hourly: 365 * DAY }
    }
}

/// What is older than this goes. `None`: nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// Runs.
    pub runs: Option<Timestamp>,
    /// Texts of answers; those of a run go with it.
    pub answers: Option<Timestamp>,
    /// Events.
    pub events: Option<Timestamp>,
    /// Hours.
    pub hourly: Option<Timestamp>,
}

impl Retention {
    /// Where no file says how long: longer than most would say, so that a shell deletes nothing of what an agent with
    /// another config keeps, and all the same not for ever.
    pub fn unsaid() -> Retention {
        Retention { runs: 730 * DAY, answers: 730 * DAY, hourly: 730 * DAY, ..Retention::default() }
    }

    /// What goes at this time.
    pub fn cut(&self, now: Timestamp) -> Cut {
        // A span that reaches before all time cuts nothing.
        let before = |span: Duration| now.checked_sub(span).ok();
        Cut {
            runs: before(self.runs),
            answers: before(self.answers),
            events: before(self.events),
            hourly: before(self.hourly),
        }
    }
}

impl Cut {
    /// All that is older than this.
    pub fn all(before: Timestamp) -> Cut {
        let before = Some(before);
        Cut { runs: before, answers: before, events: before, hourly: before }
    }
}

/// Rows that went, or would go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Texts of answers.
    pub answers: u64,
    /// Events.
    pub events: u64,
    /// Hours.
    pub hourly: u64,
}

impl Pruned {
    /// Whether nothing went.
    pub fn is_nothing(&self) -> bool {
        *self == Pruned::default()
    }

    fn and(self, more: Pruned) -> Pruned {
        Pruned {
            runs: self.runs + more.runs,
            answers: self.answers + more.answers,
            events: self.events + more.events,
            hourly: self.hourly + more.hourly,
        }
    }
}

impl Db {
    /// What a prune would delete.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn would_prune(&self, cut: &Cut) -> Result<Pruned, StoreError> {
        self.read(|from| {
            let count = |sql: &str, before: Option<Timestamp>| {
                let count: i64 = from.query_row(sql, [millis(before)], |row| row.get(0))?;
                Ok::<_, rusqlite::Error>(count.unsigned_abs())
            };
            let of_runs = "SELECT count(*) FROM answer JOIN run ON run.id = answer.run
                 WHERE answer.at < ?1 OR run.at < ?2";
            let answers: i64 =
                from.query_row(of_runs, [millis(cut.answers), millis(cut.runs)], |row| row.get(0))?;
            Ok(Pruned {
                runs: count("SELECT count(*) FROM run WHERE at < ?1", cut.runs)?,
                answers: answers.unsigned_abs(),
                events: count("SELECT count(*) FROM event WHERE at < ?1", cut.events)?,
                hourly: count("SELECT count(*) FROM hourly WHERE hour < ?1", cut.hourly)?,
            })
        })
    }

    /// Deletes what is older, a piece after another.
    ///
    /// # Errors
    /// It cannot be written. What went so far is gone.
    pub fn prune(&mut self, cut: &Cut) -> Result<Pruned, StoreError> {
        let mut all = Pruned::default();
        loop {
            let piece = self.prune_piece(cut)?;
            if piece.is_nothing() {
                return Ok(all);
            }
            all = all.and(piece);
        }
    }

    /// Deletes a piece of what is older. Nothing: there is no more.
    pub(super) fn prune_piece(&mut self, cut: &Cut) -> Result<Pruned, StoreError> {
        self.write(|to| Ok(Ok(piece(to, cut)?)))
    }

    /// Gives the room of what was deleted back to the disk; says how many bytes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn compact(&mut self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let before = bytes(connection)?;
            // It takes a step for each page.
            let mut vacuum = connection.prepare("PRAGMA incremental_vacuum")?;
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
            Ok(before.saturating_sub(bytes(connection)?))
        })
    }
}

fn piece(to: &Connection, cut: &Cut) -> rusqlite::Result<Pruned> {
    let mut pruned = Pruned::default();
    let delete = |sql: &str, before: Option<Timestamp>| {
        Ok::<_, rusqlite::Error>(to.execute(sql, params![millis(before), PIECE])? as u64)
    };
    pruned.answers = delete(
        "DELETE FROM answer WHERE (run, place) IN
             (SELECT run, place FROM answer WHERE at < ?1 ORDER BY at LIMIT ?2)",
        cut.answers.max(cut.runs),
    )?;
    // No answer of these is left, unless there were more than a piece: those go with their runs.
    if pruned.answers < u64::from(PIECE) {
        pruned.runs = delete(
            "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE at < ?1 ORDER BY at LIMIT ?2)",
            cut.runs,
        )?;
    }
    pruned.events = delete(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < ?1 ORDER BY at LIMIT ?2)",
        cut.events,
    )?;
    pruned.hourly = delete(
        "DELETE FROM hourly WHERE (target, model, name, hour) IN
             (SELECT target, model, name, hour FROM hourly WHERE hour < ?1 ORDER BY hour LIMIT ?2)",
        cut.hourly,
    )?;
    Ok(pruned)
}

/// Before this nothing is: so nothing goes.
fn millis(before: Option<Timestamp>) -> i64 {
    before.map_or(i64::MIN, Timestamp::as_millisecond)
}

/// The size of the store in bytes, without what is not yet carried over from its log.
fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok((pages * size).unsigned_abs())
}
