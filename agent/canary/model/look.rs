//! Whether a model may be asked now, and the wait until it may.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep};

use super::{Model, Skipped, Work};
use crate::canary::asker::{MOST_ABLE, Presence, Terms};
use crate::canary::ground::{Decision, Ground, decide, reason};
use crate::canary::left::{self, Known};
use crate::canary::setup::Setup;
use crate::canary::{Spent, room};
use crate::view::{Skip, TargetView};

/// How long a beat waits for a server that is busy, at most: then the next beat tries.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// So much later than a request ended a followed log may tell of it: it is read each second, and its lines are counted
/// a moment after that.
const LOG_LATE: SignedDuration = SignedDuration::from_secs(3);

impl Model {
    /// Waits until the server is free, no longer than its patience, and looks whether all would be left as found. Who
    /// waits for a server keeps nobody else from asking another one: the permit to ask is taken after that, and while
    /// it was waited for the server may have become busy.
    pub(super) async fn look<'a>(
        &mut self,
        work: &Work,
        setup: &'a Setup,
    ) -> Result<(Presence, SemaphorePermit<'a>), Skipped> {
        let mut until = Instant::now() + PATIENCE.min(setup.plan.every / 2);
        loop {
            let (reason, words) = match self.glance(work, setup).await? {
                Ok(presence) => {
                    if let Ok(permit) = setup.gate.try_acquire() {
                        return Ok((presence, permit));
                    }
                    let began = Instant::now();
                    let permit = setup.gate.acquire().await;
                    let permit = permit
                        .map_err(|_| Skipped(Skip::Unreachable, "the agent is about to stop".into()))?;
                    // The turn of others is not this server's doing.
                    until += began.elapsed();
                    match self.glance(work, setup).await? {
                        Ok(presence) => return Ok((presence, permit)),
                        Err(busy) => busy,
                    }
                }
                Err(busy) => busy,
            };
            if Instant::now() >= until {
                return Err(Skipped(reason, words));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// One look: what a fresh look tells, or why to wait.
    async fn glance(
        &mut self,
        work: &Work,
        setup: &Setup,
    ) -> Result<Result<Presence, (Skip, String)>, Skipped> {
        let target = setup.fleet.target(&setup.target.name);
        match self.decide(work, target.as_ref(), setup) {
            Decision::Skip(reason, words) => Err(Skipped(reason, words)),
            Decision::Wait(reason, words) => Ok(Err((reason, words))),
            Decision::Ask => Ok(self.presence(setup).await?.map_err(|busy| (Skip::Busy, busy))),
        }
    }

    fn decide(&mut self, work: &Work, target: Option<&TargetView>, setup: &Setup) -> Decision {
        let Terms { options, may_load } = Terms::of(&setup.plan, &self.name);
        let stop = self.known.stop(&options).filter(|_| !may_load);
        decide(&Ground {
            target,
            model: &self.name,
            plan: &setup.plan,
            time: Zoned::now().time(),
            spent: self.ledger.last_hour(Instant::now()),
            needs: self.needs(work, setup),
            reload: stop.as_deref(),
        })
    }

    /// What the work takes at the most but for whole answers, which have what the hour leaves.
    fn needs(&self, work: &Work, setup: &Setup) -> Spent {
        let asking = work.asking(self.abilities.unwrap_or(MOST_ABLE), setup.limits);
        let [beat, long] = room::needs(&self.suite, &asking, setup.plan.budget.completion_tokens_per_run);
        if matches!(work, Work::Long) { long } else { beat }
    }

    /// What a fresh look tells; or why to wait.
    async fn presence(&mut self, setup: &Setup) -> Result<Result<Presence, String>, Skipped> {
        let (watched, last) = setup.fleet.last_use(&setup.target.name, &self.name);
        let late = if setup.fleet.follows_log(&setup.target.name) { LOG_LATE } else { SignedDuration::ZERO };
        let after = |ended: Timestamp| last.is_some_and(|at| at.duration_since(ended) > late);
        let used = watched.then(|| self.known.ended.map_or(last.is_some(), after));
        let may_load = setup.plan.may_load(&self.name);
        let asker = self.asker(setup)?;
        let looked = asker.presence().await;
        let presence = looked.map_err(|error| {
            Skipped(Skip::Unreachable, format!("the server cannot be looked at: {error}"))
        })?;
        let known = Known { left: self.known.left.as_ref(), used, may_load };
        let decided = left::decide(&presence, known);
        if !decided.may_run {
            self.known.found(&presence.mark);
            self.remember();
            let (skip, words) = (reason(decided.why), decided.why.words().to_owned());
            return if skip == Skip::Busy { Ok(Err(words)) } else { Err(Skipped(skip, words)) };
        }
        if presence.is_busy() == Some(true) {
            return Ok(Err("the server works for somebody else".into()));
        }
        Ok(Ok(presence))
    }
}
