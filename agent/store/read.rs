//! Questions to the store.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::Value;

use super::apply;
use super::db::Db;
use super::error::StoreError;
use super::records::{
    BaselineRecord, EventRecord, Hour, Key, RunRecord, StoredEvent, StoredRun, Tag, Total, WatchRecord,
};

/// Milliseconds since 1970 in the store.
pub(super) struct Millis(pub(super) Timestamp);

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Millis> {
        let millis = value.as_i64()?;
        Timestamp::from_millisecond(millis).map(Millis).map_err(|_| FromSqlError::OutOfRange(millis))
    }
}

/// JSON in the store.
struct Json(Value);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Json> {
        serde_json::from_str(value.as_str()?).map(Json).map_err(FromSqlError::other)
    }
}

/// Which runs or events are wanted: the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this target; of all when `None`.
    pub target: Option<String>,
    /// Of this model; of all when `None`.
    pub model: Option<String>,
    /// At or after this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// At most so many. `None`: all.
    pub limit: Option<u32>,
}

impl Wanted {
    /// All of a key.
    pub fn of(key: &Key) -> Wanted {
        Wanted { target: Some(key.target.clone()), model: Some(key.model.clone()), ..Wanted::default() }
    }

    /// The same, at most so many.
    #[must_use]
    pub fn newest(self, limit: u32) -> Wanted {
        Wanted { limit: Some(limit), ..self }
    }

    /// The values of ?1 to ?5.
    fn params(&self) -> impl rusqlite::Params + '_ {
        let since = self.since.map_or(i64::MIN, Timestamp::as_millisecond);
        let until = self.until.map_or(i64::MAX, Timestamp::as_millisecond);
        (&self.target, &self.model, since, until, self.limit.map_or(-1, i64::from))
    }
}

