//! The schedule: asks the models of one target in turn, one run at a time, and tells what came of it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::Plan;
use super::follow::Follow;
use super::model::{LONG_EVERY, Model, Skipped, Work};
use super::run::Done;
use crate::drift::{self, Judged, Seen, What};
use crate::fleet::{CanaryRun, Fleet, Live};
use crate::http::Clients;
use crate::jobs::Job;
use crate::procs::Machine;
use crate::sample::Source;
use crate::servers::{Kind, Target, kind};
use crate::store::Store;
use crate::suite::Own;
use crate::view::{RunResult, Skip, TargetView};

/// How often it is looked what is due.
pub const TICK: Duration = Duration::from_millis(250);

/// How often it is looked which models there are.
const FIND_EVERY: Duration = Duration::from_secs(2);

/// Targets that are asked at once: they may share a card, and speed is measured.
pub const RUNS_AT_ONCE: usize = 4;

/// A beat comes this part of its length earlier or later, so that several do not fall together for ever.
const JITTER: f64 = 0.2;

/// How long a server must have listed a model no more before it is forgotten: while it starts it lists none.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The first beat of a model comes within this, so that a start does not ask all at once.
const FIRST: Duration = Duration::from_secs(30);

/// What a beat stands on.
#[derive(Debug, Clone)]
pub struct Beats {
    /// The target.
    pub target: Target,
    /// What the config says.
    pub plan: Arc<Plan>,
    /// The config's own canaries.
    pub own: Arc<Vec<Own>>,
    /// Where what is found is told.
    pub fleet: Fleet,
    /// The ways to servers.
    pub clients: Clients,
    /// This machine.
    pub machine: Machine,
    /// What outlives a restart. `None`: nothing does.
    pub store: Option<Store>,
    /// Grows each time somebody else wrote to the store, such as a command at a shell.
    pub writes: Arc<AtomicU64>,
    /// So many runs at once, over all targets: [`RUNS_AT_ONCE`].
    pub gate: Arc<Semaphore>,
}

/// The same, with the kind that the server was found to be.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) beats: Beats,
    pub(super) kind: &'static Kind,
}

impl std::ops::Deref for Setup {
    type Target = Beats;

    fn deref(&self) -> &Beats {
        &self.beats
    }
}

impl Setup {
    /// What drift is told of a model.
    pub(super) fn drift_plan(&self, model: &str) -> drift::Plan {
        let plan = drift::Plan::new(&self.target.name, model, self.plan.every);
        drift::Plan { alarms_a_year: self.plan.false_alarms_per_year, ..plan }
    }

    /// Where generations are written down. `None`: the target is gone.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.fleet.live(&self.target.name, Source::Canary)
    }
}

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
}

impl Beat {
    /// A job on these terms, that goes on where another one left `memory`.
    pub fn new(beats: Beats, memory: Memory) -> Beat {
        let writes = beats.writes.load(Ordering::Relaxed);
        Beat { beats, memory, setup: None, find: Instant::now(), writes }
    }

    async fn tick(&mut self) {
        let memory = self.memory.clone();
        let mut models = memory.0.lock().await;
        if Instant::now() >= self.find {
            self.find = Instant::now() + FIND_EVERY;
            self.find_models(&mut models).await;
        }
        self.look_at_store(&mut models).await;
        let Some(setup) = &self.setup else { return };
        let now = Instant::now();
        let due = models.values().filter_map(|model| Some((model.next(now)?, model.name.clone()))).min();
        let Some((_, name)) = due else { return };
        let Some(model) = models.get_mut(&name) else { return };
        let Ok(_permit) = setup.gate.acquire().await else { return };
        one(model, setup).await;
    }

    /// Takes what a person stored meanwhile, and tells it at once: nobody waits for a beat to see a word of theirs.
    async fn look_at_store(&mut self, models: &mut BTreeMap<String, Model>) {
        let writes = self.beats.writes.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.writes, writes) == writes {
            return;
        }
        let Beats { target, plan, fleet, .. } = &self.beats;
        for model in models.values_mut() {
            model.keeper.refresh().await;
            let report = Some(model.keeper.report());
            fleet.expect_canary(&target.name, &model.name, plan.every.as_secs_f64(), report);
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
                model.replan(&setup);
                fleet.expect_canary(
                    &target.name,
                    &model.name,
                    plan.every.as_secs_f64(),
                    Some(model.keeper.report()),
                );
            }
            self.setup = Some(setup);
        }
        let Some(setup) = &self.setup else { return };
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
            let new = Model::new(model, setup, due).await;
            fleet.expect_canary(&target.name, model, plan.every.as_secs_f64(), Some(new.keeper.report()));
            tell_next(&new, setup);
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
    plan.wants_model(name) && view.models.iter().any(|model| model.name == name)
}

