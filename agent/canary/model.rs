//! One model of one target: when it is asked, and what one beat of it does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::time::{Instant, sleep};

use super::asker::{Asker, Presence, Terms};
use super::follow::Follow;
use super::ground::{Decision, Ground, decide, reason};
use super::keeper::Keeper;
use super::left::{self, Known, Mark};
use super::reload::{self, Load};
use super::run::{Done, Order, run};
use super::{Asking, Ledger, Rotation, Setup, Spent};
use crate::sample::{AskError, Purpose, Question};
use crate::suite::Suite;
use crate::view::{Skip, TargetView};

/// How long a beat waits for a server that is busy, at most: then the next beat tries.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One answer of a short prompt takes a second or two; on a slow processor a minute.
const SHORT: Duration = Duration::from_secs(60);

/// Long prompts are read at some tens of tokens a second on a slow processor.
const LONG: Duration = Duration::from_secs(180);

/// From one run of the long prompts to the next.
pub(super) const LONG_EVERY: Duration = Duration::from_secs(3600);

/// So much later than a request ended a followed log may tell of it: it is read each second, and its lines are counted
/// a moment after that.
const LOG_LATE: SignedDuration = SignedDuration::from_secs(3);

/// Questions at once in the runs that a baseline is learned from, in turn: what varies with load must be in it.
const LEARNED_AT_ONCE: [u8; 4] = [1, 2, 1, 4];

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
    left: Option<Mark>,
    ended: Option<Timestamp>,
    runs: usize,
    /// What to configure, since a run made the server load the model anew.
    reload: Option<String>,
    /// In the last run it was loaded anew, by us or by a user who asked meanwhile.
    doubted: bool,
}

