//! What commands at a shell keep, and that they destroy nothing in doing so.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use opsagent::store::{Batch, Db, Key, RunRecord, Wanted};
use serde_json::{Value, json};

use super::canary::{Shell, named};
use crate::support::oracle::Oracle;
use opsagent::cli::text::width;

/// A run of so many days ago.
fn run(days: i64, answers: &[(&str, &str)]) -> RunRecord {
    RunRecord {
        at: Timestamp::now() - SignedDuration::from_hours(24 * days),
        purpose: "beat".into(),
        result: "ok".into(),
        verdict: "steady".into(),
        suite: "abc".into(),
        details: json!({ "padding": "x".repeat(3000) }),
        answers: answers.iter().map(|(canary, text)| ((*canary).into(), (*text).into())).collect(),
        ..RunRecord::default()
    }
}

/// Fills one page in the midst of the file with noise, which its head does not tell.
fn damage(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn no_command_writes_into_a_store_with_a_page_of_noise_in_it() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (url, path) = (oracle.url(), shell.store());
    assert_eq!(shell.run(&["canary", "--url", &url, "--quick", "--save"]).0, 0);
    let mut db = Db::open(&path).unwrap();
    for _ in 0..60 {
        db.apply(&Batch::new().run(&Key::new("box", "m"), run(40, &[]))).unwrap();
    }
    drop(db);
    let noise = damage(&path);
    let (name, copy) = (named(&oracle), shell.store().with_extension("copy"));
    let copy = copy.to_str().unwrap();
    let commands: [(&[&str], i32); 10] = [
        (&["canary", "--url", &url, "--quick", "--save"], 3),
        (&["canary", "--url", &url, "--quick"], 0),
        (&["canary", "history"], 1),
        (&["baseline", "list"], 1),
        (&["baseline", "accept", &name], 1),
        (&["baseline", "rollback", &name], 1),
        (&["baseline", "capture", "--url", &url, "--runs", "20"], 1),
        (&["store", "prune", "--older-than", "1d"], 2),
        (&["store", "backup", copy], 2),
        (&["store", "check"], 2),
    ];
    for (args, code) in commands {
        let (ended, out, err) = shell.run(args);
        assert_eq!(ended, code, "{args:?}: {out}{err}");
        assert!(format!("{out}{err}").contains("move the file aside"), "{args:?}: {out}{err}");
        assert!(fs::read(&path).unwrap() == noise, "{args:?} wrote into it");
    }
    assert!(!Path::new(copy).exists());
}

#[test]
fn runs_and_texts_that_are_saved_without_an_agent_go_in_time_and_never_by_a_shell_without_the_config() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (url, config) = (oracle.url(), shell.store().with_extension("toml"));
    fs::write(&config, "discover = false\n[canaries]\nenabled = false\nstore_answers = \"2d\"\n").unwrap();
    let config = config.to_str().unwrap();
    assert_eq!(shell.run(&["canary", "--url", &url, "--save", "--config", config]).0, 0);
    let key = Key::new("old", "m");
    let mut db = Db::open(&shell.store()).unwrap();
    let old = [(40, "forty days"), (3, "three days"), (1, "a day")];
    for (days, text) in old {
        db.apply(&Batch::new().run(&key, run(days, &[("ar1", text)]))).unwrap();
    }
    let left = |db: &Db| -> Vec<usize> {
        let runs = db.runs(&Wanted::of(&key)).unwrap();
        runs.iter().map(|run| db.answers(run.id).unwrap().len()).collect()
    };
    assert_eq!(shell.run(&["canary", "--url", &url, "--quick", "--save"]).0, 0);
    assert_eq!(left(&db), [1, 1, 1], "another config may keep it longer");
    assert_eq!(shell.run(&["canary", "--url", &url, "--quick", "--save", "--config", config]).0, 0);
    assert_eq!(left(&db), [1, 0], "runs for thirty days, texts for two");
}

#[test]
fn stored_answers_are_read_where_the_config_lets_them_be_stored() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (url, config) = (oracle.url(), shell.store().with_extension("toml"));
    assert_eq!(shell.run(&["canary", "--url", &url, "--save"]).0, 0);
    let (code, out, _) = shell.run(&["canary", "history", "--answers"]);
    assert!(code == 0 && out.contains("store_answers") && !out.contains("ar1"), "{out}");
    fs::write(&config, "discover = false\n[canaries]\nenabled = false\nstore_answers = \"2d\"\n").unwrap();
    let saved = shell.run(&["canary", "--url", &url, "--save", "--config", config.to_str().unwrap()]);
    assert_eq!(saved.0, 0, "{}{}", saved.1, saved.2);
    let (code, out, _) = shell.run(&["canary", "history", "--answers"]);
    assert!(code == 0 && out.contains("  ar1\n    | w"), "{out}");
    assert!(out.lines().all(|line| width(line) <= 80), "{out}");
    let told: Value =
        serde_json::from_str(&shell.run(&["canary", "history", "--answers", "--json"]).1).unwrap();
    let answers = told["answers"].as_array().unwrap();
    assert_eq!((answers.len(), &answers[0]["run"]), (1, &told["runs"][0]["id"]), "the newest alone has some");
    let one = &answers[0]["answers"][0];
    assert!(one["canary"].is_string() && one["text"].as_str().unwrap().contains('w'), "{one}");
    let told: Value = serde_json::from_str(&shell.run(&["canary", "history", "--json"]).1).unwrap();
    assert!(told["answers"].is_null(), "not unasked");
}
