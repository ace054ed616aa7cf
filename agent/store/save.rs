//! What a command at a shell keeps: where no agent runs, it also deletes what is too old, or the store would grow for
//! ever.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;
use tokio::time::Instant;

use super::batch::{Applied, Batch};
use super::clock::Clock;
use super::db::Db;
use super::error::StoreError;
use super::retention::{Cut, Retention};

/// Runs that go for each that is kept, where the clock is not believed: so the store does not grow, and what is left is
/// there long after the clock was wrong.
const GO_FOR_EACH: u64 = 2;

/// What a clock that is not believed is believed more the next time: who keeps a run once a week is right, and a clock
/// that is a year ahead is believed after a year of such, or two days of hourly ones.
const EACH_TIME: Duration = Duration::from_secs(7 * 86_400);

impl Db {
    /// Writes a batch, and deletes what is too old by then. What cannot be deleted is left to the next.
    ///
    /// # Errors
    /// The batch cannot be written: [`Db::apply`].
    pub fn save(
        &mut self,
        batch: &Batch,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        // Before what is written now says how late it is.
        let known = self.known_time().ok().flatten();
        let applied = self.apply(batch)?;
        self.prune_beside(retention, known, now, applied.runs.len() as u64).ok();
        Ok(applied)
    }

    fn prune_beside(
        &mut self,
        retention: &Retention,
        known: Option<Timestamp>,
        now: Timestamp,
        kept: u64,
    ) -> Result<(), StoreError> {
        let cut = retention.cut(now);
        let instant = Instant::now();
        let mut clock = Clock::new(known, instant);
        let is_believed = clock.look(now, instant).is_none();
        let cut = if is_believed { cut } else { self.by_number(&cut, GO_FOR_EACH * kept)? };
        if let Some(known) = clock.known() {
            let known =
                if is_believed { known } else { known.checked_add(EACH_TIME).unwrap_or(now).min(now) };
            self.note_time(known)?;
        }
        self.prune(&cut)?;
        Ok(())
    }

    /// Of what would go, only so many runs, the oldest; texts of answers by the clock all the same.
    fn by_number(&self, cut: &Cut, runs: u64) -> Result<Cut, StoreError> {
        let first_that_stays = "SELECT at FROM run ORDER BY at LIMIT 1 OFFSET ?1";
        let millis: Option<i64> = self.read(|from| {
            from.query_row(first_that_stays, [i64::try_from(runs).unwrap_or(i64::MAX)], |row| row.get(0))
                .optional()
        })?;
        let until = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let runs = until.zip(cut.runs).map(|(until, cut)| until.min(cut));
        Ok(Cut { runs, answers: cut.answers, ..Cut::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Wanted;
    use super::super::tests::{at, key, run};
    use super::*;

    const DAY: i64 = 86_400;

    /// Saves a run of that day, with a text, and tells how many runs and texts there are.
    fn save(db: &mut Db, day: i64) -> (usize, usize) {
        let mut record = run(day * DAY);
        record.answers = vec![("ar1".into(), "42".into())];
        db.save(&Batch::new().run(&key(), record), &Retention::default(), at(day * DAY)).unwrap();
        let runs = db.runs(&Wanted::default()).unwrap();
        let texts = runs.iter().filter(|run| !db.answers(run.id).unwrap().is_empty()).count();
        (runs.len(), texts)
    }

    #[test]
    fn where_no_agent_runs_what_is_too_old_goes_with_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        let counts: Vec<_> = (0..60).map(|day| save(&mut db, day)).collect();
        assert_eq!(counts[5], (6, 6));
        assert_eq!(counts[20], (21, 8), "texts are kept for seven days");
        assert_eq!(counts[59], (31, 8), "runs for thirty");
    }

    #[test]
    fn a_clock_that_is_a_year_ahead_deletes_two_runs_for_each_that_is_kept_and_one_set_right_all_that_is_old()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        assert_eq!((0..20).map(|day| save(&mut db, day)).last(), Some((20, 8)));
        assert_eq!(save(&mut db, 385), (19, 1), "two of 21 went; texts are promised to be gone in time");
        assert_eq!(save(&mut db, 386).0, 18, "nor is it believed the second time");
        assert_eq!(db.known_time().unwrap(), Some(at((19 + 14) * DAY)));
        assert_eq!(save(&mut db, 20).0, 19, "set right");
    }

    #[test]
    fn who_saves_once_a_week_has_a_store_that_ends_to_grow() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        let most = (0..100).map(|week| save(&mut db, 7 * week).0).max();
        assert!(most <= Some(8), "{most:?}: thirty days of weeks, and some");
        assert_eq!(Retention::default().runs, Duration::from_secs(30 * 86_400));
    }
}
