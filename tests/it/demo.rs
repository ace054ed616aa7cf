//! The demo: what a newcomer sees, in a day of it, polled by the real job into the real fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use opsagent::demo;
use opsagent::fleet::{Fleet, TrafficPlan};
use opsagent::host::Source;
use opsagent::poll::PollServer;
use opsagent::sample::ServerState;
use opsagent::view::{AgentView, TargetView, TrafficView, View};

/// Plays `seconds` of the demo and gives what was seen every two of them.
async fn play(seconds: u64) -> Vec<View> {
    let agent = AgentView {
        version: "0".into(),
        started_at: Timestamp::UNIX_EPOCH,
        demo: true,
        config_file: None,
        config_ok: true,
        config_at: Timestamp::UNIX_EPOCH,
        config_errors: Vec::new(),
    };
    let fleet = Fleet::new(agent, 100);
    fleet.plan_traffic(TrafficPlan { slos: demo::slos() });
    let mut polls: Vec<_> = demo::targets(&fleet)
        .into_iter()
        .map(|(target, server)| PollServer::new(target.name, server, target.timeout, fleet.clone()))
        .collect();
    let mut seen = Vec::new();
    for _ in 0..seconds / 2 {
        for poll in &mut polls {
            poll.once().await;
        }
        seen.push(fleet.view());
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    seen
}

fn target<'a>(view: &'a View, name: &str) -> &'a TargetView {
    view.targets.iter().find(|target| target.name == name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_day_shows_every_state_and_says_why() {
    let seen = play(300).await;
    let states: BTreeSet<_> = seen
        .iter()
        .flat_map(|view| &view.targets)
        .filter_map(|target| target.state)
        .map(ServerState::name)
        .collect();
    assert_eq!(states, ServerState::ALL.map(ServerState::name).into(), "every state is seen");

    let first = target(&seen[0], "demo-ollama");
    assert_eq!(first.state, Some(ServerState::Busy), "the first page shows work");
    let minute_and_a_half = &seen[..45];
    let hung = minute_and_a_half
        .iter()
        .map(|view| target(view, "demo-ollama"))
        .find(|target| target.state == Some(ServerState::Hung))
        .expect("a newcomer sees trouble soon");
    assert!(hung.notes.iter().any(|note| note.code == "no_progress" && note.remedy.is_some()), "{hung:?}");

    let down = target(&seen[1], "demo-down");
    assert_eq!((down.up, down.reason.as_deref()), (Some(false), Some("refused")));
}

#[tokio::test(start_paused = true)]
async fn everything_is_marked() {
    for view in play(20).await {
        assert!(view.agent.demo && view.targets.len() == 3);
        for target in view.targets {
            assert!(target.demo && target.name.starts_with("demo-") && target.kind == "demo", "{target:?}");
            assert!(target.url.contains(".invalid"), "{}: nobody's address", target.url);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn totals_only_grow_and_loads_are_counted() {
    let seen = play(700).await;
    let mut last: BTreeMap<(String, String), f64> = BTreeMap::new();
    for model in
        seen.iter().flat_map(|view| &view.targets).flat_map(|t| t.models.iter().map(|m| (&t.name, m)))
    {
        let (target, model) = model;
        for (name, total) in [
            ("requests", model.totals.requests),
            ("prompt", model.totals.prompt_tokens),
            ("cached", model.totals.cached_tokens),
            ("output", model.totals.output_tokens),
            ("decode", model.totals.decode_seconds),
        ] {
            let Some(total) = total else { continue };
            let was = last.insert((format!("{target}/{}", model.name), name.into()), total).unwrap_or(0.0);
            assert!(total >= was, "{target} {} {name}: {was} -> {total}", model.name);
        }
    }
    let end = target(seen.last().unwrap(), "demo-ollama");
    let loads: BTreeMap<_, _> = end.models.iter().map(|model| (model.name.as_str(), model.loads)).collect();
    assert_eq!(loads["qwen2.5-coder:14b"], 3, "once in each day of the demo");
    assert_eq!(loads["llama3.1:8b"], 0, "loaded before the agent looked");
    let partial = seen.iter().map(|view| target(view, "demo-ollama")).flat_map(|target| &target.models);
    assert!(
        partial.filter_map(|model| model.offload_ratio).any(|ratio| ratio < 0.9),
        "one does not fit whole"
    );
}

#[tokio::test(start_paused = true)]
async fn a_day_has_traffic_with_something_of_everything_and_numbers_that_can_be_believed() {
    let seen = play(300).await;
    let traffic = |view: &View, name: &str| target(view, name).traffic.clone().unwrap();
    let first = traffic(&seen[2], "demo-ollama");
    assert!(first.in_flight >= Some(1) && first.decoding.is_some(), "the first page shows work: {first:?}");
    let day = traffic(seen.last().unwrap(), "demo-ollama");
    assert!(day.requests > 30 && day.failures == [("reset".to_owned(), day.failures[0].1)], "{day:?}");
    assert!(day.failures[0].1 <= 4, "now and then: {day:?}");
    assert!(day.cancelled > 0 && day.truncated > 0 && day.cold > 0, "{day:?}");
    let first_token = day.time_to_first_token.unwrap();
    assert!((0.05..2.0).contains(&first_token.p50), "{day:?}");
    assert!((40.0..65.0).contains(&day.decode_tokens_per_second.unwrap()), "{day:?}");
    assert!(day.longest_gap_seconds.unwrap() > 15.0, "it stood still in the midst of answers: {day:?}");
    let slo = &day.slos[0];
    assert!(slo.missed > 0 && slo.missed < slo.requests, "{day:?}");
    let rates = seen.iter().filter_map(|view| traffic(view, "demo-ollama").output_tokens_per_second);
    assert!(rates.fold(0.0, f64::max) > 50.0, "tokens per second follow");
    assert!(target(&seen[0], "demo-down").traffic.is_none());
    let morning = traffic(seen.last().unwrap(), "demo-llama-cpp");
    assert!(morning.cold > 0, "who asks a sleeper waits: {morning:?}");
}

#[tokio::test(start_paused = true)]
async fn two_runs_are_the_same_but_for_the_clock_on_the_wall() {
    let facts = |views: Vec<View>| {
        let targets: Vec<_> = views.into_iter().flat_map(|view| view.targets).collect();
        let traffic = |target: &TargetView| {
            target.traffic.as_ref().map(|traffic| TrafficView { last_end_at: None, ..traffic.clone() })
        };
        let traffic: Vec<_> = targets.iter().map(traffic).collect();
        let models = targets.into_iter().flat_map(|target| target.models);
        let models = models.map(|model| (model.name, model.loaded, model.slots_busy, model.totals));
        (models.collect::<Vec<_>>(), traffic)
    };
    assert_eq!(facts(play(200).await), facts(play(200).await));
}

#[tokio::test(start_paused = true)]
async fn the_host_of_the_demo_says_that_it_is_one() {
    let host = demo::DemoHost::default();
    let places = host.places();
    assert_eq!(host.look(&places).name.as_deref(), Some("demo-host"));
    assert!(places.folders.iter().all(|folder| folder.name.starts_with("/demo/")), "{places:?}");
}
