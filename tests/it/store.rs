//! The store with real processes: killed at any instant, two at once, files that are none, disks that are full.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use opsagent::store::{Batch, Cut, Db, Key, RunRecord, Tag, Wanted};
use serde_json::json;

mod child;
mod cli;
mod files;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name, "qwen3:8b")
}

fn run(number: i64, padding: usize) -> RunRecord {
    RunRecord {
        at: at(number),
        purpose: "beat".into(),
        result: "ok".into(),
        verdict: "steady".into(),
        suite: "abc".into(),
        details: json!({ "n": number, "padding": "x".repeat(padding) }),
        ..RunRecord::default()
    }
}

/// The run of this number, and a watch that says so.
fn step(key: &Key, number: i64, padding: usize) -> Batch {
    let before = (number > 1).then(|| Tag::of(&(number - 1).to_string()));
    Batch::new().run(key, run(number, padding)).watch(key, number.to_string(), before, at(number))
}

/// The number of the last run, which is that of the watch too, and how many there are.
fn last(db: &Db, key: &Key) -> (i64, usize) {
    let runs = db.runs(&Wanted::of(key)).unwrap();
    let number = runs.first().map_or(0, |run| run.run.details["n"].as_i64().unwrap());
    let watched = db.watch(key).unwrap().map_or(0, |watch| watch.json.parse().unwrap());
    assert_eq!(number, watched, "a run and what came of it are written together");
    (number, runs.len())
}

#[test]
fn a_kill_at_any_instant_loses_at_most_the_run_in_flight_and_damages_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut written, mut created) = (0, 0);
    for turn in 0..40_u64 {
        // Every second one begins anew, so that making the store is cut off, too.
        let path = folder.path().join(format!("{}/opsagent.db", if turn % 2 == 0 { turn } else { 1000 }));
        let before = if path.exists() { last(&Db::open(&path).unwrap(), &key("box")).0 } else { 0 };
        let mut writer = child::start("write", &path, "box");
        std::thread::sleep(Duration::from_millis(turn * turn * 13 % 97));
        writer.kill().unwrap();
        let told = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told: i64 =
            told.filter_map(|line| line.strip_prefix("wrote ")?.parse().ok()).last().unwrap_or(before);
        writer.wait().unwrap();
        if !path.exists() {
            continue;
        }
        created += 1;
        let db = Db::open(&path).unwrap();
        let (number, count) = last(&db, &key("box"));
        assert!((told..=told + 1).contains(&number), "turn {turn}: {told} were told, {number} is there");
        assert_eq!(count, usize::try_from(number).unwrap(), "turn {turn}");
        written += number - before;
        drop(db);
        assert_eq!(Db::check(&path).unwrap().faults, [""; 0], "turn {turn}");
    }
    assert!(created > 10 && written > 50, "{created} stores, {written} runs");
}

#[test]
fn two_processes_write_at_once_and_a_third_copies_and_prunes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let mut db = Db::open(&path).unwrap();
    let mut children: Vec<Child> = ["a", "b"].map(|name| child::start("hundred", &path, name)).into();
    let copy = folder.path().join("copy.db");
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        db.backup(&copy, true).unwrap();
        assert_eq!(Db::check(&copy).unwrap().faults, [""; 0]);
        db.prune(&Cut::all(at(-1))).unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for name in ["a", "b"] {
        assert_eq!(last(&db, &key(name)), (100, 100));
    }
}

