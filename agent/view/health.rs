//! How a target, or all together, fares.

use serde::{Deserialize, Serialize};

use super::{BackendView, CardView, HostView, TargetView, View};

/// How a target, or all together, fares: what monitoring plugins call a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Not known: never polled, or too long ago.
    Unknown,
    /// Somebody should look.
    Warning,
    /// It does not work.
    Critical,
}

impl Health {
    /// The exit code that monitoring plugins give it: 0 OK, 1 warning, 2 critical, 3 unknown.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Its name, as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

impl View {
    /// How all fares: the worst of the targets, the cards, their drivers, the host and the store. No target at all is unknown.
    pub fn health(&self) -> Health {
        let worst = self.targets.iter().map(TargetView::health).max();
        let cards = self.gpus.cards.iter().map(CardView::health).max().unwrap_or(Health::Ok);
        let missing = if self.gpus.missing > Some(0) { Health::Critical } else { Health::Ok };
        let backends = self.gpus.backends.iter().map(BackendView::health).max().unwrap_or(Health::Ok);
        let config = if self.agent.config_ok { Health::Ok } else { Health::Warning };
        let hosts = self.hosts.iter().map(HostView::health).max().unwrap_or(Health::Ok);
        let store = self.store.as_ref().is_none_or(|store| store.up);
        let store = if store { Health::Ok } else { Health::Warning };
        let agent = config.max(store);
        worst.unwrap_or(Health::Unknown).max(cards).max(missing).max(backends).max(agent).max(hosts)
    }
}
