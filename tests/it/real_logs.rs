//! Logs of a real Ollama and a real llama-server, followed by the real agent: what it counts is what their answers
//! said.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opsagent::wire::exposition::{Sample, parse};
use serde_json::{Value, json};

use crate::support::process::{Process, Recipe, free_port};
use crate::support::real::{LlamaServer, Ollama, smollm2};

/// The agent, with that server as its one target.
fn agent(kind: &str, server: &Process, log: &Path, state: &Path) -> Process {
    agent_with("", kind, server, log, state)
}

/// The same with more in its config.
fn agent_with(more: &str, kind: &str, server: &Process, log: &Path, state: &Path) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[[target]]\nname = \"box\"\nkind = \"{kind}\"\nurl = \"{}\"\nevery = \"1s\"\nlog = \"{}\"\n{more}",
        server.url(),
        log.display()
    );
    let file = folder.path().join("opsagent.toml");
    std::fs::write(&file, config).unwrap();
    let recipe = Recipe {
        program: env!("CARGO_BIN_EXE_opsagent").into(),
        args: vec!["run".into(), "--config".into(), file.display().to_string()],
        env: vec![("STATE_DIRECTORY".into(), state.display().to_string())],
        port,
        ready: "/-/ready",
    };
    Process::start(folder, recipe)
}

