//! `opsagent store` as a person uses it.

use std::fs;
use std::path::Path;
use std::process::Command;

use opsagent::store::{Batch, Db};
use serde_json::Value;

use super::{key, run};

/// The exit code, stdout and stderr.
fn opsagent(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsagent"));
    command.arg("store").args(args).env("STATE_DIRECTORY", folder).env_remove("OPSAGENT_CONFIG");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_store_is_checked_copied_and_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let (code, _, err) = opsagent(folder.path(), &["check"]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with("opsagent: cannot check the store: ") && err.contains("there is no store"),
        "{err}"
    );
    assert!(!path.exists());

    let mut db = Db::open(&path).unwrap();
    for number in 0..20 {
        db.apply(&Batch::new().run(&key("box"), run(number - 900_000_000, 3000))).unwrap();
    }
    let (code, out, err) = opsagent(folder.path(), &["check"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("\nwhole: ") && out.contains("\nruns       20    "), "{out}");
    assert!(out.lines().skip(1).all(|line| line.len() <= 80), "{out}");
    let (code, out, _) = opsagent(folder.path(), &["check", "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["whole"], &json["tables"][3]["rows"]), (0, &true.into(), &20.into()));

    let copy = folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    assert_eq!(opsagent(folder.path(), &["backup", copy]).0, 0);
    let (code, _, err) = opsagent(folder.path(), &["backup", copy]);
    assert_eq!(code, 1);
    assert!(err.contains("there is a file of that name") && err.contains("--force"), "{err}");
    assert_eq!(opsagent(folder.path(), &["backup", "--force", copy]).0, 0);
    let (code, _, err) = opsagent(folder.path(), &["backup", "--force", path.to_str().unwrap()]);
    assert!(code == 1 && err.contains("it is the store itself"), "{err}");
    assert_eq!(opsagent(folder.path(), &["check", "--file", copy]).0, 0);

    let (_, out, _) = opsagent(folder.path(), &["prune", "--dry-run"]);
    assert_eq!(out, "would delete 20 runs\n");
    let (code, out, _) = opsagent(folder.path(), &["prune", "--older-than", "1d", "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["deleted"]["runs"]), (0, &20.into()));
    assert!(json["freed_bytes"].as_u64().unwrap() > 40_000, "{out}");
    assert_eq!(opsagent(folder.path(), &["prune", "--older-than", "soon"]).0, 64);
    assert_eq!(db.apply(&Batch::new().run(&key("box"), run(1, 0))).unwrap().runs, [21], "no number twice");
}

#[test]
fn a_damaged_store_has_its_own_exit_code_and_no_copy_of_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    let mut db = Db::open(&path).unwrap();
    for number in 0..40 {
        db.apply(&Batch::new().run(&key("box"), run(number, 3000))).unwrap();
    }
    drop(db);
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let (code, out, err) = opsagent(folder.path(), &["check"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.contains("damaged: ") || err.contains("put a backup"), "{out}{err}");
    let copy = folder.path().join("copy.db");
    let (code, _, err) = opsagent(folder.path(), &["backup", copy.to_str().unwrap()]);
    assert_eq!(code, 2, "{err}");
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("copy")), "{left:?}");
}

#[test]
fn a_copy_destroys_no_file_beside_it_and_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("opsagent.db");
    Db::open(&path).unwrap().apply(&Batch::new().run(&key("box"), run(1, 0))).unwrap();
    let (copy, theirs) = (folder.path().join("copy.db"), folder.path().join("copy.db.new"));
    fs::write(&theirs, "somebody's").unwrap();
    let (code, _, err) = opsagent(folder.path(), &["backup", copy.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "somebody's");
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["copy.db", "copy.db.new", "opsagent.db"]);
}
