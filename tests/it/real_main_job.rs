//! The main job: servers that simply run are found, polled and scraped by a real Prometheus.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opsagent::app::Options;
use opsagent::config::Config;
use opsagent::wire::exposition::Sample;

use crate::support::agent::{Agent, config, value};
use crate::support::promtool;
use crate::support::real::{LlamaServer, Ollama, Prometheus};
use crate::support::tiny_model::TinyModel;

fn tiny(folder: &Path) -> PathBuf {
    let path = folder.join("tiny.gguf");
    TinyModel::new().write(&path);
    path
}

fn discovering() -> Config {
    Config {
        discover: true,
        discover_every: Duration::from_secs(1),
        every: Duration::from_secs(1),
        forget_after: Duration::from_secs(3),
        ..config(Vec::new())
    }
}

/// The name under which the server on that port was found; other tests' servers may be found too.
fn named(view: &opsagent::view::View, port: u16) -> Option<String> {
    let end = format!(":{port}");
    view.targets.iter().find(|target| target.url.ends_with(&end)).map(|target| target.name.clone())
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_prometheus_sees_an_ollama_and_a_llama_server_that_were_simply_running() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let ollama = Ollama::start(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    ollama.create("tiny", &model, &["TEMPLATE {{ .Prompt }}"]);
    ollama.generate("tiny", "the capital o", 6);
    let llama = LlamaServer::start(&model, &["--metrics", "--alias", "small"]);
    llama.complete("the capital o", 11);

    let agent = Agent::start(discovering()).await;
    let ports = [ollama.address().port(), llama.address().port()];
    let view = agent
        .until("both found and up", |view| {
            let up = |port: &u16| {
                named(view, *port)
                    .is_some_and(|name| view.targets.iter().any(|t| t.name == name && t.up == Some(true)))
            };
            ports.iter().all(up)
        })
        .await;
    let names = ports.map(|port| named(&view, port).unwrap());
    let child = ollama.children();
    assert_eq!(child.len(), 1, "its child runs");
    for target in &view.targets {
        assert!(!of_child(&target.url, child[0]), "{} is Ollama's child, and no target", target.url);
    }

    let address = agent.base.to_string();
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    let prometheus = Prometheus::start(&format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: opsagent\n  static_configs:\n  - targets: ['{host}']\n"
    ));
    let one = |query: &str| {
        prometheus.query(query).first().map(|result| result["value"][1].as_str().unwrap().to_owned())
    };
    let wanted = [
        (format!("opsagent_target_up{{target=\"{}\",kind=\"ollama\"}}", names[0]), "1"),
        (format!("opsagent_target_up{{target=\"{}\",kind=\"llama_cpp\"}}", names[1]), "1"),
        (
            format!("opsagent_server_output_tokens_total{{target=\"{}\",model=\"tiny:latest\"}}", names[0]),
            "6",
        ),
        (format!("opsagent_server_output_tokens_total{{target=\"{}\",model=\"small\"}}", names[1]), "11"),
        (format!("opsagent_target_state{{target=\"{}\",state=\"ready\"}}", names[1]), "1"),
        ("up{job=\"opsagent\"}".to_owned(), "1"),
    ];
    for (query, value) in wanted {
        for _ in 0..600 {
            if one(&query).as_deref() == Some(value) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(one(&query).as_deref(), Some(value), "{query}");
    }
    promtool::lint(&agent.page().await);
}

/// Whether that address is the port that the process was told to listen on.
fn of_child(url: &str, pid: u32) -> bool {
    let arguments = crate::support::process::arguments(pid);
    let port = arguments.iter().skip_while(|arg| *arg != "--port").nth(1).cloned().unwrap_or_default();
    url.ends_with(&format!(":{port}"))
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_server_started_later_appears_one_that_goes_is_down_and_then_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let usual = Config::default().discover_every;
    let agent = Agent::start(Config { discover_every: usual, ..discovering() }).await;
    agent.until("it looked", |view| view.discovery.last_scan_at.is_some()).await;
    let mut llama = LlamaServer::start(&model, &["--metrics"]);
    let port = llama.address().port();
    let start = tokio::time::Instant::now();
    let view = agent.until("found", |view| named(view, port).is_some()).await;
    assert!(start.elapsed() < Duration::from_secs(30));
    let name = named(&view, port).unwrap();
    llama.stop();
    let is = |samples: &[Sample]| value(samples, "opsagent_target_up", &[("target", name.as_str())]);
    agent.until("down", |view| view.targets.iter().any(|t| t.name == name && t.up == Some(false))).await;
    assert_eq!(is(&agent.samples().await), Some(0.0));
    agent.until("forgotten", |view| !view.targets.iter().any(|target| target.name == name)).await;
    assert_eq!(is(&agent.samples().await), None);
    llama.start_again();
    agent.until("found again", |view| named(view, port).is_some()).await;
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_reload_reaches_what_was_found_and_naming_it_makes_no_second_target() {
    let folder = tempfile::tempdir().unwrap();
    let llama = LlamaServer::start(&tiny(folder.path()), &["--metrics", "--alias", "small"]);
    llama.complete("the capital o", 5);
    let port = llama.address().port();
    let file = folder.path().join("opsagent.toml");
    let write = |every: &str, more: &str| {
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndiscover = true\ndiscover_every = \"1s\"\nevery = \"{every}\"\n{more}"
        );
        std::fs::write(&file, text).unwrap();
    };
    write("1s", "");
    let config = Config::load(Some(&file)).unwrap();
    let agent = Agent::with(config, Options { config_file: Some(file.clone()), ..Options::default() }).await;
    let at = |view: &opsagent::view::View| -> Vec<opsagent::view::TargetView> {
        let end = format!(":{port}");
        view.targets.iter().filter(|target| target.url.ends_with(&end)).cloned().collect()
    };
    let is_up = |view: &opsagent::view::View| at(view).iter().any(|target| target.up == Some(true));
    agent.until("found and up", is_up).await;
    let reload = async || {
        let url = agent.base.join("/-/reload").unwrap();
        assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
    };

    write("2s", "");
    reload().await;
    let view = agent.until("the new beat", |view| at(view)[0].every_seconds > 1.5 && is_up(view)).await;
    assert_eq!(at(&view)[0].models[0].totals.output_tokens, Some(5.0), "what is known of it stays");

    write(
        "2s",
        &format!("[[target]]\nname = \"mine\"\nkind = \"auto\"\nurl = \"http://localhost:{port}\"\n"),
    );
    reload().await;
    let view = agent
        .until("the named one is up", |view| at(view).iter().any(|t| t.name == "mine" && t.up == Some(true)))
        .await;
    let looked = view.discovery.last_scan_at;
    assert_eq!(at(&view).len(), 1, "{view:#?}");
    let view = agent
        .until("it looked twice more", |view| {
            let later = |now: jiff::Timestamp, then: jiff::Timestamp| now.as_second() >= then.as_second() + 3;
            view.discovery.last_scan_at.zip(looked).is_some_and(|(now, then)| later(now, then))
        })
        .await;
    assert_eq!(at(&view).len(), 1, "{view:#?}");
}
