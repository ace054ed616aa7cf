use super::super::tests::{at, key, run};
use super::super::{Tag, Wanted};
use super::*;

fn db(folder: &Path) -> Db {
    Db::open(&folder.join("opsagent.db")).unwrap()
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("opsagent.db"), Retention::default()).unwrap()
}

/// All that is there is kept: the runs of these tests are of a fixed day.
const ALL: Retention = {
    let ever = Duration::from_secs(u64::MAX / 4);
    Retention { runs: ever, answers: ever, events: ever, hourly: ever }
};

fn runs(folder: &Path) -> usize {
    db(folder).runs(&Wanted::default()).unwrap().len()
}

#[tokio::test]
async fn what_is_written_is_acknowledged_and_seen_by_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let applied = store.write(Batch::new().run(&key(), run(1))).await.unwrap();
    assert_eq!(applied.runs, [1]);
    let read = store.read(|db| db.runs(&Wanted::of(&key()))).await.unwrap();
    assert_eq!(read[0].run, run(1));
    let health = store.health();
    assert_eq!((health.written, health.waiting, health.failing), (1, 0, None));
    assert!(health.bytes.unwrap() > 0 && health.wal_bytes.unwrap() > 0, "{:?}", store.health());
}

#[tokio::test]
async fn it_is_told_that_another_process_wrote_once_and_never_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(!store.changed_by_others().await);
    store.write(Batch::new().run(&key(), run(1))).await.unwrap();
    assert!(!store.changed_by_others().await);
    db(folder.path()).apply(&Batch::new().run(&key(), run(2))).unwrap();
    assert!(store.changed_by_others().await);
    assert!(!store.changed_by_others().await, "it was told");
}

#[tokio::test]
async fn a_full_disk_is_told_and_counted_and_what_waited_is_written_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut bulk = run(0);
    bulk.details = serde_json::json!("x".repeat(200_000));
    let mut first = db(folder.path());
    first.apply(&Batch::new().run(&key(), bulk.clone())).unwrap();
    let pages: i64 = first.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    // Room for what is small beside one run, and not for a second.
    let most = pages + 5;
    let set = first.connection.pragma_update_and_check(None, "max_page_count", most, |row| row.get(0));
    assert_eq!(set, Ok(most));
    let store = Store::start(first, ALL).unwrap();

    let watch = |json: &str, of: Option<&str>| {
        Batch::new().run(&key(), bulk.clone()).watch(&key(), json.into(), of.map(Tag::of), at(1))
    };
    for (json, of) in [("1", None), ("2", Some("1"))] {
        let error = store.write(watch(json, of)).await.unwrap_err();
        assert_eq!((error.reason(), error.is_kept()), ("full", true), "{error}");
        assert!(error.to_string().contains("opsagent store prune"), "{error}");
    }
    let health = store.health();
    assert_eq!((health.waiting, health.lost_runs), (2, 0));
    assert!(health.failures["full"] >= 2, "each try is counted: {health:?}");
    assert_eq!(health.failing.unwrap().1.reason(), "full");
    assert_eq!(runs(folder.path()), 1, "nothing is half written");

    // Somebody else makes room for one run.
    let other = db(folder.path());
    other.connection.execute("DELETE FROM run", []).unwrap();
    let set = store.write(Batch::new().watch(&key(), "3".into(), Some(Tag::of("2")), at(2)));
    assert_eq!(set.await.unwrap_err().reason(), "full", "one run fits, two do not");
    assert_eq!(runs(folder.path()), 1);
    other.connection.execute("DELETE FROM run", []).unwrap();
    assert_eq!(store.write(Batch::new()).await, Ok(Applied::default()));
    assert_eq!(runs(folder.path()), 1);
    assert_eq!(other.watch(&key()).unwrap().unwrap().json, "3", "the newest, based on what was stored");
    let health = store.health();
    assert_eq!((health.waiting, health.lost_runs, health.failing), (0, 0, None));
}

#[tokio::test]
async fn a_file_that_is_removed_is_told_and_nothing_is_written_into_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.write(Batch::new().run(&key(), run(1))).await.unwrap();
    std::fs::rename(folder.path().join("opsagent.db"), folder.path().join("away")).unwrap();
    let error = store.write(Batch::new().run(&key(), run(2))).await.unwrap_err();
    assert_eq!((error.reason(), error.is_kept()), ("gone", true), "{error}");
    std::fs::rename(folder.path().join("away"), folder.path().join("opsagent.db")).unwrap();
    store.write(Batch::new().run(&key(), run(3))).await.unwrap();
    assert_eq!(runs(folder.path()), 3, "what waited too");
}

#[tokio::test]
async fn a_conflict_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let batch = Batch::new().run(&key(), run(1)).watch(&key(), "2".into(), Some(Tag::of("1")), at(0));
    assert_eq!(store.write(batch).await.unwrap_err().reason(), "changed");
    let health = store.health();
    assert_eq!((health.lost_runs, health.failing), (0, None));
    let bad = Batch::new().run(&key(), run(1)).watch(&key(), "{".into(), None, at(0));
    assert_eq!(store.write(bad).await.unwrap_err().reason(), "refused");
    assert_eq!(store.health().lost_runs, 1);
}

#[tokio::test]
async fn what_is_too_old_goes_by_itself_and_what_is_not_stays() {
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now();
    let day = Duration::from_secs(86_400);
    let mut batch = Batch::new();
    for days in 0..1200 {
        let mut run = run(0);
        run.at = now - day * days / 20;
        batch = batch.run(&key(), run);
    }
    db(folder.path()).apply(&batch).unwrap();
    let keep = Retention { runs: 10 * day, ..Retention::default() };
    let store = Store::start(db(folder.path()), keep).unwrap();
    while runs(folder.path()) > 201 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(store.close(Duration::from_secs(10)));
    assert!((200..=201).contains(&runs(folder.path())));
    let error = store.write(Batch::new().run(&key(), run(1))).await.unwrap_err();
    assert_eq!(error.reason(), "closed");
    assert_eq!(store.health().lost_runs, 1);
}

#[tokio::test]
async fn a_clock_that_jumped_ahead_takes_no_history_along() {
    let folder = tempfile::tempdir().unwrap();
    let year = Duration::from_secs(365 * 86_400);
    // By the clock of now the store was last written three years ago.
    let last = jiff::Timestamp::now() - 3 * year;
    let mut batch = Batch::new();
    for hour in 0..100_u32 {
        let mut run = run(0);
        run.at = last - Duration::from_secs(3600) * hour;
        batch = batch.run(&key(), run);
    }
    db(folder.path()).apply(&batch).unwrap();
    for _ in 0..2 {
        let store = Store::start(db(folder.path()), Retention::default()).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut new = run(0);
        new.at = jiff::Timestamp::now();
        store.write(Batch::new().run(&key(), new)).await.unwrap();
        assert!(store.close(Duration::from_secs(10)));
    }
    // The oldest may go with each start.
    assert!(runs(folder.path()) >= 100, "{} of 102 are there", runs(folder.path()));
}

#[tokio::test]
async fn a_question_that_panics_answers_nobody_and_the_next_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let answer = store.read(|_| -> Result<(), StoreError> { panic!("planted") }).await;
    assert_eq!(answer.unwrap_err().reason(), "closed");
    assert_eq!(store.read(Db::keys).await, Ok(Vec::new()));
}
