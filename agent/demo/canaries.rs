//! What canaries of the demo's models would find, simulated plainly: one answers as it did, the other is replaced by a
//! smaller quantization once a day, and is put back in the evening.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::of_day;
use crate::drift::{
    Alarm, BaselineInfo, Cause, Change, Probe, Report, Severity, Stream, StreamState, Verdict,
};
use crate::fleet::{CanaryRun, Fleet};
use crate::jobs::Job;
use crate::sample::Fact;
use crate::view::RunResult;

/// From one run of the demo to the next: a day takes four minutes.
const EVERY: Duration = Duration::from_secs(6);

/// Seconds of the day at which the model is replaced, and put back.
const REPLACED: (f64, f64) = (30.0, 150.0);

/// ln A of 0.1 false alarms a year at five minutes.
const THRESHOLD: f64 = 14.7;

/// What each run that exceeds adds.
const STEP: f64 = 4.0;

/// The models: target, name, whether it drifts.
const MODELS: [(&str, &str, bool); 2] =
    [("demo-ollama", "llama3.1:8b", false), ("demo-llama-cpp", "gemma-3-12b-it", true)];

/// Plays the canaries.
#[derive(Debug)]
pub struct Canaries {
    fleet: Fleet,
    start: (Instant, Timestamp),
    asked: u64,
}

impl Canaries {
    /// None was asked yet.
    pub fn new(fleet: Fleet) -> Canaries {
        for (target, model, _) in MODELS {
            fleet.expect_canary(target, model, EVERY.as_secs_f64(), None);
        }
        Canaries { fleet, start: (Instant::now(), Timestamp::now()), asked: 0 }
    }

    fn play(&mut self) {
        let elapsed = self.start.0.elapsed();
        let nth = elapsed.as_secs() / EVERY.as_secs();
        if nth < self.asked {
            return;
        }
        self.asked = nth + 1;
        for (target, model, drifts) in MODELS {
            let run = run(elapsed, self.start.1, drifts);
            self.fleet.record_canary(target, model, run);
            let next = SignedDuration::try_from(EVERY * self.asked as u32).ok();
            let next = next.and_then(|next| self.start.1.checked_add(next).ok());
            self.fleet.record_canary_next(target, model, next);
        }
    }
}

impl Job for Canaries {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.play() })
    }
}

/// What the run at that time since the start finds. Pure.
fn run(elapsed: Duration, start: Timestamp, drifts: bool) -> CanaryRun {
    let at = |seconds: f64| {
        SignedDuration::try_from_secs_f64(seconds).ok().and_then(|time| start.checked_add(time).ok())
    };
    let now = elapsed.as_secs_f64();
    let second = of_day(now);
    let day = now - second;
    let moved = drifts && (REPLACED.0..REPLACED.1).contains(&second);
    let runs = if moved { ((second - REPLACED.0) / EVERY.as_secs_f64()) as u64 + 1 } else { 0 };
    let evidence = (runs as f64 * STEP).min(THRESHOLD + 2.0 * STEP);
    let alarm = evidence >= THRESHOLD;
    let begins = alarm && evidence - STEP < THRESHOLD;
    let replaced_at = at(day + REPLACED.0).unwrap_or(start);
    let stream = |stream, evidence| StreamState { stream, evidence, threshold: THRESHOLD };
    let kld = if moved { 0.38 } else { 0.0 };
    let report = Report {
        verdict: match (moved, alarm) {
            (_, true) => Verdict::Drifting,
            (true, false) => Verdict::Suspect,
            (false, _) => Verdict::Steady,
        },
        severity: alarm.then_some(Severity::Critical),
        cause: moved.then_some(Cause::Weights),
        since: Some(if moved { replaced_at } else { at(day).unwrap_or(start) }),
        alarms: if alarm { vec![raised(replaced_at)] } else { Vec::new() },
        streams: vec![stream(Stream::FingerprintFast, evidence), stream(Stream::Quality, 0.0)],
        distances: vec![
            (Probe::P0, kld * 2.5),
            (Probe::P1, kld * 2.7),
            (Probe::Chat, kld * 2.6),
            (Probe::Sampling, 0.0),
        ],
        kld: Some(kld),
        text_match_ratio: Some(if moved { 0.25 } else { 1.0 }),
        confident_flips: Some(u32::from(moved) * 3),
        changes: if moved { vec![quantization(replaced_at)] } else { Vec::new() },
        runs: 300 + elapsed.as_secs() / EVERY.as_secs(),
        exceeding: runs,
        baseline: Some(baseline(start)),
        words: if alarm { words() } else { Vec::new() },
        ..Report::default()
    };
    CanaryRun {
        at: at(now),
        result: Some(if moved { RunResult::Exceed } else { RunResult::Ok }),
        distance: Some(kld),
        tokens: (494, 77),
        time_to_first_token_seconds: Some(0.12),
        tokens_per_second: Some(58.0),
        alarms: if begins { vec![(Stream::FingerprintFast, Severity::Critical)] } else { Vec::new() },
        changes: if runs == 1 { vec![Fact::Quantization] } else { Vec::new() },
        report,
    }
}

fn raised(at: Timestamp) -> Alarm {
    let (stream, severity, cause) = (Stream::FingerprintFast, Severity::Critical, Cause::Weights);
    Alarm { stream, at, severity, cause, runs: 4 }
}

fn quantization(at: Timestamp) -> Change {
    Change { fact: Fact::Quantization, from: Some("Q4_K_M".into()), to: Some("Q2_K".into()), at }
}

fn baseline(start: Timestamp) -> BaselineInfo {
    BaselineInfo {
        number: 4,
        at: start,
        runs: 300,
        states: 11,
        canaries: 8,
        checks: 21,
        exceedance_bound: 0.0165,
        deterministic: true,
        text_mode: false,
        under_load: true,
    }
}

fn words() -> Vec<String> {
    [
        "Simulated: nothing was asked of any model.",
        "What moved: answers to all 8 fingerprint prompts (mean 0.99 nat, KLD ~0.38, like q2 to q3 against f16).",
        "Most likely: other weights (the one-token probe moved; template, context and sampling probes did not).",
        "Facts: quantization Q4_K_M -> Q2_K.",
        "Do: look who replaced the model; put it back, or opsagent baseline accept demo-llama-cpp/gemma-3-12b-it.",
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, drifts: bool) -> Report {
        run(Duration::from_secs(seconds), Timestamp::UNIX_EPOCH, drifts).report
    }

    #[test]
    fn one_model_is_steady_all_day_and_the_other_is_found_out_within_four_runs_and_put_back() {
        for second in 0..240 {
            assert_eq!(at(second, false).verdict, Verdict::Steady, "{second}");
        }
        assert_eq!(at(29, true).verdict, Verdict::Steady);
        assert_eq!(at(30, true).verdict, Verdict::Suspect);
        let found = at(30 + 18, true);
        assert_eq!((found.verdict, found.severity), (Verdict::Drifting, Some(Severity::Critical)));
        assert!(found.words[0].starts_with("Simulated"), "it says that it is");
        assert_eq!(at(150, true).verdict, Verdict::Steady);
        let alarms: usize =
            (0..240 / 6).map(|nth| run(EVERY * nth, Timestamp::UNIX_EPOCH, true).alarms.len()).sum();
        assert_eq!(alarms, 1, "one alarm a day");
    }
}
