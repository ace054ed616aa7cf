//! Questions that wait for a load of their model. One that is given up takes the load with it: the server has made
//! room for it by then, and whoever used what stood there finds nothing loaded at all. So it is waited for.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Asker;
use crate::canary::reload::loads_by_itself;
use crate::http::HttpError;
use crate::sample::{AskError, Question, Reply};

/// A wait for a load that took no longer may have been none: 135 million parameters on an idle processor take 0.8 s.
const SURE: Duration = Duration::from_secs(1);

/// What the answers since the last look tell of loads. All questions of a run send the same options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// An answer came without one: the options that are sent are those that the model is loaded with.
    pub warm: bool,
    /// A question waited for one before any answer had come without.
    pub first: bool,
    /// The first such wait was so short that it may have been none: on a machine that is busy even the way to a model
    /// in memory takes some tenths of a second.
    pub short: bool,
    /// A question waited for one after that: the model had gone meanwhile, and not by our options.
    pub later: bool,
    /// A question had no answer.
    pub failed: bool,
}

impl Waits {
    /// What came of a question. `warm`: an answer had come without a load when it was asked.
    pub(super) fn take(&mut self, warm: bool, result: &Result<Reply, AskError>) {
        match result {
            Ok(reply) if reply.waited_for_a_load() => {
                let short = reply.generation.told.load.is_some_and(|load| load < SURE);
                self.short = short && (!self.first || self.short);
                self.waited(warm);
            }
            Ok(_) => self.warm = true,
            Err(AskError::Unreachable { .. } | AskError::Malformed { .. }) => self.failed = true,
            Err(AskError::Status { status, .. }) => self.failed |= *status >= 500,
            Err(_) => {}
        }
    }

    fn waited(&mut self, warm: bool) {
        (self.first, self.later) = (self.first || !warm, self.later || warm);
    }
}

/// What a look at a question without an answer tells.
enum Look {
    /// The model is being loaded, or waits for it.
    Underway,
    /// It is in memory.
    Loaded,
    /// The process that was asked runs on: nothing is loaded.
    Same,
    /// Nothing can be told.
    Untold,
}

impl Asker {
    /// The answer to a question whose time is over: it is waited for as long as the server may be loading the model
    /// for it, and then once more its time.
    pub(super) async fn hold(
        &self,
        question: &Question,
        mut answer: Pin<&mut impl Future<Output = Result<Reply, AskError>>>,
        warm: bool,
    ) -> Result<Reply, AskError> {
        let over = || AskError::Unreachable {
            reason: "timeout",
            text: format!("no whole answer within {:?}", question.timeout),
        };
        if !loads_by_itself(self.kind.name) {
            return Err(over());
        }
        let began = Instant::now();
        let (mut loads, mut until) = (false, None);
        loop {
            let look = tokio::select! {
                biased;
                result = answer.as_mut() => return result,
                look = self.look_for_load() => look,
            };
            let goes_on = match look {
                Look::Same => false,
                Look::Loaded if warm && !loads => false,
                Look::Loaded => {
                    let now = Instant::now();
                    now < *until.get_or_insert(now + question.timeout)
                }
                Look::Untold => began.elapsed() < self.limits.untold,
                Look::Underway => {
                    if !std::mem::replace(&mut loads, true) {
                        let model = self.model.as_str();
                        tracing::info!(model, "a canary's question waits until its model is loaded");
                        self.known().waits.waited(warm);
                    }
                    until = None;
                    began.elapsed() < self.limits.load
                }
            };
            if !goes_on {
                return Err(over());
            }
            tokio::select! {
                biased;
                result = answer.as_mut() => return result,
                () = sleep(self.limits.look_every) => {}
            }
        }
    }

    async fn look_for_load(&self) -> Look {
        let (anchor, is_safe) = {
            let known = self.known();
            (known.anchor.clone(), known.is_safe)
        };
        let runs = anchor.as_ref().and_then(|anchor| self.runs(anchor));
        if runs == Some(true) {
            return Look::Same;
        }
        let listed = match self.kind.name {
            "ollama" if is_safe => {
                self.loaded().await.map(|all| all.iter().any(|model| self.is_named(&model.name)))
            }
            // The list may not be asked for, and tells of a model as of a loaded one while it is loaded.
            "ollama" if runs == Some(false) => return Look::Underway,
            "ollama" => return Look::Untold,
            _ => self.is_listed_as_loaded().await.map(|loaded| loaded != Some(false)),
        };
        match listed {
            Ok(true) => Look::Loaded,
            Ok(false) => Look::Underway,
            // The list waits for a load. Where the process of before is gone, it is no other that hangs.
            Err(HttpError::Timeout(_)) if runs == Some(false) => Look::Underway,
            Err(_) => Look::Untold,
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The answer to a short prompt: a second or two; on a slow processor a minute.
    pub answer: Duration,
    /// The answer to a long prompt, which is read at some tens of tokens a second on a slow processor.
    pub long_answer: Duration,
    /// The answer of one token to the question what the server can be asked for.
    pub probe: Duration,
    /// A load for which a question waits. Ollama gives up one that stands still for five minutes; the largest models
    /// take half an hour from a slow disk.
    pub load: Duration,
    /// The same, where it cannot be seen whether there is one: twice of what Ollama lets one stand still.
    pub untold: Duration,
    /// From one look at a load to the next. LM Studio writes each into its user's log.
    pub look_every: Duration,
    /// Between two questions, until others who use the model are done with it.
    pub held: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            answer: seconds(60),
            long_answer: seconds(180),
            probe: seconds(30),
            load: seconds(3600),
            untold: seconds(600),
            look_every: seconds(15),
            held: seconds(20),
        }
    }
}
