//! The requests of the last minutes, one by one, for exact numbers. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::{decode, prefill};
use crate::sample::{End, Failure, Generation, Truncation};
use crate::view::{Quantiles, TrafficView};

#[cfg(test)]
mod tests;

/// How far back the window reaches.
const LENGTH: Duration = Duration::from_secs(300);

/// Requests that it holds: a hundred bytes each, and more than people send to one server in that time. Under more
/// the window is shorter, and says so.
const MOST: usize = 5000;

/// What is kept of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    pub(super) ended: Instant,
    end: End,
    truncated: Option<Truncation>,
    cold: bool,
    embeds: bool,
    first_token: Option<Duration>,
    per_token: Option<Duration>,
    duration: Duration,
    longest_gap: Option<Duration>,
    prefill: Option<(u64, Duration)>,
    decode: Option<(u64, Duration)>,
    output: u64,
    estimated: bool,
    /// Only its tokens and their times are told here: it is no request of its own.
    loose: bool,
    /// Pieces of its answer that were counted as they passed. `None`: none was, since it was no stream.
    pieces: Option<u64>,
    /// A bit for each objective that it was judged by, and for each that it missed.
    judged: u64,
    missed: u64,
}

impl Past {
    pub(super) fn new(one: &Generation, cold: bool, ended: Instant) -> Past {
        Past {
            ended,
            end: one.end,
            truncated: one.truncated,
            cold,
            embeds: one.dialect.embeds(),
            first_token: one.time_to_first_token,
            per_token: one.time_per_output_token,
            duration: one.duration,
            longest_gap: Some(one.gaps.longest).filter(|_| one.gaps.count() > 0),
            prefill: prefill(one),
            decode: decode(one),
            output: one.tokens.output.unwrap_or(0),
            estimated: one.tokens.output_estimated,
            pieces: Some(one.pieces).filter(|pieces| *pieces > 0),
            loose: one.loose,
            judged: 0,
            missed: 0,
        }
    }

    /// It was judged by the objective of that number.
    pub(super) fn judge(&mut self, slo: usize, missed: bool) {
        let bit = 1_u64.checked_shl(slo as u32).unwrap_or(0);
        self.judged |= bit;
        self.missed |= if missed { bit } else { 0 };
    }

    /// The time over which its tokens came, up to its end, as far as is known.
    fn flow(&self) -> Duration {
        self.decode.map_or(self.duration, |(_, took)| took.min(self.duration))
    }
}

/// The requests of the last minutes.
#[derive(Debug)]
pub(super) struct Window {
    past: VecDeque<Past>,
    /// From when on it holds all that ended.
    since: Instant,
}

impl Window {
    /// One that begins now.
    pub(super) fn new(now: Instant) -> Window {
        Window { past: VecDeque::new(), since: now }
    }

    /// One more request; a log may tell of one later than of those that ended after it.
    pub(super) fn push(&mut self, past: Past) {
        if self.past.len() >= MOST
            && let Some(oldest) = self.past.pop_front()
        {
            self.since = oldest.ended;
        }
        let before = self.past.iter().rposition(|one| one.ended <= past.ended);
        self.past.insert(before.map_or(0, |before| before + 1), past);
    }

    /// Forgets what is too old.
    pub(super) fn trim(&mut self, now: Instant) {
        while self.past.front().is_some_and(|past| now.saturating_duration_since(past.ended) > LENGTH) {
            self.past.pop_front();
        }
    }

    /// The objectives are others now: those before are not to be told under their names.
    pub(super) fn forget_slos(&mut self) {
        for past in &mut self.past {
            (past.judged, past.missed) = (0, 0);
        }
    }

    /// Requests that the objective of that number was judged on, and those that missed it.
    pub(super) fn slo(&self, slo: usize) -> (u64, u64) {
        let count = |bits: fn(&Past) -> u64| {
            self.past.iter().filter(|past| bits(past).checked_shr(slo as u32).unwrap_or(0) & 1 == 1).count()
        };
        (count(|past| past.judged) as u64, count(|past| past.missed) as u64)
    }

