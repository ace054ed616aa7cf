//! What holds for every verb: help, usage, pipes, colours; and the verbs that only print.

use std::process::{Command, Stdio};

use opsagent::cli::text::width;

use super::fake::Agent;
use super::{opsagent, rich, run, told};

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
fn completions_are_there_for_five_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = run(&["completions", shell]);
        assert!(code == 0 && out.contains("status"), "{shell}");
    }
}

/// What a program says of that text in a file of its own; it must be content with it.
fn content(program: &str, args: &[&str], text: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let done = Command::new(program)
        .args(args)
        .arg(file.path())
        .env("LC_ALL", "C.UTF-8")
        .env("MANROFFSEQ", "")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: run tests/real/install"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{program}: {said}");
}

#[test]
#[ignore = "real parts: run tests/run"]
fn shells_read_the_completions_and_man_the_manual() {
    for shell in ["bash", "zsh", "fish"] {
        content(shell, &["-n"], &run(&["completions", shell]).1);
    }
    for verb in
        ["", "run", "status", "canary", "baseline", "check", "config", "explain", "completions", "man"]
    {
        let args: Vec<&str> = ["man", verb].into_iter().filter(|arg| !arg.is_empty()).collect();
        content("man", &["--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"], &run(&args).1);
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let (code, whole, _) = run(&["man"]);
    assert!(code == 0 && whole.contains(".TH opsagent 1"), "{whole}");
    for verb in ["run", "status", "canary", "baseline", "check", "config", "explain", "completions", "man"] {
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
fn an_xid_is_explained_by_its_number_and_all_of_them_are_listed() {
    let (code, out, _) = run(&["explain", "xid", "79"]);
    assert!(code == 0 && out.contains("fallen off the bus") && out.contains("critical"), "{out}");
    assert!(out.contains("opsagent_gpu_xid_errors_total{xid=\"79\"}"), "{out}");
    assert_eq!(run(&["explain", "xid 79"]).1, out, "one argument or two");
    let (code, list, _) = run(&["explain", "xid"]);
    assert!(
        code == 0 && list.lines().any(|line| line.contains("xid 48") && line.contains("critical")),
        "{list}"
    );
    let (code, _, said) = run(&["explain", "xid", "9999"]);
    assert!(code == 64 && said.contains("docs.nvidia.com/deploy/xid-errors"), "{said}");
}