#[test]
fn a_full_disk_is_survived_and_what_was_told_as_written_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    // A file may become no larger than so many blocks; a signal would end the process else.
    let script = "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    let output = child::command(command, "fill", &path, "box").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let number = |word: &str| -> i64 {
        let line = told.lines().filter_map(|line| line.strip_prefix(word)).next_back();
        line.unwrap_or_else(|| panic!("no {word:?} in {told}")).trim().parse().unwrap()
    };
    assert!(number("wrote ") > 0 && number("waiting ") > 0, "{told}");
    let mut db = Db::open(&path).unwrap();
    let watched = |db: &Db| db.watch(&key("box")).unwrap().unwrap().json.parse::<i64>().unwrap();
    assert_eq!(watched(&db), number("wrote "), "{told}");
    // A run that waits needs no room for the watch that a newer one replaced meanwhile, so that some may be there.
    let runs = i64::try_from(db.runs(&Wanted::of(&key("box"))).unwrap().len()).unwrap();
    let most = number("wrote ") + child::REFUSED - 1;
    assert!((number("wrote ")..=most).contains(&runs), "{runs} of {most}: {told}");
    assert_eq!(Db::check(&path).unwrap().faults, [""; 0]);
    let next = number("wrote ") + 1;
    db.apply(&step(&key("box"), next, 0)).unwrap();
    assert_eq!(watched(&db), next, "with room it goes on");
}

#[test]
fn a_store_of_each_older_version_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let sql = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/version-1.sql"));
    rusqlite::Connection::open(&path).unwrap().execute_batch(&sql.unwrap()).unwrap();
    let db = Db::open(&path).unwrap();
    let key = key("box");
    let run = &db.runs(&Wanted::of(&key)).unwrap()[0];
    assert_eq!((run.run.distance, run.run.kld, run.run.tokens_per_second), (Some(0.5), None, Some(41.5)));
    assert_eq!(run.run.details, json!({ "n": 1 }));
    assert_eq!(db.answers(run.id).unwrap(), [("ar1".to_owned(), "42".to_owned())]);
    assert_eq!(db.active(&key).unwrap().unwrap().json, "{\"number\":1}");
    assert_eq!(db.watch(&key).unwrap().unwrap().json, "{\"runs\":1}");
    assert_eq!(db.events(&Wanted::of(&key)).unwrap()[0].event.words, "the digest changed");
    assert_eq!((db.totals().unwrap()[0].target.as_str(), db.totals().unwrap()[0].value), ("GPU-1", 7.5));
    assert_eq!(db.hours(&key, "distance", at(-7200)).unwrap()[0].count, 2);
    assert_eq!(db.next_baseline(&key), Ok(2));
    drop(db);
    let report = Db::check(&path).unwrap();
    assert_eq!((report.faults.len(), report.schema), (0, report.schema_known));
}

/// Prints what it takes, so that it can be judged; what it asserts is only that it is no matter of minutes.
#[test]
#[ignore = "real parts: run tests/run"]
fn a_hundred_thousand_runs_are_checked_copied_and_pruned_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let mut db = Db::open(&path).unwrap();
    for thousand in 0..100 {
        let batch =
            (0..1000).fold(Batch::new(), |batch, n| batch.run(&key("box"), run(thousand * 1000 + n, 1500)));
        db.apply(&batch).unwrap();
    }
    drop(db);
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = tokio::time::Instant::now();
        work();
        println!("{what}: {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
    };
    timed("check", &mut || assert_eq!(Db::check(&path).unwrap().tables[3].rows, 100_000));
    timed("open by the agent", &mut || {
        assert!(opsagent::store::Store::open(&path, opsagent::store::Retention::default()).is_ok());
    });
    let mut db = Db::open(&path).unwrap();
    timed("the newest 50", &mut || {
        assert_eq!(db.runs(&Wanted::of(&key("box")).newest(50)).unwrap().len(), 50);
    });
    timed("one run", &mut || drop(db.apply(&Batch::new().run(&key("box"), run(1, 1500))).unwrap()));
    timed("backup", &mut || assert!(db.backup(&folder.path().join("copy"), false).unwrap() > 0));
    timed("prune", &mut || assert_eq!(db.prune(&Cut::all(at(90_000))).unwrap().runs, 90_001));
    timed("compact", &mut || assert!(db.compact().unwrap() > 100 << 20));
}

fn piped(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
