//! `opsagent run` as a process: what it says first, what it binds, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use opsagent::view::View;
use opsagent::wire::exposition::parse;

use super::fake::free_port;
use super::{opsagent, run};
use crate::support::real::LlamaServer;
use crate::support::tiny_model::TinyModel;

/// Waits until it holds.
pub fn eventually(limit: Duration, mut holds: impl FnMut() -> bool) {
    let beat = Duration::from_millis(20);
    for _ in 0..limit.as_millis() / beat.as_millis() {
        if holds() {
            return;
        }
        std::thread::sleep(beat);
    }
    panic!("did not come to hold within {limit:?}");
}

/// Sends a signal, by the name `kill` knows it.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}

/// The exit code, once it has ended.
pub fn wait(child: &mut Child, limit: Duration) -> i32 {
    let mut code = None;
    eventually(limit, || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    code.unwrap().code().expect("ended by itself, not by a signal")
}

/// An agent that runs; killed if the test fails.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    /// The line that says where it listens; among the first, since its jobs may log before it.
    first: String,
}

impl Running {
    fn start(args: &[&str]) -> Running {
        Running::of(&mut opsagent(args))
    }

    fn of(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        while !first.contains("listens on") {
            first.clear();
            assert!(log.read_line(&mut first).unwrap() > 0, "ended without a word of where it listens");
        }
        Running { child, log, first }
    }

    /// Where it says it listens.
    fn address(&self) -> String {
        let from =
            self.first.split("http://").nth(1).unwrap_or_else(|| panic!("no address in {}", self.first));
        from.split('/').next().unwrap().to_owned()
    }

    fn end(mut self, name: &str) -> (i32, String) {
        signal(self.child.id(), name);
        let code = wait(&mut self.child, Duration::from_secs(15));
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (code, rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A config that watches nothing, so that no test looks at this machine's servers.
fn config(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    write!(file, "{text}").unwrap();
    file
}

#[test]
fn it_says_where_it_listens_answers_there_and_ends_when_told() {
    for (name, said) in [("TERM", "SIGTERM"), ("INT", "Ctrl-C")] {
        let file = config("discover = false\n");
        let path = file.path().to_str().unwrap();
        let agent = Running::start(&["run", "--config", path, "--listen", "127.0.0.1:0"]);
        assert!(agent.first.contains(concat!("opsagent ", env!("CARGO_PKG_VERSION"))), "{}", agent.first);
        assert!(agent.first.contains(path), "{}", agent.first);
        let (code, out, err) = run(&["status", &agent.address()]);
        assert_eq!(code, 3, "no target is unknown: {out}{err}");
        let (code, rest) = agent.end(name);
        assert_eq!(code, 0, "{rest}");
        assert!(rest.contains(said) && rest.contains("stopped"), "{rest}");
    }
}

#[test]
fn status_finds_the_agent_where_the_config_says_it_listens() {
    let listen = format!("127.0.0.1:{}", free_port());
    let file = config(&format!("listen = \"{listen}\"\ndiscover = false\n"));
    let path = file.path().to_str().unwrap();
    let (code, _, err) = run(&["status", "--config", path]);
    assert_eq!(code, 3);
    assert!(err.starts_with(&format!("no agent at http://{listen}: polled 0 targets directly")), "{err}");
    let agent = Running::start(&["--config", path]);
    let (_, _, err) = run(&["status", "--config", path]);
    assert!(err.starts_with(&format!("asked http://{listen} (opsagent ")), "{err}");
    assert_eq!(agent.end("TERM").0, 0);
}

#[test]
fn an_agent_behind_tls_and_a_password_is_asked_with_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let hash = bcrypt::hash("geheim", 4).unwrap();
    let web = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  me: {hash}\n"
    );
    std::fs::write(path("web.yml"), web).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let config = format!("listen = \"{listen}\"\ndiscover = false\nweb_config_file = \"web.yml\"\n");
    std::fs::write(path("opsagent.toml"), config).unwrap();
    let (config, ca) = (path("opsagent.toml"), path("cert.pem"));
    let agent = Running::start(&["run", "--config", &config]);
    assert!(agent.first.contains(&format!("listens on https://{listen}/")), "{}", agent.first);
    let cases: [(&[&str], &str); 3] = [
        (&["status", "--config", &config], "--ca-file"),
        (&["status", "--config", &config, "--ca-file", &ca], "it wants a password"),
        (&["status", "--ca-file", &ca, &format!("https://me:geheim@{listen}")], "asked https://127.0.0.1:"),
    ];
    for (args, said) in cases {
        let (code, _, err) = run(args);
        assert!(code == 3 && err.contains(said), "{code}: {err}");
    }
    assert_eq!(agent.end("TERM").0, 0);
}

#[test]
fn two_agents_on_one_port_is_told_to_the_second() {
    let file = config("discover = false\n");
    let path = file.path().to_str().unwrap();
    let agent = Running::start(&["run", "--config", path, "--listen", "127.0.0.1:0"]);
    let (code, out, err) = run(&["run", "--config", path, "--listen", &agent.address()]);
    assert_eq!((code, out.as_str()), (1, ""));
    let last = err.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("opsagent: cannot listen on {}: Address already in use", agent.address())),
        "{err}"
    );
    assert!(last.contains("opsagent status") && last.contains("--listen"), "it says what to do: {err}");
}

