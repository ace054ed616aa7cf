//! The watch of one model, in memory and in the store. Without a store it goes on in memory.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::{Done, records};
use crate::drift::{self, Report, Seen, Watch};
use crate::store::{Batch, Key, Reason, Store, StoreError, Tag};
use crate::suite::Suite;

/// How long a disk may take: then the run goes on in memory. A store that is well answers in milliseconds, and a
/// command at a shell holds it for a second or two.
const PATIENCE: Duration = Duration::from_secs(8);

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

    /// Another beat, or another number of false alarms that is put up with.
    pub(super) fn replan(&mut self, plan: drift::Plan, keeps_answers: bool) {
        self.watch.replan(plan.clone());
        (self.plan, self.keeps_answers) = (plan, keeps_answers);
    }

    /// Takes what somebody else stored meanwhile, such as a person at a shell who accepted a baseline.
    pub(super) async fn refresh(&mut self) {
        let Some(store) = self.store.as_ref().filter(|_| !self.foreign) else { return };
        let key = self.key.clone();
        let record = match timeout(PATIENCE, store.read(move |db| db.watch(&key))).await {
            Ok(Ok(record)) => record,
            Err(_) => {
                tracing::warn!(key = ?self.key, "the store gives no answer: does its disk hang? A model's canaries go on in memory");
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be read; it goes on in memory");
                return;
            }
        };
        let Some(record) = record else { return };
        if Some(record.tag) == self.handed || Some(record.tag) == self.stored {
            return;
        }
        match Watch::of_json(&record.json) {
            Ok(mut watch) => {
                watch.replan(self.plan.clone());
                self.watch = watch;
                (self.stored, self.handed) = (Some(record.tag), Some(record.tag));
            }
            Err(error) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be used, and is left as it is");
                self.foreign = true;
            }
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
                self.handed = self.stored;
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

    /// Hands it over. What waits for a disk that is full counts as written.
    async fn write(&mut self, done: &Done, suite: &Suite, seen: &Seen) -> Option<StoreError> {
        let store = self.store.as_ref()?;
        let at = done.run.at;
        let json = self.watch.to_json();
        let tag = Tag::of(&json);
        let verdict = self.report().verdict;
        let record = records::run(done, suite, seen, verdict, self.keeps_answers);
        let batch = Batch::new().run(&self.key, record).watch(&self.key, json, self.handed, at);
        let batch = records::seen(batch, &self.key, seen, at);
        let before = self.handed.replace(tag);
        match timeout(PATIENCE, store.write(batch)).await {
            Ok(Ok(_)) => {
                self.stored = Some(tag);
                None
            }
            Ok(Err(error)) if error.is_kept() => None,
            // It is on its way. Should it be refused after all, the next one is, too, and looks anew.
            Err(_) => None,
            Ok(Err(error)) => {
                self.handed = before;
                Some(error)
            }
        }
    }
}
