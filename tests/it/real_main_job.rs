//! The main job: servers that simply run are found, polled and scraped by a real Prometheus.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use opsagent::config::Config;
use opsagent::wire::exposition::Sample;

use crate::support::agent::{Agent, config, value};
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
    lint(&agent.page().await);
}

/// Whether that address is the port that the process was told to listen on.
fn of_child(url: &str, pid: u32) -> bool {
    let arguments = crate::support::process::arguments(pid);
    let port = arguments.iter().skip_while(|arg| *arg != "--port").nth(1).cloned().unwrap_or_default();
    url.ends_with(&format!(":{port}"))
}

/// The real page, read by Prometheus' own checker.
fn lint(page: &str) {
    use std::io::Write as _;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: run tests/real/install");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_server_started_later_appears_one_that_goes_is_down_and_then_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny(folder.path());
    let agent = Agent::start(discovering()).await;
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
