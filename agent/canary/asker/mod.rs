//! Asks one question of one model, and reads what its server tells of it.
//!
//! Nothing here decides when to ask: [`left`](super::left) says whether all would be left as it was found, and whoever
//! asks looks at that before.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

mod exchange;
mod facts;
mod fits;
mod ollama;
mod options;
mod presence;
mod skills;

pub use options::Options;
pub use presence::{Presence, Stay};
pub use skills::Abilities;

use crate::canary::Plan;
use crate::canary::left::Mark;
use crate::canary::plan::is_called;
use crate::http::{Clients, HttpError};
use crate::procs::Machine;
use crate::sample::{ABSENT, Answer, AskError, ModelSample, Question, Reply};
use crate::servers::{Endpoint, Kind, Server, Target};
use crate::wire::asking::{Api, Extras, Manner, Speaks, body};

/// Asks one model of one target. Any number of questions may be asked at once.
#[derive(Debug)]
pub struct Asker {
    endpoint: Endpoint,
    kind: &'static Kind,
    model: String,
    terms: Terms,
    /// What polls it, for [`Asker::presence`].
    server: tokio::sync::Mutex<Poller>,
    known: Mutex<Known>,
    /// Makes salts differ.
    asked: AtomicU64,
    began: i64,
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
    /// An answer waited for a load since this was taken last.
    waited: bool,
    shown: facts::Shown,
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
            server,
            known: Mutex::default(),
            asked: AtomicU64::new(0),
            began: jiff::Timestamp::now().as_millisecond(),
        })
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
        if let ("ollama", Some(model)) = (self.kind.name, model) {
            self.ollama_presence(model, &mut now).await?;
            self.known().options = Some(now.options.clone());
        }
        Ok(now)
    }

    /// What our run left behind, read right after its last answer: kept until the next one, for
    /// [`decide`](crate::canary::left::decide).
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn left_behind(&self) -> Result<Mark, HttpError> {
        Ok(self.presence().await?.mark)
    }

    /// Asks. Dropped, or out of time, it closes the connection, and the server stops generating.
    ///
    /// Of an Ollama nothing is asked before [`Asker::presence`] was read: without the options that the model is loaded
    /// with, the question would load it anew.
    pub async fn ask(&self, question: &Question) -> Answer {
        let result = match timeout(question.timeout, self.answer(question)).await {
            Ok(result) => result,
            Err(_) => Err(AskError::Unreachable {
                reason: "timeout",
                text: format!("no whole answer within {:?}", question.timeout),
            }),
        };
        Answer { canary: question.canary.clone(), part: question.part, result }
    }

    /// Whether any answer waited for a load since this was asked last, those of [`Asker::abilities`] among them.
    pub fn take_waited(&self) -> bool {
        std::mem::take(&mut self.known().waited)
    }

    async fn answer(&self, question: &Question) -> Result<Reply, AskError> {
        let speaks = self.speaks().await?;
        let api = Api::of(speaks, question)?;
        let options = self.known().options.clone();
        let options = match (speaks, options) {
            (Speaks::Ollama, None) => {
                let text = "the options that the model is loaded with were not read".to_owned();
                return Err(AskError::Unsupported { text });
            }
            (_, options) => options.unwrap_or_default(),
        };
        let of_ollama = speaks == Speaks::Ollama;
        if let Some(refused) = fits::refuse(question, &options.runner).filter(|_| of_ollama) {
            return Err(refused);
        }
        loop {
            let (extras, proven) = self.known().extras.unwrap_or((Extras::All, false));
            let salt = format!("opsagent-{}-{}", self.began, self.asked.fetch_add(1, Ordering::Relaxed));
            let manner = Manner {
                model: &self.model,
                speaks,
                options: &options.runner,
                shift: options.shift,
                salt: &salt,
                extras,
            };
            let result = self.exchange(api, question, &body(api, question, manner)).await;
            match (&result, extras.fewer()) {
                (Err(AskError::Status { status: 400 | 422, .. }), Some(fewer))
                    if !proven && matches!(api, Api::OpenaiChat | Api::OpenaiCompletions) =>
                {
                    self.known().extras = Some((fewer, false));
                }
                _ if of_ollama => {
                    return self.learned(extras, question, fits::told(result, &options.runner));
                }
                _ => return self.learned(extras, question, result),
            }
        }
    }

    /// Remembers what an answer proved.
    fn learned(
        &self,
        extras: Extras,
        question: &Question,
        result: Result<Reply, AskError>,
    ) -> Result<Reply, AskError> {
        let mut known = self.known();
        let Ok(reply) = &result else {
            // Nothing worked: the next question begins with all again.
            known.extras = known.extras.filter(|(_, proven)| *proven);
            return result;
        };
        known.extras = Some((extras, true));
        known.waited |= reply.waited_for_a_load();
        if question.logprobs == crate::sample::Logprobs::Model {
            if reply.positions.is_empty() && known.gave_logprobs {
                return Err(AskError::BadLogprob { found: ABSENT.into() });
            }
            known.gave_logprobs |= !reply.positions.is_empty();
        }
        result
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
