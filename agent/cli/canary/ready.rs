//! A model that is ready to be asked, and one run of it: looked at before and after, as the agent does it.

use std::io::{self, IsTerminal as _};

use super::now;
use super::pick::{Picked, Which};
use super::progress::Progress;
use crate::canary::asker::{Asker, Broken, Presence, Terms};
use crate::canary::left::{Known, Mark, decide};
use crate::canary::reload::{self, Loads};
use crate::canary::run::run;
use crate::canary::{Asking, Done, Ended, Order, Spent};
use crate::cli::failure::{Failure, UNKNOWN};
use crate::cli::kept::Kept;
use crate::cli::{screen, text};
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::{Answer, Purpose, Question};
use crate::suite::Suite;

/// How often a run of a capture gives way to others, 20 s each time.
const GIVES_WAY: u32 = 30;

/// Who is asked, ready to be asked.
#[derive(Debug)]
pub(in crate::cli) struct Ready<'a> {
    picked: &'a Picked,
    asker: Asker,
    pub(in crate::cli) asking: Asking,
    terms: Terms,
    loads: Loads,
    /// The server worked for others when it began.
    pub(super) busy: bool,
    /// What the questions took that found out what it can be asked for.
    pub(super) probed: Spent,
}

/// One run that is to be made.
#[derive(Clone)]
pub(in crate::cli) struct Wanted {
    /// What for.
    pub(in crate::cli) purpose: Purpose,
    /// Its questions.
    pub(in crate::cli) questions: Vec<Question>,
    /// How many at once.
    pub(in crate::cli) at_once: u8,
}

