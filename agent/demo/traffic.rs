//! Requests that come, wait, are read and answered: the work of one simulated model. Pure but for telling what a
//! tap would see: what it shows depends on the time since the start alone, not on when it was looked at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::random::Random;
use super::request::{OUTPUT_SPEED, PROMPT_SPEED, Request, Seen};
use crate::fleet::Live;
use crate::sample::{Dialect, ModelSample, Totals};

/// The simulation's step. Fine enough that a poll a second sees every change.
const STEP: Duration = Duration::from_millis(100);

/// Requests that may wait. A real server refuses more, too.
const MAX_QUEUE: usize = 64;

/// What each further request at work costs every one of them.
const CROWD: f64 = 0.12;

/// How busy a server is, for the time since the start: requests a second, 0 for none.
pub(super) type Rate = fn(f64) -> f64;

/// How a model is, for the time since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It works.
    Works,
    /// It works, and somebody asks if nobody else does.
    Asked,
    /// It stands still, with requests at work: with nobody asking it would not show.
    Stuck,
    /// It is not in memory; who asks waits.
    Away,
    /// It is not in memory, and somebody has asked for it.
    Wanted,
}

/// What a model's requests are like, and who writes them down.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) rate: Rate,
    pub(super) dialect: Dialect,
    pub(super) model: &'static str,
    pub(super) live: Arc<Live>,
}

/// The work of one model.
#[derive(Debug)]
pub(super) struct Traffic {
    random: Random,
    rate: Rate,
    seen: Seen,
    slots: Vec<Option<Request>>,
    queue: VecDeque<Request>,
    now: Duration,
    /// When the model was loaded, while a request may still have waited for that.
    loaded: Option<f64>,
    was: Way,
    counters: Totals,
    active: Duration,
}

impl Traffic {
    /// No request yet, at that time since the start. `before`: requests that were answered before.
    pub(super) fn new(seed: u64, slots: usize, asked: Asked, start: Duration, before: u32) -> Traffic {
        let Asked { rate, dialect, model, live } = asked;
        let mut random = Random::new(seed);
        let seen = Seen { live, dialect, model };
        // A server that worked before is at work now, and for a while: the first page shows it.
        let at_work = if before > 0 { slots.min(2) } else { 0 };
        let first = || Request::new(&mut random, start.as_secs_f64(), &seen).lasting();
        let queue: VecDeque<Request> = std::iter::repeat_with(first).take(at_work).collect();
        let before = f64::from(before);
        let mut traffic = Traffic {
            random,
            rate,
            seen,
            slots: std::iter::repeat_with(|| None).take(slots).collect(),
            queue,
            now: start,
            loaded: None,
            was: Way::Works,
            counters: Totals {
                requests: Some(before),
                prompt_tokens: Some(before * 420.0),
                cached_tokens: Some(before * 260.0),
                output_tokens: Some(before * 190.0),
                prompt_seconds: Some(before * 420.0 / PROMPT_SPEED),
                decode_seconds: Some(before * 190.0 / OUTPUT_SPEED),
                ..Totals::default()
            },
            active: start,
        };
        traffic.admit();
        traffic
    }

    /// Lets the time go on. `way`: how the model is at a time; requests come in any case.
    pub(super) fn advance(&mut self, to: Duration, way: fn(f64) -> Way) {
        while self.now + STEP <= to {
            self.now += STEP;
            let at = self.now.as_secs_f64();
            self.arrive(at);
            self.leave(at);
            let way = way(at);
            if matches!(way, Way::Works | Way::Asked) && matches!(self.was, Way::Away | Way::Wanted) {
                self.loaded = Some(at);
            }
            self.was = way;
            let idle = self.busy() == 0 && self.queue.is_empty();
            if idle && matches!(way, Way::Asked | Way::Stuck | Way::Wanted) {
                let request = Request::new(&mut self.random, at, &self.seen).lasting();
                self.queue.push_back(request);
            }
            match way {
                Way::Works | Way::Asked => self.work(at),
                Way::Stuck => self.admit(),
                Way::Away | Way::Wanted => {}
            }
        }
    }

    /// The model with its slots, its queue and its totals as they are now.
    pub(super) fn show(&self, model: ModelSample) -> ModelSample {
        let sum = self.counters;
        // A server counts whole tokens.
        let whole = |value: Option<f64>| value.map(f64::floor);
        ModelSample {
            slots: Some(self.slots.len() as u32),
            slots_busy: Some(self.busy()),
            queue_depth: Some(self.queue.len() as u64),
            counters: Totals {
                prompt_tokens: whole(sum.prompt_tokens),
                output_tokens: whole(sum.output_tokens),
                ..sum
            },
            progress: Some(sum.prompt_tokens.unwrap_or(0.0) + sum.output_tokens.unwrap_or(0.0)),
            ..model
        }
    }