    /// Failures by reason, the most frequent first.
    pub(super) fn failures(&self) -> Vec<(Failure, u64)> {
        let mut failures: BTreeMap<Failure, u64> = BTreeMap::new();
        for past in self.whole() {
            if let End::Failed(reason) = past.end {
                *failures.entry(reason).or_default() += 1;
            }
        }
        let mut failures: Vec<_> = failures.into_iter().collect();
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        failures
    }

    /// Requests in it.
    pub(super) fn requests(&self) -> u64 {
        self.whole().count() as u64
    }

    /// Requests that were cut by the context.
    pub(super) fn full(&self) -> u64 {
        self.whole().filter(|past| past.truncated == Some(Truncation::Context)).count() as u64
    }

    /// Output tokens that one piece of an answer holds, by what servers told of whole answers.
    pub(super) fn tokens_a_piece(&self) -> f64 {
        let whole = self.past.iter().filter(|past| past.end == End::Complete && !past.estimated);
        let told =
            whole.filter_map(|past| Some((past.output, past.pieces?))).filter(|(tokens, _)| *tokens > 0);
        let (tokens, pieces) = told.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if pieces == 0 { 1.0 } else { tokens as f64 / pieces as f64 }
    }

    /// Tokens of answers that were no streams, as far as they came within that span before now.
    pub(super) fn tokens_unseen(&self, span: Duration, now: Instant) -> f64 {
        let recent = self.past.iter().rev().filter(|past| past.pieces.is_none());
        let recent = recent.take_while(|past| now.saturating_duration_since(past.ended) < span);
        let share = |past: &Past| {
            let flow = past.flow().as_secs_f64();
            let room = (span.saturating_sub(now.saturating_duration_since(past.ended))).as_secs_f64();
            past.output as f64 * if flow > room { room / flow } else { 1.0 }
        };
        recent.map(share).sum()
    }

    /// Those that are requests.
    fn whole(&self) -> impl Iterator<Item = &Past> {
        self.past.iter().filter(|past| !past.loose)
    }

    /// What it tells, in numbers.
    pub(super) fn fill(&self, view: &mut TrafficView, now: Instant) {
        let count = |is: fn(&Past) -> bool| self.whole().filter(|past| is(past)).count() as u64;
        view.window_seconds = now.saturating_duration_since(self.since).min(LENGTH).as_secs_f64();
        view.requests = self.requests();
        view.failures =
            self.failures().into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect();
        view.cancelled = count(|past| matches!(past.end, End::Cancelled(_)));
        view.truncated = count(|past| past.truncated.is_some());
        view.cold = count(|past| past.cold);
        let warm = || self.past.iter().filter(|past| !past.cold && !past.embeds);
        let complete = |past: &&Past| past.end == End::Complete && !past.loose;
        view.time_to_first_token = quantiles(warm().filter_map(|past| past.first_token));
        view.time_per_output_token = quantiles(warm().filter_map(|past| past.per_token));
        view.duration = quantiles(warm().filter(complete).map(|past| past.duration));
        let longest = self.past.iter().filter_map(|past| past.longest_gap).max();
        view.longest_gap_seconds = longest.map(|gap| gap.as_secs_f64());
        let speeds =
            warm().filter_map(|past| past.decode).map(|(tokens, took)| tokens as f64 / took.as_secs_f64());
        view.decode_tokens_per_second = ranked(speeds.collect()).map(|speeds| speeds.p50);
        let (tokens, took) = warm()
            .filter_map(|past| past.prefill)
            .fold((0, Duration::ZERO), |sum, one| (sum.0 + one.0, sum.1.saturating_add(one.1)));
        view.prefill_tokens_per_second = (!took.is_zero()).then(|| tokens as f64 / took.as_secs_f64());
    }
}

fn quantiles(times: impl Iterator<Item = Duration>) -> Option<Quantiles> {
    ranked(times.map(|time| time.as_secs_f64()).collect())
}

/// By nearest rank: each is a value that was there. `None`: there are none.
fn ranked(mut values: Vec<f64>) -> Option<Quantiles> {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (values.len() as f64 * share).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied()
    };
    Some(Quantiles { count: values.len() as u64, p50: at(0.5)?, p95: at(0.95)?, max: *values.last()? })
}
