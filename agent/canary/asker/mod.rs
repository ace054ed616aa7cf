//! Asks one question of one model, and reads what its server tells of it.
//!
//! Nothing here decides when to ask: [`left`](super::left) says whether all would be left as it was found, and whoever
//! asks looks at that before.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tokio::time::Instant;

mod ask;
mod dates;
mod exchange;
mod facts;
mod fits;
mod load;
mod ollama;
mod options;
mod presence;
mod skills;
mod still;

pub use load::{Limits, Waits};
pub use options::Options;
pub use presence::{Presence, Stay};
pub use skills::{Abilities, MOST_ABLE};
pub use still::Broken;

use still::Anchor;

use crate::canary::{Plan, Spent};
use crate::fleet::Live;
use crate::http::{Clients, HttpError};
use crate::procs::Machine;
use crate::sample::{AskError, ModelSample, is_called};
use crate::servers::{Endpoint, Kind, Server, Target, ps_is_safe};
use crate::wire::asking::Extras;

/// Asks one model of one target. Any number of questions may be asked at once.
#[derive(Debug)]
pub struct Asker {
    endpoint: Endpoint,
    kind: &'static Kind,
    model: String,
    terms: Terms,
    limits: Limits,
    /// What polls it, for [`Asker::presence`].
    server: tokio::sync::Mutex<Poller>,
    known: Mutex<Known>,
    /// Makes salts differ.
    asked: AtomicU64,
    began: i64,
    /// Where its requests are written down, so that they are known in the target's log.
    live: Option<Arc<Live>>,
}

/// What the config says of how a model is asked.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Options of Ollama's runner. They go before those that the model is loaded with, and are wanted only where those
    /// cannot be seen: on another machine, or in a container.
    pub options: Map<String, Value>,
    /// The model may be loaded for it.
    pub may_load: bool,
}

impl Terms {
    /// What this plan says of a model.
    pub fn of(plan: &Plan, model: &str) -> Terms {
        let options = plan.options(model).cloned().unwrap_or_default();
        Terms { options, may_load: plan.may_load(model) }
    }
}

struct Poller(Box<dyn Server>);

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poller")
    }
}

/// What was learned of the server.
#[derive(Debug, Default)]
struct Known {
    /// Whose models it says it has, where the kind does not say it.
    owner: Option<String>,
    /// What the loaded model is asked with, since it was looked at.
    options: Option<Options>,
    /// How much is asked for, and whether it was answered so.
    extras: Option<(Extras, bool)>,
    abilities: Option<Abilities>,
    /// It gave log probabilities before.
    gave_logprobs: bool,
    /// What answers told of loads since this was taken last.
    waits: Waits,
    /// What the questions for its abilities took since this was taken last.
    spent: Spent,
    /// How the model stood in memory at the last look. `None`: it was not there, or its server loads nothing by itself.
    anchor: Option<Anchor>,
    /// Something was asked since.
    asked: bool,
    /// The server may be asked what is loaded at any moment.
    is_safe: bool,
    shown: facts::Shown,
    pinned: Option<dates::Pinned>,
    /// The server's version, as it was told last.
    version: Option<String>,
}

impl Known {
    /// Another server can do other things: what it was found to be able to is asked anew.
    fn version(&mut self, told: Option<&String>) {
        if self.version.is_some() && self.version.as_ref() != told {
            (self.abilities, self.gave_logprobs, self.extras) = (None, false, None);
        }
        self.version = told.cloned();
    }
}

impl Asker {
    /// Asks this model of that target.
    ///
    /// # Errors
    /// The certificates or a header of the target cannot be used.
    pub fn connect(
        target: &Target,
        kind: &'static Kind,
        model: &str,
        terms: Terms,
        clients: &Clients,
        machine: Machine,
    ) -> Result<Asker, String> {
        let endpoint = target.endpoint(clients, machine)?;
        let server = tokio::sync::Mutex::new(Poller((kind.connect)(endpoint.clone())));
        Ok(Asker {
            endpoint,
            kind,
            model: model.to_owned(),
            terms,
            limits: Limits::default(),
            server,
            known: Mutex::default(),
            asked: AtomicU64::new(0),
            began: jiff::Timestamp::now().as_millisecond(),
            live: None,
        })
    }

    /// The same with other limits of time.
    #[must_use]
    pub fn within(self, limits: Limits) -> Asker {
        Asker { limits, ..self }
    }

    /// The name of the server's kind.
    pub fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// The same, and its requests are written down there.
    #[must_use]
    pub fn seen_by(self, live: Option<Arc<Live>>) -> Asker {
        Asker { live, ..self }
    }

    /// The model, as it was given.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What the server tells of the model now: loaded, busy, whether it goes by itself. Loads and wakes nothing. Of an
    /// Ollama the options that the model is loaded with are learned here: look before each run.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn presence(&self) -> Result<Presence, HttpError> {
        let sample = self.server.lock().await.0.poll().await?;
        let model = sample.models.iter().find(|model| self.is_it(model));
        let mut now = Presence::of(&sample, model, self.stay().await?);
        let mut anchor = Anchor::of(&now).filter(|_| self.kind.name == "lm_studio");
        if let ("ollama", Some(model)) = (self.kind.name, model) {
            anchor = self.ollama_presence(model, &mut now).await?;
            self.known().options = Some(now.options.clone());
        }
        let mut known = self.known();
        known.is_safe = ps_is_safe(now.version.as_deref());
        (known.anchor, known.asked) = (anchor, false);
        drop(known);
        Ok(now)
    }

    /// What our run left behind, read right after its last answer, and as soon as the server has taken note of its
    /// end: kept until the next one, for [`decide`](crate::canary::left::decide).
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn left_behind(&self) -> Result<Presence, HttpError> {
        // Whether it is still there, the look itself tells.
        drop(self.still().await);
        self.presence().await
    }

    fn is_it(&self, model: &ModelSample) -> bool {
        self.is_named(&model.name)
    }

    fn is_named(&self, name: &str) -> bool {
        is_called(name, &self.model)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn unreachable(error: &HttpError) -> AskError {
    match error {
        HttpError::Unauthorized(status) => AskError::Status { status: *status, text: error.to_string() },
        HttpError::Status { status, text } => {
            AskError::Status { status: *status, text: text.clone().unwrap_or_default() }
        }
        HttpError::Malformed(text) => AskError::Malformed { text: text.clone() },
        _ => AskError::Unreachable { reason: error.reason(), text: error.to_string() },
    }
}

/// The last part of a path: the rest tells of the machine, not of the model.
fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or(path)
}