/// What is due.
#[derive(Debug)]
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
    pub(super) async fn new(name: &str, setup: &Setup, due: Instant) -> Model {
        let keeps_answers = setup.plan.store_answers.is_some();
        let keeper = Keeper::load(setup.drift_plan(name), setup.store.clone(), keeps_answers).await;
        let known = keeper.report().baseline.is_some();
        let suite = Suite::of(&setup.own, setup.plan.builtin, &setup.target.name, name);
        Model {
            name: name.to_owned(),
            due,
            // The first time soon, so that the long prompts are known before anything moves.
            long_due: due + (setup.plan.every * 3).min(LONG_EVERY),
            follow: Vec::new(),
            keeper,
            missing: None,
            asker: None,
            suite_hash: suite.hash(),
            suite,
            rotation: if known { Rotation::after_learning() } else { Rotation::default() },
            ledger: Ledger::default(),
            left: None,
            ended: None,
            runs: 0,
            reload: None,
            doubted: false,
        }
    }

    /// The config is another, or the server's address: what was learned of the server is forgotten, what is known of
    /// the model stays.
    pub(super) fn replan(&mut self, setup: &Setup) {
        self.asker = None;
        (self.reload, self.doubted) = (None, false);
        self.suite = Suite::of(&setup.own, setup.plan.builtin, &setup.target.name, &self.name);
        self.suite_hash = self.suite.hash();
        self.keeper.replan(setup.drift_plan(&self.name), setup.plan.store_answers.is_some());
    }

    /// Does what is due: the run that was made, or why there is none.
    pub(super) async fn work(
        &mut self,
        work: &Work,
        setup: &Setup,
    ) -> Result<(Done, crate::drift::Seen), Skipped> {
        let presence = self.look(work, setup).await?;
        let fresh = self.left.as_ref().is_none_or(|left| left.process != presence.mark.process);
        // From here on it is asked. What that leaves is not known until it is looked at: no licence to ask again.
        self.left = Some(Mark::default());
        let questions = match self.questions(work, setup).await {
            Ok(questions) => questions,
            Err(skipped) => {
                self.look_at_left().await;
                return Err(skipped);
            }
        };
        if questions.is_empty() {
            return Err(Skipped(
                Skip::Unsupported,
                "none of the canaries can be asked of this server".into(),
            ));
        }
        let done = self.ask(work, questions, &presence, fresh, setup).await?;
        let seen = self.keeper.observe(&done, &self.suite).await;
        Ok((done, seen))
    }

    /// Waits until the server is free, no longer than its patience, and looks whether all would be left as found.
    async fn look(&mut self, work: &Work, setup: &Setup) -> Result<Presence, Skipped> {
        let until = Instant::now() + PATIENCE.min(setup.plan.every / 2);
        loop {
            let target = setup.fleet.target(&setup.target.name);
            let (reason, words) = match self.decide(work, target.as_ref(), setup) {
                Decision::Skip(reason, words) => return Err(Skipped(reason, words)),
                Decision::Wait(reason, words) => (reason, words),
                Decision::Ask => match self.presence(setup).await? {
                    Ok(presence) => return Ok(presence),
                    Err(busy) => (Skip::Busy, busy),
                },
            };
            if Instant::now() >= until {
                return Err(Skipped(reason, words));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn decide(&mut self, work: &Work, target: Option<&TargetView>, setup: &Setup) -> Decision {
        decide(&Ground {
            target,
            model: &self.name,
            plan: &setup.plan,
            time: Zoned::now().time(),
            spent: self.ledger.last_hour(Instant::now()),
            needs: self.needs(work),
            reload: self.reload.as_deref(),
        })
    }

    /// About what the work takes: what it takes for sure, so that a budget is not passed by much.
    fn needs(&self, work: &Work) -> Spent {
        let asking = asking(super::asker::Abilities { logprobs: true, raw: true, sampler: true }, work);
        match work {
            Work::Long => Spent::guess(&asking.long(&self.suite)),
            Work::Beat | Work::Follow(_) => Spent::guess(&asking.fingerprint(&self.suite)),
        }
    }

    /// What a fresh look tells; or why to wait.
    async fn presence(&mut self, setup: &Setup) -> Result<Result<Presence, String>, Skipped> {
        let (watched, last) = setup.fleet.last_use(&setup.target.name, &self.name);
        let late = if setup.fleet.follows_log(&setup.target.name) { LOG_LATE } else { SignedDuration::ZERO };
        let after = |ended: Timestamp| last.is_some_and(|at| at.duration_since(ended) > late);
        let used = watched.then(|| self.ended.map_or(last.is_some(), after));
        let may_load = setup.plan.may_load(&self.name);
        let asker = self.asker(setup)?;
        let looked = asker.presence().await;
        let presence = looked.map_err(|error| {
            Skipped(Skip::Unreachable, format!("the server cannot be looked at: {error}"))
        })?;
        let known = Known { left: self.left.as_ref(), used, may_load };
        let decided = left::decide(&presence, known);
        if !decided.may_run {
            // What was left could not be seen then: it is what is there now. The next use is somebody else's.
            if self.left.as_ref() == Some(&Mark::default()) {
                self.left = Some(presence.mark.clone());
            }
            let (skip, words) = (reason(decided.why), decided.why.words().to_owned());
            return if skip == Skip::Busy { Ok(Err(words)) } else { Err(Skipped(skip, words)) };
        }
        if presence.is_busy() == Some(true) {
            return Ok(Err("the server works for somebody else".into()));
        }
        Ok(Ok(presence))
    }

    fn asker(&mut self, setup: &Setup) -> Result<&Asker, Skipped> {
        if self.asker.is_none() {
            let options = setup.plan.options.get(&self.name).cloned().unwrap_or_default();
            let terms = Terms { options, may_load: setup.plan.may_load(&self.name) };
            let machine = setup.machine.clone();
            let made = Asker::connect(&setup.target, setup.kind, &self.name, terms, &setup.clients, machine);
            self.asker = Some(made.map_err(|error| Skipped(Skip::Unreachable, error))?);
        }
        self.asker.as_ref().ok_or_else(|| Skipped(Skip::Unreachable, "the server cannot be asked".into()))
    }

    async fn questions(&mut self, work: &Work, setup: &Setup) -> Result<Vec<Question>, Skipped> {
        let baseline = self.keeper.report().baseline;
        let asker = self.asker(setup)?;
        let abilities = match (asker.abilities().await, baseline) {
            // It answered before: the run itself tells that it does not any more.
            (Err(error), Some(baseline)) if error.is_hard() => {
                asker.abilities_before(!baseline.text_mode).await
            }
            // An empty answer is one; what is refused from the start is no model that can be asked.
            (Err(AskError::Empty), None) => asker.abilities_before(true).await,
            (abilities, _) => abilities,
        };
        let abilities = abilities.map_err(|error| {
            let reason = if error.is_hard() { Skip::Unsupported } else { Skip::Unreachable };
            Skipped(reason, format!("the model answers no question: {error}"))
        })?;
        let asking = asking(abilities, work);
        let cap = setup.plan.budget.completion_tokens_per_run;
        let mut questions = match work {
            Work::Beat => asking.fingerprint(&self.suite),
            Work::Long => {
                let mut questions = asking.long(&self.suite);
                let graded = self.suite.graded().filter(|canary| canary.long);
                questions.extend(graded.map(|canary| asking.graded(canary, crate::sample::Sampling::Greedy)));
                questions
            }
            Work::Follow(follow) => follow.questions(&self.suite, &asking),
        };
        let mut taken = 0;
        questions.retain(|question| {
            let fits = taken + question.max_tokens <= cap;
            taken += if fits { question.max_tokens } else { 0 };
            fits
        });
        if matches!(work, Work::Beat) {
            questions.extend(self.rotation.next(&self.suite, &asking, cap - taken));
        }
        Ok(questions)
    }

    async fn ask(
        &mut self,
        work: &Work,
        questions: Vec<Question>,
        presence: &Presence,
        fresh: bool,
        setup: &Setup,
    ) -> Result<Done, Skipped> {
        let unreachable =
            |error: AskError| Skipped(Skip::Unreachable, format!("the server cannot be asked: {error}"));
        let (target, live) = (setup.target.name.clone(), setup.live());
        let learns = self.keeper.report().learning.is_some();
        let at_once = match work {
            Work::Follow(follow) => follow.at_once(),
            _ if learns => LEARNED_AT_ONCE[self.runs % LEARNED_AT_ONCE.len()],
            _ => 1,
        };
        let (_, used_before) = setup.fleet.last_use(&target, &self.name);
        let asker = self.asker(setup)?;
        let order = Order {
            target,
            purpose: work.purpose(),
            suite: String::new(),
            facts: asker.facts().await.map_err(unreachable)?,
            questions,
            at_once,
            warm_up: fresh || presence.loaded != Some(true),
        };
        let in_flight = live.as_ref().map(crate::fleet::Live::begin);
        let told = run(asker, order, |_, answer| {
            if let (Some(live), Ok(reply)) = (&live, &answer.result) {
                live.end(reply.generation.clone());
            }
        });
        let done = told.await;
        drop(in_flight);
        let left = self.look_at_left().await;
        let mut done = done.map_err(unreachable)?;
        done.run.suite.clone_from(&self.suite_hash);
        let (watched, last) = setup.fleet.last_use(&done.run.target, &self.name);
        let logged = setup.fleet.follows_log(&done.run.target);
        // A log does not tell our requests from users': what it tells within a run is taken for ours.
        let unused = last == used_before || logged && last.is_some_and(|at| at >= done.run.at);
        let nobody = presence.is_busy().map(|busy| !busy && unused);
        done.run.idle = nobody.or_else(|| watched.then_some(unused));
        self.learn_of_reload(&done, presence, left.as_ref(), setup);
        self.runs += 1;
        self.ledger.add(done.spent, Instant::now());
        Ok(done)
    }

    /// What was left behind, if it can be seen, and that our requests ended now.
    async fn look_at_left(&mut self) -> Option<Mark> {
        let left = self.asker.as_ref()?.left_behind().await.ok();
        self.left = Some(left.clone().unwrap_or_default());
        self.ended = Some(Timestamp::now());
        left
    }

    /// A model that was in memory and was loaded for our questions all the same was loaded by them.
    fn learn_of_reload(&mut self, done: &Done, before: &Presence, after: Option<&Mark>, setup: &Setup) {
        let waited = self.asker.as_ref().is_some_and(Asker::take_waited);
        if before.loaded != Some(true) || setup.plan.may_load(&self.name) {
            return;
        }
        let load = reload::judge(reload::Run {
            kind: setup.kind.name,
            at: done.run.at,
            waited,
            before: &before.mark,
            after,
            others: done.run.idle == Some(false),
        });
        let doubted = std::mem::replace(&mut self.doubted, load == Load::Doubtful);
        match load {
            Load::NotOurs => return,
            Load::Doubtful if !doubted => return,
            Load::Doubtful | Load::Ours => {}
        }
        let sent = before.options.words();
        let words = format!(
            "a canary made the server load {} anew, so it is not asked until the config of canaries changes or the \
             agent starts anew: it was sent {}; write the options that its users send into options of [canaries], \
             as {:?} = \"num_ctx=8192 num_batch=512\"",
            self.name,
            if sent.is_empty() { "no options" } else { &sent },
            self.name,
        );
        tracing::warn!(target = setup.target.name, model = self.name, "{words}");
        self.reload = Some(words);
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
}

/// How questions of that work are asked. Of long prompts the numbers depend on what is cached.
fn asking(abilities: super::asker::Abilities, work: &Work) -> Asking {
    match work {
        Work::Long => Asking { abilities, cache: Some(false), timeout: LONG },
        Work::Beat => Asking { abilities, cache: None, timeout: SHORT },
        Work::Follow(follow) => Asking { abilities, cache: follow.cache(), timeout: SHORT },
    }
}
