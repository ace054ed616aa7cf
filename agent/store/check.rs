//! Looks through a store: is it whole, what lies in it, how large is it.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;

use super::db::Db;
use super::error::StoreError;
use super::place;
use super::schema;

/// Faults that are told of one store. One is enough to tell that it is damaged.
const MOST_FAULTS: u32 = 20;

/// What lies in a store, and whether it is whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, a sentence each. Empty: it is whole.
    pub faults: Vec<String>,
    /// The version of its tables.
    pub schema: u32,
    /// The version that this opsagent writes.
    pub schema_known: u32,
    /// Which opsagent made it.
    pub made_by: Option<String>,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Of these, what deleted rows left: it is used again, or given back by a prune.
    pub free_bytes: u64,
    /// The size of its write-ahead log in bytes. `None`: there is none.
    pub wal_bytes: Option<u64>,
    /// What lies in its tables.
    pub tables: Vec<Table>,
}

/// What lies in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What its rows are.
    pub name: &'static str,
    /// How many there are.
    pub rows: u64,
    /// The time of the oldest. `None`: there is no row, or rows have no time.
    pub oldest: Option<Timestamp>,
    /// The time of the newest.
    pub newest: Option<Timestamp>,
}

/// The tables that are told of: name, SQL's name, the column of its time.
const TABLES: [(&str, &str, Option<&str>); 8] = [
    ("models", "pair", None),
    ("baselines", "baseline", Some("at")),
    ("watched", "watch", Some("at")),
    ("runs", "run", Some("at")),
    ("answers", "answer", Some("at")),
    ("events", "event", Some("at")),
    ("totals", "total", Some("at")),
    ("hours", "hourly", Some("hour")),
];

impl Db {
    /// Looks through the store that lies there, whole, and changes nothing in it: it is not brought to this version.
    ///
    /// # Errors
    /// There is none, or what is there cannot be read as one.
    pub fn check(path: &Path) -> Result<Report, StoreError> {
        let db = Db::open_to_look(path)?;
        db.read(|connection| {
            // A fault in a page may keep all else from being read.
            let found = faults(connection, true, MOST_FAULTS)?;
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let page = number("page_size")?.unsigned_abs();
            let bytes = |path: &Path| fs::metadata(path).ok().map(|meta| meta.len());
            let mut report = Report {
                path: path.to_owned(),
                faults: found,
                schema: schema::version(connection)?,
                schema_known: schema::VERSION,
                made_by: None,
                bytes: bytes(path).unwrap_or_default(),
                free_bytes: number("freelist_count").unwrap_or_default().unsigned_abs() * page,
                wal_bytes: bytes(&place::beside(path, "-wal")),
                tables: Vec::new(),
            };
            if report.faults.is_empty() {
                let made_by = "SELECT value FROM meta WHERE name = 'made_by'";
                report.made_by = connection.query_row(made_by, [], |row| row.get(0)).ok();
                report.tables = tables(connection)?;
            }
            Ok(report)
        })
    }
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let table = |(name, table, time): &(&'static str, &str, Option<&str>)| {
        let time = time.unwrap_or("NULL");
        let count: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        // Two questions, since SQLite answers each by its index, but not both together.
        let end = |which: &str| {
            let sql = format!("SELECT {which}({time}) FROM {table}");
            let millis: Option<i64> = connection.query_row(&sql, [], |row| row.get(0))?;
            Ok::<_, rusqlite::Error>(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
        };
        Ok(Table { name, rows: count.unsigned_abs(), oldest: end("min")?, newest: end("max")? })
    };
    TABLES.iter().map(table).collect()
}

/// What SQLite finds wrong, at most so many sentences. Where it is not thorough: without comparing each index with its
/// table, and each row with those that it belongs to.
pub(super) fn faults(connection: &Connection, thorough: bool, most: u32) -> rusqlite::Result<Vec<String>> {
    let how = if thorough { "integrity_check" } else { "quick_check" };
    let mut found: Vec<String> = connection
        .prepare(&format!("PRAGMA {how}({most})"))?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    found.retain(|line| line != "ok");
    if thorough && found.is_empty() {
        let mut orphans = connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = orphans.query([])?;
        while let Some(row) = rows.next()?.filter(|_| found.len() < most as usize) {
            let (table, of): (String, String) = (row.get(0)?, row.get(2)?);
            found.push(format!("a row of {table} belongs to none of {of}"));
        }
    }
    // Some of its sentences have several lines.
    Ok(found.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}
