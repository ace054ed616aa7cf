//! What `status` says of canaries, at every width.

use jiff::Timestamp;
use opsagent::cli::table::render;
use opsagent::cli::text::width;
use opsagent::drift::{Severity, Verdict};
use opsagent::view::{CanaryView, View};
use serde_json::{Value, json};

use super::fake::Agent;
use super::{golden, plain, run, view_of};
use crate::support::rich_canaries;

/// The rich view's one llama.cpp target with these canaries.
fn with(canaries: impl FnOnce(Timestamp) -> Vec<CanaryView>) -> Value {
    let mut view = view_of(&["coder"]);
    let at: Timestamp = view["at"].as_str().unwrap().parse().unwrap();
    view["targets"][0]["canaries"] = json!(canaries(at));
    // As on a machine whose GPUs are well.
    view["gpus"] = json!({ "backends": [], "cards": [] });
    view
}

fn all(at: Timestamp) -> Vec<CanaryView> {
    vec![rich_canaries::steady(at), rich_canaries::drifting(at), rich_canaries::learning(at)]
}

#[test]
fn a_model_that_answers_otherwise_is_told_first_with_what_moved_and_what_to_do() {
    let agent = Agent::with_view(&with(all));
    let (code, out, _) = run(&["status", &agent.url()]);
    assert_eq!(code, 2, "quality is lost: {out}");
    golden("status_canaries.txt", &out);
}

#[test]
fn a_change_of_behaviour_is_a_warning_and_of_numbers_alone_none() {
    let code = |severity| {
        let agent = Agent::with_view(&with(|at| {
            let mut canary = rich_canaries::drifting(at);
            canary.report.severity = severity;
            vec![canary]
        }));
        run(&["status", &agent.url()]).0
    };
    assert_eq!((code(Some(Severity::Warning)), code(Some(Severity::Info))), (1, 0));
    let agent = Agent::with_view(&with(|at| vec![rich_canaries::steady(at), rich_canaries::learning(at)]));
    let (code, out, _) = run(&["status", &agent.url()]);
    assert!(code == 0 && out.contains("steady for 3 d"), "{out}");
}

#[test]
fn canaries_fit_every_screen_and_no_word_of_a_server_steers_it() {
    let mut view: View = serde_json::from_value(with(all)).unwrap();
    let nasty = ["\u{1b}[2J\u{1b}]0;owned\u{7}".to_owned(), "x".repeat(5000), "模型\u{202e}".repeat(80)];
    let renders = |view: &View| {
        for columns in [20, 40, 60, 80, 120] {
            let table = render(view, &[], columns);
            let table = plain(&table);
            assert!(table.lines().all(|line| width(line) <= columns), "{columns}: {table}");
            assert!(!table.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{table}");
        }
    };
    renders(&view);
    for text in nasty {
        for canary in &mut view.targets[0].canaries {
            canary.model.clone_from(&text);
            canary.skipped_words = Some(text.clone());
            canary.report.verdict = Verdict::Failing;
            canary.report.words = vec![text.clone(); 40];
        }
        renders(&view);
        let table = plain(&render(&view, &[], 80));
        assert!(table.lines().count() < 250, "bounded: {}", table.lines().count());
    }
}
