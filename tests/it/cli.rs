//! The command line from outside: what it prints, how it ends, and that nothing can break a screen.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use opsagent::view::View;
use serde_json::{Value, json};

mod asking;
mod canaries;
mod canary;
mod fake;
mod gpus;
mod kept;
pub mod running;
mod shared;
mod table;
mod verbs;

/// The program, without what the environment of the test would tell it.
fn opsagent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsagent"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OPSAGENT_") {
            command.env_remove(name);
        }
    }
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm");
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    told(&opsagent(args).output().unwrap())
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rich() -> Value {
    let text = std::fs::read_to_string(root().join("tests/fixtures/view/rich.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rich_view() -> View {
    serde_json::from_value(rich()).unwrap()
}

/// The rich view with these targets only, and a config that is fine.
fn view_of(targets: &[&str]) -> Value {
    let mut view = rich();
    view["agent"]["config_ok"] = true.into();
    view["agent"]["config_errors"] = json!([]);
    let all = view["targets"].as_array().unwrap().clone();
    view["targets"] =
        all.into_iter().filter(|target| targets.contains(&target["name"].as_str().unwrap())).collect();
    // As they are on a machine where all is well.
    view["hosts"][0]["notes"] = json!([]);
    view
}

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

/// Compares with a golden file, or rewrites it with `UPDATE_GOLDEN=1`.
fn golden(name: &str, now: &str) {
    let file: PathBuf = root().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, now).unwrap();
    }
    let then = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(now, then, "{} differs; UPDATE_GOLDEN=1 rewrites it", file.display());
}
