use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::*;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn key() -> Key {
    Key::new("box", "qwen3:8b")
}

pub(super) fn run(second: i64) -> RunRecord {
    RunRecord {
        at: at(second),
        purpose: "beat".into(),
        result: "ok".into(),
        verdict: "steady".into(),
        distance: Some(0.01),
        passed: Some(3),
        graded: Some(4),
        suite: "abc".into(),
        details: json!({ "n": second }),
        ..RunRecord::default()
    }
}

pub(super) fn baseline(number: u32) -> BaselineRecord {
    let json = format!("{{\"number\":{number}}}");
    BaselineRecord { number, at: at(0), suite: "abc".into(), runs: 20, json }
}

fn open(folder: &Path) -> Db {
    Db::open(&folder.join("s/opsagent.db")).unwrap()
}

#[test]
fn what_was_written_is_read_by_the_next_that_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut odd = run(2);
    odd.kld = Some(f64::INFINITY);
    odd.answers = vec![("ar1".into(), "42".into())];
    let event = EventRecord {
        at: at(3),
        target: "box".into(),
        model: Some("qwen3:8b".into()),
        kind: "identity".into(),
        severity: "info".into(),
        words: "the digest changed".into(),
        details: json!({ "fact": "digest" }),
    };
    let total = Total { target: "box".into(), model: None, name: "energy_joules".into(), value: 7.5 };
    let batch = Batch::new()
        .run(&key(), run(1))
        .run(&key(), odd)
        .event(event.clone())
        .baseline(&key(), baseline(1))
        .activate(&key(), 1, at(4))
        .watch(&key(), "{}".into(), None, at(4))
        .total(total.clone(), at(4));
    let applied = open(folder.path()).apply(&batch).unwrap();
    assert_eq!(applied, Applied { runs: vec![1, 2], events: vec![1] });

    let db = open(folder.path());
    let runs = db.runs(&Wanted::of(&key())).unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [2, 1], "the newest first");
    assert_eq!(runs[1].run, run(1));
    assert_eq!(runs[0].run.kld, None, "what is no number is absent");
    assert_eq!(db.answers(2).unwrap(), [("ar1".to_owned(), "42".to_owned())]);
    assert_eq!(db.events(&Wanted::default()).unwrap(), [StoredEvent { id: 1, event }]);
    assert_eq!(db.active(&key()).unwrap(), Some(baseline(1)));
    assert_eq!(db.watch(&key()).unwrap().unwrap().json, "{}");
    assert_eq!(db.totals().unwrap(), [total]);
    assert_eq!(db.keys().unwrap(), [key()]);
}

#[test]
fn an_empty_store_tells_nothing_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    assert_eq!(db.runs(&Wanted::of(&key())), Ok(Vec::new()));
    assert_eq!(db.events(&Wanted::default()), Ok(Vec::new()));
    assert_eq!(db.watch(&key()), Ok(None));
    assert_eq!(db.active(&key()), Ok(None));
    assert_eq!(db.next_baseline(&key()), Ok(1));
    assert_eq!(db.hours(&key(), "distance", at(0)), Ok(Vec::new()));
}

#[test]
fn a_watch_is_replaced_only_by_one_that_was_made_of_it_and_with_it_goes_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (mut agent, mut shell) = (open(folder.path()), open(folder.path()));
    agent.apply(&Batch::new().watch(&key(), "1".into(), None, at(0))).unwrap();
    let read = shell.watch(&key()).unwrap().unwrap();
    shell.apply(&Batch::new().watch(&key(), "2".into(), Some(read.tag), at(1))).unwrap();

    let late = Batch::new().run(&key(), run(2)).watch(&key(), "3".into(), Some(read.tag), at(2));
    let error = agent.apply(&late).unwrap_err();
    assert_eq!((error.reason(), error.is_kept()), ("changed", false));
    let first = agent.apply(&Batch::new().watch(&key(), "3".into(), None, at(2))).unwrap_err();
    assert_eq!(first.reason(), "changed", "there is one already");
    assert_eq!(agent.watch(&key()).unwrap().unwrap().json, "2");
    assert_eq!(agent.runs(&Wanted::default()), Ok(Vec::new()));
}

