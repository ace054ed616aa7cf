//! Counts one generation.

use std::time::Duration;

use jiff::Timestamp;

use super::Traffic;
use crate::metrics::fill::seconds;
use crate::metrics::histogram::Exemplar;
use crate::sample::{End, Failure, GAP_BOUNDS, Generation, MeterFault, Phase, Refusal, Source, Truncation};

/// The labels of a model's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The target's name.
    pub target: &'a str,
    /// The model, as the target's inventory spells it, or `other`.
    pub model: &'a str,
    /// Who saw its requests.
    pub source: Source,
}

impl Whose<'_> {
    fn labels(&self) -> [&str; 3] {
        [self.target, self.model, self.source.name()]
    }

    fn with<'l>(&'l self, last: &'l str) -> [&'l str; 4] {
        [self.target, self.model, self.source.name(), last]
    }
}

impl Traffic {
    /// Makes the counters of a model be there, at zero, so that a first step is seen.
    pub fn touch(&self, whose: &Whose<'_>) {
        self.touch_requests(whose);
        for tokens in [&self.output_tokens_total, &self.tokens_estimated_total] {
            tokens.of(whose.labels());
        }
    }

    /// The same without those of tokens, where the source does not tell them: what is not told is not zero.
    pub fn touch_requests(&self, whose: &Whose<'_>) {
        for reason in Failure::ALL {
            self.request_failures_total.of(whose.with(reason.name()));
        }
        for phase in Phase::ALL {
            self.requests_cancelled_total.of(whose.with(phase.name()));
        }
        for cause in Truncation::ALL {
            self.requests_truncated_total.of(whose.with(cause.name()));
        }
    }

    /// The same of what a source tells of a target, whatever the model.
    pub fn touch_source(&self, target: &str, source: Source) {
        self.request_ends_lost_total.of([target, source.name()]);
        self.gone_target_requests_total.of([source.name()]);
        if source == Source::Tap {
            for reason in Refusal::ALL {
                self.tap_refused_requests_total.of([target, reason.name()]);
            }
            for reason in MeterFault::ALL {
                self.tap_meter_failures_total.of([reason.name()]);
            }
        }
    }

    /// The same of an objective.
    pub fn touch_slo(&self, target: &str, model: &str, slo: &str) {
        self.slo_requests_total.of([target, model, slo]);
        self.slo_missed_total.of([target, model, slo]);
    }

    /// Ends the series of an objective, on all targets.
    pub fn forget_slo(&self, slo: &str) {
        self.slo_requests_total.end_all(2, slo);
        self.slo_missed_total.end_all(2, slo);
    }

    /// One request was judged by an objective.
    pub fn count_slo(&self, target: &str, model: &str, slo: &str, missed: bool) {
        self.slo_requests_total.of([target, model, slo]).inc();
        self.slo_missed_total.of([target, model, slo]).inc_by(u64::from(missed));
    }

    /// So many requests were answered by the tap itself.
    pub fn count_refused(&self, target: &str, reason: Refusal, requests: u64) {
        self.tap_refused_requests_total.of([target, reason.name()]).inc_by(requests);
    }

    /// So many ends were lost.
    pub fn count_lost(&self, target: &str, source: Source, ends: u64) {
        self.request_ends_lost_total.of([target, source.name()]).inc_by(ends);
    }

    /// So many requests ended after their target was gone.
    pub fn count_gone(&self, source: Source, requests: u64) {
        self.gone_target_requests_total.of([source.name()]).inc_by(requests);
    }

    /// A client that has a name made so many requests.
    pub fn count_client(&self, target: &str, client: &str, requests: u64) {
        self.tap_client_requests_total.of([target, client]).inc_by(requests);
    }

    /// One generation ended, at that time; `cold`: its model had to be loaded, in what the server says it took.
    pub fn count(&self, whose: &Whose<'_>, one: &Generation, cold: bool, at: Timestamp) {
        if one.loose {
            return self.count_tokens(whose, one);
        }
        self.requests_total.of(whose.with(one.dialect.name())).inc();
        match one.end {
            End::Complete => {}
            End::Failed(reason) => self.request_failures_total.of(whose.with(reason.name())).inc(),
            End::Cancelled(phase) => self.requests_cancelled_total.of(whose.with(phase.name())).inc(),
        }
        if let Some(cause) = one.truncated {
            self.requests_truncated_total.of(whose.with(cause.name())).inc();
        }
        if let Some(fault) = one.fault {
            self.tap_meter_failures_total.of([fault.name()]).inc();
        }
        self.count_tokens(whose, one);
        self.observe(whose, one, cold, at);
    }

