//! The machine's clock set back an hour under a running agent.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use opsagent::view::View;

use crate::support::fake::Fake;
use crate::support::process::free_port;

/// Where Debian's packages put the library that shifts a program's clock.
fn libfaketime() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").unwrap().flatten().find_map(|entry| {
        let library = entry.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.expect("libfaketime is missing: run tests/real/install")
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn view(address: &str) -> View {
    reqwest::get(format!("http://{address}/api/v1/view")).await.unwrap().json().await.unwrap()
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_clock_set_back_an_hour_stops_no_poll_and_makes_no_sample_stale() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let fake = Fake::ollama("0.34.0").await;
    let folder = tempfile::tempdir().unwrap();
    let (shift, config) = (folder.path().join("shift"), folder.path().join("opsagent.toml"));
    std::fs::write(&shift, "+0").unwrap();
    let target =
        format!("[[target]]\nname = \"box\"\nkind = \"ollama\"\nurl = \"{}\"\nevery = \"1s\"\n", fake.url());
    std::fs::write(&config, target).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut child = Command::new(env!("CARGO_BIN_EXE_opsagent"))
        .args(["run", "--listen", &address, "--config", config.to_str().unwrap()])
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", &shift)
        .env("FAKETIME_NO_CACHE", "1")
        // A clock that is set back is the wall's; the one that counts from boot goes on.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = child.stderr.take().unwrap();
    let _running = Running(child);
    let mut lines = BufReader::new(log).lines();
    assert!(lines.any(|line| line.unwrap().contains("listens on")));
    // Read to its end, so that the agent can go on writing.
    let _drain = tokio::task::spawn_blocking(move || lines.count());

    let mut before = view(&address).await;
    while before.targets[0].up != Some(true) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        before = view(&address).await;
    }
    std::fs::write(&shift, "-1h").unwrap();
    let asked = fake.asked().len();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = view(&address).await;
        assert_eq!(now.targets[0].up, Some(true), "{now:#?}");
        assert!(now.targets[0].notes.iter().all(|note| note.code != "poll_stale"));
    }
    let after = view(&address).await;
    assert!(
        after.at < before.at,
        "the bench: the agent's clock was set back: {} then {}",
        before.at,
        after.at
    );
    assert!(fake.asked().len() > asked + 2, "polls go on");
}
