//! Totals that outlive the agent, by whole agents with one store.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use opsagent::config::{StorePlan, Tap};
use opsagent::store::{Db, Key};
use opsagent::view::{KeptTokens, KeptView, View};

use crate::support::agent::{Agent, config, target};
use crate::support::http1;
use crate::support::process::free_port;
use crate::support::stub::{Stub, request};
use crate::support::tapped::{Setup, Tapped};

const PATIENCE: Duration = Duration::from_secs(30);

async fn ask(tap: std::net::SocketAddr, times: usize) {
    for _ in 0..times {
        let seen = http1::ask(tap, &request("/v1/chat/completions", true, "{}"), PATIENCE).await;
        assert!(seen.status == 200, "it answers");
    }
}

fn kept(view: &View) -> Option<(&KeptView, KeptTokens)> {
    let kept = view.targets.first()?.kept.as_ref()?;
    Some((kept, *kept.sources.get("tap")?))
}

/// The kept totals once they are shown.
fn shown(agent: &Tapped) -> (Timestamp, KeptTokens) {
    for _ in 0..300 {
        if let Some((kept, tokens)) = kept(&agent.view()) {
            return (kept.since, tokens);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing is kept: {}", agent.process.log());
}

fn stored(store: &Path, name: &str) -> f64 {
    let totals = Db::open_existing(store).unwrap().totals().unwrap();
    totals.iter().filter(|total| total.name == name).map(|total| total.value).sum()
}

#[tokio::test]
async fn totals_go_on_after_a_stop_and_after_a_kill_and_the_hours_have_the_same() {
    let stub = Stub::start();
    let mut setup = Setup::new("");
    setup.tap("stub", "openai", stub.address).config("[store]\npath = \"o.db\"\n");
    let mut agent = setup.start();
    let store = agent.process.folder().join("o.db");
    ask(agent.tap("stub"), 3).await;
    agent.process.stop();
    let tokens = stored(&store, "tap_output_tokens");
    assert!((stored(&store, "tap_requests") - 3.0).abs() < 0.1 && tokens >= 3.0, "a stop keeps all");

    agent.process.start_again();
    let (since, first) = shown(&agent);
    assert_eq!((first.requests, first.output_tokens), (Some(3.0), Some(tokens)));
    assert_eq!(first.reasoning_tokens, None, "what was never told is not zero");
    ask(agent.tap("stub"), 2).await;
    tokio::time::sleep(Duration::from_secs(13)).await;
    ask(agent.tap("stub"), 1).await;
    agent.process.kill();

    agent.process.start_again();
    let (again, second) = shown(&agent);
    let after_kill = second.requests.unwrap();
    assert!(
        (5.0..=6.0).contains(&after_kill),
        "only what ended in the last ten seconds is lost: {after_kill}"
    );
    assert_eq!(again, since);
    ask(agent.tap("stub"), 2).await;
    agent.process.stop();
    assert!((stored(&store, "tap_requests") - after_kill - 2.0).abs() < 0.1);

    let db = Db::open_existing(&store).unwrap();
    // A request that ends before the first poll is of a model that is not known yet.
    let of = |model: &str| db.hours(&Key::new("stub", model), "tap_requests", Timestamp::UNIX_EPOCH).unwrap();
    let hours = [of("stub"), of("other")].concat();
    let sum: f64 = hours.iter().map(|hour| hour.sum).sum();
    assert!((sum - after_kill - 2.0).abs() < 0.1, "{hours:?}");
    let watched = db.hours(&Key::new("stub", ""), "watched_seconds", Timestamp::UNIX_EPOCH).unwrap();
    assert!(!watched.is_empty(), "an hour in which somebody looked is no gap");
}

#[tokio::test]
async fn of_two_agents_with_one_store_one_keeps_the_totals() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let store = folder.path().join("o.db");
    let start = async || {
        let tap = ([127, 0, 0, 1], free_port()).into();
        let mut config =
            config(vec![target("stub", "openai", format!("http://{}/", stub.address).parse().unwrap())]);
        config.store = StorePlan { path: Some(store.clone()), ..StorePlan::default() };
        config.taps = vec![Tap { target: "stub".into(), listen: vec![tap] }];
        (Agent::start(config).await, tap)
    };
    let (first, tap) = start().await;
    ask(tap, 2).await;
    first.until("the first keeps them", |view| kept(view).is_some()).await;
    let (second, other) = start().await;
    ask(other, 1).await;
    assert_eq!(second.stop().await, 0);
    assert_eq!(first.stop().await, 0);
    assert!((stored(&store, "tap_requests") - 2.0).abs() < 0.1, "what the other saw is not its own");
}