impl<'a> Ready<'a> {
    /// Looks whether the model may be asked, and what its server can be asked for.
    ///
    /// # Errors
    /// It cannot be asked, or must not be.
    pub(in crate::cli) async fn new(
        args: &Which,
        picked: &'a Picked,
        purpose: Purpose,
        kept: &mut Kept,
        clients: &Clients,
        machine: &Machine,
    ) -> Result<Ready<'a>, Failure> {
        let plan = Terms::of(&picked.config.canaries, &picked.model);
        let terms = Terms { may_load: args.load || plan.may_load, ..plan };
        let asker = Asker::connect(
            &picked.target,
            picked.kind,
            &picked.model,
            terms.clone(),
            clients,
            machine.clone(),
        )
        .map_err(|why| cannot(picked, &why))?;
        let abilities = crate::canary::asker::Abilities { logprobs: false, raw: false, sampler: false };
        let asking = Asking { abilities, cache: None, timeout: args.timeout };
        let (loads, probed) = (Loads::default(), Spent::default());
        let mut ready = Ready { picked, asker, asking, terms, loads, busy: false, probed };
        let presence = ready.look().await?;
        ready.permit(&presence, purpose, kept)?;
        ready.busy = presence.is_busy() == Some(true);
        if ready.busy {
            screen::note(&format!(
                "{} works for others just now: answers wait, and speed is not its best",
                name(picked)
            ));
        }
        kept.begin();
        let baseline = kept.watch.baseline().map(|baseline| baseline.text_mode);
        let at = now();
        let abilities = match purpose {
            // Of a model that gives no answer nothing can be learned.
            Purpose::Capture => ready.asker.abilities().await,
            _ => ready.asker.abilities_or(baseline).await,
        };
        ready.probed = ready.asker.take_spent();
        // Also what had no answer may have loaded the model.
        ready.settle(at, &presence, kept).await?;
        ready.asking.abilities = abilities.map_err(|error| cannot(picked, &error.to_string()))?;
        Ok(ready)
    }

    /// One run.
    ///
    /// # Errors
    /// The server cannot be reached, the model left memory meanwhile, the run was broken off for others' sake, or made
    /// the server load the model anew.
    pub(in crate::cli) async fn round(
        &mut self,
        wanted: Wanted,
        suite: &Suite,
        kept: &mut Kept,
        progress: &mut Progress,
    ) -> Result<Done, Failure> {
        // A capture takes minutes, in which others may come: it gives way to them, and goes on.
        let mut tries = if wanted.purpose == Purpose::Capture { GIVES_WAY } else { 1 };
        loop {
            tries -= 1;
            match self.once(wanted.clone(), suite, kept, progress).await? {
                Ok(done) => return Ok(done),
                Err(Ended::Broken { why: Broken::Held, .. }) if tries > 0 => {}
                Err(ended) => return Err(cannot(self.picked, &ended.to_string())),
            }
        }
    }

    async fn once(
        &mut self,
        wanted: Wanted,
        suite: &Suite,
        kept: &mut Kept,
        progress: &mut Progress,
    ) -> Result<Result<Done, Ended>, Failure> {
        let picked = self.picked;
        let before = self.look().await?;
        self.is_there(&before)?;
        let facts = self.asker.facts().await.map_err(|error| cannot(picked, &error.to_string()))?;
        let Wanted { purpose, questions, at_once } = wanted;
        let order = Order {
            target: picked.target.name.clone(),
            purpose,
            suite: suite.hash(),
            facts,
            questions,
            at_once,
            // The question for its abilities warmed it up.
            warm_up: false,
            loaded: before.loaded == Some(true),
        };
        let told = |question: &Question, _: &Answer| {
            let category = suite.canary(&question.canary).map_or("probe", |canary| canary.category);
            progress.step(&format!("{category}/{}", question.canary));
        };
        kept.begin();
        let at = now();
        let asked = run(&self.asker, order, told).await;
        let after = self.settle(at, &before, kept).await?;
        let mut done = match asked {
            Ok(done) => done,
            Err(ended) => return Ok(Err(ended)),
        };
        if after.as_ref().is_some_and(|after| after.loaded == Some(false)) && done.has_failures() {
            return Err(cannot(picked, "the model left memory in the midst of the run"));
        }
        let busy = [Some(&before), after.as_ref()].map(|look| look.and_then(Presence::is_busy));
        done.run.idle = if busy.contains(&Some(true)) { Some(false) } else { busy[0].map(|busy| !busy) };
        Ok(Ok(done))
    }

    /// What its server tells of the model now. Of an Ollama the options that it is loaded with are learned here.
    async fn look(&self) -> Result<Presence, Failure> {
        self.asker.presence().await.map_err(|error| cannot(self.picked, &error.to_string()))
    }

    /// Whether it may be asked at all. Who sits at the shell asks because they want to; a command that nobody watches,
    /// such as one of cron, is the agent's beat by other means, and keeps no model in memory either.
    fn permit(&self, presence: &Presence, purpose: Purpose, kept: &mut Kept) -> Result<(), Failure> {
        let by_hand = purpose == Purpose::Capture || io::stdin().is_terminal() || io::stderr().is_terminal();
        let known = kept.remembered();
        if let Some(stop) = known.stop(&self.terms.options).filter(|_| !self.terms.may_load) {
            if !by_hand {
                return Err(cannot(self.picked, &stop));
            }
            screen::note(&stop);
        }
        self.is_there(presence)?;
        if by_hand {
            return Ok(());
        }
        kept.make_memory(presence);
        let left = decide(presence, self.known(known.left.as_ref(), presence));
        if left.may_run {
            return Ok(());
        }
        kept.found(&presence.mark);
        Err(cannot(self.picked, &format!("{}; --load asks it all the same", left.why.words())))
    }

    /// Whether the model is where it can be asked without a load.
    fn is_there(&self, presence: &Presence) -> Result<(), Failure> {
        let left = decide(presence, self.known(None, presence));
        if left.may_run {
            return Ok(());
        }
        let load = if presence.loaded == Some(false) { "; --load loads it" } else { "" };
        Err(cannot(self.picked, &format!("{}{load}", left.why.words())))
    }

    fn known<'k>(&self, left: Option<&'k Mark>, presence: &Presence) -> Known<'k> {
        // Where the server does not tell whether it is in memory, a person's word is enough.
        Known { left, used: None, may_load: self.terms.may_load || presence.loaded.is_none() }
    }

    /// Looks what was left behind, and whether the server loaded the model for what it was just asked.
    async fn settle(
        &mut self,
        at: jiff::Timestamp,
        before: &Presence,
        kept: &mut Kept,
    ) -> Result<Option<Presence>, Failure> {
        let after = self.asker.left_behind().await.ok();
        kept.leave(after.as_ref().map(|after| after.mark.clone()));
        let waits = self.asker.take_waits();
        if before.loaded != Some(true) || self.terms.may_load {
            return Ok(after);
        }
        let used = after.as_ref().is_some_and(|after| before.others_used(after));
        let cause = self.loads.ours(reload::Seen {
            kind: self.picked.kind.name,
            at,
            waits,
            before,
            after: after.as_ref(),
            others: before.is_busy() == Some(true) || used,
        });
        let Some(cause) = cause else { return Ok(after) };
        let words = reload::words(cause, &self.picked.model, &before.options.words());
        kept.stop(words.clone(), self.terms.options.clone());
        Err(Failure::say(UNKNOWN, format!("stopped asking {}: {}", name(self.picked), text::clean(&words))))
    }
}

fn name(picked: &Picked) -> String {
    format!("{} of {}", text::clean(&picked.model), text::clean(&picked.target.name))
}

fn cannot(picked: &Picked, why: &str) -> Failure {
    Failure::say(UNKNOWN, format!("cannot ask {}: {}", name(picked), text::clean(why)))
}
