//! Takes what ended out of the mailboxes, and counts it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::live::End as Told;
use super::window::Past;
use super::{Inventory, MAX_SLOS, OTHER, Traffic, Watched, World, refine};
use crate::metrics::Whose;
use crate::sample::{End, Generation, Refusal, Source};

/// Clients of a target that are counted apart. A config names a few; reloads may name others.
const MAX_CLIENTS: usize = 100;

/// From so many ends between two looks on, the room that they took is kept for the next: below, it is no more than
/// a page or two.
const ROOM: usize = 16;

/// Before a target was watched, and before every look at it.
const LONG_AGO: Duration = Duration::from_secs(86_400);

/// What a target's inventory says of one model, to one generation.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Model {
    /// Its name as the inventory spells it, or `other`.
    pub(in crate::fleet) name: String,
    /// Its request had to wait until it was loaded.
    pub(in crate::fleet) cold: bool,
    /// The context that it was loaded with, in tokens, as far as it is known to hold still.
    pub(in crate::fleet) context: Option<u64>,
}

/// What a target knows of its models.
pub(in crate::fleet) trait Models {
    /// The names that it answers to.
    fn inventory(&self) -> Inventory<'_>;

    /// What it says to a generation that ended then.
    fn place(&mut self, one: &Generation, ended: Instant) -> Model;
}

impl Traffic {
    /// Counts what ended since the last time.
    pub(in crate::fleet) fn settle(&mut self, target: &str, models: &mut impl Models, world: &World<'_>) {
        let shown = self.shown();
        let (mut ended, mut others) = (Vec::new(), Vec::new());
        for (source, watched) in &mut self.live {
            ended.push((*source, watched.take()));
            others.extend(watched.live.take_others());
            self.own.learn(watched.live.take_asked());
            let traffic = &world.counted.traffic;
            let lost = watched.live.lost();
            traffic.count_lost(target, *source, lost.saturating_sub(watched.lost));
            watched.lost = lost;
            let refused = watched.live.refused();
            for (reason, (now, before)) in
                Refusal::ALL.into_iter().zip(refused.into_iter().zip(watched.refused))
            {
                if now > before {
                    traffic.count_refused(target, reason, now - before);
                }
            }
            watched.refused = refused;
            if shown == Some(*source) {
                self.pace.mark(world.now, watched.live.pieces());
            }
        }
        for (source, mut ended) in ended {
            let many = ended.len();
            if source == Source::Log {
                self.own.take_out(&mut ended, world.now);
            }
            for (when, one) in ended.drain(..) {
                self.count(target, source, when, one, models, world);
            }
            if let Some(watched) = self.live.get_mut(&source) {
                watched.give_back(ended, many);
            }
        }
        for (client, requests) in others {
            world.counted.traffic.count_client(target, self.client(&client), requests);
        }
        self.window.trim(world.now);
    }

    fn count(
        &mut self,
        target: &str,
        source: Source,
        when: Option<Instant>,
        mut one: Generation,
        models: &mut impl Models,
        world: &World<'_>,
    ) {
        refine::doubt(&mut one);
        // What ended before anything was known of its model is placed where nothing is.
        let ended = when.or_else(|| self.since.checked_sub(LONG_AGO)).unwrap_or(self.since);
        let Model { name, cold, context } = models.place(&one, ended);
        // A log says by itself who left in the queue.
        if source != Source::Log {
            refine::phase(&mut one, models.inventory().kind);
        }
        refine::truncation(&mut one, context);
        let model = self.touch(target, &name, source, world);
        let at = when.map(|when| {
            let ago = world.now.saturating_duration_since(when);
            world.at.checked_sub(ago).unwrap_or(world.at)
        });
        if let Some(at) = at.filter(|_| source != Source::Canary) {
            let last = self.last_use.entry(model.to_owned()).or_insert(at);
            *last = at.max(*last);
        }
        if source == Source::Log && one.tokens.output.is_some() {
            self.learn_tokens(target, world);
        }
        let traffic = &world.counted.traffic;
        traffic.count(&Whose { target, model, source }, &one, cold, at.unwrap_or(world.at));
        if let Some(client) = &one.client {
            traffic.count_client(target, self.client(client), 1);
        }
        if self.shown() != Some(source) {
            return;
        }
        let mut past = Past::new(&one, cold, ended);
        for (number, slo) in world.plan.slos.iter().take(MAX_SLOS).enumerate() {
            let applies = slo.is_for(target, model) && !one.loose;
            if let Some(missed) = applies.then(|| slo.missed(&one)).flatten() {
                traffic.count_slo(target, model, &slo.name, missed);
                past.judge(number, missed);
            }
        }
        if when.is_some_and(|when| when >= self.since) {
            self.window.push(past);
        }
        self.last_end_at = self.last_end_at.max(at);
        if let (Source::Log, Some(log)) = (source, &mut self.log) {
            log.last_line_at = log.last_line_at.max(at);
        }
    }

    /// The name under which a client counts.
    fn client<'c>(&mut self, client: &'c Arc<str>) -> &'c str {
        if !self.clients.contains(client) {
            if self.clients.len() >= MAX_CLIENTS {
                return OTHER;
            }
            self.clients.insert(Arc::clone(client));
        }
        client
    }
}

impl Watched {
    /// What ended since it was taken last.
    fn take(&mut self) -> Vec<Told> {
        self.live.swap(std::mem::take(&mut self.room))
    }

    /// What was taken, once it is counted: so `many` there were. A burst leaves nothing behind, nor do single
    /// requests.
    fn give_back(&mut self, emptied: Vec<Told>, many: usize) {
        self.room = if many >= ROOM && many >= emptied.capacity() / 4 { emptied } else { Vec::new() };
    }
}

/// Whether a model did anything for this request: then it was in memory when it ended.
pub(in crate::fleet) fn was_answered(one: &Generation) -> bool {
    one.end == End::Complete || one.time_to_first_token.is_some()
}

/// When a generation began.
pub(in crate::fleet) fn began(one: &Generation, ended: Instant) -> Instant {
    ended.checked_sub(one.duration.min(Duration::from_secs(86_400))).unwrap_or(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Dialect;

    #[test]
    fn the_room_of_what_ended_is_used_again_under_load_and_given_up_after_it() {
        let mut watched = Watched::default();
        let mut held = Vec::new();
        for many in [1000, 1000, 1000, 1000, 3, 3, 3, 0, 0] {
            for _ in 0..many {
                watched.live.end(Generation::new(Dialect::OpenaiChat, End::Complete, Duration::ZERO));
            }
            let mut ended = watched.take();
            assert_eq!(ended.len(), many);
            held.push(ended.capacity() >= 1000);
            ended.clear();
            watched.give_back(ended, many);
        }
        assert_eq!(held, [true, true, true, true, true, true, false, false, false]);
        assert_eq!(watched.room.capacity(), 0);
    }
}
