//! The schedule: asks the models of one target in turn, one run at a time, and tells what came of it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::follow::Follow;
use super::model::{Model, Work};
use super::setup::{Beats, Setup};
use super::{Plan, tell};
use crate::jobs::Job;
use crate::sample::UNNAMED;
use crate::servers::kind;
use crate::view::{ModelView, TargetView};

/// How often it is looked what is due.
pub const TICK: Duration = Duration::from_millis(250);

/// How often it is looked which models there are.
const FIND_EVERY: Duration = Duration::from_secs(2);

/// Targets that are asked at once: they may share a card, and speed is measured.
pub const RUNS_AT_ONCE: usize = 4;

/// How long a server must have listed a model no more before it is forgotten: while it starts it lists none.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The first beat of a model comes within this, so that a start does not ask all at once.
const FIRST: Duration = Duration::from_secs(30);

/// A beat comes this part of its length earlier or later, so that several do not fall together for ever.
const JITTER: f64 = 0.2;

/// Models that are taken up again at a start, those that were asked last: as many as a fleet tells of a target, unless
/// the config says otherwise.
const MOST_RESTORED: u32 = 200;

/// How long the store may take to tell which they are: then the next look asks again.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is known of a target's models from beat to beat; it stays over a reload of the config.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Model>>>);

/// The job that asks the models of one target.
#[derive(Debug)]
pub struct Beat {
    beats: Beats,
    memory: Memory,
    setup: Option<Setup>,
    find: Instant,
    /// Of [`Beats::writes`], those whose outcome was read.
    writes: u64,
    /// What the store has of the target's models was taken up.
    restored: bool,
}

impl Beat {
    /// A job on these terms, that goes on where another one left `memory`.
    pub fn new(beats: Beats, memory: Memory) -> Beat {
        let writes = beats.writes.load(Ordering::Relaxed);
        Beat { beats, memory, setup: None, find: Instant::now(), writes, restored: false }
    }

    async fn tick(&mut self) {
        let memory = self.memory.clone();
        let mut models = memory.0.lock().await;
        if Instant::now() >= self.find {
            self.find = Instant::now() + FIND_EVERY;
            self.restore(&mut models).await;
            self.find_models(&mut models).await;
        }
        self.look_at_store(&mut models).await;
        let Some(setup) = &self.setup else { return };
        let now = Instant::now();
        let due =
            models.values().filter_map(|model| Some((model.agenda.since(now)?, model.name.clone()))).min();
        let Some((_, name)) = due else { return };
        let Some(model) = models.get_mut(&name) else { return };
        one(model, setup).await;
    }

    /// Takes what a person stored meanwhile, and tells it at once: nobody waits for a beat to see a word of theirs.
    async fn look_at_store(&mut self, models: &mut BTreeMap<String, Model>) {
        let writes = self.beats.writes.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.writes, writes) == writes {
            return;
        }
        for model in models.values_mut() {
            model.keeper.refresh().await;
            tell::known(model, &self.beats);
        }
    }

    /// Takes up the models that were asked before the agent started: what holds of them is told also while their server
    /// is down, or has none of them in memory.
    async fn restore(&mut self, models: &mut BTreeMap<String, Model>) {
        let Beats { target, plan, store: Some(store), .. } = &self.beats else { return };
        if self.restored {
            return;
        }
        let name = target.name.clone();
        let stored = timeout(PATIENCE, store.read(move |db| db.watched(&name, MOST_RESTORED))).await;
        let Ok(Ok(stored)) = stored else {
            tracing::warn!(target = target.name, "the store does not tell which models were asked before");
            return;
        };
        self.restored = true;
        for name in stored {
            if plan.wants_model(&name) && !models.contains_key(&name) {
                let due = Instant::now() + FIRST.min(plan.every).mul_f64(random());
                let model = Model::new(&name, &self.beats, due).await;
                tell::known(&model, &self.beats);
                tell::next(&model, &self.beats);
                models.insert(name, model);
            }
        }
    }

    /// Takes in the models that are loaded, or may be, and lets go of those that the server has no more.
    async fn find_models(&mut self, models: &mut BTreeMap<String, Model>) {
        let Beats { target, plan, fleet, .. } = &self.beats;
        let Some(view) = fleet.target(&target.name) else { return };
        let Some(found) = fleet.kind(&target.name).and_then(kind) else { return };
        if self.setup.as_ref().is_none_or(|setup| setup.kind != found) {
            let setup = Setup { beats: self.beats.clone(), kind: found };
            for model in models.values_mut() {
                model.replan(&setup).await;
                tell::known(model, &self.beats);
            }
            self.setup = Some(setup);
        }
        let now = Instant::now();
        for model in models.values_mut() {
            let is_listed = view.models.iter().any(|listed| listed.name == model.name);
            model.missing = if is_listed { None } else { model.missing.or(Some(now)) };
        }
        let is_gone = |model: &Model| {
            let missing = model.missing.is_some_and(|since| now - since >= FORGET_AFTER);
            !plan.wants_model(&model.name) || (missing && view.up == Some(true))
        };
        let gone: Vec<String> =
            models.values().filter(|model| is_gone(model)).map(|model| model.name.clone()).collect();
        for name in gone {
            models.remove(&name);
            fleet.forget_canary(&target.name, &name);
        }
        let is_new = |name: &String| {
            !models.contains_key(name) && is_wanted(&view, plan, name) && is_asked(&view, plan, name)
        };
        let names = view.models.iter().map(|model| &model.name);
        let new: Vec<String> = names.filter(|name| is_new(name)).cloned().collect();
        for model in &new {
            let due = Instant::now() + FIRST.min(plan.every).mul_f64(random());
            let new = Model::new(model, &self.beats, due).await;
            tell::known(&new, &self.beats);
            tell::next(&new, &self.beats);
            models.insert(model.clone(), new);
        }
    }
}

impl Job for Beat {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.tick())
    }
}

/// Whether the config wants this model asked, and the server has it.
fn is_wanted(view: &TargetView, plan: &Plan, name: &str) -> bool {
    let is_process = |model: &ModelView| name == UNNAMED && view.kind == "ollama" && model.digest.is_none();
    let has = |model: &ModelView| model.name == name && !is_process(model);
    plan.wants_model(name) && view.models.iter().any(has)
}

/// Whether there is anything to ask yet. A model that is only on the disk and that nobody named is not waited for.
fn is_asked(view: &TargetView, plan: &Plan, name: &str) -> bool {
    let named = plan.may_load(name) || !plan.models.is_empty();
    named || view.models.iter().any(|model| model.name == name && model.loaded != Some(false))
}

/// Does what is due of a model, and says when the next is.
async fn one(model: &mut Model, setup: &Setup) {
    let work = model.agenda.take(Instant::now());
    let skipped = match model.work(&work, setup).await {
        Ok((done, seen)) => {
            let follows = Follow::of(&seen.wants);
            if !follows.is_empty() {
                model.agenda.look_again(follows, Instant::now());
            }
            if matches!(work, Work::Long) {
                model.left.long = None;
            }
            tell::record(model, setup, &done, seen);
            None
        }
        Err(why) => {
            tell::skipped(model, setup, &work, &why);
            Some(why.0)
        }
    };
    let vary = 1.0 + JITTER * (2.0 * random() - 1.0);
    model.agenda.done(&work, skipped, setup.plan.every, vary, Instant::now());
    tell::left_out(model, setup);
    tell::next(model, setup);
}

/// A number that nobody can foresee, 0..1.
fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
