//! A command at a shell and an agent that share a store: neither takes the other for a user.

use std::time::Duration;

use opsagent::canary::{Budget, Plan};
use opsagent::config::{Config, StorePlan};
use opsagent::view::{CanaryView, View};

use super::opsagent;
use crate::support::agent::{Agent, config, target};
use crate::support::one_place::OnePlace;

fn canary(view: &View) -> Option<&CanaryView> {
    view.targets.first()?.canaries.first()
}

fn ran(view: &View) -> u64 {
    let runs = canary(view).map(|canary| canary.runs.as_slice()).unwrap_or_default();
    runs.iter().find(|(name, _)| name == "ok").map_or(0, |(_, runs)| *runs)
}

fn skipped(view: &View, reason: &str) -> bool {
    canary(view).is_some_and(|canary| canary.skipped.as_deref() == Some(reason))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_command_asks_the_agent_waits_and_it_takes_none_of_that_for_a_users() {
    let pause = Duration::from_millis(150);
    let (server, folder) = (OnePlace::start(&["mine"], pause, pause), tempfile::tempdir().unwrap());
    server.user("mine");
    let every = Duration::from_millis(500);
    let agent = Agent::start(Config {
        canaries: Plan { enabled: true, every, budget: Budget::of(every), ..Plan::default() },
        store: StorePlan { path: Some(folder.path().join("opsagent.db")), ..StorePlan::default() },
        ..config(vec![target("box", "ollama", server.url().parse().unwrap())])
    })
    .await;
    // The first run, and then none: nobody used the model since.
    let view = agent.until("unused", |view| ran(view) > 0 && skipped(view, "unused")).await;
    let before = ran(&view);

    let mut command = opsagent(&["canary", "--url", &server.url(), "--quick", "--load"]);
    command.env("STATE_DIRECTORY", folder.path()).env("OPSAGENT_URL", agent.base.as_str());
    let shell = tokio::task::spawn_blocking(move || command.output().unwrap());
    let busy = |view: &View| skipped(view, "busy");
    let view = agent.until("it waits for the command", busy).await;
    let words = canary(&view).unwrap().skipped_words.clone().unwrap();
    assert!(words.contains("a command at a shell"), "{words}");
    let output = shell.await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");

    agent.until("nobody used it", |view| skipped(view, "unused")).await;
    tokio::time::sleep(every * 4).await;
    let view = agent.view().await;
    assert!(ran(&view) == before && skipped(&view, "unused"), "{:#?}", canary(&view));
    let user = server.clone();
    tokio::task::spawn_blocking(move || user.user("mine")).await.unwrap();
    agent.until("a user did", |view| ran(view) > before).await;
}
