//! What a real Prometheus reads of the agent, and how; and that what a real Ollama says of itself
//! stands on the page with its own numbers.

use jiff::Timestamp;
use opsagent::config::Config;
use opsagent::sample::{Failure, Source};
use opsagent::wire::exposition::{Sample, parse};
use serde_json::Value;

use crate::support::agent::{Agent, config, target, value};
use crate::support::authority::Authority;
use crate::support::counted_traffic::stream;
use crate::support::process::arguments;
use crate::support::real::{Ollama, Prometheus};
use crate::support::tiny_model::TinyModel;
use crate::web_config::hash;

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_prometheus_scrapes_open_metrics_through_tls_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let authority = Authority::new();
    let (certificate, key) = authority.server();
    let web = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  anna: {}\n",
        hash()
    );
    for (name, text) in
        [("ca.pem", authority.pem()), ("cert.pem", certificate), ("key.pem", key), ("web.yml", web)]
    {
        std::fs::write(file(name), text).unwrap();
    }
    let agent =
        Agent::start(Config { web_config_file: Some(file("web.yml").into()), ..config(Vec::new()) }).await;
    let job = |name: &str, ca: &str, password: &str| {
        format!(
            "- job_name: {name}\n  scheme: https\n  tls_config: {{server_name: localhost{ca}}}\n  basic_auth: \
             {{username: anna, password: {password}}}\n  static_configs:\n  - targets: ['127.0.0.1:{}']\n",
            agent.base.port().unwrap()
        )
    };
    let ca = format!(", ca_file: '{}'", file("ca.pem"));
    let prometheus = Prometheus::start(&format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n{}{}{}",
        job("right", &ca, "secret"),
        job("wrong", &ca, "guessed"),
        job("stranger", "", "secret")
    ));
    for (job, up) in [("right", "1"), ("wrong", "0"), ("stranger", "0")] {
        let query = format!("up{{job=\"{job}\"}}");
        let told = || prometheus.query(&query).first().map(|result| result["value"][1].clone());
        for _ in 0..600 {
            if told().is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(told(), Some(up.into()), "{query}");
    }
    // Only OpenMetrics tells a unit: that it stands there says which of the two formats was asked for.
    let metric = "opsagent_start_timestamp_seconds";
    let told: Value =
        serde_json::from_str(&prometheus.get(&format!("/api/v1/metadata?metric={metric}"))).unwrap();
    assert_eq!(told["data"][metric][0]["unit"], "seconds", "{told}");
    assert_eq!(told["data"][metric][0]["type"], "gauge", "{told}");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_prometheus_keeps_the_traces_of_requests_and_reads_their_histograms() {
    let agent =
        Agent::start(config(vec![target("box", "ollama", "http://127.0.0.1:1".parse().unwrap())])).await;
    let live = agent.fleet.live("box", Source::Tap).unwrap();
    live.end(stream());
    let prometheus = Prometheus::start(&format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: agent\n  static_configs:\n  - targets: \
         ['127.0.0.1:{}']\n",
        agent.base.port().unwrap()
    ));
    let metric = "opsagent_time_to_first_token_seconds_bucket";
    let query = |query: &str| {
        url::form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish()
    };
    let mut told = Value::Null;
    for _ in 0..600 {
        let path = format!("/api/v1/query_exemplars?{}&start=0&end=4102444800", query(metric));
        told = serde_json::from_str(&prometheus.get(&path)).unwrap();
        if told["data"].as_array().is_some_and(|data| !data.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let exemplar = &told["data"][0]["exemplars"][0];
    assert_eq!(exemplar["labels"]["trace_id"], stream().trace_id.unwrap().as_ref(), "{told}");
    assert_eq!(exemplar["value"], "0.18", "{told}");
    let age = Timestamp::now().as_millisecond() as f64 / 1000.0 - exemplar["timestamp"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&age), "{told}");
    assert_eq!(told["data"][0]["seriesLabels"]["target"], "box", "{told}");
    let quantile = format!("histogram_quantile(0.5, sum by (le) ({metric}))");
    let told = prometheus.query(&quantile);
    let median: f64 = told[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!((0.1..=0.25).contains(&median), "the bucket of 0.18 s: {told:?}");
    let failures = prometheus.query("opsagent_request_failures_total{model=\"other\"}");
    assert_eq!(failures.len(), Failure::ALL.len(), "each reason is there before it happens");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn what_ollama_says_stands_on_the_page_with_its_own_numbers() {
    let (_folder, path) = TinyModel::new().saved();
    let ollama = Ollama::start(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    ollama.generate("tiny", "the capital o", 4);
    let agent = Agent::start(config(vec![target("box", "ollama", ollama.url().parse().unwrap())])).await;
    agent.until("up", |view| view.targets[0].up == Some(true)).await;
    let samples = agent.samples().await;
    let json = |path: &str| -> Value { serde_json::from_str(&ollama.get(path)).unwrap() };
    let (loaded, installed) = (json("/api/ps")["models"][0].clone(), json("/api/tags")["models"][0].clone());

    let of_target = |name: &str| value(&samples, &format!("opsagent_{name}"), &[("target", "box")]);
    let both = [("target", "box"), ("model", "tiny:latest")];
    let of_model = |name: &str| value(&samples, &format!("opsagent_{name}"), &both);
    let expires: Timestamp = loaded["expires_at"].as_str().unwrap().parse().unwrap();
    let share = loaded["size_vram"].as_f64().unwrap() / loaded["size"].as_f64().unwrap();
    for (name, wanted) in [
        ("model_loaded", Some(1.0)),
        ("model_size_bytes", installed["size"].as_f64()),
        ("model_memory_bytes", loaded["size"].as_f64()),
        ("model_vram_bytes", loaded["size_vram"].as_f64()),
        ("model_offload_ratio", Some(share)),
        ("model_context_tokens", loaded["context_length"].as_f64()),
        ("model_expires_timestamp_seconds", Some(expires.as_millisecond() as f64 / 1000.0)),
        ("model_loads_total", Some(0.0)),
        ("child_up", Some(1.0)),
        ("child_metrics", Some(1.0)),
        ("slots", Some(1.0)),
        ("slots_busy", Some(0.0)),
        ("queue_depth", Some(0.0)),
        ("server_output_tokens_total", Some(4.0)),
    ] {
        assert!(wanted.is_some(), "{name}: Ollama tells it: {loaded} {installed}");
        assert_eq!(of_model(name), wanted, "{name}");
    }
    for (name, wanted) in
        [("models_installed", 1.0), ("orphans", 0.0), ("target_discovered", 0.0), ("target_up", 1.0)]
    {
        assert_eq!(of_target(name), Some(wanted), "{name}");
    }
    let label = |metric: &str, label: &str| {
        let sample = samples.iter().find(|sample| sample.name == metric).unwrap();
        sample.labels.iter().find(|(name, _)| name == label).map(|(_, value)| value.clone())
    };
    assert_eq!(label("opsagent_target_info", "version").as_deref(), Some("0.34.0"));
    let digest = installed["digest"].as_str().map(str::to_owned);
    assert!(digest.as_ref().is_some_and(|digest| digest.len() == 64));
    assert_eq!(label("opsagent_model_info", "digest"), digest);
    assert_eq!(
        label("opsagent_model_info", "quantization").as_deref(),
        installed["details"]["quantization_level"].as_str()
    );
    no_clock_of_the_child(&samples, ollama.children()[0]).await;
}

/// llama-server sends the seconds of a clock that is not the wall's as `Process-Start-Time-Unix`.
async fn no_clock_of_the_child(samples: &[Sample], child: u32) {
    let arguments = arguments(child);
    let port = arguments.iter().skip_while(|arg| *arg != "--port").nth(1).unwrap();
    let reply = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
    let clock = reply.headers()["process-start-time-unix"].to_str().unwrap().to_owned();
    let seconds: f64 = clock.parse().unwrap();
    assert!(!parse(&reply.text().await.unwrap()).is_empty(), "its metrics are on");
    for sample in samples.iter().filter(|sample| sample.labels.iter().any(|(name, _)| name == "target")) {
        assert!((sample.value - seconds).abs() > 0.001, "{sample:?} is the child's {clock}");
        assert!(sample.labels.iter().all(|(_, value)| !value.contains(&clock)), "{sample:?}");
    }
}