#[test]
fn a_bad_config_ends_in_two_with_all_its_faults_and_binds_nothing() {
    let port = free_port();
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\n[[target]]\nname = \"a\"\nkind = \"olama\"\n[[target]]\nname = \"b\"\nurl = 7\n"
    );
    let file = config(&text);
    let path = file.path().to_str().unwrap();
    for verb in ["run", "check"] {
        let (code, out, err) = run(&[verb, "--config", path]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(&format!("{path}:4: target[0].kind: ")), "{err}");
        assert!(err.contains(&format!("{path}:7: target[1].url: ")), "{err}");
        assert!(err.lines().last().unwrap().ends_with(": 2 faults in the config"), "{err}");
    }
    assert_eq!(run(&["status", "--config", path]).0, 3, "what cannot be told is unknown, not critical");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_good_config_is_told_in_a_line() {
    let file = config("discover = false\n");
    let path = file.path().to_str().unwrap();
    let (code, out, err) = run(&["check", "--config", path]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("ok: 0 targets, looks for no others ({path})\n"));
}

#[test]
fn check_connect_polls_each_target_and_ends_as_status_does() {
    let port = free_port();
    let file = config(&format!(
        "discover = false\n[[target]]\nname = \"gone\"\nkind = \"openai\"\nurl = \"http://127.0.0.1:{port}\"\n"
    ));
    let (code, out, err) = run(&["check", "--config", file.path().to_str().unwrap(), "--connect"]);
    assert_eq!((code, err.as_str()), (2, ""));
    assert!(out.contains("CRITICAL: 1 of 1 target is down: gone (connection refused)"), "{out}");
}

