//! One model of one target: when it is asked, and what one beat of it does.

use jiff::Timestamp;
use tokio::time::Instant;

use super::agenda::Agenda;
use super::asker::{Abilities, Asker, Limits, Terms};
use super::follow::Follow;
use super::keeper::Keeper;
use super::reload::Loads;
use super::remembered::Remembered;
use super::room::Left;
use super::run::Done;
use super::setup::{Beats, Setup};
use super::{Asking, Ledger, Rotation};
use crate::drift::Seen;
use crate::sample::Purpose;
use crate::suite::Suite;
use crate::view::Skip;

mod ask;
mod look;
mod settle;

use settle::Since;

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) agenda: Agenda,
    pub(super) keeper: Keeper,
    /// Since when its server lists it no more.
    pub(super) missing: Option<Instant>,
    asker: Option<Asker>,
    suite: Suite,
    suite_hash: String,
    rotation: Rotation,
    ledger: Ledger,
    /// What its server could be asked for the last time.
    abilities: Option<Abilities>,
    /// What of its suite is not asked.
    pub(super) left: Left,
    /// What is known of asking it, and outlives the agent.
    known: Remembered,
    loads: Loads,
}

/// What is due.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// The beat.
    Beat,
    /// The long prompts.
    Long,
    /// Another look at what moved.
    Follow(Follow),
}

/// Why nothing was asked.
pub(super) struct Skipped(pub(super) Skip, pub(super) String);

impl Model {
    /// A model that is asked from now on; what is stored of it goes on.
    pub(super) async fn new(name: &str, beats: &Beats, due: Instant) -> Model {
        let keeps_answers = beats.plan.store_answers.is_some();
        let mut keeper = Keeper::load(beats.drift_plan(name), beats.store.clone(), keeps_answers).await;
        let mut known = keeper.recall().await.unwrap_or_default();
        let learned = keeper.report().baseline.is_some();
        let rotation = if learned { Rotation::after_learning() } else { Rotation::default() };
        let suite = beats.suite(name);
        Model {
            name: name.to_owned(),
            agenda: Agenda::new(due, beats.plan.every),
            keeper,
            missing: None,
            asker: None,
            suite_hash: suite.hash(),
            suite,
            rotation: known.rotation.take().unwrap_or(rotation),
            ledger: Ledger::default(),
            abilities: None,
            left: Left::default(),
            known,
            loads: Loads::default(),
        }
    }

    /// The config is another, or the server's address, or there is a store by now: what was learned of the server is
    /// forgotten, what is known of the model stays.
    pub(super) async fn replan(&mut self, setup: &Setup) {
        self.asker = None;
        self.loads = Loads::default();
        self.suite = setup.suite(&self.name);
        self.suite_hash = self.suite.hash();
        let keeps_answers = setup.plan.store_answers.is_some();
        self.keeper.replan(setup.drift_plan(&self.name), setup.store.as_ref(), keeps_answers).await;
    }

    /// Does what is due: the run that was made, or why there is none.
    pub(super) async fn work(&mut self, work: &Work, setup: &Setup) -> Result<(Done, Seen), Skipped> {
        self.recall().await?;
        let (presence, permit) = self.look(work, setup).await?;
        let since = Since::now(setup, &self.name);
        let fresh = self.known.left.as_ref().is_none_or(|left| left.process != presence.mark.process);
        // From here on it is asked. Whoever is killed meanwhile leaves that it was, and no licence to ask again.
        self.known.begin();
        self.remember();
        let asked = self.ask(work, &presence, fresh, setup).await;
        // Whatever came of it: also what had no answer may have loaded the model.
        let after = self.settle(&presence, since, setup).await;
        let mut done = asked?;
        // What follows asks nobody.
        drop(permit);
        done.run.idle = since.idle([Some(&presence), after.as_ref()], &self.name, setup);
        if after.is_some_and(|after| after.loaded == Some(false)) && done.has_failures() {
            let why = "the model left memory in the midst of the run, which says nothing then";
            return Err(Skipped(Skip::NotLoaded, why.into()));
        }
        let seen = self.keeper.observe(&done, &self.suite).await;
        Ok((done, seen))
    }

    /// Takes what a command at a shell left behind.
    async fn recall(&mut self) -> Result<(), Skipped> {
        if let Some(theirs) = self.keeper.recall().await {
            let Remembered { left, ended, stopped, asking_until, .. } = theirs;
            (self.known.left, self.known.ended, self.known.stopped) = (left, ended, stopped);
            self.known.asking_until = asking_until;
        }
        if self.known.is_asked_by_command(Timestamp::now()) {
            let why = "a command at a shell asks the model just now, or was broken off a moment ago";
            return Err(Skipped(Skip::Busy, why.into()));
        }
        Ok(())
    }

    fn remember(&mut self) {
        let rotation = Some(self.rotation.clone());
        self.keeper.remember(&Remembered { rotation, ..self.known.clone() });
    }

    fn asker(&mut self, setup: &Setup) -> Result<&Asker, Skipped> {
        if self.asker.is_none() {
            let terms = Terms::of(&setup.plan, &self.name);
            let machine = setup.machine.clone();
            let made = Asker::connect(&setup.target, setup.kind, &self.name, terms, &setup.clients, machine);
            let made = made.map_err(|error| Skipped(Skip::Unreachable, error))?;
            self.asker = Some(made.within(setup.limits).seen_by(setup.live()));
        }
        self.asker.as_ref().ok_or_else(|| Skipped(Skip::Unreachable, "the server cannot be asked".into()))
    }
}

impl Work {
    /// What its run is for.
    pub(super) const fn purpose(&self) -> Purpose {
        match self {
            Self::Beat => Purpose::Beat,
            Self::Long => Purpose::Long,
            Self::Follow(_) => Purpose::Confirm,
        }
    }

    /// How its questions are asked. Of long prompts the numbers depend on what is cached.
    fn asking(&self, abilities: Abilities, limits: Limits) -> Asking {
        let Limits { answer, long_answer, .. } = limits;
        match self {
            Self::Long => Asking { abilities, cache: Some(false), timeout: long_answer },
            Self::Beat => Asking { abilities, cache: None, timeout: answer },
            Self::Follow(follow) => Asking { abilities, cache: follow.cache(), timeout: answer },
        }
    }
}
