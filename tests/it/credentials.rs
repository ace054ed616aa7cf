//! What a config gives to get into a server: it is sent with every question, and shown nowhere. And
//! whom it lets look at the agent.

use std::path::Path;

use opsagent::app::Options;
use opsagent::config::Config;
use url::Url;

use crate::support::agent::{Agent, config};
use crate::support::fake::Fake;
use crate::support::real::LlamaServer;
use crate::support::tiny_model::TinyModel;

/// An agent with this block as its one target, its files beside the config.
async fn agent(folder: &Path, url: &Url, more: &str) -> Agent {
    let file = folder.join("opsagent.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nevery = \"1s\"\n[[target]]\nname = \"box\"\nkind = \"auto\"\nurl = \"{url}\"\n{more}"
    );
    std::fs::write(&file, text).unwrap();
    let config = Config::load(Some(&file)).unwrap();
    Agent::with(config, Options { config_file: Some(file), ..Options::default() }).await
}

async fn shows_nowhere(agent: &Agent, secret: &str) {
    for path in ["/", "/metrics", "/api/v1/view"] {
        let text = agent.get(path).await.text().await.unwrap();
        assert!(text.contains("box") && !text.contains(secret), "{path}: {text}");
    }
}

#[tokio::test]
async fn token_and_headers_go_with_every_question_and_are_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("box.token"), "sesame-of-the-file\n").unwrap();
    for (token, sent) in [
        ("token_file = \"box.token\"", "sesame-of-the-file"),
        ("token = \"sesame-in-place\"", "sesame-in-place"),
    ] {
        let fake = Fake::llama_cpp_with_key(sent).await;
        let more = format!("{token}\nheaders = {{ X-Team = \"sesame-team\", x-trace = \"7\" }}\n");
        let agent = agent(folder.path(), &fake.url(), &more).await;
        agent.until("up", |view| view.targets[0].up == Some(true)).await;
        let requests = fake.requests();
        assert!(requests.len() >= 3, "recognised, then polled");
        for request in requests {
            assert_eq!(request.header("authorization"), Some(&*format!("Bearer {sent}")), "{request:?}");
            assert_eq!(request.header("x-team"), Some("sesame-team"), "{request:?}");
            assert_eq!(request.header("x-trace"), Some("7"), "{request:?}");
        }
        shows_nowhere(&agent, "sesame").await;
    }
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_real_server_lets_in_the_token_of_the_file_and_no_other() {
    let (folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--metrics", "--api-key", "sesame-open"]);
    for (token, up, reason) in
        [("sesame-open", Some(true), None), ("sesame-shut", Some(false), Some("unauthorized"))]
    {
        std::fs::write(folder.path().join("box.token"), token).unwrap();
        let url = server.url().parse().unwrap();
        let agent = agent(folder.path(), &url, "token_file = \"box.token\"\n").await;
        let view = agent.until("polled", |view| view.targets[0].up.is_some()).await;
        assert_eq!((view.targets[0].up, view.targets[0].reason.as_deref()), (up, reason));
        shows_nowhere(&agent, "sesame").await;
    }
}

#[tokio::test]
async fn a_name_that_the_config_allows_is_answered_to_and_no_other() {
    let allow_hosts = vec!["ops.example".to_owned(), "*.lab.example".to_owned()];
    let agent = Agent::start(Config { allow_hosts, ..config(Vec::new()) }).await;
    for (host, status) in
        [("ops.example", 200), ("gpu7.lab.example:10434", 200), ("localhost", 200), ("rebound.example", 403)]
    {
        let request =
            reqwest::Client::new().get(agent.base.join("/api/v1/view").unwrap()).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), status, "{host}");
    }
}
