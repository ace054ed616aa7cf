//! The command line from outside: what it prints, how it ends, and that nothing can break a screen.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use opsagent::cli::table::{Lost, health, render};
use opsagent::cli::text::width;
use opsagent::view::{Health, View};
use serde_json::{Value, json};

use fake::{Agent, free_port, html, json_body};

mod fake;
mod running;

/// The program, without what the environment of the test would tell it.
fn opsagent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsagent"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OPSAGENT_") {
            command.env_remove(name);
        }
    }
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm");
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    told(&opsagent(args).output().unwrap())
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rich() -> Value {
    let text = std::fs::read_to_string(root().join("tests/fixtures/view/rich.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rich_view() -> View {
    serde_json::from_value(rich()).unwrap()
}

/// The rich view with these targets only, and a config that is fine.
fn view_of(targets: &[&str]) -> Value {
    let mut view = rich();
    view["agent"]["config_ok"] = true.into();
    view["agent"]["config_errors"] = json!([]);
    let all = view["targets"].as_array().unwrap().clone();
    view["targets"] =
        all.into_iter().filter(|target| targets.contains(&target["name"].as_str().unwrap())).collect();
    view
}

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

/// Compares with a golden file, or rewrites it with `UPDATE_GOLDEN=1`.
fn golden(name: &str, now: &str) {
    let file: PathBuf = root().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, now).unwrap();
    }
    let then = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(now, then, "{} differs; UPDATE_GOLDEN=1 rewrites it", file.display());
}

#[test]
fn the_status_table_is_as_a_person_reads_it() {
    let agent = Agent::with_view(&rich());
    let (code, out, err) = run(&["status", &agent.url()]);
    assert_eq!(code, 2);
    assert_eq!(err, format!("asked {} (opsagent 0.1.0, up 3 d)\n", agent.url()));
    golden("status.txt", &out);
}