#[test]
fn the_config_that_is_printed_is_one_that_is_taken() {
    let (code, text, _) = run(&["config"]);
    assert_eq!(code, 0);
    let file = config(&text);
    let (code, out, err) = run(&["check", "--config", file.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("ok: "), "{out}");
}

#[test]
fn the_log_is_json_when_asked_for_and_names_the_target_it_is_about() {
    let nobody = free_port();
    let file = config(&format!(
        "[[target]]\nname = \"box\"\nkind = \"ollama\"\nurl = \"http://127.0.0.1:{nobody}\"\n"
    ));
    let path = file.path().to_str().unwrap();
    let agent = Running::start(&["run", "--config", path, "--listen", "127.0.0.1:0", "--log.format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&agent.first).unwrap();
    assert_eq!(line["level"], "INFO");
    assert!(line["message"].as_str().unwrap().contains("listens on http://127.0.0.1:"));
    let (code, rest) = agent.end("TERM");
    assert_eq!(code, 0);
    for line in rest.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        // A module there is one that a reader would take for a target's name.
        assert!(line.get("target").is_none_or(|target| target == "box"), "{line}");
    }
}

/// The view of a running agent.
fn view(agent: &Running) -> View {
    serde_json::from_str(&run(&["status", "--json", &agent.address()]).1).unwrap()
}

#[test]
fn the_config_may_be_named_by_the_environment() {
    let file = config("discover = false\nlisten = \"127.0.0.1:0\"\n");
    let agent = Running::of(opsagent(&["run"]).env("OPSAGENT_CONFIG", file.path()));
    assert!(agent.first.contains(file.path().to_str().unwrap()), "{}", agent.first);
    assert!(!view(&agent).discovery.enabled);
    // What is said on the command line is nearer.
    let other = config("max_models = \"few\"\n");
    let named = opsagent(&["check", "--config", file.path().to_str().unwrap()])
        .env("OPSAGENT_CONFIG", other.path())
        .output()
        .unwrap();
    assert!(named.status.success(), "{named:?}");
    let bad = opsagent(&["check"]).env("OPSAGENT_CONFIG", other.path()).output().unwrap();
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn sighup_reads_the_config_anew_and_refuses_a_bad_one_whole() {
    let target = |name: &str| {
        let url = format!("http://127.0.0.1:{}", free_port());
        format!("[[target]]\nname = \"{name}\"\nkind = \"openai\"\nurl = \"{url}\"\n")
    };
    let file = config(&target("first"));
    let path = file.path().to_str().unwrap();
    let agent = Running::start(&["run", "--config", path, "--listen", "127.0.0.1:0"]);
    let names = || -> Vec<String> { view(&agent).targets.into_iter().map(|target| target.name).collect() };
    assert_eq!(names(), ["first"]);
    std::fs::write(path, format!("{}{}", target("first"), target("second"))).unwrap();
    signal(agent.child.id(), "HUP");
    eventually(Duration::from_secs(10), || names() == ["first", "second"]);
    std::fs::write(path, "every = \"soon\"\n[[target]]\nname = \"third\"\nkind = \"olama\"\n").unwrap();
    signal(agent.child.id(), "HUP");
    eventually(Duration::from_secs(10), || !view(&agent).agent.config_ok);
    assert_eq!(names(), ["first", "second"], "the old one goes on");
    let (code, log) = agent.end("TERM");
    assert_eq!(code, 0);
    for fault in [format!("{path}:1: every: "), format!("{path}:4: target[0].kind: ")] {
        assert!(log.contains(&fault), "{fault} in {log}");
    }
}

#[tokio::test]
async fn a_demo_is_marked_in_all_that_it_gives_out() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let file = config("");
    let path = file.path().to_str().unwrap();
    let agent = Running::start(&["run", "--demo", "--config", path, "--listen", "127.0.0.1:0"]);
    assert!(agent.first.contains("demo: nothing it shows is real"), "{}", agent.first);
    eventually(Duration::from_secs(10), || {
        let view = view(&agent);
        view.targets.iter().all(|target| target.state.is_some()) && !view.gpus.cards.is_empty()
    });
    let get = async |path: &str| {
        reqwest::get(format!("http://{}{path}", agent.address())).await.unwrap().text().await.unwrap()
    };
    assert!(get("/").await.contains("simulated"));
    let seen: View = serde_json::from_str(&get("/api/v1/view").await).unwrap();
    assert!(seen.agent.demo && seen.targets.len() == 3 && seen.targets.iter().all(|target| target.demo));
    assert!(seen.gpus.cards.iter().all(|card| card.told.uuid.contains("demo")), "{:?}", seen.gpus.cards);
    let page = get("/metrics").await;
    assert!(page.contains("\nopsagent_demo 1\n"), "{page}");
    for sample in parse(&page) {
        for (label, value) in &sample.labels {
            // What went to no server is no server's.
            let nobodys = label == "target" && value == "other";
            // Of tokens it says which, and not what sort of server.
            let of_tokens = label == "kind" && sample.name == "opsagent_canary_tokens_total";
            let names_one = ["target", "gpu", "kind", "backend"].contains(&label.as_str()) && !of_tokens;
            let marked = !names_one || nobodys || value.contains("demo");
            assert!(marked, "{sample:?}");
        }
    }
    let (_, out, _) = run(&["status", &agent.address()]);
    assert!(out.lines().nth(1).unwrap().starts_with("DEMO: nothing below is real"), "{out}");
    let (code, log) = agent.end("INT");
    assert_eq!(code, 0);
    for line in log.lines().filter(|line| line.contains(" -> ")) {
        assert!(line.contains("demo"), "{line}");
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn without_an_agent_status_finds_a_real_server_by_itself() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--metrics", "--alias", "small"]);
    let name = format!("llama_cpp-{}", server.address().port());
    let file = config(&format!("listen = \"127.0.0.1:{}\"\ndiscover = true\n", free_port()));
    let asked = ["status", "--json", "--target", &name, "--config", file.path().to_str().unwrap()];
    let (code, out, err) = run(&asked);
    assert_eq!(code, 0, "{out}{err}");
    let view: View = serde_json::from_str(&out).unwrap();
    assert_eq!((view.targets.len(), view.targets[0].models[0].name.as_str()), (1, "small"));
    assert!(view.targets[0].discovered && err.contains("directly"), "{err}");
}
