//! Writes a batch.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::batch::{Applied, Batch, Write};
use super::beats;
use super::db::Db;
use super::error::{Reason, StoreError};
use super::records::{BaselineRecord, EventRecord, Key, RunRecord, Tag, Total};

/// The most bytes of a run's or an event's details. A run of 40 questions tells some kilobytes.
pub const MOST_DETAILS: usize = 256 << 10;

/// The most bytes of a baseline or a watch. 8 canaries with 4 positions take some 40 KB a state.
pub const MOST_DOCUMENT: usize = 64 << 20;

/// The most bytes of an answer's text: what is beyond is cut off.
const MOST_ANSWER: usize = 64 << 10;

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// Why a batch was not written: SQLite's word, or ours.
enum Stop {
    Sqlite(rusqlite::Error),
    Reason(Reason, String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

impl Db {
    /// Writes all of a batch, or nothing.
    ///
    /// # Errors
    /// It cannot be written, or what it is based on has changed.
    pub fn apply(&mut self, batch: &Batch) -> Result<Applied, StoreError> {
        let path = self.path.clone();
        self.write(|transaction| {
            let mut applied = Applied::default();
            for write in &batch.writes {
                match one(transaction, write, &mut applied) {
                    Ok(()) => {}
                    Err(Stop::Sqlite(error)) => return Err(error),
                    Err(Stop::Reason(reason, found)) => {
                        return Ok(Err(StoreError::new(reason, &path, found)));
                    }
                }
            }
            Ok(Ok(applied))
        })
    }
}

fn one(to: &Transaction<'_>, write: &Write, applied: &mut Applied) -> Result<(), Stop> {
    match write {
        Write::Run(key, run) => applied.runs.push(insert_run(to, key, run)?),
        Write::Watch { key, at, json, based_on } => insert_watch(to, key, *at, json, *based_on)?,
        Write::Beat { key, at, json } => {
            document("beat", json)?;
            beats::put(to, pair(to, key)?, *at, json)?;
        }
        Write::Baseline(key, baseline) => insert_baseline(to, key, baseline)?,
        Write::Activate { key, number, at } => activate(to, key, *number, *at)?,
        Write::Event(event) => applied.events.push(insert_event(to, event)?),
        Write::Total(total, at) => put_total(to, total, *at)?,
        Write::Hour { key, at, name, value } => add_hour(to, key, *at, name, *value)?,
    }
    Ok(())
}

/// The number of a key; a new one is noted.
fn pair(to: &Transaction<'_>, key: &Key) -> rusqlite::Result<i64> {
    let known = to
        .prepare("SELECT id FROM pair WHERE target = ?1 AND model = ?2")?
        .query_row([&key.target, &key.model], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    to.execute("INSERT INTO pair (target, model) VALUES (?1, ?2)", [&key.target, &key.model])?;
    Ok(to.last_insert_rowid())
}

fn insert_run(to: &Transaction<'_>, key: &Key, run: &RunRecord) -> Result<i64, Stop> {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    to.prepare(
        "INSERT INTO run (pair, at, purpose, result, verdict, distance, kld, passed, graded, prompt_tokens,
             completion_tokens, ttft_seconds, tokens_per_second, suite, details)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        pair(to, key)?,
        run.at.as_millisecond(),
        run.purpose,
        run.result,
        run.verdict,
        finite(run.distance),
        finite(run.kld),
        run.passed.map(count),
        run.graded.map(count),
        run.prompt_tokens.map(count),
        run.completion_tokens.map(count),
        finite(run.ttft_seconds),
        finite(run.tokens_per_second),
        run.suite,
        details(&run.details)?,
    ])?;
    let id = to.last_insert_rowid();
    for (place, (canary, text)) in (0_i64..).zip(&run.answers) {
        to.prepare("INSERT INTO answer (run, place, at, canary, text) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![id, place, run.at.as_millisecond(), canary, cut(text)])?;
    }
    Ok(id)
}

fn insert_watch(
    to: &Transaction<'_>,
    key: &Key,
    at: Timestamp,
    json: &str,
    based_on: Option<Tag>,
) -> Result<(), Stop> {
    document("watch", json)?;
    let pair = pair(to, key)?;
    let stored = to
        .prepare("SELECT json FROM watch WHERE pair = ?1")?
        .query_row([pair], |row| row.get_ref(0)?.as_str().map(Tag::of).map_err(Into::into))
        .optional()?;
    if stored != based_on {
        return Err(changed(key, "what is watched of it"));
    }
    to.prepare(
        "INSERT INTO watch (pair, at, json) VALUES (?1, ?2, ?3)
         ON CONFLICT (pair) DO UPDATE SET at = excluded.at, json = excluded.json",
    )?
    .execute(params![pair, at.as_millisecond(), json])?;
    Ok(())
}

fn insert_baseline(to: &Transaction<'_>, key: &Key, baseline: &BaselineRecord) -> Result<(), Stop> {
    document("baseline", &baseline.json)?;
    let pair = pair(to, key)?;
    if baseline.number < next_baseline(to, pair)? {
        return Err(changed(key, "its list of baselines"));
    }
    to.execute(
        "INSERT INTO baseline (pair, number, at, suite, runs, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            pair,
            baseline.number,
            baseline.at.as_millisecond(),
            baseline.suite,
            count(baseline.runs),
            baseline.json
        ],
    )?;
    Ok(())
}