/// All samples of the log's, once there are so many requests.
async fn told(agent: &Process, requests: u64) -> Vec<Sample> {
    for _ in 0..200 {
        let mut samples = parse(&agent.get("/metrics"));
        samples.retain(|sample| sample.labels.iter().any(|(name, value)| name == "source" && value == "log"));
        if count(&samples, "opsagent_requests_total") >= requests {
            return samples;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("they never came: {}\n{}", agent.get("/metrics"), agent.log());
}

fn sum(samples: &[Sample], name: &str) -> f64 {
    samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
}

/// A sum of whole things.
fn count(samples: &[Sample], name: &str) -> u64 {
    sum(samples, name).round() as u64
}

/// The same of what answers say.
fn tokens(answers: &[Value], key: &str) -> u64 {
    answers.iter().map(|answer| answer[key].as_u64().unwrap_or(0)).sum()
}

fn total(answers: &[Value], key: &str) -> f64 {
    answers.iter().map(|answer| answer[key].as_f64().unwrap_or(0.0)).sum()
}

fn near(told: f64, said: f64) -> bool {
    (told - said).abs() <= said * 0.01
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn what_an_ollamas_log_tells_agrees_with_what_its_answers_said() {
    let state = tempfile::tempdir().unwrap();
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &["PARAMETER temperature 0"]);
    let log = ollama.folder().join("log");
    let agent_one = agent("ollama", &ollama, &log, state.path());
    told(&agent_one, 0).await;
    let ask = |prompt: &str, length: u32| ollama.generate("smol", prompt, length);
    let mut answers =
        vec![ask("Why is the sky blue?", 30), ask("Why is the grass green?", 40), ask("One", 1)];
    // Two at once, of which one waits for the other.
    answers.extend(std::thread::scope(|scope| {
        let both = [("Tell a story", 60), ("Tell a joke", 20)]
            .map(|(prompt, length)| scope.spawn(move || ask(prompt, length)));
        both.map(|one| one.join().unwrap())
    }));
    let samples = told(&agent_one, 5).await;
    let models: Vec<&str> = samples
        .iter()
        .filter(|sample| sample.name == "opsagent_requests_total" && sample.value > 0.0)
        .flat_map(|sample| {
            sample.labels.iter().filter(|label| label.0 == "model").map(|label| label.1.as_str())
        })
        .collect();
    assert_eq!(models, ["smol:latest"]);
    assert_eq!(count(&samples, "opsagent_output_tokens_total"), tokens(&answers, "eval_count"));
    assert_eq!(count(&samples, "opsagent_input_tokens_total"), tokens(&answers, "prompt_eval_count"));
    assert_eq!(
        count(&samples, "opsagent_cached_input_tokens_total"),
        tokens(&answers, "prompt_eval_cached_count")
    );
    // Of one token Ollama says a microsecond and the log nothing.
    assert!(near(sum(&samples, "opsagent_decode_seconds_total"), total(&answers, "eval_duration") / 1e9));
    assert!(near(
        sum(&samples, "opsagent_prefill_seconds_total"),
        total(&answers, "prompt_eval_duration") / 1e9
    ));
    let seconds = sum(&samples, "opsagent_request_duration_seconds_sum");
    let said = total(&answers, "total_duration") / 1e9;
    assert!((seconds - said).abs() < 0.1, "{seconds} of {said}");
    assert_eq!(count(&samples, "opsagent_load_seconds_count"), 1, "the first had to load the model");
    drop(agent_one);
    // What is asked while the agent is away is told by the next one.
    let missed = ask("Two", 12);
    let agent_two = agent("ollama", &ollama, &log, state.path());
    let samples = told(&agent_two, 1).await;
    assert_eq!(Some(count(&samples, "opsagent_output_tokens_total")), missed["eval_count"].as_u64());
    let view: Value = serde_json::from_str(&agent_two.get("/api/v1/view")).unwrap();
    assert_eq!(view["targets"][0]["traffic"]["source"], "log");
}

/// A stream of many tokens: begun, and its first bytes to come.
fn asked(ollama: &Ollama) -> TcpStream {
    let body = json!({ "model": "smol", "prompt": "Count to a million", "options": { "num_predict": 4000 } })
        .to_string();
    let mut stream = TcpStream::connect(ollama.address()).unwrap();
    let head = "POST /api/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn an_ollama_whose_client_leaves_or_whose_child_is_killed_is_told_so_by_its_log() {
    let state = tempfile::tempdir().unwrap();
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &["PARAMETER temperature 0"]);
    ollama.generate("smol", "One", 1);
    let agent = agent("ollama", &ollama, &ollama.folder().join("log"), state.path());
    told(&agent, 0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut stream = asked(&ollama);
    stream.read_exact(&mut [0; 300]).unwrap();
    drop(stream);
    told(&agent, 1).await;
    let mut stream = asked(&ollama);
    stream.read_exact(&mut [0; 300]).unwrap();
    for child in ollama.children() {
        let killed = std::process::Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
        assert!(killed.success());
    }
    stream.read_to_end(&mut Vec::new()).unwrap();
    // That the process is gone is noticed by the next request.
    ollama.generate("smol", "One", 1);
    let samples = told(&agent, 3).await;
    let value = |name: &str, label: &str| {
        let of =
            |sample: &&Sample| sample.name == name && sample.labels.iter().any(|(_, value)| value == label);
        samples.iter().filter(of).map(|sample| sample.value).sum::<f64>().round() as u64
    };
    assert_eq!(value("opsagent_requests_cancelled_total", "decode"), 1);
    assert_eq!(value("opsagent_request_failures_total", "stream_error"), 1);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn what_a_llama_servers_log_tells_agrees_with_what_its_answers_said() {
    let state = tempfile::tempdir().unwrap();
    let llama = LlamaServer::start(&smollm2(), &["-np", "2", "-c", "2048"]);
    let agent = agent("llama_cpp", &llama, &llama.folder().join("log"), state.path());
    told(&agent, 0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let ask = |prompt: &str, length: u32| llama.complete(prompt, length)["timings"].clone();
    let mut answers = vec![ask("Why is the sky blue?", 30), ask("One", 1)];
    answers.extend(std::thread::scope(|scope| {
        let both = [("Tell a story", 40), ("Tell a joke", 20)]
            .map(|(prompt, length)| scope.spawn(move || ask(prompt, length)));
        both.map(|one| one.join().unwrap())
    }));
    let samples = told(&agent, 4).await;
    assert_eq!(count(&samples, "opsagent_output_tokens_total"), tokens(&answers, "predicted_n"));
    assert_eq!(count(&samples, "opsagent_prefill_tokens_total"), tokens(&answers, "prompt_n"));
    assert!(near(sum(&samples, "opsagent_prefill_seconds_total"), total(&answers, "prompt_ms") / 1e3));
    assert!(near(sum(&samples, "opsagent_decode_seconds_total"), total(&answers, "predicted_ms") / 1e3));
    let seconds = (total(&answers, "predicted_ms") + total(&answers, "prompt_ms")) / 1e3;
    assert!(near(sum(&samples, "opsagent_request_duration_seconds_sum"), seconds));
}

/// Asks again and again until told to stop; how many requests, and the tokens of their answers.
fn asks_on(ollama: &Ollama, stop: &AtomicBool, turn: u32) -> (u64, u64) {
    let (mut requests, mut tokens) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let length = 1 + (turn * 7 + requests as u32 * 5) % 24;
        tokens += ollama.generate("smol", "Tell a story", length)["eval_count"].as_u64().unwrap();
        requests += 1;
    }
    (requests, tokens)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn restarts_in_the_midst_of_traffic_lose_no_request_and_tell_none_twice() {
    let state = tempfile::tempdir().unwrap();
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &["PARAMETER temperature 0"]);
    ollama.generate("smol", "One", 1);
    let store = format!("[store]\npath = \"{}\"\n", state.path().join("opsagent.db").display());
    let mut agent = agent_with(&store, "ollama", &ollama, &ollama.folder().join("log"), state.path());
    told(&agent, 0).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let (ollama, stop) = (&ollama, &stop);
        let asking = [1, 2, 3].map(|turn| scope.spawn(move || asks_on(ollama, stop, turn)));
        for away in [0, 2500, 300] {
            std::thread::sleep(Duration::from_millis(3300));
            agent.stop();
            std::thread::sleep(Duration::from_millis(away));
            agent.start_again();
        }
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        asking
            .map(|one| one.join().unwrap())
            .into_iter()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    let kept = |name: &str| {
        let view: Value = serde_json::from_str(&agent.get("/api/v1/view")).unwrap();
        view["targets"][0]["kept"]["sources"]["log"][name].as_f64().unwrap_or(0.0).round() as u64
    };
    for _ in 0..300 {
        if kept("requests") >= sent.0 && kept("output_tokens") >= sent.1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(sent.0 > 20, "{sent:?}");
    assert_eq!((kept("requests"), kept("output_tokens")), sent, "{}", agent.log());
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn what_canaries_ask_is_not_told_as_users_requests_by_the_log() {
    let state = tempfile::tempdir().unwrap();
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &[]);
    let stay = json!({ "model": "smol", "prompt": "hi", "keep_alive": -1, "stream": false,
        "options": { "num_predict": 1 } });
    ollama.post("/api/generate", &stay);
    let more = format!(
        "[canaries]\nevery = \"2s\"\n[store]\npath = \"{}\"\n",
        state.path().join("opsagent.db").display()
    );
    let agent = agent_with(&more, "ollama", &ollama, &ollama.folder().join("log"), state.path());
    let of = |source: &str, name: &str| {
        let mut samples = parse(&agent.get("/metrics"));
        samples.retain(|sample| sample.labels.iter().any(|label| label.0 == "source" && label.1 == source));
        count(&samples, name)
    };
    let (mut users, mut tokens) = (0, 0);
    for _ in 0..1200 {
        let asked = of("canary", "opsagent_requests_total");
        // In the midst of runs and between them.
        if asked >= 15 * (users + 1) {
            let mut answer =
                json!({ "model": "smol", "prompt": "Tell a story", "stream": false, "keep_alive": -1 });
            answer["options"] = json!({ "num_predict": 5 + users });
            tokens += ollama.post("/api/generate", &answer)["eval_count"].as_u64().unwrap();
            users += 1;
        }
        if users == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(users, 5, "{}", agent.log());
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(of("log", "opsagent_requests_total"), users, "{}", agent.get("/metrics"));
    assert_eq!(of("log", "opsagent_output_tokens_total"), tokens);
    let view: Value = serde_json::from_str(&agent.get("/api/v1/view")).unwrap();
    assert_eq!(view["targets"][0]["traffic"]["requests"], users);
}
