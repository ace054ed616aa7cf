//! Which model a line is of: the log names none, so the one that was loaded, if it was alone.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::notices::Notice;

/// A poll begins so long before it is recorded, at most; what it saw may be older than that.
const POLL: Duration = Duration::from_secs(5);

/// What the last poll saw loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The models.
    pub models: Vec<String>,
    /// When it was recorded.
    pub at: Instant,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Models {
    #[serde(skip)]
    polled: Option<Loaded>,
    /// The model that the log named since it said that one is being loaded.
    named: Option<String>,
    /// By the log, the only one that is loaded.
    only: Option<String>,
    /// By the log, how many are loaded.
    pub(super) loaded: Option<u64>,
    #[serde(skip)]
    changed: Option<Instant>,
}

impl Models {
    pub(super) fn polled(&mut self, loaded: Option<Loaded>) {
        self.polled = loaded;
    }

    pub(super) fn polled_now(&mut self) -> Option<Loaded> {
        self.polled.take()
    }

    pub(super) fn hear(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::Begins => {
                *self = Models { polled: self.polled.take(), changed: Some(now), ..Models::default() }
            }
            Notice::Loading => (self.named, self.changed) = (None, Some(now)),
            Notice::Model(name) => self.named = Some(name.clone()),
            Notice::Runners(count) => {
                self.only = self.named.take().filter(|_| *count == 1);
                (self.loaded, self.changed) = (Some(*count), Some(now));
            }
            _ => {}
        }
    }

    /// The model of what is read now. `live`: it was written just now, so that what is loaded now is what was.
    pub(super) fn now(&self, live: bool) -> Option<String> {
        let newer = |loaded: &&Loaded| self.changed.is_none_or(|changed| loaded.at > changed + POLL);
        match self.polled.as_ref().filter(|_| live).filter(newer).map(|loaded| loaded.models.as_slice()) {
            Some([only]) => Some(only.clone()),
            // It was unloaded since.
            Some([]) | None => self.only.clone(),
            Some(_) => None,
        }
    }

    /// Whether at most one is loaded, as far as is known.
    pub(super) fn is_alone(&self) -> bool {
        let polled = self.polled.as_ref().map(|loaded| loaded.models.len() as u64);
        self.loaded.or(polled).is_some_and(|count| count <= 1)
    }
}