/// The least number that a key's next baseline may have.
pub(super) fn next_baseline(from: &rusqlite::Connection, pair: i64) -> rusqlite::Result<u32> {
    let last = "SELECT coalesce(max(number), 0) FROM baseline WHERE pair = ?1";
    from.query_row(last, [pair], |row| row.get::<_, u32>(0)).map(|last| last + 1)
}

fn activate(to: &Transaction<'_>, key: &Key, number: u32, at: Timestamp) -> Result<(), Stop> {
    let pair = pair(to, key)?;
    let there: bool = to.query_row(
        "SELECT EXISTS (SELECT 1 FROM baseline WHERE pair = ?1 AND number = ?2)",
        params![pair, number],
        |row| row.get(0),
    )?;
    if !there {
        let found = format!("{} / {} has no baseline {number}", key.target, key.model);
        return Err(Stop::Reason(Reason::Refused, found));
    }
    to.execute(
        "INSERT INTO active (pair, number, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (pair) DO UPDATE SET number = excluded.number, at = excluded.at",
        params![pair, number, at.as_millisecond()],
    )?;
    Ok(())
}

fn insert_event(to: &Transaction<'_>, event: &EventRecord) -> Result<i64, Stop> {
    to.prepare(
        "INSERT INTO event (at, target, model, kind, severity, words, details)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        event.at.as_millisecond(),
        event.target,
        event.model,
        event.kind,
        event.severity,
        event.words,
        details(&event.details)?,
    ])?;
    Ok(to.last_insert_rowid())
}

fn put_total(to: &Transaction<'_>, total: &Total, at: Timestamp) -> rusqlite::Result<()> {
    let model = total.model.as_deref().unwrap_or_default();
    to.prepare(
        "INSERT INTO total (target, model, name, value, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
    )?
    .execute(params![total.target, model, total.name, total.value, at.as_millisecond()])?;
    Ok(())
}

fn add_hour(to: &Transaction<'_>, key: &Key, at: Timestamp, name: &str, value: f64) -> rusqlite::Result<()> {
    let hour = at.as_millisecond().div_euclid(HOUR) * HOUR;
    to.prepare(
        "INSERT INTO hourly (target, model, name, hour, count, sum, min, max, last)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?5, ?5)
         ON CONFLICT DO UPDATE SET count = count + 1, sum = sum + excluded.sum, min = min(min, excluded.min),
             max = max(max, excluded.max), last = excluded.last",
    )?
    .execute(params![key.target, key.model, name, hour, value])?;
    Ok(())
}

fn details(value: &Value) -> Result<String, Stop> {
    let text = value.to_string();
    if text.len() <= MOST_DETAILS {
        return Ok(text);
    }
    let found = format!("details of {} bytes, of at most {MOST_DETAILS}", text.len());
    Err(Stop::Reason(Reason::Refused, found))
}

fn document(what: &str, json: &str) -> Result<(), Stop> {
    let refused = |found: String| Err(Stop::Reason(Reason::Refused, found));
    if json.len() > MOST_DOCUMENT {
        return refused(format!("a {what} of {} bytes, of at most {MOST_DOCUMENT}", json.len()));
    }
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(IgnoredAny) => Ok(()),
        Err(error) => refused(format!("a {what} that is no JSON: {error}")),
    }
}

fn changed(key: &Key, what: &str) -> Stop {
    let found = format!("{what} was changed by another process ({} / {})", key.target, key.model);
    Stop::Reason(Reason::Changed, found)
}

fn cut(text: &str) -> &str {
    let most = (0..=MOST_ANSWER.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..most.unwrap_or(0)]
}

/// SQLite has no larger numbers; nothing here comes near.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
