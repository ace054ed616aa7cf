//! Whether the machine's clock is believed where it decides what is deleted. One that jumps years ahead, by a dead
//! battery or a wrong time server, would else take all history along.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use tokio::time::Instant;

use super::db::Db;
use super::error::StoreError;
use super::retention::Cut;

/// A clock may be so much further than the time that was lived through: a night without power, a laptop that slept.
const BELIEVED: Duration = Duration::from_secs(86_400);

/// What is known of the time, without the clock of now.
#[derive(Debug)]
pub(super) struct Clock {
    /// It is at least so late. `None`: nothing is known yet.
    known: Option<Timestamp>,
    /// When it was looked last.
    looked: Instant,
}

impl Clock {
    pub(super) fn new(known: Option<Timestamp>, now: Instant) -> Clock {
        Clock { known, looked: now }
    }

    /// It is at least so late.
    pub(super) fn known(&self) -> Option<Timestamp> {
        self.known
    }

    /// Looks at the clock. `None`: it is believed. Else so much of the oldest history may go until the next look: twice
    /// the time that was lived through, so that the store does not grow, and what is left is there for days after the
    /// clock was wrong. One that was right all the time, in an agent that was off for long, is believed once as much
    /// time has passed.
    pub(super) fn look(&mut self, wall: Timestamp, now: Instant) -> Option<Duration> {
        let lived = now.saturating_duration_since(self.looked);
        self.looked = now;
        let Some(known) = self.known else {
            self.known = Some(wall);
            return None;
        };
        let later = |time: Timestamp, span: Duration| time.checked_add(span).unwrap_or(Timestamp::MAX);
        let passed = later(known, lived);
        if wall <= later(passed, BELIEVED) {
            self.known = Some(known.max(wall));
            return None;
        }
        self.known = Some(later(passed, lived));
        Some(2 * lived)
    }
}

impl Db {
    /// It is at least so late: what was noted last, or the newest that is stored.
    pub(super) fn known_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let millis: Option<i64> = self.read(|from| {
            let noted = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'known_time'";
            if let Some(noted) = from.query_row(noted, [], |row| row.get(0)).optional()? {
                return Ok(Some(noted));
            }
            let newest =
                "SELECT max(at) FROM (SELECT max(at) AS at FROM run UNION ALL SELECT max(at) FROM event
                 UNION ALL SELECT max(hour) FROM hourly UNION ALL SELECT max(at) FROM total)";
            from.query_row(newest, [], |row| row.get(0))
        })?;
        Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
    }

    /// Notes that it is at least so late, for the next agent.
    pub(super) fn note_time(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.write(|to| {
            let sql = "INSERT INTO meta (name, value) VALUES ('known_time', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            to.execute(sql, params![at.as_millisecond().to_string()])?;
            Ok(Ok(()))
        })
    }

    /// Of what would go, only so much, from the oldest on. Texts of answers go by the clock all the same: that they are
    /// gone in time is promised.
    pub(super) fn slowly(&self, cut: &Cut, most: Duration) -> Result<Cut, StoreError> {
        let slower = |sql: &str, cut: Option<Timestamp>| {
            let oldest: Option<i64> = self.read(|from| from.query_row(sql, [], |row| row.get(0)))?;
            let oldest = oldest.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            let until = oldest.and_then(|oldest| oldest.checked_add(most).ok());
            Ok::<_, StoreError>(until.and_then(|until| cut.map(|cut| cut.min(until))))
        };
        Ok(Cut {
            runs: slower("SELECT min(at) FROM run", cut.runs)?,
            answers: cut.answers,
            events: slower("SELECT min(at) FROM event", cut.events)?,
            hourly: slower("SELECT min(hour) FROM hourly", cut.hourly)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, key, run};
    use super::super::{Batch, Retention};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn a_clock_that_goes_on_is_believed_and_one_that_jumps_ahead_is_not_until_it_is_back() {
        let start = Instant::now();
        let mut clock = Clock::new(Some(at(0)), start);
        assert_eq!(clock.look(at(0) + 10 * HOUR, start), None, "a night without power");
        assert_eq!(clock.look(at(0) + 11 * HOUR, start + HOUR), None);
        assert_eq!(clock.look(at(0) + YEAR, start + 2 * HOUR), Some(2 * HOUR));
        let mut next = Clock::new(clock.known(), start);
        assert_eq!(next.look(at(0) + YEAR, start), Some(Duration::ZERO), "nor by the next agent");
        assert_eq!(clock.look(at(0) - HOUR, start + 3 * HOUR), None, "what is too early deletes nothing");
        assert_eq!(clock.look(at(0) + 14 * HOUR, start + 4 * HOUR), None, "it was set right");
    }

    #[test]
    fn a_clock_that_was_right_is_believed_once_as_much_time_has_passed_as_the_agent_was_off() {
        let start = Instant::now();
        let mut clock = Clock::new(Some(at(0)), start);
        let hours = (0..)
            .take_while(|hour| clock.look(at(0) + 240 * HOUR + *hour * HOUR, start + *hour * HOUR).is_some());
        assert_eq!(hours.count(), 217, "ten days less the one that is believed, and the first look");
    }

    #[test]
    fn what_is_known_of_the_time_is_the_newest_that_is_stored_until_it_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        assert_eq!(db.known_time(), Ok(None));
        db.apply(&Batch::new().run(&key(), run(5)).run(&key(), run(3))).unwrap();
        assert_eq!(db.known_time(), Ok(Some(at(5))));
        for noted in [at(9), at(4)] {
            db.note_time(noted).unwrap();
            assert_eq!(db.known_time(), Ok(Some(noted)));
        }
    }

    #[test]
    fn slowly_the_oldest_go_first_and_never_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        let batch = (0..10).fold(Batch::new(), |batch, hour| batch.run(&key(), run(hour * 3600)));
        db.apply(&batch).unwrap();
        let retention = Retention::default();
        let cut = db.slowly(&retention.cut(at(0) + YEAR), 2 * HOUR).unwrap();
        assert_eq!((cut.runs, cut.events), (Some(at(7200)), None));
        assert_eq!(db.prune(&cut).unwrap().runs, 2);
        let right = retention.cut(at(0));
        assert_eq!(db.slowly(&right, 2 * HOUR).unwrap().runs, right.runs);
    }
}