/// Whether there is anything to ask yet. A model that is only on the disk and that nobody named is not waited for.
fn is_asked(view: &TargetView, plan: &Plan, name: &str) -> bool {
    let named = plan.may_load(name) || !plan.models.is_empty();
    named || view.models.iter().any(|model| model.name == name && model.loaded != Some(false))
}

/// Does what is due of a model, and says when the next is.
async fn one(model: &mut Model, setup: &Setup) {
    let now = Instant::now();
    let work = model.take_work(now);
    let came = model.work(&work, setup).await;
    let target = setup.target.name.as_str();
    match came {
        Ok((done, seen)) => {
            let due = Instant::now();
            let follows = Follow::of(&seen.wants);
            if !follows.is_empty() {
                model.follow = follows.into_iter().map(|(after, follow)| (due + after, follow)).collect();
            }
            record(model, setup, &done, seen);
        }
        Err(Skipped(reason, words)) => {
            tracing::debug!(
                target,
                model = model.name,
                reason = reason.name(),
                "a canary was not asked: {words}"
            );
            // What beside the beat asks nothing is no beat that was skipped.
            if matches!(work, Work::Beat) || reason == Skip::ReloadCaused {
                setup.fleet.record_canary_skip(target, &model.name, reason, &words);
            }
        }
    }
    model.plan_next(&work, setup);
    tell_next(model, setup);
}

fn record(model: &Model, setup: &Setup, done: &Done, seen: Seen) {
    let (mut alarms, mut changes) = (Vec::new(), Vec::new());
    for event in seen.events {
        let (target, model) = (setup.target.name.as_str(), model.name.as_str());
        match event.what {
            What::Raised(alarm) => {
                alarms.push((alarm.stream, alarm.severity));
                tracing::warn!(target, model, severity = alarm.severity.name(), "{}", event.text);
            }
            What::Changed(change) => {
                changes.push(change.fact);
                tracing::info!(target, model, fact = change.fact.name(), "{}", event.text);
            }
            _ => tracing::info!(target, model, "{}", event.text),
        }
    }
    let result = match seen.result {
        Judged::Ok => RunResult::Ok,
        Judged::Exceed => RunResult::Exceed,
        Judged::Error => RunResult::Error,
    };
    let run = CanaryRun {
        at: Some(done.run.at),
        result: Some(result),
        distance: seen.distance,
        tokens: (done.spent.prompt, done.spent.completion),
        time_to_first_token_seconds: done.speed.time_to_first_token_seconds,
        tokens_per_second: done.speed.tokens_per_second,
        alarms,
        changes,
        report: model.keeper.report(),
    };
    setup.fleet.record_canary(&setup.target.name, &model.name, run);
}

fn tell_next(model: &Model, setup: &Setup) {
    let after = model.due.saturating_duration_since(Instant::now());
    let after = SignedDuration::try_from(after).unwrap_or_default();
    let at = Timestamp::now().checked_add(after).ok();
    setup.fleet.record_canary_next(&setup.target.name, &model.name, at);
}

impl Model {
    /// Since when something of it is due.
    fn next(&self, now: Instant) -> Option<Instant> {
        let follow = self.follow.iter().map(|(due, _)| *due);
        follow.chain([self.due, self.long_due]).filter(|due| *due <= now).min()
    }

    /// What is due, the beat first: what is beside it may wait.
    fn take_work(&mut self, now: Instant) -> Work {
        if self.due <= now {
            return Work::Beat;
        }
        if let Some(nth) = self.follow.iter().position(|(due, _)| *due <= now) {
            return Work::Follow(self.follow.remove(nth).1);
        }
        Work::Long
    }

    fn plan_next(&mut self, work: &Work, setup: &Setup) {
        let vary = |every: Duration| every.mul_f64(1.0 + JITTER * (2.0 * random() - 1.0));
        let now = Instant::now();
        match work {
            Work::Beat => self.due = now + vary(setup.plan.every),
            Work::Long => self.long_due = now + vary(LONG_EVERY.max(setup.plan.every)),
            Work::Follow(_) => {}
        }
    }
}

/// A number that nobody can foresee, 0..1.
fn random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
