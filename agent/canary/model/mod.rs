//! One model of one target: when it is asked, and what one beat of it does.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::asker::{Abilities, Asker, Terms};
use super::follow::Follow;
use super::keeper::Keeper;
use super::left::Mark;
use super::reload::Loads;
use super::remembered::Remembered;
use super::run::Done;
use super::setup::{Beats, Setup};
use super::{Asking, Ledger, Rotation};
use crate::drift::Seen;
use crate::sample::Purpose;
use crate::suite::Suite;
use crate::view::Skip;

mod ask;
mod due;
mod look;

pub(super) use due::random;

/// One answer of a short prompt takes a second or two; on a slow processor a minute.
const SHORT: Duration = Duration::from_secs(60);

/// Long prompts are read at some tens of tokens a second on a slow processor.
const LONG: Duration = Duration::from_secs(180);

/// From one run of the long prompts to the next.
const LONG_EVERY: Duration = Duration::from_secs(3600);

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) due: Instant,
    pub(super) long_due: Instant,
    pub(super) follow: Vec<(Instant, Follow)>,
    pub(super) keeper: Keeper,
    /// Since when its server lists it no more.
    pub(super) missing: Option<Instant>,
    asker: Option<Asker>,
    suite: Suite,
    suite_hash: String,
    rotation: Rotation,
    ledger: Ledger,
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
            due,
            // The first time soon, so that the long prompts are known before anything moves.
            long_due: due + (beats.plan.every * 3).min(LONG_EVERY),
            follow: Vec::new(),
            keeper,
            missing: None,
            asker: None,
            suite_hash: suite.hash(),
            suite,
            rotation: known.rotation.take().unwrap_or(rotation),
            ledger: Ledger::default(),
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
        self.recall().await;
        let (presence, permit) = self.look(work, setup).await?;
        let fresh = self.known.left.as_ref().is_none_or(|left| left.process != presence.mark.process);
        // From here on it is asked. Whoever is killed meanwhile leaves that it was, and no licence to ask again.
        self.known.begin();
        self.remember();
        let questions = match self.questions(work, setup).await {
            Ok(questions) => questions,
            Err(skipped) => {
                self.look_at_left().await;
                return Err(skipped);
            }
        };
        if questions.is_empty() {
            let why = "none of the canaries can be asked of this server";
            return Err(Skipped(Skip::Unsupported, why.into()));
        }
        let done = self.ask(work, questions, &presence, fresh, setup).await?;
        // What follows asks nobody.
        drop(permit);
        let seen = self.keeper.observe(&done, &self.suite).await;
        Ok((done, seen))
    }

    /// Takes what a command at a shell left behind.
    async fn recall(&mut self) {
        if let Some(theirs) = self.keeper.recall().await {
            let Remembered { left, ended, stopped, .. } = theirs;
            (self.known.left, self.known.ended, self.known.stopped) = (left, ended, stopped);
        }
    }

    fn remember(&mut self) {
        let rotation = Some(self.rotation.clone());
        self.keeper.remember(&Remembered { rotation, ..self.known.clone() });
    }

    /// What was left behind, if it can be seen, and that our requests ended now.
    async fn look_at_left(&mut self) -> Option<Mark> {
        let left = self.asker.as_ref()?.left_behind().await.ok();
        self.known.end(left.clone(), Timestamp::now());
        self.remember();
        left
    }

    fn asker(&mut self, setup: &Setup) -> Result<&Asker, Skipped> {
        if self.asker.is_none() {
            let terms = Terms::of(&setup.plan, &self.name);
            let machine = setup.machine.clone();
            let made = Asker::connect(&setup.target, setup.kind, &self.name, terms, &setup.clients, machine);
            self.asker = Some(made.map_err(|error| Skipped(Skip::Unreachable, error))?);
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
    fn asking(&self, abilities: Abilities) -> Asking {
        match self {
            Self::Long => Asking { abilities, cache: Some(false), timeout: LONG },
            Self::Beat => Asking { abilities, cache: None, timeout: SHORT },
            Self::Follow(follow) => Asking { abilities, cache: follow.cache(), timeout: SHORT },
        }
    }
}
