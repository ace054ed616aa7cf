//! The watch of one model, in memory and in the store. Without a store it goes on in memory.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::remembered::Remembered;
use super::{Done, records};
use crate::drift::{self, Baseline, Report, Seen, Watch};
use crate::store::{Batch, Key, Reason, Store, StoreError, Tag, WatchRecord};
use crate::suite::Suite;
use handed::Handed;

mod handed;

/// How long a disk may take: then the run goes on in memory. A store that is well answers in milliseconds, and a
/// command at a shell holds it for a second or two.
const PATIENCE: Duration = Duration::from_secs(8);

/// What came of runs without a store, for the one that opens later: a baseline grows four times, and a person may
/// accept some. Beyond that the oldest are lost.
const MOST_UNSTORED: usize = 64;

/// The watch of one model.
#[derive(Debug)]
pub(super) struct Keeper {
    key: Key,
    plan: drift::Plan,
    store: Option<Store>,
    watch: Watch,
    /// What is stored, as far as is known.
    stored: Option<Tag>,
    /// What was last handed over: it may still wait to be written.
    handed: Option<Tag>,
    /// The least number that the next baseline may have, as far as is known, with those that wait to be written.
    next: u32,
    /// What is known of asking it: ours, or somebody else's.
    beat: Handed,
    /// Baselines and events of runs that no store heard of.
    unstored: Vec<(Timestamp, Seen)>,
    /// What is stored is another opsagent's, or damaged: it is left as it is.
    foreign: bool,
    keeps_answers: bool,
}

impl Keeper {
    /// Reads what is stored of the model.
    pub(super) async fn load(plan: drift::Plan, store: Option<Store>, keeps_answers: bool) -> Keeper {
        let mut keeper = Keeper {
            key: Key::new(&plan.target, &plan.model),
            watch: Watch::new(plan.clone()),
            plan,
            store,
            stored: None,
            handed: None,
            next: 1,
            beat: Handed::default(),
            unstored: Vec::new(),
            foreign: false,
            keeps_answers,
        };
        keeper.refresh().await;
        keeper
    }

    /// What drift says now.
    pub(super) fn report(&self) -> Report {
        self.watch.report(Timestamp::now())
    }

    /// Another beat, or another number of false alarms that is put up with; and the store, if one is open by now. What
    /// it has of the model counts; where it has nothing, what was learned without it is stored with the next run.
    pub(super) async fn replan(&mut self, plan: drift::Plan, store: Option<&Store>, keeps_answers: bool) {
        self.watch.replan(plan.clone());
        (self.plan, self.keeps_answers) = (plan, keeps_answers);
        if let (None, Some(store)) = (&self.store, store) {
            self.store = Some(store.clone());
            self.refresh().await;
        }
    }

    /// Takes what somebody else stored meanwhile, such as a person at a shell who accepted a baseline.
    pub(super) async fn refresh(&mut self) {
        let key = self.key.clone();
        if self.foreign {
            return;
        }
        let asked = self.ask(move |db| Ok((db.watch(&key)?, db.next_baseline(&key)?))).await;
        let Some((record, next)) = asked else { return };
        self.next = self.next.max(next);
        let known = [self.handed, self.stored];
        if let Some(record) = record.filter(|record| !known.contains(&Some(record.tag))) {
            self.take(&record);
        }
        // A kill or a disk may have parted the watch from baselines that are stored: their numbers stay theirs.
        self.watch.number_from(self.next);
    }