#[test]
fn a_baseline_is_never_changed_nor_deleted_and_numbers_only_grow() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = open(folder.path());
    db.apply(&Batch::new().baseline(&key(), baseline(1))).unwrap();
    for number in [0, 1] {
        let error = db.apply(&Batch::new().baseline(&key(), baseline(number))).unwrap_err();
        assert_eq!(error.reason(), "changed", "{number}");
    }
    for sql in ["UPDATE baseline SET json = '{}'", "DELETE FROM baseline"] {
        let error = db.connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("a baseline is never"), "{error}");
    }
    assert_eq!(db.apply(&Batch::new().activate(&key(), 2, at(0))).unwrap_err().reason(), "refused");
    db.apply(&Batch::new().baseline(&key(), baseline(2)).activate(&key(), 2, at(1))).unwrap();
    db.apply(&Batch::new().activate(&key(), 1, at(2))).unwrap();
    assert_eq!(db.active(&key()).unwrap().unwrap().number, 1, "back to the one before");
    assert_eq!(db.baselines(&key()).unwrap().len(), 2);
    assert_eq!(db.next_baseline(&key()), Ok(3));
    // The one between was lost with its batch.
    db.apply(&Batch::new().baseline(&key(), baseline(4)).activate(&key(), 4, at(3))).unwrap();
    assert_eq!(db.apply(&Batch::new().baseline(&key(), baseline(3))).unwrap_err().reason(), "changed");
    assert_eq!(db.next_baseline(&key()), Ok(5));
}

#[test]
fn an_hour_holds_what_came_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = open(folder.path());
    let start = at(0).as_second().div_euclid(3600) * 3600;
    let at = |second: i64| Timestamp::from_second(start + second).unwrap();
    for (second, value) in [(0, 2.0), (1800, 5.0), (3599, 1.0), (3600, 9.0), (10, f64::NAN)] {
        db.apply(&Batch::new().hour(&key(), at(second), "distance", value)).unwrap();
    }
    let hours = db.hours(&key(), "distance", at(0)).unwrap();
    let first = Hour { hour: at(0), count: 3, sum: 8.0, min: 1.0, max: 5.0, last: 1.0 };
    let next = Hour { hour: at(3600), count: 1, sum: 9.0, min: 9.0, max: 9.0, last: 9.0 };
    assert_eq!(hours, [first, next]);
}

#[test]
fn what_is_too_large_or_no_json_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = open(folder.path());
    let mut large = run(0);
    large.details = json!("x".repeat(MOST_DETAILS));
    let bad = [Batch::new().run(&key(), large), Batch::new().watch(&key(), "{".into(), None, at(0))];
    for batch in bad {
        let error = db.apply(&batch).unwrap_err();
        assert_eq!((error.reason(), error.is_kept()), ("refused", false), "{error}");
    }
    let mut long = run(0);
    long.answers = vec![("ar1".into(), "ä".repeat(100_000))];
    db.apply(&Batch::new().run(&key(), long)).unwrap();
    assert_eq!(db.answers(1).unwrap()[0].1.len(), 64 << 10);
}

#[test]
fn runs_are_found_by_key_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = open(folder.path());
    let keys = [Key::new("box", "llama"), key()];
    let mut batch = Batch::new();
    for second in 0..10 {
        batch = batch.run(&keys[second as usize % 2], run(second));
    }
    db.apply(&batch).unwrap();
    let seconds = |wanted: &Wanted| {
        let runs = db.runs(wanted).unwrap();
        runs.iter().map(|run| run.run.at.as_second() - at(0).as_second()).collect::<Vec<_>>()
    };
    assert_eq!(seconds(&Wanted::of(&key()).newest(2)), [9, 7]);
    assert_eq!(seconds(&Wanted { model: Some("llama".into()), ..Wanted::default() }), [8, 6, 4, 2, 0]);
    let between = Wanted { since: Some(at(3)), until: Some(at(6)), ..Wanted::default() };
    assert_eq!(seconds(&between), [5, 4, 3]);
    assert_eq!(seconds(&Wanted { target: Some("none".into()), ..Wanted::default() }), [0_i64; 0]);
}
