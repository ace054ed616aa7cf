//! `opsagent canary` and `opsagent baseline capture` at a shell and an Ollama: all is left as it was found.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::process::free_port;
use crate::support::real::{Ollama, smollm2};

/// A shell with a state folder of its own, that nobody watches, as one of cron.
struct Shell(tempfile::TempDir);

impl Shell {
    /// What this command ends in, and all that it says.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsagent"));
        command.args(args).stdin(Stdio::null()).env_remove("OPSAGENT_CONFIG");
        command.env("STATE_DIRECTORY", self.0.path());
        command.env("OPSAGENT_URL", format!("http://127.0.0.1:{}", free_port()));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), said)
    }
}

/// A user's request, with options of their own.
fn users_request(ollama: &Ollama) {
    let options = json!({ "num_ctx": 2048, "num_batch": 64, "num_predict": 2 });
    ollama.post(
        "/api/generate",
        &json!({ "model": "smol", "prompt": "Hi", "stream": false, "keep_alive": "10m", "options": options }),
    );
}

fn expires(ollama: &Ollama) -> Value {
    let ps: Value = serde_json::from_str(&ollama.get("/api/ps")).unwrap();
    ps["models"][0]["expires_at"].clone()
}

#[test]
#[ignore = "real parts: run tests/run"]
fn what_asks_unwatched_keeps_no_model_in_memory_and_a_capture_leaves_the_users_model_loaded() {
    let (shell, ollama) = (Shell(tempfile::tempdir().unwrap()), Ollama::start(&[]));
    ollama.create("smol", &smollm2(), &[]);
    let url = ollama.url();
    let quick = ["canary", "--url", &url, "--quick"];
    let (code, said) = shell.run(&quick);
    assert!(code == 3 && said.contains("memory"), "nothing is loaded: {said}");
    users_request(&ollama);
    let child = ollama.children();

    let (code, said) = shell.run(&quick);
    assert_eq!(code, 0, "the first one: {said}");
    let left = expires(&ollama);
    for _ in 0..2 {
        let (code, said) = shell.run(&quick);
        assert!(code == 3 && said.contains("nobody used the model since the last run"), "{said}");
    }
    assert_eq!(expires(&ollama), left, "it goes when it was to go");
    let (code, said) = shell.run(&[&quick[..], &["--load"]].concat());
    assert_eq!(code, 0, "who says so keeps it: {said}");
    users_request(&ollama);
    let (code, said) = shell.run(&quick);
    assert_eq!(code, 0, "a user used it: {said}");

    let (code, said) = shell.run(&["baseline", "capture", "--url", &url, "--runs", "20"]);
    assert!(code == 0 && said.contains("baseline 1 of 20 runs"), "{said}");
    assert_eq!(ollama.children(), child, "nothing was loaded anew");
    users_request(&ollama);
    assert_eq!(ollama.children(), child, "nor by the user after it");
    let (code, said) = shell.run(&quick);
    assert!(code == 0 && said.contains("answers as it did"), "{said}");
}
