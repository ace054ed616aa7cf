//! The whole of it: an agent that asks on its beat, a server whose model somebody replaces under its name, and a
//! person who looks. On a llama-server and on an Ollama.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use opsagent::drift::Severity;
use opsagent::view::{CanaryView, View};
use serde_json::{Value, json};

use crate::progress;
use crate::support::changed_model::quantized;
use crate::support::process::{Process, Recipe, free_port};
use crate::support::real::{LlamaServer, Ollama, smollm2};

const PROGRAM: &str = env!("CARGO_BIN_EXE_opsagent");

/// The shortest at which looks again, 20 to 60 s after a first deviation, come between beats as they do in real life.
const BEAT: Duration = Duration::from_secs(15);

/// Runs that must say nothing before the model is replaced.
const QUIET: u64 = 8;

/// Beats within which it is to be found. Looks again, which follow a first deviation by themselves, are no beats.
const WITHIN: usize = 4;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// What serves the model.
enum Server {
    LlamaCpp(LlamaServer),
    Ollama(Ollama),
}

/// An agent with its config and its store.
struct Agent {
    process: Process,
    config: String,
}

pub async fn replaced(runs: u64) -> bool {
    println!(
        "\nQ4_1 becomes Q2_K under the same name, after a baseline of {runs} runs; the agent asks every {BEAT:?}:\n"
    );
    println!(
        "| server | beats to the alarm | looks again | seconds | severity | cause | metric | page | `opsagent canary` |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut fine = true;
    for kind in ["ollama", "llama_cpp"] {
        progress(&format!("replaced on {kind}: a baseline of {runs} runs"));
        fine &= on(kind, runs).await;
    }
    fine
}

async fn on(kind: &str, runs: u64) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf");
    std::fs::copy(smollm2(), &model).unwrap();
    let mut server = Server::start(kind, &model);
    let agent = Agent::start(kind, &server.url(), server.name());
    let name = format!("box/{}", server.name());
    let captured = agent.says(&["baseline", "capture", &name, "--runs", &runs.to_string()]);
    assert_eq!(captured.0, 0, "{}", captured.1);
    server.uses();
    let quiet = agent.until("quiet", |canary| ran(canary) >= QUIET).await;
    assert!(quiet.alarms.iter().all(|(_, alarms)| *alarms == 0), "nothing changed yet: {:?}", quiet.report);
    assert_eq!(agent.says(&["canary", "--quick", "--target", "box"]).0, 0, "as it was");
    progress(&format!("replaced on {kind}"));
    std::fs::copy(quantized(folder.path(), "Q2_K", &[]), &model).unwrap();
    let (moved, since) = (Timestamp::now(), tokio::time::Instant::now());
    server.serves(&model);
    let found = agent.until("drifting", |canary| canary.report.severity.is_some()).await;
    let seconds = since.elapsed().as_secs();
    let (beats, looks) = agent.took(&name, moved);
    let is_told = |line: &str| line.starts_with("opsagent_drift_state{") && line.ends_with(" 1");
    let metric =
        agent.process.get("/metrics").lines().any(|line| is_told(line) && line.contains("\"critical\""));
    let page = agent.process.get("/");
    let words = &found.report.words;
    let missing: Vec<&String> = words.iter().filter(|line| !is_on(&page, line)).collect();
    if !missing.is_empty() {
        progress(&format!("not on the page: {missing:#?}"));
    }
    let on_page = !words.is_empty() && missing.is_empty();
    let (code, said) = agent.says(&["canary", "--target", "box"]);
    progress(&format!("opsagent canary exits {code}:\n{said}"));
    let heads = ["What moved", "Most likely", "Do:"].iter().all(|head| said.contains(head));
    println!(
        "| {kind} | {beats} | {looks} | {seconds} | {} | {} | {} | {} | exit {code}{} |",
        found.report.severity.map_or("–", Severity::name),
        found.report.cause.map_or("–", |cause| cause.name()),
        yes(metric),
        yes(on_page),
        if heads { ", says what moved, why, what to do" } else { "" },
    );
    beats <= WITHIN && metric && on_page && code == 2 && heads
}

