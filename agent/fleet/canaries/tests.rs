use super::*;
use crate::drift::{Alarm, Verdict};
use crate::metrics::{Format, render};
use crate::servers::Target;
use crate::view::AgentView;

fn fleet() -> Fleet {
    let agent = AgentView {
        version: "0".into(),
        started_at: Timestamp::UNIX_EPOCH,
        demo: false,
        config_file: None,
        config_ok: true,
        config_at: Timestamp::UNIX_EPOCH,
        config_errors: Vec::new(),
    };
    let fleet = Fleet::new(agent, 2);
    fleet.add(&Target::new("box", "http://127.0.0.1:1/".parse().unwrap()), false);
    fleet
}

fn canary(fleet: &Fleet) -> CanaryView {
    fleet.view().targets[0].canaries[0].clone()
}

fn run(result: RunResult) -> CanaryRun {
    CanaryRun {
        at: Some(Timestamp::UNIX_EPOCH),
        result: Some(result),
        tokens: (400, 35),
        ..CanaryRun::default()
    }
}

#[test]
fn runs_and_skips_are_counted_and_the_last_skip_is_told_until_a_run_comes() {
    let fleet = fleet();
    fleet.expect_canary("box", "m", 300.0, None);
    fleet.record_canary_skip("box", "m", Skip::Busy, "it works for others");
    fleet.record_canary_skip("box", "m", Skip::Busy, "it works for others");
    let skipped = canary(&fleet);
    assert_eq!((skipped.skipped.as_deref(), skipped.skips), (Some("busy"), vec![("busy".into(), 2)]));
    assert_eq!(skipped.runs, [("skipped".into(), 2)]);
    for _ in 0..2 {
        fleet.record_canary("box", "m", run(RunResult::Ok));
    }
    let asked = canary(&fleet);
    assert_eq!((asked.skipped, asked.tokens, asked.recent.len()), (None, (800, 70), 2));
    assert_eq!(asked.runs, [("skipped".into(), 2), ("ok".into(), 2)]);
    fleet.expect_canary("box", "m", 60.0, None);
    assert_eq!(canary(&fleet).tokens, (800, 70), "a reload keeps what was counted");
}

#[test]
fn what_is_beside_the_beat_is_counted_and_does_not_say_that_the_beat_asked_nothing() {
    let fleet = fleet();
    fleet.expect_canary("box", "m", 300.0, None);
    let page = |fleet: &Fleet| render(&fleet.view(), fleet.counted(), None, Format::Text);
    assert!(!page(&fleet).contains("opsagent_canary_left_out{"), "not known yet");
    fleet.count_canary_skip("box", "m", Skip::Budget);
    fleet.record_canary_tokens("box", "m", (20, 2));
    fleet.record_canary("box", "m", run(RunResult::Ok));
    let words = vec!["Never compared: op3".to_owned()];
    fleet.record_canary_left_out("box", "m", Some(vec!["op3".into()]), words.clone());
    let told = canary(&fleet);
    assert_eq!((told.skipped, told.skips, told.tokens), (None, vec![("budget".into(), 1)], (420, 37)));
    assert_eq!(told.runs, [("skipped".into(), 1), ("ok".into(), 1)]);
    assert_eq!(told.left_out_words, words);
    assert!(page(&fleet).contains("opsagent_canary_left_out{target=\"box\",model=\"m\"} 1"));
}

#[test]
fn what_is_kept_of_a_target_is_bounded_and_goes_with_it() {
    let fleet = fleet();
    for model in ["a", "b", "c"] {
        fleet.expect_canary("box", model, 300.0, None);
    }
    assert_eq!(fleet.view().targets[0].canaries.len(), 2, "as many as models are kept");
    for _ in 0..200 {
        fleet.record_canary("box", "a", run(RunResult::Exceed));
    }
    assert_eq!(canary(&fleet).recent.len(), MOST_RECENT);
    fleet.forget_canary("box", "a");
    assert_eq!(canary(&fleet).model, "b");
    fleet.remove("box");
    fleet.record_canary("box", "b", run(RunResult::Ok));
    assert!(fleet.view().targets.is_empty());
}

