//! What the beat knows of a model, beside what is watched of it: one text a key. Whose it is knows what it means.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::db::Db;
use super::error::StoreError;
use super::read::Millis;
use super::records::Key;

/// What the beat knows of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeatRecord {
    /// When it was written.
    pub at: Timestamp,
    /// JSON.
    pub json: String,
}

impl Db {
    /// What the beat knows of a key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn beat(&self, key: &Key) -> Result<Option<BeatRecord>, StoreError> {
        let sql = "SELECT beat.at, json FROM beat JOIN pair ON pair.id = beat.pair
             WHERE target = ?1 AND model = ?2";
        self.row(sql, [&key.target, &key.model], |row| {
            Ok(BeatRecord { at: row.get::<_, Millis>(0)?.0, json: row.get(1)? })
        })
    }

    /// The models of a target that something is watched of: at most so many, the last written first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn watched(&self, target: &str, most: u32) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT model FROM watch JOIN pair ON pair.id = watch.pair
             WHERE target = ?1 ORDER BY watch.at DESC, model LIMIT ?2";
        self.rows(sql, params![target, most], |row| row.get(0))
    }
}

/// Writes it. The last one who writes is right: it tells of what is there now.
pub(super) fn put(to: &Transaction<'_>, pair: i64, at: Timestamp, json: &str) -> rusqlite::Result<()> {
    to.prepare(
        "INSERT INTO beat (pair, at, json) VALUES (?1, ?2, ?3)
         ON CONFLICT (pair) DO UPDATE SET at = excluded.at, json = excluded.json",
    )?
    .execute(params![pair, at.as_millisecond(), json])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::{at, key};
    use super::*;

    #[test]
    fn the_last_that_is_written_of_a_model_is_read_and_models_are_told_by_target() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Db::open(&folder.path().join("o.db")).unwrap();
        assert_eq!(db.beat(&key()), Ok(None));
        for second in [1, 2] {
            let json = format!("{{\"runs\":{second}}}");
            db.apply(&Batch::new().beat(&key(), json, at(second))).unwrap();
        }
        let last = db.beat(&key()).unwrap().unwrap();
        assert_eq!((last.at, last.json.as_str()), (at(2), "{\"runs\":2}"));
        assert!(db.apply(&Batch::new().beat(&key(), "no JSON".into(), at(3))).is_err());

        assert!(db.watched("box", 9).unwrap().is_empty(), "of nothing is watched yet");
        for (nth, model) in [(1, "a"), (3, "b"), (2, "c")] {
            let batch = Batch::new().watch(&Key::new("box", model), "{}".into(), None, at(nth));
            db.apply(&batch).unwrap();
        }
        db.apply(&Batch::new().watch(&Key::new("other", "d"), "{}".into(), None, at(9))).unwrap();
        assert_eq!(db.watched("box", 2).unwrap(), ["b", "c"]);
    }
}
