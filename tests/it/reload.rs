//! The config read anew while the agent runs: taken whole, or refused whole.

use std::path::PathBuf;

use opsagent::app::Options;
use opsagent::config::Config;

use crate::support::agent::{Agent, value};
use crate::support::fake::Fake;

struct Written {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Written {
    fn new(text: &str) -> Written {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opsagent.toml");
        std::fs::write(&file, text).unwrap();
        Written { _folder: folder, file }
    }

    async fn agent(&self) -> Agent {
        let config = Config::load(Some(&self.file)).unwrap();
        Agent::with(config, Options { config_file: Some(self.file.clone()), ..Options::default() }).await
    }

    fn now(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }
}

fn text(targets: &[(&str, &Fake)]) -> String {
    let one = |(name, fake): &(&str, &Fake)| {
        format!("[[target]]\nname = \"{name}\"\nkind = \"ollama\"\nurl = \"{}\"\n", fake.url())
    };
    let all: Vec<String> = targets.iter().map(one).collect();
    format!("listen = \"127.0.0.1:0\"\nevery = \"1s\"\n{}", all.concat())
}

async fn reload(agent: &Agent) -> (u16, String) {
    let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test]
async fn a_target_comes_another_goes_and_the_one_that_stays_is_not_disturbed() {
    let (a, b, c) =
        (Fake::ollama("0.34.0").await, Fake::ollama("0.34.0").await, Fake::ollama("0.34.0").await);
    let written = Written::new(&text(&[("a", &a), ("b", &b)]));
    let agent = written.agent().await;
    agent
        .until("both up", |view| view.targets.iter().filter(|target| target.up == Some(true)).count() == 2)
        .await;
    let polls = value(&agent.samples().await, "opsagent_polls_total", &[("target", "a")]).unwrap();
    written.now(&text(&[("a", &a), ("c", &c)]));
    assert_eq!(reload(&agent).await.0, 200);
    let view =
        agent.until("c is up", |view| view.targets.iter().any(|t| t.name == "c" && t.up == Some(true))).await;
    let names: Vec<&str> = view.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let samples = agent.samples().await;
    assert!(
        value(&samples, "opsagent_polls_total", &[("target", "a")]).unwrap() >= polls,
        "its counts go on"
    );
    assert_eq!(value(&samples, "opsagent_polls_total", &[("target", "b")]), None);
    assert_eq!(value(&samples, "opsagent_config_last_reload_successful", &[]), Some(1.0));
}

#[tokio::test]
async fn a_bad_config_is_refused_with_all_its_faults_and_the_old_one_goes_on() {
    let a = Fake::ollama("0.34.0").await;
    let written = Written::new(&text(&[("a", &a)]));
    let agent = written.agent().await;
    written.now("listen = \"127.0.0.1:0\"\nevery = \"soon\"\n[[target]]\nname = \"x\"\nkind = \"olama\"\n");
    let (status, body) = reload(&agent).await;
    assert_eq!(status, 400);
    let file = written.file.display().to_string();
    assert!(
        body.contains(&format!("{file}:2: every: ")) && body.contains(&format!("{file}:5: target[0].kind: ")),
        "{body}"
    );
    let view = agent
        .until("a goes on", |view| view.targets.iter().any(|t| t.name == "a" && t.up == Some(true)))
        .await;
    assert!(!view.agent.config_ok && view.agent.config_errors.len() >= 2, "{:#?}", view.agent);
    assert_eq!(value(&agent.samples().await, "opsagent_config_last_reload_successful", &[]), Some(0.0));
    written.now(&text(&[("a", &a)]));
    assert_eq!(reload(&agent).await.0, 200);
    assert!(agent.view().await.agent.config_errors.is_empty());
}

#[tokio::test]
async fn what_cannot_change_while_it_runs_is_said() {
    let a = Fake::ollama("0.34.0").await;
    let written = Written::new(&text(&[("a", &a)]));
    let agent = written.agent().await;
    written.now(&text(&[("a", &a)]).replace("127.0.0.1:0", "127.0.0.1:1"));
    let (status, body) = reload(&agent).await;
    assert_eq!(status, 400);
    assert!(body.contains("listen: cannot change while the agent runs: restart it"), "{body}");
    written.now(&format!("grace = \"3s\"\n{}", text(&[("a", &a)])));
    let (status, body) = reload(&agent).await;
    assert_eq!(status, 400);
    assert!(body.contains("grace: cannot change while the agent runs: restart it"), "{body}");
    written.now(&format!("{}\n[buckets]\nrequest = [1, 10]\n", text(&[("a", &a)])));
    let (status, body) = reload(&agent).await;
    assert_eq!(status, 400);
    assert!(body.contains("buckets: cannot change while the agent runs: restart it"), "{body}");
}

#[tokio::test]
async fn a_folder_of_models_that_is_added_is_looked_at_and_the_hosts_counts_go_on() {
    let written = Written::new("listen = \"127.0.0.1:0\"\ndiscover = false\n");
    let agent = written.agent().await;
    let view =
        agent.until("the host is read", |view| view.hosts.iter().any(|host| host.cpus.is_some())).await;
    let before = view.hosts[0].cpu_seconds;
    written.now("listen = \"127.0.0.1:0\"\ndiscover = false\n[host]\nmodel_folders = [\".\"]\n");
    assert_eq!(reload(&agent).await.0, 200);
    let has_disk = |view: &opsagent::view::View| {
        let folders = view.hosts.iter().flat_map(|host| &host.folders);
        folders.filter(|folder| folder.why == "configured").any(|folder| folder.disk.is_some())
    };
    let view = agent.until("its disk is told", has_disk).await;
    assert!(view.hosts[0].cpu_seconds.user >= before.user, "{:?}", view.hosts[0]);
    assert!(view.hosts[0].cpu_use_ratio.is_some(), "two looks, by two jobs, are two looks");
}
