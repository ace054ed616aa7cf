//! Files that are no store, or none any more: told as what they are, and left as they are.

use std::fs;
use std::path::Path;

use opsagent::store::{Batch, Db, Retention, Store};

use super::{at, key, run};

/// A store of some pages, without a log.
fn made(path: &Path) -> Vec<u8> {
    let mut db = Db::open(path).unwrap();
    for number in 0..40 {
        db.apply(&Batch::new().run(&key("box"), run(number, 3000))).unwrap();
    }
    drop(db);
    assert!(!path.with_extension("db-wal").exists(), "the last one out carries the log over");
    fs::read(path).unwrap()
}

fn sqlite(path: &Path, sql: &str) -> Vec<u8> {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn what_cannot_be_used_is_told_and_no_byte_of_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let good = made(&path);
    assert!(good.len() > 20 * 4096);
    let newer = sqlite(&path, "PRAGMA user_version = 99;");
    fs::remove_file(&path).unwrap();
    let other = sqlite(&path, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);");
    let with = |range: std::ops::Range<usize>, byte: u8| {
        let mut bytes = good.clone();
        bytes[range].fill(byte);
        bytes
    };
    let cases: [(&str, Vec<u8>, &str, &str); 8] = [
        ("a text", b"dear diary, ".repeat(500), "foreign", "no file of SQLite"),
        ("zeros", vec![0; 8192], "damaged", "begins with zeros"),
        ("cut off", good[..good.len() / 2].to_vec(), "damaged", "it is cut off: it has"),
        ("cut off within the head", good[..60].to_vec(), "damaged", "ends after 60 bytes"),
        ("a page of noise", with(8 * 4096..9 * 4096, 0xA5), "damaged", ""),
        ("tables that are gone", with(200..4096, 0), "damaged", ""),
        ("a newer one", newer, "newer", "version 99"),
        ("another program's", other, "foreign", "another program"),
    ];
    for (what, bytes, reason, words) in cases {
        fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path, Retention::default()).unwrap_err();
        assert_eq!(error.reason(), reason, "{what}: {error}");
        let said = error.to_string();
        assert!(said.contains(words) && said.starts_with(&path.display().to_string()), "{what}: {said}");
        match Db::check(&path) {
            Ok(report) => assert!(!report.faults.is_empty(), "{what}"),
            Err(error) => assert_eq!(error.reason(), reason, "{what}: {error}"),
        }
        assert!(fs::read(&path).unwrap() == bytes, "{what} was changed");
    }
}

#[test]
fn places_where_no_store_can_be_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let open = |path: &Path| Store::open(path, Retention::default()).unwrap_err();
    let under_file = open(&folder.path().join("file/opsagent.db"));
    assert_eq!(under_file.reason(), "no_folder", "{under_file}");
    assert_eq!(open(folder.path()).reason(), "foreign");
    let proc = open(Path::new("/proc/opsagent/opsagent.db"));
    assert!(["no_folder", "permission"].contains(&proc.reason()), "{proc}");
    let sys = open(Path::new("/sys/opsagent.db"));
    assert!(["permission", "read_only", "no_folder"].contains(&sys.reason()), "{sys}");
    let missing = Db::open_existing(&folder.path().join("none.db")).unwrap_err();
    assert_eq!(missing.reason(), "missing");
    assert!(!folder.path().join("none.db").exists(), "looking makes nothing");
}

#[test]
fn an_empty_file_becomes_a_store_and_so_does_one_whose_making_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    for begun in ["", "PRAGMA auto_vacuum = INCREMENTAL;", "CREATE TABLE a (b); DROP TABLE a;"] {
        fs::remove_file(&path).ok();
        fs::write(&path, "").unwrap();
        sqlite(&path, begun);
        assert_eq!(Db::check(&path).unwrap_err().reason(), "missing", "{begun}");
        let mut db = Db::open(&path).unwrap();
        db.apply(&Batch::new().run(&key("box"), run(1, 0))).unwrap();
        drop(db);
        let report = Db::check(&path).unwrap();
        assert_eq!((report.faults.len(), report.tables[3].rows), (0, 1));
        assert_eq!(report.tables[3].oldest, Some(at(1)));
    }
}