    fn count_tokens(&self, whose: &Whose<'_>, one: &Generation) {
        let tokens = &one.tokens;
        let (prefill, decode) = (prefill(one), decode(one));
        for (counter, count) in [
            (&self.input_tokens_total, tokens.input),
            (&self.cached_input_tokens_total, tokens.cached),
            (&self.output_tokens_total, tokens.output),
            (&self.reasoning_tokens_total, tokens.reasoning),
            (&self.tokens_estimated_total, tokens.output.filter(|_| tokens.output_estimated)),
            (&self.prefill_tokens_total, prefill.map(|(tokens, _)| tokens)),
            (&self.decode_tokens_total, decode.map(|(tokens, _)| tokens)),
        ] {
            if let Some(count) = count {
                counter.of(whose.labels()).inc_by(count);
            }
        }
        for (counter, pair) in [(&self.prefill_seconds_total, prefill), (&self.decode_seconds_total, decode)]
        {
            if let Some((_, took)) = pair {
                counter.of(whose.labels()).inc_by(took.as_secs_f64());
            }
        }
    }

    fn observe(&self, whose: &Whose<'_>, one: &Generation, cold: bool, at: Timestamp) {
        let exemplar = |value: f64| {
            let trace_id = one.trace_id.clone()?;
            Some(Exemplar { trace_id, value, at: seconds(at) })
        };
        let outcome = whose.with(match one.end {
            End::Complete => "complete",
            End::Failed(_) => "failed",
            End::Cancelled(_) => "cancelled",
        });
        let took = one.duration.as_secs_f64();
        if let Some(added) = one.added.map(|added| added.as_secs_f64()) {
            self.tap_added_seconds.observe([whose.target], added, exemplar(added));
        }
        if one.dialect.embeds() {
            return self.embedding_duration_seconds.observe(outcome, took, exemplar(took));
        }
        self.request_duration_seconds.observe(outcome, took, exemplar(took));
        let first = whose.with(if cold { "true" } else { "false" });
        for (histogram, time) in [
            (&self.time_to_first_token_seconds, one.time_to_first_token),
            (&self.time_to_first_answer_seconds, one.time_to_first_answer),
        ] {
            if let Some(time) = time.map(|time| time.as_secs_f64()) {
                histogram.observe(first, time, exemplar(time));
            }
        }
        let longest = Some(one.gaps.longest).filter(|_| one.gaps.count() > 0);
        for (histogram, time) in [
            (&self.time_per_output_token_seconds, one.time_per_output_token),
            (&self.longest_chunk_gap_seconds, longest),
            (&self.load_seconds, one.told.load.filter(|_| cold)),
        ] {
            if let Some(time) = time.map(|time| time.as_secs_f64()) {
                histogram.observe(whose.labels(), time, exemplar(time));
            }
        }
        let longest = longest.and_then(|longest| exemplar(longest.as_secs_f64()));
        self.chunk_gap_seconds.add(
            whose.labels(),
            (&GAP_BOUNDS, &one.gaps.counts),
            one.gaps.sum_seconds,
            longest,
        );
    }
}

/// Uncached tokens of the prompt, and the server's own time on them. `None`: it does not tell both.
pub fn prefill(one: &Generation) -> Option<(u64, Duration)> {
    let (tokens, took) = (one.told.prompt_tokens?, one.told.prompt?);
    (tokens > 0 && !took.is_zero()).then_some((tokens, took))
}

/// Tokens after the first, and the time from the first to the last: measured, or else as the server says. `None`:
/// neither is known, or there are fewer than two. Of one token servers tell a nanosecond or so.
pub fn decode(one: &Generation) -> Option<(u64, Duration)> {
    let (tokens, took) = match (one.time_per_output_token, one.tokens.output) {
        (Some(each), Some(tokens)) => (tokens.checked_sub(1)?, each.as_secs_f64() * (tokens - 1) as f64),
        _ => (one.told.decode_tokens?.checked_sub(1)?, one.told.decode?.as_secs_f64()),
    };
    let took = Duration::try_from_secs_f64(took).ok()?;
    (tokens > 0 && !took.is_zero() && !one.dialect.embeds()).then_some((tokens, took))
}
