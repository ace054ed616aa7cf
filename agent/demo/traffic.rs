//! Requests that come, wait, are read and answered: the work of one simulated model. Pure: what it
//! shows depends on the time since the start alone, not on when it was looked at.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sample::{ModelSample, Totals};

/// The simulation's step. Fine enough that a poll a second sees every change.
const STEP: Duration = Duration::from_millis(100);

/// Requests that may wait. A real server refuses more, too.
const MAX_QUEUE: usize = 64;

/// Prompt tokens a second that a model reads, and tokens a second that it writes, alone.
const PROMPT_SPEED: f64 = 1400.0;
const OUTPUT_SPEED: f64 = 64.0;

/// What each further request at work costs every one of them.
const CROWD: f64 = 0.12;

/// How busy a server is, for the time since the start: requests a second, 0 for none.
pub(super) type Rate = fn(f64) -> f64;

/// The work of one model.
#[derive(Debug)]
pub(super) struct Traffic {
    random: Random,
    rate: Rate,
    slots: Vec<Option<Request>>,
    queue: VecDeque<Request>,
    now: Duration,
    counters: Totals,
    active: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    prompt: f64,
    output: f64,
}

impl Traffic {
    /// No request yet, at that time since the start. `before`: requests that were answered before.
    pub(super) fn new(seed: u64, slots: usize, rate: Rate, start: Duration, before: u32) -> Traffic {
        let mut random = Random(seed);
        // One that is already at work is at work now.
        let queue = (before > 0).then(|| random.request()).into_iter().collect();
        let before = f64::from(before);
        let mut traffic = Traffic {
            random,
            rate,
            slots: vec![None; slots],
            queue,
            now: start,
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

    /// Lets the time go on. `stuck`: whether the server stands still at a time; requests still come.
    pub(super) fn advance(&mut self, to: Duration, stuck: fn(f64) -> bool) {
        while self.now + STEP <= to {
            self.now += STEP;
            let at = self.now.as_secs_f64();
            self.arrive(at);
            if stuck(at) {
                // Trouble strikes a server at work: with nobody asking it would not show.
                if self.busy() == 0 && self.queue.is_empty() {
                    let request = self.random.request();
                    self.queue.push_back(request);
                }
                self.admit();
            } else {
                self.work();
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
            let request = self.random.request();
            self.queue.push_back(request);
        }
    }

    fn busy(&self) -> u32 {
        self.slots.iter().flatten().count() as u32
    }

    fn admit(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_none()) {
            *slot = self.queue.pop_front();
            if slot.is_some() {
                add(&mut self.counters.cached_tokens, (self.random.unit() * 520.0).round());
            }
        }
    }

    fn work(&mut self) {
        self.admit();
        let busy = self.busy();
        if busy > 0 {
            self.active = self.now;
        }
        let pace = 1.0 + CROWD * f64::from(busy.saturating_sub(1));
        let step = STEP.as_secs_f64();
        for slot in &mut self.slots {
            let Some(request) = slot else { continue };
            if request.prompt > 0.0 {
                let read = request.prompt.min(PROMPT_SPEED / pace * step);
                request.prompt -= read;
                add(&mut self.counters.prompt_tokens, read);
                add(&mut self.counters.prompt_seconds, read * pace / PROMPT_SPEED);
            } else {
                let written = request.output.min(OUTPUT_SPEED / pace * step);
                request.output -= written;
                add(&mut self.counters.output_tokens, written);
                add(&mut self.counters.decode_seconds, written * pace / OUTPUT_SPEED);
            }
            if request.output <= 0.0 {
                *slot = None;
                add(&mut self.counters.requests, 1.0);
            }
        }
    }
}

fn add(sum: &mut Option<f64>, more: f64) {
    *sum = Some(sum.unwrap_or(0.0) + more);
}

/// SplitMix64: the same numbers on every machine and in every version, which is all it is for.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number in 0..1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Many short questions, some with a long page before them or a long answer after.
    fn request(&mut self) -> Request {
        let long = |unit: f64| unit * unit * unit;
        let (prompt, output) = (self.unit(), self.unit());
        Request {
            prompt: (40.0 + 1500.0 * long(prompt)).round(),
            output: (30.0 + 640.0 * long(output)).round(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(_: f64) -> f64 {
        0.6
    }

    fn never(_: f64) -> bool {
        false
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn model(traffic: &Traffic) -> ModelSample {
        traffic.show(ModelSample::default())
    }

    #[test]
    fn what_is_seen_does_not_depend_on_when_it_was_looked_at() {
        let mut often = Traffic::new(7, 2, busy, Duration::ZERO, 0);
        let mut once = Traffic::new(7, 2, busy, Duration::ZERO, 0);
        for at in 1..=300 {
            often.advance(seconds(at), never);
        }
        once.advance(seconds(300), never);
        assert_eq!(model(&often), model(&once));
        assert!(model(&once).counters.requests.unwrap() > 20.0);
    }

    #[test]
    fn a_model_writes_about_sixty_tokens_a_second_while_it_works() {
        let mut traffic = Traffic::new(1, 2, busy, Duration::ZERO, 0);
        traffic.advance(seconds(3600), never);
        let counters = model(&traffic).counters;
        let speed = counters.output_tokens.unwrap() / counters.decode_seconds.unwrap();
        assert!((55.0..=64.0).contains(&speed), "{speed} tokens/s");
    }

    #[test]
    fn a_server_that_stands_still_moves_nothing_and_its_queue_grows() {
        let mut traffic = Traffic::new(1, 2, busy, Duration::ZERO, 0);
        traffic.advance(seconds(10), never);
        let before = model(&traffic);
        traffic.advance(seconds(60), |_| true);
        let after = model(&traffic);
        assert_eq!(after.progress, before.progress);
        assert_eq!(after.counters.requests, before.counters.requests);
        assert!(after.slots_busy > Some(0) && after.queue_depth > Some(5), "{after:?}");
        traffic.advance(seconds(7200), |_| true);
        assert_eq!(model(&traffic).queue_depth, Some(MAX_QUEUE as u64));
    }
}
