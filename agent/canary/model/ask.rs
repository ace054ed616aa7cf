//! One run of a model: its questions and their answers.

use tokio::time::Instant;

use super::{Model, Skipped, Work};
use crate::canary::asker::Presence;
use crate::canary::run::{Done, Ended, Order, run};
use crate::canary::setup::Setup;
use crate::sample::{AskError, Question, Sampling};
use crate::view::Skip;

/// Questions at once in the runs that a baseline is learned from, in turn: what varies with load must be in it.
const LEARNED_AT_ONCE: [u8; 4] = [1, 2, 1, 4];

impl Model {
    /// What is asked for that work.
    async fn questions(&mut self, work: &Work, setup: &Setup) -> Result<Vec<Question>, Skipped> {
        let baseline = self.keeper.report().baseline;
        let asker = self.asker(setup)?;
        let abilities = asker.abilities_or(baseline.map(|baseline| baseline.text_mode)).await;
        let abilities = abilities.map_err(|error| {
            let reason = if error.is_hard() { Skip::Unsupported } else { Skip::Unreachable };
            Skipped(reason, format!("the model answers no question: {error}"))
        })?;
        let asking = work.asking(abilities, setup.limits);
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
        let told = run(asker, order, |_, answer| {
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
            Err(Ended::Unreachable(error)) => Err(unreachable(error)),
            Err(Ended::Broken { why, spent }) => {
                self.ledger.add(spent, Instant::now());
                let tokens = (spent.prompt, spent.completion);
                setup.fleet.record_canary_tokens(&setup.target.name, &self.name, tokens);
                Err(Skipped(why.skip(), why.to_string()))
            }
        }
    }
}