    /// Goes on from what is stored.
    fn take(&mut self, record: &WatchRecord) {
        match Watch::of_json(&record.json) {
            Ok(mut watch) => {
                watch.replan(self.plan.clone());
                self.watch = watch;
                self.unstored.clear();
                (self.stored, self.handed) = (Some(record.tag), Some(record.tag));
            }
            Err(error) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be used, and is left as it is");
                self.foreign = true;
            }
        }
    }

    /// What somebody else, such as a command at a shell, wrote last of asking the model. `None`: nobody did. What this
    /// agent itself wrote is not told, nor what was there before it while a disk that is full keeps it waiting: it knows
    /// better.
    pub(super) async fn recall(&mut self) -> Option<Remembered> {
        let key = self.key.clone();
        let record = self.ask(move |db| db.beat(&key)).await??;
        if self.beat.is_theirs(Tag::of(&record.json)) { Remembered::of_json(&record.json) } else { None }
    }

    /// Keeps what is known of asking the model. It is on its way to the disk when this ends, and nobody waits for it.
    pub(super) fn remember(&mut self, known: &Remembered) {
        let Some(store) = &self.store else { return };
        let json = known.to_json();
        if self.beat.hand(Tag::of(&json)) {
            drop(store.write(Batch::new().beat(&self.key, json, Timestamp::now())));
        }
    }

    /// Shows the watch a run, and keeps both.
    pub(super) async fn observe(&mut self, done: &Done, suite: &Suite) -> Seen {
        self.refresh().await;
        let before = self.watch.clone();
        let seen = self.watch.observe(&done.run, suite);
        if self.foreign {
            return seen;
        }
        match self.write(done, suite, &seen).await {
            // Somebody wrote between the look and now: the run is held against what they stored, and where that
            // cannot be read, against what was there before it: it is never counted twice.
            Some(error) if error.kind() == Reason::Changed => {
                self.watch = before;
                (self.handed, self.next) = (self.stored, 1);
                self.refresh().await;
                let seen = self.watch.observe(&done.run, suite);
                if self.foreign {
                    return seen;
                }
                if let Some(error) = self.write(done, suite, &seen).await {
                    tracing::warn!(key = ?self.key, %error, "a run of canaries was not stored");
                }
                seen
            }
            Some(error) => {
                tracing::warn!(key = ?self.key, %error, "a run of canaries was not stored");
                seen
            }
            None => seen,
        }
    }

    /// Asks the store. `None`: there is none, or it gives no answer.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&crate::store::Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        match timeout(PATIENCE, self.store.as_ref()?.read(question)).await {
            Ok(Ok(answer)) => Some(answer),
            Err(_) => {
                tracing::warn!(key = ?self.key, "the store gives no answer: does its disk hang? A model's canaries go on in memory");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be read; it goes on in memory");
                None
            }
        }
    }

    /// Hands it over. What waits for a disk that is full counts as written.
    async fn write(&mut self, done: &Done, suite: &Suite, seen: &Seen) -> Option<StoreError> {
        let at = done.run.at;
        let Some(store) = &self.store else {
            self.leave_unstored(at, seen);
            return None;
        };
        let json = self.watch.to_json();
        let tag = Tag::of(&json);
        let verdict = self.report().verdict;
        let record = records::run(done, suite, seen, verdict, self.keeps_answers);
        let earlier = self
            .unstored
            .iter()
            .fold(Batch::new(), |batch, (at, seen)| records::seen(batch, &self.key, seen, *at));
        let batch = earlier.run(&self.key, record).watch(&self.key, json, self.handed, at);
        let mut batch = records::seen(batch, &self.key, seen, at);
        if let Some(lost) = self.lost(seen) {
            batch = records::baseline(batch, &self.key, lost, at);
        }
        let before = self.handed.replace(tag);
        let written = timeout(PATIENCE, store.write(batch)).await;
        match written {
            Ok(Ok(_)) => self.stored = Some(tag),
            // It is on its way. Should it be refused after all, the next one is, too, and looks anew.
            Err(_) => {}
            Ok(Err(error)) if error.is_kept() => {}
            Ok(Err(error)) => {
                self.handed = before;
                return Some(error);
            }
        }
        self.unstored.clear();
        let last = self.watch.baseline().map_or(0, |baseline| baseline.number);
        self.next = self.next.max(last + 1);
        None
    }

    /// The baseline in force, if it is not stored, nor on its way there: its run was lost, when too much waited.
    fn lost(&self, seen: &Seen) -> Option<&Baseline> {
        let mut goes = self.unstored.iter().map(|(_, seen)| seen).chain([seen]);
        let is_lost = |baseline: &&Baseline| {
            let goes = goes.any(|seen| seen.made.as_ref().is_some_and(|made| made.number == baseline.number));
            baseline.number >= self.next && !goes
        };
        self.watch.baseline().filter(is_lost)
    }

    fn leave_unstored(&mut self, at: Timestamp, seen: &Seen) {
        if seen.made.is_none() && seen.events.is_empty() {
            return;
        }
        if self.unstored.len() >= MOST_UNSTORED {
            self.unstored.remove(0);
        }
        self.unstored.push((at, seen.clone()));
    }
}

#[cfg(test)]
mod tests;
