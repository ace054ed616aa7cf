//! What the tests of the store let another process do: this very program, told by its environment.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use opsagent::store::{Db, Retention, Store};

use super::{key, last, piped, step};

const NAME: &str = "store::child::what_a_child_does";

/// Writes that the full disk may refuse before `fill` gives up.
pub const REFUSED: i64 = 5;

/// Starts a child that does `what` to the store.
pub fn start(what: &str, path: &Path, target: &str) -> Child {
    piped(&mut command(Command::new(std::env::current_exe().unwrap()), what, path, target))
}

/// The same, for whoever starts it otherwise.
pub fn command(mut command: Command, what: &str, path: &Path, target: &str) -> Command {
    command.args([NAME, "--exact", "--nocapture", "--test-threads=1"]);
    command.env("STORE_DO", what).env("STORE_AT", path).env("STORE_OF", target);
    command
}

/// Does nothing unless it is a child.
#[test]
fn what_a_child_does() {
    let told = |name: &str| std::env::var_os(name);
    let (Some(what), Some(path), Some(target)) = (told("STORE_DO"), told("STORE_AT"), told("STORE_OF"))
    else {
        return;
    };
    let (path, target) = (PathBuf::from(path), target.into_string().unwrap());
    match what.to_str().unwrap() {
        "write" => write(&path, &target, i64::MAX),
        "hundred" => write(&path, &target, 100),
        "fill" => fill(&path, &target),
        other => panic!("{other}"),
    }
}

/// Says each run once it was told as written.
fn write(path: &Path, target: &str, most: i64) {
    let mut db = Db::open(path).unwrap();
    let first = last(&db, &key(target)).0 + 1;
    for number in first..=most {
        db.apply(&step(&key(target), number, 700)).unwrap();
        say(&format!("wrote {number}"));
    }
}

/// Writes as the agent does until the disk is full, goes on for a while, and says how it fares.
fn fill(path: &Path, target: &str) {
    let store =
        Store::open(path, Retention { runs: std::time::Duration::MAX, ..Retention::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut failed = 0;
        for number in 1.. {
            match store.write(step(&key(target), number, 20_000)).await {
                Ok(_) => say(&format!("wrote {number}")),
                Err(error) => {
                    assert!(error.is_kept(), "{error}");
                    failed += 1;
                }
            }
            if failed == REFUSED {
                break;
            }
        }
        let runs = store.read(Db::keys).await.unwrap();
        assert_eq!(runs.len(), 1, "it can still be read");
        say(&format!("waiting {}", store.health().waiting));
    });
}

fn say(line: &str) {
    // The harness writes something of its own before, without a line's end.
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}
