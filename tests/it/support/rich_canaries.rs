//! Canaries of every sort: a model that answers otherwise, one that is as it was, one that is being learned.

use std::time::Duration;

use jiff::Timestamp;
use opsagent::drift::{
    Alarm, BaselineInfo, Capability, CategoryResult, Cause, Change, CheckLost, Learning, Probe, Proportion,
    Report, Severity, Stream, StreamState, Verdict,
};
use opsagent::sample::Fact;
use opsagent::view::{CanaryView, RecentRun};

/// All that can be told of a model: an alarm, with what moved, and how each category and stream stands.
pub fn drifting(now: Timestamp) -> CanaryView {
    let ago = |seconds| now - Duration::from_secs(seconds);
    let alarm = Alarm {
        stream: Stream::FingerprintFast,
        at: ago(720),
        severity: Severity::Critical,
        cause: Cause::Weights,
        runs: 4,
    };
    let stream = |stream, evidence| StreamState { stream, evidence, threshold: 15.17 };
    CanaryView {
        skipped: None,
        skipped_words: None,
        runs: vec![("ok".into(), 284), ("exceed".into(), 4), ("error".into(), 1), ("skipped".into(), 12)],
        skips: vec![("busy".into(), 9), ("quiet_hours".into(), 3)],
        alarms: vec![((Stream::FingerprintFast, Severity::Critical), 1)],
        changes: vec![(Fact::Quantization, 1)],
        tokens: (142_272, 22_176),
        left_out: Some(vec!["essay".into()]),
        left_out_words: vec![
            "Whole answers never asked for: essay, since a run has 240 tokens of answers, 205 of them beside what is \
             compared; max_completion_tokens_per_run = 291 would do"
                .into(),
        ],
        report: Report {
            verdict: Verdict::Drifting,
            severity: Some(Severity::Critical),
            cause: Some(Cause::Weights),
            since: Some(ago(720)),
            alarms: vec![alarm],
            streams: vec![
                stream(Stream::FingerprintFast, 16.02),
                stream(Stream::FingerprintSlow, 0.0),
                stream(Stream::Quality, 7.31),
                stream(Stream::Sampling, -0.5),
            ],
            distances: vec![(Probe::P0, 0.68), (Probe::P1, 1.33), (Probe::Chat, 0.83), (Probe::Sampling, 0.02)],
            kld: Some(0.2213),
            text_match_ratio: Some(0.125),
            confident_flips: Some(3),
            first_difference: Some(2),
            prompt_tokens_moved: Some((0, 8)),
            categories: vec![
                category("arithmetic", (3, 3, 0.438, 1.0), Some((90, 90, 0.959, 1.0))),
                category("code", (0, 3, 0.0, 0.561), Some((89, 90, 0.94, 0.998))),
                category("json", (2, 3, 0.208, 0.939), None),
            ],
            refused_harmful: Some(Proportion { of: 2, all: 2, low: 0.342, high: 1.0 }),
            refused_harmless: Some(Proportion { of: 0, all: 1, low: 0.0, high: 0.793 }),
            lost: vec![CheckLost { canary: "co1".into(), category: "code".into(), why: "does not contain \"def\"".into() }],
            changes: vec![Change {
                fact: Fact::Quantization,
                from: Some("Q4_1".into()),
                to: Some("Q2_K".into()),
                at: ago(840),
            }],
            runs: 288,
            exceeding: 4,
            baseline: Some(baseline(ago(86_400 * 12))),
            words: [
                "What moved: answers to all 8 fingerprint prompts (mean 0.83 nat, KLD ~0.22, like q2 to q3 against f16); 1 of 18 stable checks lost: code/co1",
                "Most likely: other weights (the one-token probe moved 0.68; template, context and sampling probes did not)",
                "Facts: quantization Q4_1 -> Q2_K",
                "Not the cause: load (the baseline covers 4 at once), a restart (2 in the baseline)",
                "Do: look who replaced the model; roll back, or opsagent baseline accept box/llama3.1:8b",
            ]
            .map(str::to_owned)
            .into(),
            ..Report::default()
        },
        recent: (0..24)
            .map(|nth: u32| RecentRun {
                at: ago(u64::from(24 - nth) * 300),
                distance: Some(if nth < 20 { 0.0 } else { 0.22 }),
                exceeds: nth >= 20,
            })
            .collect(),
        ..asked("llama3.1:8b", now)
    }
}

/// A model that answers as it did, on a server that was busy at the last beat.
pub fn steady(now: Timestamp) -> CanaryView {
    CanaryView {
        skipped: Some("busy".into()),
        skipped_words: Some("the server is busy: it is asked when it has a slot free".into()),
        report: Report {
            verdict: Verdict::Steady,
            since: Some(now - Duration::from_secs(3 * 86_400)),
            runs: 864,
            kld: Some(0.0),
            text_match_ratio: Some(1.0),
            baseline: Some(baseline(now - Duration::from_secs(86_400 * 3))),
            ..Report::default()
        },
        ..asked("phi4:14b", now)
    }
}

/// A model of which the first baseline is being made.
pub fn learning(now: Timestamp) -> CanaryView {
    CanaryView {
        report: Report {
            learning: Some(Learning { runs: 12, next: 20, full: 300 }),
            capabilities: vec![Capability {
                change: "other weights".into(),
                runs: None,
                note: Some("after 8 more runs".into()),
            }],
            ..Report::default()
        },
        ..asked("qwen3:32b", now)
    }
}

fn asked(model: &str, now: Timestamp) -> CanaryView {
    CanaryView {
        model: model.into(),
        last_run_at: Some(now - Duration::from_secs(55)),
        next_run_at: Some(now + Duration::from_secs(245)),
        every_seconds: 300.0,
        time_to_first_token_seconds: Some(0.0842),
        tokens_per_second: Some(51.3),
        ..CanaryView::default()
    }
}

fn baseline(at: Timestamp) -> BaselineInfo {
    BaselineInfo {
        number: 3,
        at,
        runs: 300,
        states: 11,
        canaries: 8,
        checks: 18,
        exceedance_bound: 0.0169,
        deterministic: true,
        text_mode: false,
        under_load: true,
    }
}

type Counted = (u64, u64, f64, f64);

fn category(name: &str, passed: Counted, baseline: Option<Counted>) -> CategoryResult {
    let proportion = |(of, all, low, high): Counted| Proportion { of, all, low, high };
    CategoryResult { category: name.into(), passed: proportion(passed), baseline: baseline.map(proportion) }
}
