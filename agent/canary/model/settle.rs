//! What questions left behind: what is there now, whose load it was, and whether others used the server meanwhile.

use jiff::Timestamp;

use super::Model;
use crate::canary::asker::{Presence, Waits};
use crate::canary::reload;
use crate::canary::remembered::Stopped;
use crate::canary::setup::Setup;

/// What was known of others' requests when the model was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    /// When it was.
    pub(super) at: Timestamp,
    /// When the last request of a user to the model had ended.
    used: Option<Timestamp>,
    /// When the last one to another model of the server had.
    beside: Option<Timestamp>,
}

impl Since {
    /// As of now.
    pub(super) fn now(setup: &Setup, model: &str) -> Since {
        let target = &setup.target.name;
        let (_, used) = setup.fleet.last_use(target, model);
        Since { at: Timestamp::now(), used, beside: setup.fleet.last_use_beside(target, model) }
    }

    /// Whether a tap or a log saw a request of somebody else since then, to whichever model. `None`: neither looks.
    fn others(&self, model: &str, setup: &Setup) -> Option<bool> {
        let target = &setup.target.name;
        let (watched, used) = setup.fleet.last_use(target, model);
        let logged = setup.fleet.follows_log(target);
        // A log does not tell our requests from users': what it tells within a run is taken for ours.
        let used = used != self.used && !(logged && used.is_some_and(|at| at >= self.at));
        let beside = setup.fleet.last_use_beside(target, model) != self.beside;
        let traffic = setup.fleet.target(target).and_then(|target| target.traffic);
        let in_flight = traffic.and_then(|traffic| traffic.in_flight) > Some(0);
        watched.then_some(used || beside || in_flight)
    }

    /// Whether nobody else used the server since then, as far as can be seen: at the looks before and after the run,
    /// and by what passed between them.
    pub(super) fn idle(&self, looks: [Option<&Presence>; 2], model: &str, setup: &Setup) -> Option<bool> {
        let others = self.others(model, setup);
        let [before, after] = looks.map(|look| look.and_then(Presence::is_busy));
        let free = before.map(|busy| !busy && after != Some(true) && others != Some(true));
        free.or_else(|| others.map(|others| !others))
    }
}

impl Model {
    /// Looks what the questions left behind, and remembers it. A model that was in memory before them and that they
    /// had loaded anew is asked no more.
    pub(super) async fn settle(
        &mut self,
        before: &Presence,
        since: Since,
        setup: &Setup,
    ) -> Option<Presence> {
        let asker = self.asker.as_ref()?;
        let after = asker.left_behind().await.ok();
        let waits = asker.take_waits();
        self.known.end(after.as_ref().map(|after| after.mark.clone()), Timestamp::now());
        if before.loaded == Some(true) && !setup.plan.may_load(&self.name) {
            self.learn_of_reload(before, after.as_ref(), waits, since, setup);
        }
        self.remember();
        after
    }

    fn learn_of_reload(
        &mut self,
        before: &Presence,
        after: Option<&Presence>,
        waits: Waits,
        since: Since,
        setup: &Setup,
    ) {
        let others = since.others(&self.name, setup) == Some(true)
            || before.is_busy() == Some(true)
            || after.is_some_and(|after| before.others_used(after));
        let kind = setup.kind.name;
        let seen = reload::Seen { kind, at: since.at, waits, before, after, others };
        let Some(cause) = self.loads.ours(seen) else { return };
        let words = reload::words(cause, &self.name, &before.options.words());
        tracing::warn!(target = setup.target.name, model = self.name, "{words}");
        let options = setup.plan.options(&self.name).cloned().unwrap_or_default();
        self.known.stopped = Some(Stopped { at: Timestamp::now(), words, options });
    }
}
