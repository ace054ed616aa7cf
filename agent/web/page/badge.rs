//! A state as the page shows it. Pure.

use crate::drift::{Report, Verdict};
use crate::sample::ServerState;
use crate::view::{Health, ModelView, TargetView};

/// A state in a word, a sign and a colour, so that none of them has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
}

impl Badge {
    pub(super) fn of_target(target: &TargetView) -> Badge {
        let badge = Badge::of_state(target.state);
        match target.health() {
            Health::Warning => Badge { sign: "!", tone: "warning", ..badge },
            Health::Critical => Badge { tone: "critical", ..badge },
            Health::Ok | Health::Unknown => badge,
        }
    }

    /// What the canaries of a model say of it.
    pub(super) fn of_drift(report: &Report) -> Badge {
        let (sign, word) = match report.verdict {
            Verdict::Learning => ("◌", "learning"),
            Verdict::Steady => ("✓", "steady"),
            Verdict::Suspect => ("?", "suspect"),
            Verdict::Drifting => ("≠", "drifting"),
            Verdict::Failing => ("✕", "failing"),
        };
        let tone = match (report.health(), report.verdict) {
            (Health::Ok, Verdict::Steady) => "ok",
            (Health::Ok, _) => "unknown",
            (health, _) => health.name(),
        };
        Badge { sign, word, tone }
    }

    fn of_state(state: Option<ServerState>) -> Badge {
        // The signs have no picture form that a phone could put in their place.
        let (sign, tone) = match state {
            Some(ServerState::Loading) => ("◌", "ok"),
            Some(ServerState::Ready) => ("✓", "ok"),
            Some(ServerState::Busy) => ("▸", "ok"),
            Some(ServerState::Sleeping) => ("◦", "ok"),
            Some(ServerState::Hung) => ("‖", "critical"),
            Some(ServerState::Down) => ("✕", "critical"),
            None => ("?", "unknown"),
        };
        Badge { sign, word: state.map_or("not known", ServerState::name), tone }
    }

    pub(super) fn of_model(model: &ModelView) -> Badge {
        let badge = Badge::told(model);
        match &model.child {
            Some(child) if child.pid.is_none() => {
                Badge { sign: "✕", word: "not running", tone: "critical" }
            }
            Some(child) if !child.up && badge.tone == "ok" => Badge { sign: "!", tone: "warning", ..badge },
            _ => badge,
        }
    }

    fn told(model: &ModelView) -> Badge {
        match (model.state, model.loaded) {
            (Some(state), _) => Badge::of_state(Some(state)),
            (None, Some(true)) => Badge { sign: "✓", word: "loaded", tone: "ok" },
            (None, Some(false)) => Badge { sign: "◦", word: "not loaded", tone: "unknown" },
            (None, None) => Badge { sign: "–", word: "not told", tone: "unknown" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_word_and_sign() {
        let states: Vec<_> = ServerState::ALL.into_iter().map(Some).chain([None]).collect();
        for (nth, state) in states.iter().enumerate() {
            for other in &states[nth + 1..] {
                let (one, other) = (Badge::of_state(*state), Badge::of_state(*other));
                assert!(one.sign != other.sign && one.word != other.word);
            }
        }
    }
}
