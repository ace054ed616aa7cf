use jiff::SignedDuration;

use super::*;
use crate::canary::Spent;
use crate::canary::run::Speed;
use crate::sample::{Answer, Dialect, End, Facts, Generation, Part, Purpose, Reply, Run};
use crate::store::{BaselineRecord, Db, Retention, Wanted};

/// More runs than the first baseline takes.
const MANY: i64 = 40;

/// The nth run of a model that gives each question the same text.
fn done(nth: i64, suite: &Suite) -> Done {
    let answer = |canary: &str| {
        let mut generation = Generation::new(Dialect::OpenaiChat, End::Complete, Duration::from_millis(300));
        (generation.tokens.input, generation.tokens.output) = (Some(20), Some(4));
        let reply =
            Reply { text: format!("of {canary}"), positions: Vec::new(), sampler: Vec::new(), generation };
        Answer { canary: canary.into(), part: Part::Fingerprint, result: Ok(reply) }
    };
    let run = Run {
        target: "box".into(),
        model: "m".into(),
        at: Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_mins(5 * nth),
        purpose: Purpose::Beat,
        suite: suite.hash(),
        facts: Facts::default(),
        idle: Some(true),
        concurrency: 1,
        answers: suite.fingerprint().map(|canary| answer(&canary.id)).collect(),
    };
    Done { run, spent: Spent::default(), waited_for_a_load: false, speed: Speed::default() }
}

async fn keeper(store: Option<&Store>) -> Keeper {
    Keeper::load(drift::Plan::new("box", "m", Duration::from_secs(300)), store.cloned(), false).await
}

fn key() -> Key {
    Key::new("box", "m")
}

#[tokio::test]
async fn a_baseline_that_is_stored_without_its_watch_keeps_its_number_and_the_next_gets_another() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), Suite::builtin());
    let path = folder.path().join("o.db");
    let at = done(0, &suite).run.at;
    let left = BaselineRecord { number: 2, at, suite: suite.hash(), runs: 20, json: "{}".into() };
    Db::open(&path).unwrap().apply(&Batch::new().baseline(&key(), left)).unwrap();
    let store = Store::open(&path, Retention::default()).unwrap();
    let mut keeper = keeper(Some(&store)).await;
    for nth in 0..MANY {
        keeper.observe(&done(nth, &suite), &suite).await;
    }
    let db = Db::open(&path).unwrap();
    assert_eq!(keeper.watch.baseline().map(|made| made.number), Some(3));
    assert_eq!(db.active(&key()).unwrap().map(|active| active.number), Some(3));
    assert_eq!(
        db.runs(&Wanted::of(&key())).unwrap().len(),
        usize::try_from(MANY).unwrap(),
        "no run is refused"
    );
}

#[tokio::test]
async fn an_edit_of_checks_keeps_the_baseline_in_memory_and_in_the_store_and_over_a_restart() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), Suite::builtin());
    let path = folder.path().join("o.db");
    let store = Store::open(&path, Retention::default()).unwrap();
    let mut before = keeper(Some(&store)).await;
    for nth in 0..MANY {
        before.observe(&done(nth, &suite), &suite).await;
    }
    let mut edited = suite.clone();
    edited.canaries[0].checks.pop();
    let seen = before.observe(&done(MANY, &edited), &edited).await;
    assert_eq!(seen.events.len(), 1, "{:?}", seen.events);
    drop(before);
    let mut after = keeper(Some(&store)).await;
    let seen = after.observe(&done(MANY + 1, &edited), &edited).await;
    assert!(seen.events.is_empty() && seen.result == drift::Judged::Ok, "it is told once: {seen:?}");
    let report = after.report();
    assert_eq!((report.verdict, report.baseline.map(|one| one.number)), (drift::Verdict::Steady, Some(1)));
    let db = Db::open(&path).unwrap();
    assert_eq!(db.baselines(&key()).unwrap().len(), 1);
    let told = db.events(&Wanted::of(&key())).unwrap();
    let told: Vec<&str> =
        told.iter().filter(|one| one.event.kind == "other_suite").map(|one| &*one.event.words).collect();
    let id = &suite.canaries[0].id;
    assert!(told.len() == 1 && told[0].contains(&format!("edited: {id}")), "{told:?}");
}

#[tokio::test]
async fn a_baseline_that_was_lost_on_its_way_to_the_disk_is_stored_with_the_next_run() {
    let (folder, suite) = (tempfile::tempdir().unwrap(), Suite::builtin());
    let mut earlier = keeper(None).await;
    for nth in 0..MANY {
        earlier.observe(&done(nth, &suite), &suite).await;
    }
    let made = earlier.watch.baseline().cloned().unwrap();
    let path = folder.path().join("o.db");
    let watch = Batch::new().watch(&key(), earlier.watch.to_json(), None, done(MANY, &suite).run.at);
    Db::open(&path).unwrap().apply(&watch).unwrap();

    let store = Store::open(&path, Retention::default()).unwrap();
    let mut keeper = keeper(Some(&store)).await;
    for nth in [MANY, MANY + 1] {
        keeper.observe(&done(nth, &suite), &suite).await;
    }
    let db = Db::open(&path).unwrap();
    let stored = db.active(&key()).unwrap().expect("it is in force");
    assert_eq!(drift::Baseline::of_json(&stored.json).unwrap(), made);
    assert_eq!(db.runs(&Wanted::of(&key())).unwrap().len(), 2, "it is stored once, and no run is refused");
}

#[tokio::test]
async fn what_waits_for_a_store_that_takes_nothing_is_not_forgotten_for_what_stands_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("o.db"), folder.path().join("away"));
    let store = Store::open(&path, Retention::default()).unwrap();
    let mut keeper = keeper(Some(&store)).await;
    let known = |runs| Remembered { runs, ..Remembered::default() };
    keeper.remember(&known(1));
    store.write(Batch::new()).await.unwrap();
    assert_eq!(keeper.recall().await, None, "it is ours");
    std::fs::rename(&path, &away).unwrap();
    for runs in [2, 3] {
        keeper.remember(&known(runs));
        store.write(Batch::new()).await.unwrap_err();
        assert_eq!(keeper.recall().await, None, "what waits is newer than what is stored");
    }
    std::fs::rename(&away, &path).unwrap();
    store.write(Batch::new()).await.unwrap();
    assert_eq!(keeper.recall().await, None, "what waited is ours");
    assert_eq!(Db::open(&path).unwrap().beat(&key()).unwrap().unwrap().json, known(3).to_json());
    Db::open(&path).unwrap().apply(&Batch::new().beat(&key(), known(9).to_json(), Timestamp::now())).unwrap();
    assert_eq!(keeper.recall().await, Some(known(9)), "a shell wrote");
    assert_eq!(keeper.recall().await, None, "and was heard");
}
