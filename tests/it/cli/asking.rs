//! `opsagent status` and whom it asks: exit codes, several agents, and what is no agent.

use std::process::Stdio;
use std::time::Duration;

use opsagent::cli::table::health;
use opsagent::view::{Health, View};
use serde_json::{Value, json};

use super::fake::{Agent, free_port, html, json_body};
use super::{opsagent, rich, rich_view, run, running, told, view_of};

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

/// The rich view, whose first GPU has so much memory left.
fn with_free(gib: u64) -> Value {
    let mut view = rich();
    view["gpus"]["cards"][0]["memory_free_bytes"] = (gib << 30).into();
    view
}

#[test]
fn whether_a_model_fits_is_said_in_words_and_by_the_exit_code() {
    let agent = Agent::with_view(&with_free(20));
    let (code, out, err) = run(&["fits", "12GiB", &agent.url()]);
    assert_eq!((code, out.as_str()), (0, "12.0 GiB: fits on GPU 0 (NVIDIA H200): room for 19.5 GiB\n"));
    assert!(err.starts_with("asked http://127.0.0.1:"), "{err}");
    let (code, out, _) = run(&["fits", "90GiB", &agent.url()]);
    assert!(code == 2 && out.starts_with("90.0 GiB: does not fit: "), "{out}");
    let (code, out, _) = run(&["fits", "--json", "12GiB", &agent.url()]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["verdict"], &told["cards"]), (0, &json!("one_card"), &json!(["GPU-1"])));
    assert_eq!(told["agent"], "127.0.0.1");
}

#[test]
fn of_several_machines_one_that_takes_it_is_enough_and_one_that_is_lost_is_told() {
    let (full, empty) = (Agent::with_view(&with_free(2)), Agent::with_view(&with_free(64)));
    let dead = format!("127.0.0.1:{}", free_port());
    let (code, out, err) = run(&["fits", "40GB", &full.url(), &empty.url(), &dead]);
    assert_eq!(code, 0, "{out}{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("does not fit") && lines[1].contains(": fits on"), "{out}");
    assert!(err.contains(&format!("http://{dead}: connection refused")), "{err}");
    let (code, _, _) = run(&["fits", "40GB", &full.url(), &dead]);
    assert_eq!(code, 3, "the one that is lost may take it");
}

#[test]
fn what_is_no_size_and_no_file_is_wrong_usage_and_a_view_that_is_evil_breaks_no_screen() {
    let (code, out, err) = run(&["fits", "12"]);
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(err.contains("a size such as 12GiB, nor for a file"), "{err}");
    let mut view = with_free(20);
    view["gpus"]["cards"][0]["name"] = "\u{1b}[2Jx\ny".into();
    let agent = Agent::with_view(&view);
    let (_, out, _) = run(&["fits", "1GiB", &agent.url()]);
    assert!(out.lines().count() == 1 && !out.contains('\u{1b}'), "{out:?}");
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
