//! Whether a model is still in memory as it was when it was looked at, from one question of a run to the next.
//!
//! An Ollama loads whatever is asked for, and makes room for it. So between two questions of a run somebody else's
//! request may take the model's place, and the next question would take it back. Ollama says beforehand that this is
//! about to happen: at the end of a request it moves the model's `expires_at`, unless the model must go as soon as
//! nobody uses it any more, or is used by somebody else. In neither case is it a canary's turn.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::ollama::Loaded;
use super::{Asker, Presence};
use crate::http::HttpError;
use crate::servers::ps_is_safe;
use crate::view::Skip;

/// Ollama moves `expires_at` within a millisecond of an answer's end; the first look after it is that much later.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Later ones are no farther apart than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Where it is not asked at each question (old versions): a process that must go is gone within this.
const SETTLES: Duration = Duration::from_millis(250);

/// From one question to an old Ollama for what is loaded to the next, and to LM Studio, which writes each into its
/// user's log.
const SELDOM: Duration = Duration::from_secs(15);

/// Why a run was broken off: what came of it says nothing, and no further question was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The model left memory: the next question would load it again.
    #[error("the run was broken off: the model left memory in the midst of it, and a canary loads none")]
    Gone,
    /// Somebody else loaded it with other options: the next question would load it with the former ones.
    #[error("the run was broken off: somebody else loaded the model anew in the midst of it")]
    Anew,
    /// Others use it, or wait for its place.
    #[error("the run was broken off: others use the model, or wait for its place in memory")]
    Held,
    /// An answer waited for a load.
    #[error("the run was broken off: an answer waited until the model was loaded, so it says nothing")]
    Loaded,
    /// The server cannot be looked at.
    #[error("the run was broken off: the server could not be looked at in the midst of it: {0}")]
    Away(String),
}

impl Broken {
    /// As a reason for the count.
    pub const fn skip(&self) -> Skip {
        match self {
            Self::Gone => Skip::NotLoaded,
            Self::Anew | Self::Held | Self::Loaded => Skip::Busy,
            Self::Away(_) => Skip::Unreachable,
        }
    }
}

/// How the model stood in memory at the last look.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// Its process, where it is seen: process id and start.
    pub(super) process: Option<(u32, u64)>,
    /// The weights that it runs (Ollama's digest).
    pub(super) digest: Option<String>,
    /// Tokens of context it was loaded with.
    pub(super) context: Option<u64>,
    /// When it goes.
    pub(super) expires_at: Option<Timestamp>,
    /// The server may be asked for it at any moment.
    pub(super) is_safe: bool,
    /// When it was looked at.
    pub(super) looked: Instant,
}

impl Anchor {
    /// Of a model that is in memory.
    pub(super) fn of(now: &Presence) -> Option<Anchor> {
        let anchor = Anchor {
            process: None,
            digest: None,
            context: now.context_tokens,
            expires_at: now.mark.expires_at,
            is_safe: ps_is_safe(now.version.as_deref()),
            looked: Instant::now(),
        };
        (now.loaded == Some(true)).then_some(anchor)
    }
}

impl Asker {
    /// Whether another question would find the model in memory as it was looked at last, with nobody waiting for its
    /// place. Cheap, and of servers that load nothing by themselves not asked at all. After an answer it waits until
    /// the server has taken note of its end.
    ///
    /// # Errors
    /// It would not: the run is to be broken off.
    pub async fn still(&self) -> Result<(), Broken> {
        let Some(mut anchor) = self.known().anchor.clone() else { return Ok(()) };
        let answered = std::mem::take(&mut self.known().asked);
        match self.kind.name {
            "ollama" if anchor.is_safe => self.ollama_still(&mut anchor, answered).await?,
            "ollama" => self.old_ollama_still(&mut anchor, answered).await?,
            _ => self.listed_still(&mut anchor).await?,
        }
        self.known().anchor = Some(anchor);
        Ok(())
    }

    /// Whether the very process that was looked at last runs on. Then no answer waited for a load, however long it
    /// took: on a machine that is busy even the way to a model in memory may.
    pub fn is_same_process(&self) -> bool {
        let anchor = self.known().anchor.clone();
        anchor.is_some_and(|anchor| self.runs(&anchor) == Some(true))
    }

    /// Whether the process that ran the model still does, where it is seen.
    pub(super) fn runs(&self, anchor: &Anchor) -> Option<bool> {
        let (machine, (pid, started)) = self.endpoint.machine.as_ref().zip(anchor.process)?;
        Some(machine.runs(pid, started))
    }

    async fn ollama_still(&self, anchor: &mut Anchor, answered: bool) -> Result<(), Broken> {
        let until = Instant::now() + self.limits.held;
        let mut pause = FIRST_PAUSE;
        loop {
            let entry = match self.entry(anchor).await {
                // While it loads or unloads a model the list may wait for that.
                Err(Broken::Held) => None,
                other => Some(other?),
            };
            if let Some(at) = entry {
                let moved = at != anchor.expires_at || at.is_none();
                anchor.expires_at = at;
                if moved || !answered {
                    anchor.looked = Instant::now();
                    return Ok(());
                }
            }
            if Instant::now() >= until {
                return Err(Broken::Held);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A look at the list of what is loaded can end an old server, so the process says it, where it is seen.
    async fn old_ollama_still(&self, anchor: &mut Anchor, answered: bool) -> Result<(), Broken> {
        if answered {
            sleep(SETTLES).await;
        }
        if self.runs(anchor) == Some(false) {
            return Err(Broken::Gone);
        }
        if anchor.looked.elapsed() >= SELDOM {
            anchor.expires_at = self.entry(anchor).await?;
            anchor.looked = Instant::now();
        }
        Ok(())
    }

    /// When the model goes, if it is loaded as it was.
    async fn entry(&self, anchor: &Anchor) -> Result<Option<Timestamp>, Broken> {
        if self.runs(anchor) == Some(false) {
            return Err(Broken::Gone);
        }
        let loaded = match self.loaded().await {
            Ok(loaded) => loaded,
            Err(HttpError::Timeout(_)) => return Err(Broken::Held),
            Err(error) => return Err(Broken::Away(error.to_string())),
        };
        let is_it = |model: &&Loaded| self.is_named(&model.name) && model.digest == anchor.digest;
        let Some(model) = loaded.iter().find(is_it) else { return Err(Broken::Gone) };
        if model.context_length != anchor.context {
            return Err(Broken::Anew);
        }
        Ok(model.expires_at())
    }

    async fn listed_still(&self, anchor: &mut Anchor) -> Result<(), Broken> {
        if anchor.looked.elapsed() < SELDOM {
            return Ok(());
        }
        match self.is_listed_as_loaded().await {
            Ok(Some(false)) => Err(Broken::Gone),
            Ok(_) => {
                anchor.looked = Instant::now();
                Ok(())
            }
            Err(error) => Err(Broken::Away(error.to_string())),
        }
    }

    /// Whether the server's list says that the model is in memory.
    pub(super) async fn is_listed_as_loaded(&self) -> Result<Option<bool>, HttpError> {
        let sample = self.server.lock().await.0.poll().await?;
        let model = sample.models.iter().find(|model| self.is_it(model));
        Ok(model.map_or(Some(false), |model| model.loaded))
    }
}
