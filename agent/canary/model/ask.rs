//! One run of a model: its questions, their answers, and what they left behind.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Model, Skipped, Work};
use crate::canary::asker::{Asker, Presence};
use crate::canary::left::Mark;
use crate::canary::reload;
use crate::canary::remembered::Stopped;
use crate::canary::run::{Done, Order, run};
use crate::canary::setup::Setup;
use crate::sample::{AskError, Question, Sampling};
use crate::view::Skip;

/// Questions at once in the runs that a baseline is learned from, in turn: what varies with load must be in it.
const LEARNED_AT_ONCE: [u8; 4] = [1, 2, 1, 4];

impl Model {
    /// What is asked for that work.
    pub(super) async fn questions(&mut self, work: &Work, setup: &Setup) -> Result<Vec<Question>, Skipped> {
        let baseline = self.keeper.report().baseline;
        let asker = self.asker(setup)?;
        let abilities = asker.abilities_or(baseline.map(|baseline| baseline.text_mode)).await;
        let abilities = abilities.map_err(|error| {
            let reason = if error.is_hard() { Skip::Unsupported } else { Skip::Unreachable };
            Skipped(reason, format!("the model answers no question: {error}"))
        })?;
        let asking = work.asking(abilities);
        let cap = setup.plan.budget.completion_tokens_per_run;
        let mut questions = match work {
            Work::Beat => asking.fingerprint(&self.suite),
            Work::Long => {
                let mut questions = asking.long(&self.suite);
                let graded = self.suite.graded().filter(|canary| canary.long);
                questions.extend(graded.map(|canary| asking.graded(canary, Sampling::Greedy)));
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

    /// Asks them.
    pub(super) async fn ask(
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
        let turn = (self.known.runs % LEARNED_AT_ONCE.len() as u64) as usize;
        let at_once = match work {
            Work::Follow(follow) => follow.at_once(),
            _ if learns => LEARNED_AT_ONCE[turn],
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
        self.known.runs += 1;
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
        self.ledger.add(done.spent, Instant::now());
        Ok(done)
    }

    /// A model that was in memory and was loaded for our questions all the same was loaded by them.
    fn learn_of_reload(&mut self, done: &Done, before: &Presence, after: Option<&Mark>, setup: &Setup) {
        let waited = self.asker.as_ref().is_some_and(Asker::take_waited);
        if before.loaded != Some(true) || setup.plan.may_load(&self.name) {
            return;
        }
        let ours = self.loads.are_ours(reload::Seen {
            kind: setup.kind.name,
            at: done.run.at,
            waited,
            before: &before.mark,
            after,
            others: done.run.idle == Some(false),
        });
        if !ours {
            return;
        }
        let words = reload::words(&self.name, &before.options.words());
        tracing::warn!(target = setup.target.name, model = self.name, "{words}");
        let options = setup.plan.options.get(&self.name).cloned().unwrap_or_default();
        self.known.stopped = Some(Stopped { at: Timestamp::now(), words, options });
        self.remember();
    }
}