#[test]
fn the_table_fits_every_screen() {
    for columns in [20, 40, 60, 80, 120, 200] {
        for line in plain(&render(&rich_view(), &[], columns)).lines() {
            assert!(width(line) <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn hostile_names_break_no_screen() {
    let nasty = [
        "x".repeat(4096),
        "\u{1b}[2J\u{1b}]0;owned\u{7}".into(),
        "two\nlines\r\tand \"quotes\"".into(),
        "right\u{202e}to\u{2066}left".into(),
        "模型".repeat(60),
        format!("z{}", "\u{0301}".repeat(500)),
        "👩‍👩‍👧‍👦".repeat(30),
        String::new(),
    ];
    for name in nasty {
        let mut view = rich_view();
        for target in &mut view.targets {
            (target.name, target.kind, target.url) = (name.clone(), name.clone(), name.clone());
            (target.version, target.error) = (Some(name.clone()), Some(name.clone()));
            for note in &mut target.notes {
                (note.text, note.remedy) = (name.clone(), Some(name.clone()));
            }
            for model in &mut target.models {
                model.name.clone_from(&name);
            }
        }
        view.gpus.cards[0].name = Some(name.clone());
        view.agent.config_errors = vec![name.clone()];
        let lost = [Lost { agent: name.clone(), why: name.clone() }];
        for columns in [30, 60, 80, 120] {
            let table = plain(&render(&view, &lost, columns));
            let lines = table.lines().count();
            assert!(columns < 60 || lines < 150, "{lines} lines in {columns}");
            for line in table.lines() {
                assert!(width(line) <= columns, "{columns}: {line:?}");
                let bad = |c: char| {
                    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                assert!(!line.contains(bad), "{line:?}");
            }
        }
    }
}

#[test]
fn the_exit_code_says_what_the_first_line_says() {
    let mut slow = view_of(&["studio", "coder"]);
    slow["targets"][1]["notes"] = json!([{ "code": "x", "level": "warning", "text": "odd" }]);
    let mut refused = view_of(&["coder"]);
    refused["agent"]["config_ok"] = false.into();
    let cases = [
        (view_of(&["coder"]), 0, "OK: 1 target up, 1 model loaded"),
        (view_of(&["ollama", "coder"]), 1, "WARNING: 1 of 2 targets needs a look: ollama (qwen3:32b is only"),
        (refused, 1, "WARNING: the last reload of the config was refused"),
        (view_of(&["box", "coder"]), 2, "CRITICAL: 1 of 2 targets is down: box (connection refused)"),
        (
            view_of(&["box", "vllm"]),
            2,
            "CRITICAL: 1 of 2 targets is down: box (connection refused); 1 is hung: vllm",
        ),
        (view_of(&["studio", "coder"]), 3, "UNKNOWN: 1 of 2 targets is not known: studio (not polled yet)"),
        (view_of(&[]), 3, "UNKNOWN: no target"),
    ];
    for (view, code, line) in cases {
        let agent = Agent::with_view(&view);
        let (found, out, _) = run(&["status", &agent.url()]);
        assert!(out.starts_with(line), "{out}");
        assert_eq!(found, code, "{line}");
    }
}

#[test]
fn a_demo_says_so_first() {
    let mut view = view_of(&["coder"]);
    view["agent"]["demo"] = true.into();
    view["targets"][0]["demo"] = true.into();
    let agent = Agent::with_view(&view);
    let (_, out, _) = run(&["status", &agent.url()]);
    assert!(out.lines().nth(1).unwrap().starts_with("DEMO: nothing below is real"), "{out}");
    assert!(out.contains("(demo)"), "{out}");
}

#[test]
fn with_no_target_it_says_what_was_tried_and_how_to_go_on() {
    let mut view = view_of(&[]);
    view["discovery"]["tried"] = json!([
        { "address": "127.0.0.1:11434", "why": "default port of ollama", "outcome": "connection refused" }
    ]);
    let agent = Agent::with_view(&view);
    let (code, out, _) = run(&["status", &agent.url()]);
    assert_eq!(code, 3);
    for part in ["127.0.0.1:11434  connection refused  default port of ollama", "opsagent run --demo"] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn json_is_the_view_as_it_came() {
    let agent = Agent::with_view(&rich());
    let (code, out, _) = run(&["status", "--json", &agent.url()]);
    assert_eq!(code, 2);
    let view: View = serde_json::from_str(&out).unwrap();
    assert_eq!(view, rich_view());
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["schema_version"], 1);
}

#[test]
fn one_target_alone_can_be_asked_for() {
    let agent = Agent::with_view(&rich());
    let (code, out, _) = run(&["status", &agent.url(), "--target", "vllm"]);
    assert!(code == 2 && out.starts_with("CRITICAL: 1 of 1 target is hung: vllm"), "{out}");
    let (code, out, err) = run(&["status", &agent.url(), "--target", "nope"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("box, coder, ollama"), "{err}");
}

#[test]
fn several_agents_are_one_table_and_one_that_is_lost_is_told() {
    let (a, b) = (Agent::with_view(&view_of(&["coder"])), Agent::with_view(&view_of(&["box"])));
    let (code, out, _) = run(&["status", &a.url(), &b.url()]);
    assert_eq!(code, 2);
    assert!(out.contains("/coder") && out.contains("/box (connection refused)"), "{out}");
    let dead = format!("127.0.0.1:{}", free_port());
    let (code, out, _) = run(&["status", &a.url(), &dead]);
    assert_eq!(code, 3);
    assert!(out.starts_with("UNKNOWN: no answer from 1 agent"), "{out}");
    assert!(out.contains(&format!("http://{dead} does not answer: connection refused")), "{out}");
    assert_eq!(health(&rich_view(), &[]), Health::Critical);
}

#[test]
fn what_is_no_agent_is_unknown_never_critical() {
    let other = |schema: u32| json_body(&json!({ "schema_version": schema }));
    let cases = [
        (Agent::answering(html("<h1>hello</h1>")), "not as an opsagent"),
        (Agent::answering(json_body(&json!({ "models": [] }))), "not as an opsagent"),
        (
            Agent::answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into()),
            "not as an opsagent",
        ),
        (
            Agent::answering("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".into()),
            "wants a password",
        ),
        (Agent::answering(other(99)), "schema 99"),
        (Agent::answering(other(1)), "not as an opsagent"),
        (Agent::silent(), "no whole answer within 300ms"),
    ];
    for (agent, why) in cases {
        let (code, out, err) = run(&["status", "--timeout", "300ms", &agent.url()]);
        assert_eq!((code, out.as_str()), (3, ""), "{why}");
        assert!(
            err.starts_with("opsagent: cannot ask the agent at http://127.0.0.1:") && err.contains(why),
            "{err}"
        );
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn a_password_is_sent_and_not_shown() {
    let agent = Agent::with_view(&view_of(&["coder"]));
    let (code, _, err) = run(&["status", &agent.url().replace("http://", "http://me:geheim@")]);
    assert_eq!(code, 0);
    assert!(!err.contains("geheim"), "{err}");
    assert!(agent.asked().contains("authorization: Basic bWU6Z2VoZWlt"), "{}", agent.asked());
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let agent = Agent::with_view(&rich());
    let escapes = |vars: &[(&str, &str)]| {
        let output = opsagent(&["status", &agent.url()]).envs(vars.iter().copied()).output().unwrap();
        told(&output).1.contains('\u{1b}')
    };
    assert!(!escapes(&[]), "a pipe");
    assert!(escapes(&[("CLICOLOR_FORCE", "1")]));
    assert!(!escapes(&[("NO_COLOR", "1")]));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let agent = Agent::with_view(&rich());
    let verbs =
        [vec!["explain"], vec!["config"], vec!["man", "status"], vec!["completions", "bash"], vec!["--help"]];
    for args in verbs {
        assert_eq!(head(&args), (0, String::new()), "{args:?}");
    }
    let (code, err) = head(&["status", &agent.url(), "--watch=10ms"]);
    assert_eq!((code, err.lines().count()), (0, 1), "{err}");
}

/// Runs it with a reader that closes the pipe before the first byte; the code and stderr.
fn head(args: &[&str]) -> (i32, String) {
    let mut child = opsagent(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, err) = told(&child.wait_with_output().unwrap());
    (code, err)
}

#[test]
fn a_full_disk_is_told_once() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = opsagent(&["explain"]).stdout(full).output().unwrap();
    let (code, _, err) = told(&output);
    assert_eq!(code, 1);
    assert!(err.starts_with("opsagent: cannot write to standard output: No space left"), "{err}");
}

#[test]
fn wrong_usage_has_its_own_codes() {
    let cases: [(&[&str], i32); 7] = [
        (&["stauts"], 64),
        (&["run", "--nope"], 64),
        (&["check", "--nope"], 64),
        (&["status", "--nope"], 3),
        (&["status", "--timeout", "soon"], 3),
        (&["run", "--listen", "localhost"], 64),
        (&["explain", "olama"], 64),
    ];
    for (args, code) in cases {
        let (found, out, err) = run(args);
        assert_eq!((found, out.as_str()), (code, ""), "{args:?}");
        assert!(!err.is_empty(), "{args:?}");
    }
    assert!(run(&["stauts"]).2.contains("'status'"));
    assert!(run(&["explain", "olama"]).2.contains("ollama"));
}

#[test]
fn help_and_version_are_results() {
    for args in [vec!["--help"], vec!["-h"], vec!["status", "--help"], vec!["help", "run"], vec!["--version"]]
    {
        let (code, out, err) = run(&args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(!out.is_empty() && out.lines().all(|line| width(line) <= 100), "{out}");
    }
    assert_eq!(run(&["--version"]).1, format!("opsagent {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_scripts_that_shells_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(&["completions", shell]);
        assert!(code == 0 && out.contains("status"), "{shell}");
        // Only these can check without running; the others are looked at where they are installed.
        if matches!(shell, "bash" | "zsh" | "fish") && Command::new(shell).arg("--version").output().is_ok() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("opsagent.sh");
            std::fs::write(&file, out).unwrap();
            assert!(Command::new(shell).arg("-n").arg(&file).status().unwrap().success(), "{shell}");
        }
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let (code, whole, _) = run(&["man"]);
    assert!(code == 0 && whole.contains(".TH opsagent 1"), "{whole}");
    for verb in ["run", "status", "check", "config", "explain", "completions", "man"] {
        let (code, page, _) = run(&["man", verb]);
        assert!(code == 0 && page.contains(&format!(".TH opsagent-{verb} 1")), "{verb}: {page}");
        assert!(page.contains("Examples"), "{verb}");
    }
    assert_eq!(run(&["man", "nope"]).0, 64);
}

#[test]
fn a_metric_and_a_kind_are_explained_without_a_network() {
    let (code, out, _) = run(&["explain", "target_up"]);
    assert!(code == 0 && out.contains("gauge") && out.contains("target, kind"), "{out}");
    let (code, out, _) = run(&["explain", "ollama"]);
    assert!(code == 0 && out.contains("11434") && out.contains("contract"), "{out}");
}

#[test]
fn watching_in_a_pipe_prints_again_and_clears_nothing() {
    let agent = Agent::with_view(&rich());
    let mut child = opsagent(&["status", &agent.url(), "--watch=50ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    running::eventually(Duration::from_secs(10), || agent.questions() >= 3);
    running::signal(child.id(), "INT");
    let code = running::wait(&mut child, Duration::from_secs(10));
    let (_, out, err) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, 130);
    assert!(out.matches("CRITICAL: ").count() >= 2 && !out.contains('\u{1b}'), "{out}");
    assert_eq!(err.lines().count(), 1, "said once, not at every look: {err}");
}