impl Db {
    /// Every key that something is stored of.
    ///
    /// # Errors
    /// The store cannot be read, as with all that follow.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.rows("SELECT target, model FROM pair ORDER BY target, model", [], |row| {
            Ok(Key { target: row.get(0)?, model: row.get(1)? })
        })
    }

    /// The runs that are wanted, the newest first.
    pub fn runs(&self, wanted: &Wanted) -> Result<Vec<StoredRun>, StoreError> {
        // A key is looked up by its number, so that SQLite takes the index of its runs.
        let which = match (&wanted.target, &wanted.model) {
            (Some(_), Some(_)) => "pair = (SELECT id FROM pair WHERE target = ?1 AND model = ?2)",
            _ => "(?1 IS NULL OR target = ?1) AND (?2 IS NULL OR model = ?2)",
        };
        let sql = format!(
            "SELECT run.id, target, model, at, purpose, result, verdict, distance, kld, passed, graded, prompt_tokens,
                 completion_tokens, ttft_seconds, tokens_per_second, suite, details
             FROM run JOIN pair ON pair.id = run.pair
             WHERE {which} AND at >= ?3 AND at < ?4 ORDER BY at DESC, run.id DESC LIMIT ?5"
        );
        self.rows(&sql, wanted.params(), run)
    }

    /// Canary and text of each answer of a run. Empty: none were stored, or no longer.
    pub fn answers(&self, run: i64) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT canary, text FROM answer WHERE run = ?1 ORDER BY place";
        self.rows(sql, [run], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// The events that are wanted, the newest first. Of a model: without those of its target alone.
    pub fn events(&self, wanted: &Wanted) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = "SELECT id, at, target, model, kind, severity, words, details FROM event
             WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR model = ?2) AND at >= ?3 AND at < ?4
             ORDER BY at DESC, id DESC LIMIT ?5";
        self.rows(sql, wanted.params(), event)
    }

    /// What is watched of a key.
    pub fn watch(&self, key: &Key) -> Result<Option<WatchRecord>, StoreError> {
        let sql = "SELECT watch.at, json FROM watch JOIN pair ON pair.id = watch.pair
             WHERE target = ?1 AND model = ?2";
        self.row(sql, [&key.target, &key.model], |row| {
            let json: String = row.get(1)?;
            Ok(WatchRecord { at: row.get::<_, Millis>(0)?.0, tag: Tag::of(&json), json })
        })
    }

    /// A key's baselines without their JSON, the oldest first.
    pub fn baselines(&self, key: &Key) -> Result<Vec<BaselineRecord>, StoreError> {
        let sql = "SELECT number, at, suite, runs, '' FROM baseline JOIN pair ON pair.id = baseline.pair
             WHERE target = ?1 AND model = ?2 ORDER BY number";
        self.rows(sql, [&key.target, &key.model], baseline)
    }

    /// One of a key's baselines.
    pub fn baseline(&self, key: &Key, number: u32) -> Result<Option<BaselineRecord>, StoreError> {
        let sql = "SELECT number, at, suite, runs, json FROM baseline JOIN pair ON pair.id = baseline.pair
             WHERE target = ?1 AND model = ?2 AND number = ?3";
        self.row(sql, params![key.target, key.model, number], baseline)
    }

    /// The baseline that a key is compared with.
    pub fn active(&self, key: &Key) -> Result<Option<BaselineRecord>, StoreError> {
        let sql = "SELECT baseline.number, baseline.at, suite, runs, json
             FROM active JOIN pair ON pair.id = active.pair
             JOIN baseline ON baseline.pair = active.pair AND baseline.number = active.number
             WHERE target = ?1 AND model = ?2";
        self.row(sql, [&key.target, &key.model], baseline)
    }

    /// The least number that a key's next baseline may have.
    pub fn next_baseline(&self, key: &Key) -> Result<u32, StoreError> {
        let sql = "SELECT id FROM pair WHERE target = ?1 AND model = ?2";
        match self.row(sql, [&key.target, &key.model], |row| row.get::<_, i64>(0))? {
            Some(pair) => self.read(|connection| apply::next_baseline(connection, pair)),
            None => Ok(1),
        }
    }

    /// Every counter.
    pub fn totals(&self) -> Result<Vec<Total>, StoreError> {
        let sql = "SELECT target, nullif(model, ''), name, value FROM total ORDER BY target, model, name";
        self.rows(sql, [], |row| {
            Ok(Total { target: row.get(0)?, model: row.get(1)?, name: row.get(2)?, value: row.get(3)? })
        })
    }

    /// The history of one thing by hours, the oldest first.
    pub fn hours(&self, key: &Key, name: &str, since: Timestamp) -> Result<Vec<Hour>, StoreError> {
        let sql = "SELECT hour, count, sum, min, max, last FROM hourly
             WHERE target = ?1 AND model = ?2 AND name = ?3 AND hour >= ?4 ORDER BY hour";
        self.rows(sql, params![key.target, key.model, name, since.as_millisecond()], |row| {
            Ok(Hour {
                hour: row.get::<_, Millis>(0)?.0,
                count: row.get::<_, i64>(1)?.unsigned_abs(),
                sum: row.get(2)?,
                min: row.get(3)?,
                max: row.get(4)?,
                last: row.get(5)?,
            })
        })
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(|connection| connection.prepare(sql)?.query_map(params, of)?.collect())
    }

    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        of: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.read(|connection| connection.prepare(sql)?.query_row(params, of).optional())
    }
}

fn run(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    let count = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(i64::unsigned_abs));
    Ok(StoredRun {
        id: row.get(0)?,
        key: Key { target: row.get(1)?, model: row.get(2)? },
        run: RunRecord {
            at: row.get::<_, Millis>(3)?.0,
            purpose: row.get(4)?,
            result: row.get(5)?,
            verdict: row.get(6)?,
            distance: row.get(7)?,
            kld: row.get(8)?,
            passed: count(9)?,
            graded: count(10)?,
            prompt_tokens: count(11)?,
            completion_tokens: count(12)?,
            ttft_seconds: row.get(13)?,
            tokens_per_second: row.get(14)?,
            suite: row.get(15)?,
            details: row.get::<_, Json>(16)?.0,
            answers: Vec::new(),
        },
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        id: row.get(0)?,
        event: EventRecord {
            at: row.get::<_, Millis>(1)?.0,
            target: row.get(2)?,
            model: row.get(3)?,
            kind: row.get(4)?,
            severity: row.get(5)?,
            words: row.get(6)?,
            details: row.get::<_, Json>(7)?.0,
        },
    })
}

fn baseline(row: &Row<'_>) -> rusqlite::Result<BaselineRecord> {
    Ok(BaselineRecord {
        number: row.get(0)?,
        at: row.get::<_, Millis>(1)?.0,
        suite: row.get(2)?,
        runs: row.get::<_, i64>(3)?.unsigned_abs(),
        json: row.get(4)?,
    })
}
