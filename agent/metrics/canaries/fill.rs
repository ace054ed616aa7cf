//! Fills [`OfCanaries`] from the view. A reading that is not there sets nothing.

use jiff::Timestamp;

use super::OfCanaries;
use crate::drift::{Cause, Probe, Proportion, Report, Severity, Stream, Verdict};
use crate::metrics::fill::{count, flag, seconds};
use crate::sample::Fact;
use crate::view::{CanaryView, RunResult, Skip, StoreView, View, can_alarm};

impl<'a> OfCanaries<'a> {
    /// The series of a view.
    pub(in crate::metrics) fn of(view: &'a View) -> OfCanaries<'a> {
        let mut all = OfCanaries::new();
        for target in &view.targets {
            for canary in &target.canaries {
                let both = [target.name.as_str(), canary.model.as_str()];
                all.counted(both, canary);
                all.last(both, canary);
                all.drift(both, &canary.report);
                all.checks(both, &canary.report);
                all.baseline(both, &canary.report, view.at);
            }
        }
        if let Some(store) = &view.store {
            all.store(store);
        }
        all
    }

    fn counted(&mut self, [target, model]: [&'a str; 2], canary: &CanaryView) {
        for result in RunResult::ALL.map(RunResult::name) {
            self.canary_runs_total.set([target, model, result], named(&canary.runs, result));
        }
        for reason in Skip::ALL.map(Skip::name) {
            self.canary_skips_total.set([target, model, reason], named(&canary.skips, reason));
        }
        self.canary_left_out
            .set([target, model], canary.left_out.as_ref().map(|out| count(out.len() as u64)));
        let (prompt, completion) = canary.tokens;
        self.canary_tokens_total.set([target, model, "prompt"], count(prompt));
        self.canary_tokens_total.set([target, model, "completion"], count(completion));
        for fact in Fact::ALL {
            self.identity_changes_total.set([target, model, fact.name()], of(&canary.changes, &fact));
        }
        for stream in Stream::ALL {
            for severity in Severity::ALL {
                let alarms = of(&canary.alarms, &(*stream, *severity));
                if can_alarm(*stream, *severity) || alarms > 0.0 {
                    let labels = [target, model, stream.name(), severity.name()];
                    self.drift_alarms_total.set(labels, alarms);
                }
            }
        }
    }

    fn last(&mut self, both: [&'a str; 2], canary: &CanaryView) {
        self.canary_ttft_seconds.set(both, canary.time_to_first_token_seconds);
        self.canary_tokens_per_second.set(both, canary.tokens_per_second);
        self.canary_last_run_timestamp_seconds.set(both, canary.last_run_at.map(seconds));
    }

    fn drift(&mut self, both: [&'a str; 2], report: &Report) {
        let [target, model] = both;
        for verdict in Verdict::ALL {
            self.canary_verdict.set([target, model, verdict.name()], flag(report.verdict == *verdict));
        }
        for state in &report.streams {
            let labels = [target, model, state.stream.name()];
            self.drift_evidence.set(labels, state.evidence);
            self.drift_evidence_threshold.set(labels, state.threshold);
        }
        // While a first baseline is made nothing is compared, unless something is wrong without any comparison.
        if report.verdict != Verdict::Learning || report.severity.is_some() {
            // Also while it answers nothing: that ends no alarm.
            let holds = report.severity.filter(|_| !report.alarms.is_empty());
            for severity in Severity::ALL {
                self.drift_state.set([target, model, severity.name()], flag(holds == Some(*severity)));
            }
            for cause in Cause::ALL {
                self.drift_cause.set([target, model, cause.name()], flag(report.cause == Some(*cause)));
            }
        }
        for probe in Probe::ALL {
            let distance =
                report.distances.iter().find(|(one, _)| one == probe).map(|(_, distance)| *distance);
            self.canary_distance_nats.set([target, model, probe.name()], distance);
        }
        self.canary_kld.set(both, report.kld);
        self.canary_text_match_ratio.set(both, report.text_match_ratio);
        self.canary_confident_flips.set(both, report.confident_flips.map(f64::from));
    }

    fn checks(&mut self, [target, model]: [&'a str; 2], report: &'a Report) {
        for result in &report.categories {
            self.canary_pass_ratio.set([target, model, &result.category], ratio(&result.passed));
        }
        let refused = [("refuse", report.refused_harmful), ("answer", report.refused_harmless)];
        for (expected, refused) in refused {
            self.canary_refusal_ratio.set([target, model, expected], refused.as_ref().and_then(ratio));
        }
    }

    fn baseline(&mut self, both: [&'a str; 2], report: &Report, now: Timestamp) {
        let Some(baseline) = &report.baseline else { return };
        self.baseline_age_seconds.set(both, now.duration_since(baseline.at).as_secs_f64().max(0.0));
        self.baseline_runs.set(both, count(baseline.runs));
        self.baseline_exceedance_bound.set(both, baseline.exceedance_bound);
        self.baseline_states.set(both, count(baseline.states));
    }

    fn store(&mut self, store: &StoreView) {
        self.store_up.set([], flag(store.up));
        self.store_size_bytes.set([], store.size_bytes.map(count));
        self.store_writes_lost_total.set([], count(store.writes_lost));
    }
}

/// How often, never being zero.
fn of<K: PartialEq>(counts: &[(K, u64)], key: &K) -> f64 {
    counts.iter().find(|(one, _)| one == key).map_or(0.0, |(_, number)| count(*number))
}

fn named(counts: &[(String, u64)], name: &str) -> f64 {
    counts.iter().find(|(one, _)| one == name).map_or(0.0, |(_, number)| count(*number))
}

fn ratio(part: &Proportion) -> Option<f64> {
    (part.all > 0).then(|| count(part.of) / count(part.all))
}
