//! The bench itself: the servers that the other tests trust to be real start, answer and go, and the tiny model
//! says what it says on paper.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{alive, arguments, free_port};
use crate::support::real::{Alertmanager, LlamaServer, Ollama, Prometheus, installed, smollm2};
use crate::support::tiny_model::TinyModel;

/// Polls until it holds; a minute, because the machine may be busy.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

#[test]
fn the_tiny_models_probabilities_are_those_of_its_text() {
    let model = TinyModel::new();
    let probability = |last, next| model.log_probability(last, next).exp();
    for (last, next, paper) in
        [(".", " ", 2.0 / 3.0), (".", "</s>", 1.0 / 3.0), ("q", "u", 1.0), ("<s>", "t", 2.0 / 3.0)]
    {
        let found = probability(last, next);
        assert!((found - paper).abs() < 1e-3, "{next:?} after {last:?}: {found}, on paper {paper}");
    }
    assert!(probability("q", "x") < 1e-5);
    assert_eq!(model.greedy("", 8), "the the ");
}

#[test]
fn noise_changes_what_the_tiny_model_says_and_not_its_size() {
    let (exact, noisy) = (TinyModel::new(), TinyModel::new().noise(1.0, 2));
    assert_ne!(exact.greedy("", 32), noisy.greedy("", 32));
    let [(_one, exact), (_other, noisy)] = [exact.saved(), noisy.saved()];
    assert_eq!(exact.metadata().unwrap().len(), noisy.metadata().unwrap().len());
}

#[test]
#[ignore = "real parts: run tests/run"]
fn llama_server_answers_as_the_tiny_model_does_on_paper() {
    for model in [TinyModel::new(), TinyModel::new().noise(1.0, 2), TinyModel::new().layers(3)] {
        let (_folder, path) = model.saved();
        let server = LlamaServer::start(&path, &[]);
        let answer = server.complete("the capital o", 40);
        assert_eq!(answer["content"], model.greedy("the capital o", 40), "{answer}");
        let first = &answer["completion_probabilities"][0];
        let (token, found) = (first["token"].as_str().unwrap(), first["logprob"].as_f64().unwrap());
        let paper = model.log_probability("o", token);
        assert!((found - paper).abs() < 1e-4, "{token:?}: {found}, on paper {paper}");
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn llama_server_pauses_stops_and_starts_again_on_its_port() {
    let (_folder, path) = TinyModel::new().saved();
    let mut server = LlamaServer::start(&path, &["--metrics", "--alias", "tiny"]);
    assert!(server.get("/metrics").contains("llamacpp:tokens_predicted_total"));
    assert!(server.get("/v1/models").contains(r#""id":"tiny""#));
    let (pid, url) = (server.pid(), server.url());
    server.pause();
    eventually("paused", || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T "));
    server.resume();
    server.get("/health");
    server.stop();
    assert!(!alive(pid));
    server.start_again();
    assert_eq!(server.url(), url);
    server.kill();
    server.start_again();
    let pid = server.pid();
    drop(server);
    assert!(!alive(pid));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_router_starts_a_child_for_the_model_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        TinyModel::new().write(&folder.path().join(name).with_extension("gguf"));
    }
    let router = LlamaServer::router(folder.path(), &["--models-max", "1"]);
    assert!(router.children().is_empty());
    let answer = router.post("/v1/completions", &json!({ "model": "two", "prompt": "a", "max_tokens": 4 }));
    assert_eq!(answer["usage"]["completion_tokens"], 4, "{answer}");
    let children = router.children();
    assert_eq!(children.len(), 1);
    let command_line = arguments(children[0]).join(" ");
    assert!(command_line.contains("two.gguf") && command_line.contains("--threads 1"), "{command_line}");
    drop(router);
    eventually("the child is gone", || !alive(children[0]));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn ollama_runs_the_tiny_model_in_a_child_that_goes_with_it() {
    let model = TinyModel::new();
    let (_folder, path) = model.saved();
    let mut ollama = Ollama::start(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    let answer = ollama.generate("tiny", "the capital o", 12);
    assert_eq!(answer["response"], model.greedy("the capital o", 12), "{answer}");
    let children = ollama.children();
    assert_eq!(children.len(), 1, "{}", ollama.log());
    let command_line = arguments(children[0]).join(" ");
    assert!(
        command_line.contains("lib/ollama/llama-server") && command_line.contains(" -t 1 "),
        "{command_line}"
    );
    assert!(ollama.get("/api/ps").contains("tiny"));
    ollama.kill();
    assert!(alive(children[0]), "Ollama's child is an orphan now");
    drop(ollama);
    eventually("the orphan is gone", || !alive(children[0]));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn ollama_speaks_english_with_smollm2() {
    let ollama = Ollama::start(&[]);
    ollama.create("smollm2", &smollm2(), &[]);
    let answer = ollama.generate("smollm2", "What is the capital of France?", 12);
    assert!(answer["response"].as_str().unwrap().contains("Paris"), "{answer}");
}

#[test]
#[ignore = "real parts: run tests/run"]
fn prometheus_scrapes_and_its_alert_reaches_alertmanager() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    std::fs::write(&rules, "groups: [{ name: g, rules: [{ alert: Down, expr: up == 0 }] }]\n").unwrap();
    let alertmanager = Alertmanager::start("route: { receiver: none }\nreceivers: [{ name: none }]\n");
    let prometheus = Prometheus::start(&format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: ['{}']\n\
         alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{}'] }}] }}] }}\n\
         scrape_configs: [{{ job_name: nobody, static_configs: [{{ targets: ['127.0.0.1:{}'] }}] }}]\n",
        rules.display(),
        alertmanager.address(),
        free_port(),
    ));
    eventually("up is 0", || {
        prometheus.query(r#"up{job="nobody"}"#).first().is_some_and(|up| up["value"][1] == "0")
    });
    let firing = |alert: &Value| alert["labels"]["alertname"] == "Down" && alert["labels"]["job"] == "nobody";
    eventually("the alert arrives", || alertmanager.alerts().iter().any(firing));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_commands_of_the_bench_are_there() {
    for command in ["promtool", "amtool", "prometheus-node-exporter", "wrk", "chromium", "bin/llama-quantize"]
    {
        assert!(installed(command).is_absolute());
    }
}

#[test]
#[should_panic = "is missing: run tests/real/install"]
fn a_missing_part_says_how_to_get_it() {
    installed("bin/no-such-part");
}
