//! The requests of the last minutes, one by one, for exact numbers. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::{decode, prefill};
use crate::sample::{End, Failure, Generation, Truncation};
use crate::view::{Quantiles, TrafficView};

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

    /// One more request, after all before it.
    pub(super) fn push(&mut self, past: Past) {
        if self.past.len() >= MOST
            && let Some(oldest) = self.past.pop_front()
        {
            self.since = oldest.ended;
        }
        self.past.push_back(past);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Dialect, Phase, Tokens};

    fn past(end: End, ended: Instant, output: u64, flow: u64, pieces: Option<u64>) -> Past {
        let one = Generation::new(Dialect::OllamaChat, end, Duration::from_secs(flow));
        let tokens = Tokens { output: Some(output), ..Tokens::default() };
        Past { pieces, ..Past::new(&Generation { tokens, ..one }, false, ended) }
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let of = |values: &[f64]| ranked(values.to_vec()).map(|q| (q.count, q.p50, q.p95, q.max));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some((1, 3.0, 3.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), Some((4, 2.0, 4.0, 4.0)));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(of(&hundred), Some((100, 50.0, 95.0, 100.0)));
    }

    #[test]
    fn it_forgets_what_is_old_and_says_how_far_back_it_reaches() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut window = Window::new(start);
        let told = |window: &Window, second| {
            let mut view = TrafficView::default();
            window.fill(&mut view, at(second));
            (view.requests, view.window_seconds)
        };
        assert_eq!(told(&window, 20), (0, 20.0));
        window.push(past(End::Complete, at(1), 1, 1, None));
        window.push(past(End::Complete, at(100), 1, 1, None));
        window.trim(at(301));
        assert_eq!(told(&window, 301), (2, 300.0));
        window.trim(at(302));
        assert_eq!(told(&window, 302), (1, 300.0));
        for _ in 0..MOST + 10 {
            window.push(past(End::Complete, at(310), 1, 1, None));
        }
        assert_eq!(told(&window, 320), (MOST as u64, 10.0), "shorter, and it says so");
    }

    #[test]
    fn tokens_of_answers_that_are_no_streams_count_when_they_came() {
        let now = Instant::now() + Duration::from_secs(1000);
        let mut window = Window::new(now);
        // 100 tokens over 20 s, of which the last 8 s lie in the span; 30 within it; a stream is counted elsewhere.
        window.push(past(End::Complete, now - Duration::from_secs(11), 999, 5, None));
        window.push(past(End::Complete, now - Duration::from_secs(2), 100, 20, None));
        window.push(past(End::Complete, now - Duration::from_secs(1), 30, 5, None));
        window.push(past(End::Complete, now, 50, 5, Some(50)));
        let unseen = window.tokens_unseen(Duration::from_secs(10), now);
        assert!((unseen - 70.0).abs() < 1e-9, "{unseen}");
    }

    #[test]
    fn tokens_without_a_request_are_tokens_and_no_request() {
        let now = Instant::now();
        let mut window = Window::new(now);
        let mut loose = past(End::Cancelled(Phase::Decode), now, 40, 2, None);
        loose.loose = true;
        loose.decode = Some((39, Duration::from_secs(3)));
        window.push(loose);
        let mut view = TrafficView::default();
        window.fill(&mut view, now);
        assert_eq!((view.requests, view.cancelled, view.duration), (0, 0, None));
        assert_eq!(view.decode_tokens_per_second, Some(13.0));
        assert!((window.tokens_unseen(Duration::from_secs(10), now) - 40.0).abs() < 1e-9);
    }

    #[test]
    fn a_piece_holds_what_whole_answers_say() {
        let now = Instant::now();
        let mut window = Window::new(now);
        assert!((window.tokens_a_piece() - 1.0).abs() < 1e-9, "nothing is told yet");
        window.push(past(End::Cancelled(Phase::Decode), now, 7, 1, Some(7)));
        window.push(past(End::Complete, now, 300, 1, Some(100)));
        window.push(past(End::Complete, now, 100, 1, Some(100)));
        assert!((window.tokens_a_piece() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn objectives_are_told_by_their_place_and_forgotten_with_it() {
        let now = Instant::now();
        let mut window = Window::new(now);
        for missed in [true, false, false] {
            let mut one = past(End::Complete, now, 1, 1, None);
            one.judge(63, missed);
            one.judge(64, true);
            window.push(one);
        }
        assert_eq!((window.slo(63), window.slo(0), window.slo(64)), ((3, 1), (0, 0), (0, 0)));
        window.forget_slos();
        assert_eq!(window.slo(63), (0, 0));
    }
}
