//! The end-to-end proof: an agent by its config, a real server behind its tap, and a client with a clock of its
//! own. What `opsagent status`, the page and the JSON say is what the client measured.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use opsagent::view::{TrafficView, View, traffic_words};
use serde_json::{Value, json};

use crate::cli::running::{eventually, signal, wait};
use crate::support::process::free_port;
use crate::support::real::{LlamaServer, Ollama, smollm2};
use crate::support::stopwatch::{Stream, Timed, median};

const PROGRAM: &str = env!("CARGO_BIN_EXE_opsagent");
const PATIENCE: Duration = Duration::from_secs(60);

/// The share by which two measurements of the same may differ.
const AGREE: f64 = 0.01;

/// An agent as a process, with a folder for its config and its log.
struct Agent {
    child: Child,
    folder: tempfile::TempDir,
    page: SocketAddr,
    tap: SocketAddr,
    head: String,
}

impl Agent {
    /// In front of that server.
    fn before(kind: &str, server: &str) -> Agent {
        let [page, tap] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let head = format!(
            "listen = \"{page}\"\ndiscover = false\nevery = \"1s\"\n[[target]]\nname = \"box\"\nkind = \"{kind}\"\nurl = \"{server}\"\ntap = \"{tap}\"\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("opsagent.toml");
        std::fs::write(&config, &head).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(File::create(folder.path().join("log")).unwrap()).spawn().unwrap();
        let agent = Agent { child, folder, page, tap, head };
        eventually(PATIENCE, || agent.try_view().is_some_and(|view| view.targets[0].up == Some(true)));
        agent
    }

    /// Adds to its config, and has it read anew; the log says when it was.
    fn reload(&self, more: &str) {
        let read = || self.log().matches("the config was read anew").count();
        let before = read();
        std::fs::write(self.folder.path().join("opsagent.toml"), format!("{}{more}", self.head)).unwrap();
        signal(self.child.id(), "HUP");
        eventually(PATIENCE, || read() > before);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn get(&self, path: &str) -> Option<String> {
        Timed::get(self.page, path)
    }

    fn try_view(&self) -> Option<View> {
        serde_json::from_str(&self.get("/api/v1/view")?).ok()
    }

    fn traffic(&self) -> TrafficView {
        let view = self.try_view().expect("it answers");
        view.targets.into_iter().next().expect("it has a target").traffic.expect("its tap is there")
    }

    fn until(&self, holds: impl Fn(&TrafficView) -> bool) -> TrafficView {
        eventually(PATIENCE, || holds(&self.traffic()));
        self.traffic()
    }

    fn status(&self) -> String {
        let output = Command::new(PROGRAM).args(["status", &self.page.to_string()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The value of a counter; all that have these labels together.
    fn count(&self, name: &str, label: (&str, &str)) -> u64 {
        self.sum(name, label).round() as u64
    }

    /// The same of what is no whole number.
    fn sum(&self, name: &str, label: (&str, &str)) -> f64 {
        let page = opsagent::wire::exposition::parse(&self.get("/metrics").expect("it answers"));
        let has = |labels: &[(String, String)]| labels.iter().any(|(n, v)| (n.as_str(), v.as_str()) == label);
        let of = page.iter().filter(|sample| sample.name == name && has(&sample.labels));
        of.map(|sample| sample.value).sum()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A prompt of some 500 tokens that no cache holds: what is read of it takes seconds, beside which what the
/// machine does else is little.
fn prompt(nonce: u32) -> String {
    let line = |n: u32| {
        format!("Entry {n} of list {nonce}: the number {} is a guest of house {}.\n", n * 7, n + nonce)
    };
    (0..20).map(line).collect()
}

fn agree(what: &str, told: Option<f64>, measured: f64) {
    let told = told.unwrap_or_else(|| panic!("{what} is not told; measured {measured}"));
    let off = (told - measured).abs() / measured;
    println!("{what}: told {told:.6}, measured {measured:.6}, {:.3} % apart", off * 100.0);
    assert!(off <= AGREE, "{what}: told {told}, measured {measured}: {:.2} % apart", off * 100.0);
}

/// Streams three long prompts through the tap, and compares all that is told with what the client measured.
fn compare(agent: &Agent, path: &str, body: impl Fn(&str) -> Value) {
    let timed: Vec<Timed> =
        (0..3).map(|nth| Stream::ask(agent.tap, path, &body(&prompt(1000 + nth))).whole()).collect();
    let of = |value: fn(&Timed) -> f64| median(timed.iter().map(value).collect());
    let told = agent.until(|traffic| traffic.requests == 3);
    let quantile = |of: &Option<opsagent::view::Quantiles>| of.as_ref().map(|quantiles| quantiles.p50);
    agree("time to first token", quantile(&told.time_to_first_token), of(Timed::time_to_first_token));
    agree("time per output token", quantile(&told.time_per_output_token), of(Timed::time_per_output_token));
    agree("tokens a second", told.decode_tokens_per_second, of(|timed| 1.0 / timed.time_per_output_token()));
    agree("duration", quantile(&told.duration), of(Timed::duration));
    let most = timed.iter().map(Timed::longest_gap).fold(0.0, f64::max);
    println!("longest gap: told {:?}, measured {most}", told.longest_gap_seconds);
    assert_eq!((told.in_flight, told.decoding, told.failed(), told.cancelled), (Some(0), Some(0), 0, 0));
    let tokens: u64 = timed.iter().map(|timed| timed.tokens.expect("the server says how many")).sum();
    assert_eq!(agent.count("opsagent_output_tokens_total", ("target", "box")), tokens);
    assert_eq!(agent.count("opsagent_requests_total", ("target", "box")), 3);

    // People read the same, in the same words.
    let first = traffic_words::seconds(quantile(&told.time_to_first_token).unwrap());
    let rate = traffic_words::number(told.decode_tokens_per_second.unwrap());
    let (status, page) = (agent.status(), agent.get("/").unwrap());
    for (place, text) in [("status", &status), ("page", &page)] {
        assert!(text.contains(&first) && text.contains(&rate), "{place} without {first} or {rate}:\n{text}");
    }
    println!("{status}");
}

/// One long stream: what is told while it runs, over a reload, and after its client left.
fn live(agent: &Agent, path: &str, body: &Value) {
    let mut stream = Stream::ask(agent.tap, path, body);
    stream.pieces(1);
    let told = agent.until(|traffic| traffic.decoding == Some(1));
    assert_eq!(told.in_flight, Some(1));
    let (status, page) = (agent.status(), agent.get("/").unwrap());
    assert!(status.contains("1 in flight, decoding") && page.contains("1 decoding"), "{status}");
    agent.reload("[[client]]\nname = \"me\"\nnetworks = \"127.0.0.1\"\n[tap]\nidle_timeout = \"2m\"\n");
    // The rate is over ten to eleven seconds, from one of the agent's looks each second on, and a machine that does
    // other things is not as fast in each of them.
    stream.seconds(12.0);
    let (from, told, to) = (stream.now(), agent.traffic(), stream.now());
    stream.pieces(1);
    let rate = told.output_tokens_per_second.expect("it is told");
    let rates = (0..=24).map(|step| stream.rate(10.0 + f64::from(step) / 20.0, f64::midpoint(from, to)));
    let (least, most) = rates.fold((f64::INFINITY, 0.0_f64), |all, one| (all.0.min(one), all.1.max(one)));
    println!("tokens a second now: told {rate:.3}, measured {least:.3} to {most:.3}");
    assert!((least * (1.0 - AGREE)..=most * (1.0 + AGREE)).contains(&rate), "{rate} of {least} to {most}");
    stream.leave();
    agent.until(|traffic| traffic.in_flight == Some(0));
    assert_eq!(agent.count("opsagent_requests_cancelled_total", ("phase", "decode")), 1);
    // The reload in the midst of the stream holds from the next request on.
    assert_eq!(agent.count("opsagent_tap_client_requests_total", ("client", "me")), 0);
}

#[test]
#[ignore = "real parts: run tests/run"]
fn what_is_told_of_a_llama_server_is_what_its_client_measured() {
    let mut server = LlamaServer::start(&smollm2(), &["-c", "4096", "--metrics", "-np", "1"]);
    let agent = Agent::before("llama_cpp", &server.url());
    server.complete("Once", 2);
    let body = |prompt: &str, length: u32| json!({ "prompt": prompt, "n_predict": length, "temperature": 0, "stream": true, "ignore_eos": true });
    compare(&agent, "/completion", |prompt| body(prompt, 60));
    live(&agent, "/completion", &body("Count.", 3500));
    // The server learned at once that its client left.
    eventually(PATIENCE, || {
        let slots: Value = serde_json::from_str(&server.get("/slots")).unwrap();
        slots[0]["is_processing"] == json!(false)
    });

    // A server that is gone, and comes again, behind the same tap.
    server.stop();
    let refused = Stream::ask(agent.tap, "/completion", &body("Hello", 2)).whole();
    assert_eq!((refused.status, refused.pieces), (502, 0));
    assert_eq!(agent.count("opsagent_request_failures_total", ("reason", "refused")), 1);
    server.start_again();
    let again = Stream::ask(agent.tap, "/completion", &body("Hello", 2)).whole();
    assert_eq!((again.status, again.tokens), (200, Some(2)));
    assert_eq!(agent.count("opsagent_requests_total", ("target", "box")), 6);
    assert_eq!(agent.count("opsagent_tap_client_requests_total", ("client", "me")), 2);
    let mut agent = agent;
    signal(agent.child.id(), "TERM");
    assert_eq!(wait(&mut agent.child, PATIENCE), 0, "{}", agent.log());
}

#[test]
#[ignore = "real parts: run tests/run"]
fn what_is_told_of_an_ollama_is_what_its_client_measured() {
    let ollama = ollama(&smollm2());
    let agent = Agent::before("ollama", &ollama.url());
    let body = |prompt: &str, length: u32| {
        let options = json!({ "num_predict": length, "temperature": 0, "num_ctx": 4096, "seed": 1 });
        json!({ "model": "smol", "prompt": prompt, "stream": true, "options": options })
    };
    // The model is in memory before the first request that counts.
    ollama.post(
        "/api/generate",
        &json!({ "model": "smol", "prompt": "Once", "stream": false,
        "options": { "num_predict": 1, "num_ctx": 4096 } }),
    );
    compare(&agent, "/api/generate", |prompt| body(prompt, 60));
    // Its answer ends when the model says so; this one has much to say.
    live(
        &agent,
        "/api/generate",
        &body("List all numbers from 1 to 5000, one a line.\n1\n2\n3\n4\n5\n6\n7\n", 3500),
    );
}

fn ollama(model: &Path) -> Ollama {
    let ollama = Ollama::start(&[]);
    ollama.create("smol", model, &["TEMPLATE {{ .Prompt }}"]);
    ollama
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_cold_start_stands_apart_and_a_tap_wakes_nothing_by_itself() {
    let ollama = ollama(&smollm2());
    let agent = Agent::before("ollama", &ollama.url());
    // Connections alone ask for nothing.
    let idle: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(agent.tap).unwrap()).collect();
    eventually(PATIENCE, || agent.traffic().tap.is_some_and(|tap| tap.connections == 8));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(ollama.get("/api/ps"), r#"{"models":[]}"#);
    drop(idle);
    let body = json!({ "model": "smol", "prompt": "Once", "stream": true, "options": { "num_predict": 8 } });
    let cold = Stream::ask(agent.tap, "/api/generate", &body).whole();
    let told = agent.until(|traffic| traffic.requests == 1);
    assert_eq!((told.cold, told.time_to_first_token), (1, None), "{told:?}");
    assert!(agent.sum("opsagent_load_seconds_sum", ("target", "box")) <= cold.time_to_first_token());
    assert_eq!(agent.count("opsagent_time_to_first_token_seconds_count", ("cold", "true")), 1);
    Stream::ask(agent.tap, "/api/generate", &body).whole();
    let told = agent.until(|traffic| traffic.requests == 2);
    assert_eq!((told.cold, told.time_to_first_token.unwrap().count), (1, 1));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_llama_server_that_closes_after_streams_though_it_promises_not_to_loses_no_request() {
    let server = LlamaServer::start(&smollm2(), &["--alias", "smol"]);
    let agent = Agent::before("llama_cpp", &server.url());
    for nth in 0..150 {
        // Those after plain answers are kept, and trusted.
        for stream in [false, true] {
            let body = json!({ "prompt": "Once", "n_predict": 1, "stream": stream });
            let answer = Stream::ask(agent.tap, "/completion", &body).whole();
            assert_eq!(answer.status, 200, "request {nth}, stream: {stream}");
        }
    }
    let told = agent.until(|traffic| traffic.requests == 300);
    assert_eq!(told.failed(), 0, "{told:?}");
}