#[test]
fn counters_are_at_zero_before_the_first_run_and_what_is_not_known_has_no_series() {
    let fleet = fleet();
    fleet.expect_canary("box", "m", 300.0, None);
    let page = |fleet: &Fleet| render(&fleet.view(), fleet.counted(), None, Format::Text);
    let before = page(&fleet);
    for series in [
        "opsagent_canary_runs_total{target=\"box\",model=\"m\",result=\"exceed\"} 0",
        "opsagent_canary_skips_total{target=\"box\",model=\"m\",reason=\"unused\"} 0",
        "opsagent_canary_tokens_total{target=\"box\",model=\"m\",kind=\"prompt\"} 0",
        "opsagent_identity_changes_total{target=\"box\",model=\"m\",fact=\"digest\"} 0",
        "opsagent_drift_alarms_total{target=\"box\",model=\"m\",stream=\"quality\",severity=\"critical\"} 0",
        "opsagent_drift_alarms_total{target=\"box\",model=\"m\",stream=\"identity\",severity=\"warning\"} 0",
        "opsagent_drift_alarms_total{target=\"box\",model=\"m\",stream=\"identity\",severity=\"critical\"} 0",
        "opsagent_drift_alarms_total{target=\"box\",model=\"m\",stream=\"performance\",severity=\"warning\"} 0",
    ] {
        assert!(before.contains(series), "{series}\n{before}");
    }
    for absent in
        ["opsagent_canary_kld", "opsagent_drift_state", "opsagent_drift_cause", "opsagent_baseline_runs"]
    {
        assert!(!before.contains(absent), "{absent}: nothing was compared yet");
    }
    let (stream, severity) = (Stream::FingerprintFast, Severity::Critical);
    let cause = crate::drift::Cause::Weights;
    let alarm = Alarm { stream, at: Timestamp::default(), severity, cause, runs: 4 };
    let report = Report {
        verdict: Verdict::Drifting,
        severity: Some(severity),
        cause: Some(cause),
        alarms: vec![alarm],
        kld: Some(0.25),
        ..Report::default()
    };
    let silent = Report { verdict: Verdict::Failing, ..report.clone() };
    let alarms = vec![(stream, severity)];
    fleet.record_canary(
        "box",
        "m",
        CanaryRun { report, alarms, changes: vec![Fact::Digest], ..run(RunResult::Exceed) },
    );
    let after = page(&fleet);
    for series in [
        "opsagent_drift_state{target=\"box\",model=\"m\",severity=\"critical\"} 1",
        "opsagent_drift_state{target=\"box\",model=\"m\",severity=\"info\"} 0",
        "opsagent_drift_cause{target=\"box\",model=\"m\",cause=\"weights\"} 1",
        "opsagent_drift_cause{target=\"box\",model=\"m\",cause=\"template\"} 0",
        "opsagent_drift_alarms_total{target=\"box\",model=\"m\",stream=\"fingerprint_fast\",severity=\"critical\"} 1",
        "opsagent_identity_changes_total{target=\"box\",model=\"m\",fact=\"digest\"} 1",
        "opsagent_canary_kld{target=\"box\",model=\"m\"} 0.25",
        "opsagent_canary_verdict{target=\"box\",model=\"m\",verdict=\"drifting\"} 1",
    ] {
        assert!(after.contains(series), "{series}\n{after}");
    }
    fleet.record_canary("box", "m", CanaryRun { report: silent, ..run(RunResult::Error) });
    let state = "opsagent_drift_state{target=\"box\",model=\"m\",severity=\"critical\"} 1";
    assert!(page(&fleet).contains(state), "that it answers nothing ends no alarm");
}

#[test]
fn a_model_that_is_asked_no_more_since_a_canary_reloaded_it_is_a_warning() {
    let fleet = fleet();
    fleet.expect_canary("box", "m", 300.0, None);
    fleet.record_canary_skip("box", "m", Skip::ReloadCaused, "configure num_ctx");
    let notes = fleet.view().targets[0].notes.clone();
    let note = notes.iter().find(|note| note.code == "canary_reload").unwrap();
    assert_eq!(note.remedy.as_deref(), Some("configure num_ctx"));
}