    /// When it last had something to do.
    pub(super) fn active(&self) -> Duration {
        self.active
    }

    fn arrive(&mut self, at: f64) {
        let comes = self.random.unit() < (self.rate)(at) * STEP.as_secs_f64();
        if comes && self.queue.len() < MAX_QUEUE {
            // Somewhere within the step.
            let at = at - self.random.unit() * STEP.as_secs_f64();
            let request = Request::new(&mut self.random, at, &self.seen);
            self.queue.push_back(request);
        }
    }

    /// Clients that have waited for too long go.
    fn leave(&mut self, at: f64) {
        for slot in &mut self.slots {
            if let Some(request) = slot.take_if(|request| request.is_given_up(at)) {
                request.give_up(at, &self.seen);
            }
        }
        while let Some(nth) = self.queue.iter().position(|request| request.is_given_up(at)) {
            if let Some(request) = self.queue.remove(nth) {
                request.give_up(at, &self.seen);
            }
        }
    }

    fn busy(&self) -> u32 {
        self.slots.iter().flatten().count() as u32
    }

    fn admit(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_none()) {
            let Some(mut request) = self.queue.pop_front() else { return };
            request.admit(self.loaded);
            add(&mut self.counters.cached_tokens, request.cached());
            *slot = Some(request);
        }
    }

    fn work(&mut self, at: f64) {
        self.admit();
        let busy = self.busy();
        if busy > 0 {
            self.active = self.now;
        }
        let pace = 1.0 + CROWD * f64::from(busy.saturating_sub(1));
        let seconds = STEP.as_secs_f64();
        for slot in &mut self.slots {
            let Some(request) = slot else { continue };
            let step = request.work(at - seconds, seconds, pace);
            add(&mut self.counters.prompt_tokens, step.read);
            add(&mut self.counters.prompt_seconds, step.read * pace / PROMPT_SPEED);
            add(&mut self.counters.output_tokens, step.written);
            add(&mut self.counters.decode_seconds, step.written * pace / OUTPUT_SPEED);
            if let Some((request, done)) = slot.take_if(|_| step.done.is_some()).zip(step.done) {
                request.finish(done, &self.seen);
                add(&mut self.counters.requests, 1.0);
            }
        }
    }
}

fn add(sum: &mut Option<f64>, more: f64) {
    *sum = Some(sum.unwrap_or(0.0) + more);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(_: f64) -> f64 {
        0.6
    }

    fn never(_: f64) -> Way {
        Way::Works
    }

    fn stuck(_: f64) -> Way {
        Way::Stuck
    }

    fn traffic(seed: u64) -> (Traffic, Arc<Live>) {
        let live = Arc::new(Live::default());
        let asked = Asked { rate: busy, dialect: Dialect::OllamaChat, model: "m", live: live.clone() };
        (Traffic::new(seed, 2, asked, Duration::ZERO, 0), live)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn model(traffic: &Traffic) -> ModelSample {
        traffic.show(ModelSample::default())
    }

    #[test]
    fn what_is_seen_does_not_depend_on_when_it_was_looked_at() {
        let (mut often, _live) = traffic(7);
        let (mut once, _live) = traffic(7);
        for at in 1..=300 {
            often.advance(seconds(at), never);
        }
        once.advance(seconds(300), never);
        assert_eq!(model(&often), model(&once));
        assert!(model(&once).counters.requests.unwrap() > 20.0);
    }

    #[test]
    fn a_model_writes_about_sixty_tokens_a_second_while_it_works() {
        let (mut traffic, _live) = traffic(1);
        traffic.advance(seconds(3600), never);
        let counters = model(&traffic).counters;
        let speed = counters.output_tokens.unwrap() / counters.decode_seconds.unwrap();
        assert!((55.0..=64.0).contains(&speed), "{speed} tokens/s");
    }

    #[test]
    fn a_server_that_stands_still_moves_nothing_and_its_queue_grows() {
        let (mut traffic, _live) = traffic(1);
        traffic.advance(seconds(10), never);
        let before = model(&traffic);
        traffic.advance(seconds(60), stuck);
        let after = model(&traffic);
        assert_eq!(after.progress, before.progress);
        assert_eq!(after.counters.requests, before.counters.requests);
        assert!(after.slots_busy > Some(0) && after.queue_depth > Some(5), "{after:?}");
        traffic.advance(seconds(7200), stuck);
        assert!(model(&traffic).queue_depth <= Some(MAX_QUEUE as u64), "{after:?}");
    }
}
