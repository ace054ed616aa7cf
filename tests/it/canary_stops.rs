//! A canary that made its server load the model anew stops there, by a whole agent: however the config spells the model, and whether or not the store takes writes.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use opsagent::canary::remembered::Remembered;
use opsagent::canary::{Budget, Plan};
use opsagent::config::{Config, StorePlan};
use opsagent::store::{Batch, Db, Key};
use opsagent::view::View;
use serde_json::json;

use crate::support::agent::{Agent, config, target};
use crate::support::fake::{Answer, Fake};

/// An Ollama whose model stays for ever, and is loaded anew for the first question all the same.
async fn that_loads() -> Fake {
    let asked = AtomicU64::new(0);
    let answer = Answer::by(move |_| {
        let load = if asked.fetch_add(1, Ordering::Relaxed) == 0 { 2_000_000_000_u64 } else { 1_000_000 };
        let answer = json!({
            "model": "smol", "created_at": "2026-11-22T19:37:09Z", "done": true, "done_reason": "length",
            "message": { "role": "assistant", "content": "a word" }, "response": "a word",
            "total_duration": load + 100_000_000, "load_duration": load, "prompt_eval_count": 12,
            "prompt_eval_duration": 10_000_000, "eval_count": 4, "eval_duration": 40_000_000
        });
        Answer::json(answer.to_string())
    });
    let ps = Answer::recorded("ollama/0.11.4/ps-keepalive-forever.http");
    let fake = Fake::ollama("0.11.4").await.with("/api/ps", ps);
    fake.with("/api/chat", answer.clone()).with("/api/generate", answer)
}

fn asking(fake: &Fake, folder: &Path, options: &str) -> Config {
    let every = Duration::from_millis(500);
    let options = serde_json::from_str(options).unwrap();
    Config {
        canaries: Plan { enabled: true, every, options, budget: Budget::of(every), ..Plan::default() },
        store: StorePlan { path: Some(folder.join("opsagent.db")), ..StorePlan::default() },
        ..config(vec![target("box", "ollama", fake.url())])
    }
}

fn stopped(view: &View) -> u64 {
    let skips = view.targets.first().and_then(|target| target.canaries.first()).map(|canary| &canary.skips);
    let skips = skips.into_iter().flatten().find(|(reason, _)| reason == "reload_caused");
    skips.map_or(0, |(_, times)| *times)
}

fn questions(fake: &Fake) -> usize {
    fake.asked().iter().filter(|path| path.contains("/api/chat") || path.contains("/api/generate")).count()
}

/// Waits until it stopped, and through some beats more in which nothing may be asked.
async fn stops(agent: &Agent, fake: &Fake) {
    agent.until("it stopped", |view| stopped(view) >= 1).await;
    let asked = questions(fake);
    agent.until("beats that ask nothing", |view| stopped(view) >= 4).await;
    assert_eq!(questions(fake), asked, "one load is all that a canary causes");
}

#[tokio::test]
async fn after_one_load_it_stops_also_where_the_options_name_the_model_without_a_tag() {
    let (fake, folder) = (that_loads().await, tempfile::tempdir().unwrap());
    let agent = Agent::start(asking(&fake, folder.path(), r#"{ "smol": { "num_ctx": 2048 } }"#)).await;
    stops(&agent, &fake).await;
    assert_eq!(agent.stop().await, 0);
    let other = asking(&fake, folder.path(), r#"{ "smol": { "num_ctx": 4096 } }"#);
    let asked = questions(&fake);
    let agent = Agent::start(other).await;
    agent.until("with other options it is asked again", |_| questions(&fake) > asked).await;
    agent.stop().await;
}

#[tokio::test]
async fn after_one_load_it_stops_also_where_the_store_takes_no_writes() {
    let (fake, folder) = (that_loads().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("opsagent.db");
    let earlier = Remembered { runs: 7, ..Remembered::default() }.to_json();
    let row = Batch::new().beat(&Key::new("box", "smol:latest"), earlier, Timestamp::now());
    Db::open(&path).unwrap().apply(&row).unwrap();
    let agent = Agent::start(asking(&fake, folder.path(), "{}")).await;
    fs::rename(&path, folder.path().join("away")).unwrap();
    stops(&agent, &fake).await;
    agent.stop().await;
}
