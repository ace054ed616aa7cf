//! `opsagent canary` and `opsagent baseline` at a shell: with a server and nothing else.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::fake::free_port;
use super::running::{eventually, signal, wait};
use super::{opsagent, told};
use crate::support::oracle::Oracle;
use opsagent::cli::text::width;
use opsagent::store::{BaselineRecord, Batch, Db};

/// A shell with a state folder of its own, where no agent runs.
pub(super) struct Shell {
    state: tempfile::TempDir,
    nobody: String,
}

impl Shell {
    pub(super) fn new() -> Shell {
        Shell { state: tempfile::tempdir().unwrap(), nobody: format!("http://127.0.0.1:{}", free_port()) }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = opsagent(args);
        command.env("STATE_DIRECTORY", self.state.path()).env("OPSAGENT_URL", &self.nobody);
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> (i32, String, String) {
        told(&self.command(args).output().unwrap())
    }

    pub(super) fn store(&self) -> std::path::PathBuf {
        self.state.path().join("opsagent.db")
    }
}

/// The name that a server at that address has.
pub(super) fn named(oracle: &Oracle) -> String {
    format!("openai-{}/stub", oracle.address.port())
}

#[test]
fn with_an_address_alone_it_answers_and_leaves_nothing_behind() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (code, out, err) = shell.run(&["canary", "--url", &oracle.url()]);
    assert_eq!(code, 0, "{out}{err}");
    for word in ["CATEGORY", "arithmetic", "TTFT", "nothing to compare with", "--save"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    assert!(out.lines().all(|line| width(line) <= 80), "{out}");
    assert!(!out.contains('\u{1b}'), "no word of a model steers the terminal: {out}");
    assert!(!shell.store().exists(), "nothing is stored unasked");
    let (code, out, _) =
        shell.run(&["canary", "--url", &oracle.url(), "--only", "json", "--show", "answers"]);
    assert!(code == 0 && out.contains("js1") && !out.contains("ar1") && out.contains("| w"), "{out}");
}

#[test]
fn json_has_no_word_of_an_answer_unless_it_is_asked_for() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (code, out, _) = shell.run(&["canary", "--url", &oracle.url(), "--quick", "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["exit_code"], &told["model"]), (0, &0.into(), &"stub".into()));
    assert_eq!(told["answers"].as_array().unwrap().len(), 11, "eight, two probes and a text that is drawn");
    assert!(told["answers"].as_array().unwrap().iter().all(|one| one["text"].is_null()), "{out}");
    let (_, out, _) =
        shell.run(&["canary", "--url", &oracle.url(), "--only", "ar1", "--json", "--show", "answers"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let graded = told["answers"].as_array().unwrap().iter().find(|one| one["part"] == "graded").unwrap();
    assert!(graded["text"].as_str().unwrap().contains('w') && graded["checks"].is_array(), "{out}");
}

#[test]
fn a_model_that_was_replaced_is_told_after_a_full_baseline_and_can_be_accepted() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let url = oracle.url();
    let (code, out, err) = shell.run(&["baseline", "capture", "--url", &url, "--runs", "300"]);
    assert!(code == 0 && out.contains("baseline 1 of 300 runs"), "{out}{err}");
    let (code, out, err) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert!(code == 0 && out.contains("answers as it did"), "{out}{err}");
    oracle.replace_weights(7);
    let (code, out, err) = shell.run(&["canary", "--url", &url, "--quick", "--save"]);
    assert_eq!(code, 2, "{out}{err}");
    for word in ["drifted", "What moved", "Most likely", "saved"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let name = named(&oracle);
    let (code, out, _) = shell.run(&["canary", "history", &name]);
    assert!(code == 0 && out.contains("exceed") && out.contains("suspect"), "{out}");
    assert!(out.lines().all(|line| width(line) <= 80), "{out}");
    let (code, out, err) = shell.run(&["baseline", "accept", &name]);
    assert!(code == 0 && out.contains("accepted as baseline 2"), "{out}{err}");
    let (code, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert_eq!(code, 0, "what it does now is right: {out}");
    let (code, out, _) = shell.run(&["baseline", "diff", &name]);
    assert!(code == 0 && out.contains("1 -> 2") && out.contains("chat"), "{out}");
    let (code, out, err) = shell.run(&["baseline", "rollback", &name]);
    assert!(code == 0 && out.contains("back to baseline 1"), "{out}{err}");
    let (code, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert_eq!(code, 2, "held against the former one again: {out}");
    let (code, out, _) = shell.run(&["baseline", "list"]);
    assert!(code == 0 && out.contains(&name) && out.matches("yes").count() == 1, "{out}");
    let (code, out, _) = shell.run(&["baseline", "show", &name]);
    assert!(code == 0 && out.contains("300, 150 of them with several questions"), "{out}");
}

#[test]
fn runs_that_are_saved_make_a_baseline_without_an_agent() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let url = oracle.url();
    let (code, out, _) = shell.run(&["canary", "--url", &url, "--quick", "--save", "--repeat", "3"]);
    assert!(code == 0 && out.contains("3 of 20 runs") && out.contains("3 runs in"), "{out}");
    let (_, out, _) = shell.run(&["canary", "--url", &url, "--quick", "--save"]);
    assert!(out.contains("4 of 20 runs"), "each run counts once: {out}");
    let runs = |json: &str| serde_json::from_str::<Value>(json).unwrap()["runs"].as_array().unwrap().len();
    assert_eq!(runs(&shell.run(&["canary", "history", "--json"]).1), 4);
    shell.run(&["canary", "--url", &url, "--quick", "--save", "--repeat", "40"]);
    let (_, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert!(out.contains("baseline   1, of 20 runs"), "{out}");
    oracle.replace_weights(3);
    let (code, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert!(code == 1 && out.contains("beyond the baseline"), "a small baseline is not sure at once: {out}");
}

#[test]
fn a_number_that_is_none_is_told_as_a_fault() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    oracle.corrupt();
    let (code, out, err) = shell.run(&["canary", "--url", &oracle.url(), "--quick"]);
    assert!(code >= 2, "{out}{err}");
    assert!(format!("{out}{err}").contains("log probability"), "{out}{err}");
}

#[test]
fn what_cannot_be_asked_says_why_and_spends_nothing() {
    let (shell, several) = (Shell::new(), Oracle::start(&["a", "b"]));
    let (code, _, err) = shell.run(&["canary", "--url", &several.url()]);
    assert!(code == 3 && err.contains("which model?") && err.contains("a, b"), "{err}");
    let (code, _, err) = shell.run(&["canary", "--url", &several.url(), "--model", "c"]);
    assert!(code == 3 && err.contains("no model \"c\""), "{err}");
    let (code, _, err) = shell.run(&["canary", "--url", &several.url(), "--model", "a", "--only", "jsn"]);
    assert!(code == 3 && err.contains("did you mean json?"), "{err}");
    assert_eq!(several.asked(), 0);
    let (code, _, err) = shell.run(&["canary", "--url", &shell.nobody]);
    assert!(code == 3 && err.contains("refused"), "{err}");
    for args in [vec!["canary", "--nope"], vec!["canary", "--save", "--only", "json"]] {
        assert_eq!(shell.run(&args).0, 3, "{args:?}");
    }
}

#[test]
fn what_is_not_stored_is_told_with_what_would_do() {
    let shell = Shell::new();
    let (code, _, err) = shell.run(&["canary", "history"]);
    assert!(code == 1 && err.contains("there is no store") && err.contains("canary --save"), "{err}");
    let oracle = Oracle::start(&["stub"]);
    shell.run(&["canary", "--url", &oracle.url(), "--quick", "--save"]);
    let (code, _, err) = shell.run(&["baseline", "accept", "box/qwen3:8b"]);
    assert!(code == 64 && err.contains(&named(&oracle)), "{err}");
    let (code, _, err) = shell.run(&["baseline", "accept", "stub"]);
    assert!(code == 1 && err.contains("nothing moved"), "{err}");
    let (code, _, err) = shell.run(&["baseline", "show", "stub"]);
    assert!(code == 64 && err.contains("there is none yet"), "{err}");
}

#[test]
fn a_store_that_may_not_be_read_keeps_nobody_from_asking() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    std::fs::write(
        shell.store(),
        "this is no database, but somebody's notes, and they are to stay as they are",
    )
    .unwrap();
    let (code, out, _) = shell.run(&["canary", "--url", &oracle.url(), "--quick"]);
    assert!(code == 0 && out.contains("cannot be read"), "{out}");
    let (code, _, err) = shell.run(&["canary", "--url", &oracle.url(), "--quick", "--save"]);
    assert!(code == 3 && err.contains("cannot keep the run"), "{err}");
    assert!(std::fs::read_to_string(shell.store()).unwrap().starts_with("this is no database"));
}

#[test]
fn ctrl_c_ends_it_and_the_server_stops_generating() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    oracle.slow_down(Duration::from_millis(100));
    let mut child = shell
        .command(&["canary", "--url", &oracle.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The questions for its abilities, the fingerprint, and then the first stream.
    eventually(Duration::from_secs(20), || oracle.asked() > 20);
    std::thread::sleep(Duration::from_millis(150));
    signal(child.id(), "INT");
    assert_eq!(wait(&mut child, Duration::from_secs(5)), 130);
    eventually(Duration::from_secs(5), || oracle.left() > 0);
    assert!(!shell.store().exists());
}

#[test]
fn a_shell_with_other_canaries_destroys_nothing_that_was_learned() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let (url, name) = (oracle.url(), named(&oracle));
    let target = name.split('/').next().unwrap();
    let config = shell.state.path().join("own.toml");
    let own = format!(
        "[[target]]\nname = \"{target}\"\nkind = \"openai\"\nurl = \"{url}\"\n\n[canaries]\nenabled = false\n\n\
         [[canary]]\nname = \"geo\"\nprompt = \"The capital of France?\"\nchecks = [{{ contains = \"Paris\" }}]\n"
    );
    std::fs::write(&config, own).unwrap();
    let config = config.to_str().unwrap();
    let save = |more: &[&str]| {
        let args = [&["canary", "--url", &url, "--quick", "--save"], more].concat();
        shell.run(&args)
    };
    assert_eq!(save(&[]).0, 0);
    let asked = oracle.asked();
    let (code, _, err) = save(&["--config", config]);
    assert!(code == 3 && err.contains("was learned by other canaries") && err.contains("geo"), "{err}");
    assert!(err.contains("--config") && err.contains("--anew"), "{err}");
    assert_eq!(oracle.asked(), asked, "nothing is spent on it");
    let (_, out, _) = save(&[]);
    assert!(out.contains("2 of 20 runs"), "what was learned stands: {out}");

    let capture = |more: &[&str]| {
        let args = [&["baseline", "capture", "--url", &url, "--runs", "20"], more].concat();
        shell.run(&args)
    };
    assert_eq!(capture(&[]).0, 0);
    let (code, _, err) = capture(&["--config", config]);
    assert!(code == 1 && err.contains("was learned by other canaries"), "{err}");
    let (_, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert!(out.contains("answers as it did"), "{out}");
    let (_, out, _) = shell.run(&["canary", "--url", &url, "--quick", "--config", config]);
    assert!(out.contains("answers as it did"), "what both ask is compared, and nothing kept: {out}");
    let (code, out, err) = capture(&["--config", config, "--anew"]);
    assert!(code == 0 && out.contains("baseline 2 of 20 runs"), "a person may give it up: {out}{err}");
    let (code, _, err) = capture(&[]);
    assert!(code == 1 && err.contains("it was asked geo too"), "{err}");
}

#[test]
fn the_exit_code_tells_a_server_that_gives_no_answer_from_a_model_that_gives_none() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let url = oracle.url();
    let run = |more: &[&str]| shell.run(&[&["canary", "--url", &url], more].concat());
    oracle.refuse_each(1);
    let (code, _, err) = run(&[]);
    assert!(code == 3 && err.contains("cannot ask") && err.contains("500"), "{err}");
    oracle.refuse_each(5);
    let (code, out, _) = run(&[]);
    assert!(code == 1 && out.contains("questions got no answer, the last one: HTTP 500: boom"), "{out}");
    oracle.fall_silent();
    for more in [&[][..], &["--quick"]] {
        let (code, out, err) = run(more);
        assert!(code == 2 && out.contains("answers are none"), "{code} {out}{err}");
    }
    let told: Value = serde_json::from_str(&run(&["--quick", "--json"]).1).unwrap();
    let all = told["answers"].as_array().unwrap().len();
    assert_eq!(
        (&told["exit_code"], &told["unanswered"], &told["empty"]),
        (&2.into(), &0.into(), &all.into())
    );
    let (code, _, err) = shell.run(&["baseline", "capture", "--url", &url, "--runs", "20"]);
    assert!(code == 3 && err.contains("empty"), "nothing is learned of it: {err}");
}

#[test]
fn a_capture_of_a_model_that_is_replaced_or_goes_meanwhile_keeps_nothing() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let url = oracle.url();
    oracle.slow_down(Duration::from_millis(20));
    let mut child = shell
        .command(&["baseline", "capture", "--url", &url, "--runs", "300"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually(Duration::from_secs(20), || oracle.asked() > 60);
    oracle.refuse_each(1);
    assert_eq!(wait(&mut child, Duration::from_secs(20)), 3);
    let mut err = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
    assert!(err.contains("of 300 no question was answered: HTTP 500: boom; nothing was kept"), "{err}");
    let (_, out, _) = shell.run(&["baseline", "list"]);
    assert!(!out.contains("yes"), "{out}");
}

#[test]
fn a_capture_takes_a_number_above_all_that_are_stored() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let url = oracle.url();
    let capture = || shell.run(&["baseline", "capture", "--url", &url, "--runs", "20"]);
    assert_eq!(capture().0, 0);
    // The one that a watch told of was lost with it.
    let mut db = Db::open_existing(&shell.store()).unwrap();
    let key = db.keys().unwrap().remove(0);
    let stored = db.baseline(&key, 1).unwrap().unwrap();
    db.apply(&Batch::new().baseline(&key, BaselineRecord { number: 3, ..stored })).unwrap();
    let (code, out, err) = capture();
    assert!(code == 0 && out.contains("baseline 4 of 20 runs"), "{out}{err}");
}

/// A config with this target and one canary of its own, whose answer is right as long as the oracle says words.
fn with_own(shell: &Shell, target: &str, url: &str) -> String {
    let config = shell.state.path().join("own.toml");
    let text = format!(
        "[[target]]\nname = \"{target}\"\nkind = \"openai\"\nurl = \"{url}\"\n\n[canaries]\nenabled = false\n\n\
         [[canary]]\nname = \"geo\"\nprompt = \"The capital of France?\"\nchecks = [{{ regex = \"w[0-9]\" }}]\n"
    );
    std::fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

#[test]
fn one_answer_astray_of_a_check_that_always_passed_is_settled_in_the_same_command() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let config = with_own(&shell, "box", &oracle.url());
    let canary =
        |more: &[&str]| shell.run(&[&["canary", "--config", &config, "--url", &oracle.url()], more].concat());
    let (code, out, err) =
        shell.run(&["baseline", "capture", "--config", &config, "--url", &oracle.url(), "--runs", "20"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, _) = canary(&[]);
    assert!(code == 0 && out.contains("own/geo") && !out.contains("(1 of 1)"), "{out}");
    oracle.stray_once("capital of France");
    let (code, out, _) = canary(&[]);
    assert!(out.contains("ok (4 of 5)") && out.contains("answers as it did"), "four more, which pass: {out}");
    assert_eq!(code, 0, "{out}");
    let told: Value = serde_json::from_str(&canary(&["--json"]).1).unwrap();
    assert_eq!(told["baseline"]["compared"], 1, "{}", told["baseline"]);
    oracle.stray_once("capital of France");
    let told: Value = serde_json::from_str(&canary(&["--json"]).1).unwrap();
    assert_eq!(told["baseline"]["compared"], 1, "whole answers alone are no look at the numbers");
}

#[test]
fn what_is_not_watched_is_told_by_a_capture_and_by_each_run_after_it() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    oracle.refuse_longer(3000);
    let url = oracle.url();
    let (code, out, err) = shell.run(&["baseline", "capture", "--url", &url, "--runs", "20"]);
    assert_eq!(code, 0, "{out}{err}");
    let said = "lc3, p3: the server refuses it with HTTP 400";
    assert!(out.contains(&format!("not watched   {said}")), "{out}");
    assert!(out.contains("not watched   passed too seldom: ") && out.contains("checks        "), "{out}");
    assert!(out.contains("finds         any other weights"), "{out}");
    let long = "what only long prompts show (batch size, cache reuse): within ";
    assert!(
        out.replace("\n              ", " ").contains(long),
        "the long prompts were asked often enough: {out}"
    );
    assert!(out.lines().all(|line| width(line) <= 80), "{out}");
    let (_, out, _) = shell.run(&["canary", "--url", &url, "--quick"]);
    assert!(out.contains(&format!("unwatched  {said}")), "{out}");
}

#[test]
fn a_server_of_the_config_is_found_by_each_name_of_its_place() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let port = oracle.address.port();
    let config = with_own(&shell, "mine", &format!("http://localhost:{port}"));
    for url in [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}/")] {
        let (code, out, err) = shell.run(&["canary", "--config", &config, "--url", &url, "--only", "geo"]);
        assert!(code == 0 && out.starts_with("mine / stub"), "{url}: {out}{err}");
    }
}

#[test]
fn what_the_questions_for_its_abilities_took_is_told_too() {
    let (shell, oracle) = (Shell::new(), Oracle::start(&["stub"]));
    let told: Value =
        serde_json::from_str(&shell.run(&["canary", "--url", &oracle.url(), "--only", "cl1", "--json"]).1)
            .unwrap();
    // Two questions of one token, four first tokens and the eight of the whole answer.
    assert_eq!(told["completion_tokens"], 14, "{told}");
}
