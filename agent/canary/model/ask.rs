//! One run of a model: its questions and their answers.

use tokio::time::Instant;

use super::{Model, Skipped, Work};
use crate::canary::asker::Presence;
use crate::canary::run::{Done, Ended, Order, run};
use crate::canary::setup::Setup;
use crate::canary::{Spent, left_out, room};
use crate::sample::{AskError, Question};
use crate::view::Skip;

/// Questions at once in the runs that a baseline is learned from, in turn: what varies with load must be in it.
const LEARNED_AT_ONCE: [u8; 4] = [1, 2, 1, 4];

impl Model {
    /// What is asked for that work.
    async fn questions(&mut self, work: &Work, setup: &Setup) -> Result<Vec<Question>, Skipped> {
        let baseline = self.keeper.report().baseline;
        let asker = self.asker(setup)?;
        let abilities = asker.abilities_or(baseline.map(|baseline| baseline.text_mode)).await;
        let spent = asker.take_spent();
        self.spend(spent, setup);
        let abilities = abilities.map_err(|error| {
            let reason = if error.is_hard() { Skip::Unsupported } else { Skip::Unreachable };
            Skipped(reason, format!("the model answers no question: {error}"))
        })?;
        let asking = work.asking(abilities, setup.limits);
        self.abilities = Some(abilities);
        let budget = &setup.plan.budget;
        let (run, hour) = (budget.completion_tokens_per_run, self.ledger.last_hour(Instant::now()));
        self.left.out = Some(left_out(&self.suite, &asking, budget));
        let turn = match work {
            Work::Beat => room::of_beat(&self.suite, &asking, &mut self.rotation, budget, hour),
            Work::Long => room::of_long(&self.suite, &asking, &mut self.rotation, budget, hour),
            Work::Follow(follow) => {
                let (questions, _) = room::fit(follow.questions(&self.suite, &asking), run);
                return Ok(questions);
            }
        };
        match work {
            Work::Beat => self.left.waits_for = turn.waits_for,
            _ => self.left.long_waits_for = turn.waits_for,
        }
        Ok(turn.questions)
    }

    /// What questions took that are part of no run.
    fn spend(&mut self, spent: Spent, setup: &Setup) {
        if spent != Spent::default() {
            self.ledger.add(spent, Instant::now());
            let tokens = (spent.prompt, spent.completion);
            setup.fleet.record_canary_tokens(&setup.target.name, &self.name, tokens);
        }
    }

    /// Asks what the work asks.
    pub(super) async fn ask(
        &mut self,
        work: &Work,
        presence: &Presence,
        fresh: bool,
        setup: &Setup,
    ) -> Result<Done, Skipped> {
        let unreachable =
            |error: AskError| Skipped(Skip::Unreachable, format!("the server cannot be asked: {error}"));
        let questions = self.questions(work, setup).await?;
        if questions.is_empty() {
            let why = "none of the canaries can be asked of this server";
            return Err(Skipped(Skip::Unsupported, why.into()));
        }
        let (target, live) = (setup.target.name.clone(), setup.live());
        let learns = self.keeper.report().learning.is_some();
        let turn = (self.known.runs % LEARNED_AT_ONCE.len() as u64) as usize;
        let at_once = match work {
            Work::Follow(follow) => follow.at_once(),
            _ if learns => LEARNED_AT_ONCE[turn],
            _ => 1,
        };
        let suite = self.suite_hash.clone();
        let asker = self.asker(setup)?;
        let loaded = presence.loaded == Some(true);
        let order = Order {
            target,
            purpose: work.purpose(),
            suite,
            facts: asker.facts().await.map_err(unreachable)?,
            questions,
            at_once,
            warm_up: fresh || !loaded,
            loaded,
        };
        let in_flight = live.as_ref().map(crate::fleet::Live::begin);
        let mut spent = Spent::default();
        let told = run(asker, order, |question, answer| {
            spent += Spent::of([(question, answer)]);
            if let (Some(live), Ok(reply)) = (&live, &answer.result) {
                live.end(reply.generation.clone());
            }
        });
        let done = told.await;
        drop(in_flight);
        self.known.runs += 1;
        match done {
            Ok(done) => {
                self.ledger.add(done.spent, Instant::now());
                Ok(done)
            }
            Err(ended) => {
                self.spend(spent, setup);
                Err(match ended {
                    Ended::Unreachable(error) => unreachable(error),
                    Ended::Broken { why, .. } => Skipped(why.skip(), why.to_string()),
                })
            }
        }
    }
}