/// Runs that were judged, whatever came of them.
fn ran(canary: &CanaryView) -> u64 {
    canary.runs.iter().filter(|(result, _)| result != "skipped").map(|(_, runs)| runs).sum()
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// Whether the page has the line: its head stands apart there, and commands between backticks do, too.
fn is_on(page: &str, line: &str) -> bool {
    let marks = [("&#34;", "\""), ("&#38;", "&"), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    let page = marks.iter().fold(page.to_owned(), |page, (coded, mark)| page.replace(coded, mark));
    line.splitn(2, ": ").flat_map(|part| part.split('`')).all(|part| page.contains(part.trim()))
}

impl Server {
    fn start(kind: &str, model: &Path) -> Server {
        if kind == "llama_cpp" {
            let args = ["--alias", "smol", "-np", "4", "-c", "8192"];
            return Server::LlamaCpp(LlamaServer::start(model, &args));
        }
        let server = Server::Ollama(Ollama::start(&[]));
        server.created(model);
        server
    }

    fn created(&self, model: &Path) {
        if let Server::Ollama(ollama) = self {
            ollama.create("smol", model, &[]);
            self.uses();
        }
    }

    /// A user's request: an Ollama loads the model by it, and keeps it.
    fn uses(&self) {
        if let Server::Ollama(ollama) = self {
            let options = json!({ "num_predict": 1 });
            let body = json!({ "model": "smol", "prompt": "hi", "keep_alive": -1, "stream": false, "options": options });
            ollama.post("/api/generate", &body);
        }
    }

    /// Serves the file that stands there now.
    fn serves(&mut self, model: &Path) {
        match self {
            Server::LlamaCpp(server) => {
                server.stop();
                server.start_again();
            }
            Server::Ollama(_) => self.created(model),
        }
    }

    fn url(&self) -> String {
        match self {
            Server::LlamaCpp(server) => server.url(),
            Server::Ollama(server) => server.url(),
        }
    }

    /// The model, as the server lists it.
    fn name(&self) -> &'static str {
        match self {
            Server::LlamaCpp(_) => "smol",
            Server::Ollama(_) => "smol:latest",
        }
    }
}

impl Agent {
    fn start(kind: &str, url: &str, model: &str) -> Agent {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let path = folder.path().join("opsagent.toml");
        let store = folder.path().join("opsagent.db");
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\ndiscover = false\n\
             [[target]]\nname = \"box\"\nkind = \"{kind}\"\nurl = \"{url}\"\nevery = \"1s\"\n\
             [canaries]\nevery = \"{}s\"\nmodels = [\"{model}\"]\n\
             [store]\npath = \"{}\"\n",
            BEAT.as_secs(),
            store.display()
        );
        std::fs::write(&path, text).unwrap();
        let config = path.display().to_string();
        let args = ["run", "--config", &config].map(str::to_owned).to_vec();
        let recipe = Recipe { program: PROGRAM.into(), args, env: Vec::new(), port, ready: "/-/healthy" };
        Agent { process: Process::start(folder, recipe), config }
    }

    /// The exit code of a command with its config, and what it printed.
    fn says(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(PROGRAM);
        command.args(args).args(["--config", &self.config]).env("NO_COLOR", "1");
        let output = command.output().expect("it was built");
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&printed).into_owned())
    }

    /// Beats, and looks again, from that time to the run that raised the alarm, out of the store's history.
    fn took(&self, name: &str, from: Timestamp) -> (usize, usize) {
        let mut command = Command::new(PROGRAM);
        command.args(["canary", "history", name, "--limit", "1000", "--json", "--config", &self.config]);
        let told: Value =
            serde_json::from_slice(&command.output().expect("it was built").stdout).expect("JSON");
        let mut runs = told["runs"].as_array().expect("runs").clone();
        runs.retain(|run| {
            run["at"].as_str().and_then(|at| at.parse().ok()).is_some_and(|at: Timestamp| at >= from)
        });
        runs.sort_by_key(|run| run["at"].as_str().map(str::to_owned));
        let last = runs.iter().position(|run| run["verdict"] == "drifting").expect("a run that raised it");
        let looks = runs[..=last].iter().filter(|run| run["purpose"] == "confirm").count();
        (last + 1 - looks, looks)
    }

    /// What it says of the model, once that holds.
    async fn until(&self, what: &str, holds: impl Fn(&CanaryView) -> bool) -> CanaryView {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let view: View = serde_json::from_str(&self.process.get("/api/v1/view")).expect("a view");
            let canary = view.targets.first().and_then(|target| target.canaries.first());
            if let Some(canary) = canary.filter(|canary| holds(canary)) {
                return canary.clone();
            }
            assert!(tokio::time::Instant::now() < deadline, "never: {what}: {canary:#?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
