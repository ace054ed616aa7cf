//! What a server tells of one model right before a run, without waking or loading anything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::options::Options;
use crate::canary::left::Mark;
use crate::sample::{ModelSample, ServerSample, ServerState};

/// Whether a model leaves memory by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It stays whatever happens.
    ForEver,
    /// It goes at this time, unless somebody asks it before: each request puts that off.
    Until(Timestamp),
    /// It may go after some idle time that cannot be seen.
    Unknown,
}

/// What a server tells of one model now.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The server's version.
    pub version: Option<String>,
    /// The model's own state, else the server's: loading, sleeping, hung.
    pub state: Option<ServerState>,
    /// Whether the server's list has the model at all.
    pub listed: bool,
    /// Whether it is in memory. `None`: this server does not tell.
    pub loaded: Option<bool>,
    /// It runs on somebody else's machine (Ollama's cloud), and costs money.
    pub remote: bool,
    /// Its name was given to another model since it was loaded: the next request loads that one.
    pub replaced: bool,
    /// Requests that it works on now.
    pub busy: Option<u32>,
    /// Requests it can work on at once.
    pub slots: Option<u32>,
    /// Requests that wait.
    pub queued: Option<u64>,
    /// Tokens of context a request has.
    pub context_tokens: Option<u64>,
    /// Whether it goes by itself.
    pub stay: Stay,
    /// What changes as soon as somebody uses it.
    pub mark: Mark,
    /// What will be sent along with questions (Ollama).
    pub options: Options,
    /// What it was loaded with, where its process is seen (Ollama).
    pub loaded_with: Option<Options>,
    /// The other models that are in memory, each with when it goes: that moves as soon as somebody uses it.
    pub others: BTreeMap<String, Option<Timestamp>>,
}

impl Presence {
    /// Of that model, out of one look at its server. `stay`: what is known besides of its staying.
    pub(in crate::canary) fn of(sample: &ServerSample, model: Option<&ModelSample>, stay: Stay) -> Presence {
        let none = ModelSample::default();
        let listed = model.is_some();
        let model = model.unwrap_or(&none);
        let stay = match (model.stays, model.expires_at) {
            (Some(true), _) => Stay::ForEver,
            (_, Some(at)) => Stay::Until(at),
            _ => stay,
        };
        let counters = &model.counters;
        let work = [counters.prompt_tokens, counters.cached_tokens, counters.output_tokens];
        let told = work.iter().any(Option::is_some);
        let others =
            sample.models.iter().filter(|other| other.loaded == Some(true) && other.name != model.name);
        Presence {
            version: sample.version.clone(),
            // A list that does not come while the server answers: it loads, or hangs.
            state: model
                .state
                .or(sample.state)
                .or((!sample.unanswered.is_empty()).then_some(ServerState::Hung)),
            listed,
            loaded: model.loaded,
            remote: false,
            replaced: false,
            busy: model.slots_busy,
            slots: model.slots,
            queued: model.queue_depth,
            context_tokens: model.context_tokens,
            stay,
            mark: Mark {
                expires_at: model.expires_at,
                work: told.then(|| work.into_iter().flatten().sum()),
                process: model.incarnation.clone(),
                digest: None,
                gone: model.loaded == Some(false),
            },
            options: Options::default(),
            loaded_with: None,
            others: others.map(|other| (other.name.clone(), other.expires_at)).collect(),
        }
    }

    /// Whether somebody used another model of the server between `self` and a later look.
    pub fn others_used(&self, later: &Presence) -> bool {
        later.others.iter().any(|(name, expires_at)| self.others.get(name) != Some(expires_at))
    }

    /// Whether somebody's request is in work or waits. `None`: this server does not tell.
    pub fn is_busy(&self) -> Option<bool> {
        match (self.busy, self.queued) {
            (None, None) => None,
            (busy, queued) => Some(busy.unwrap_or(0) > 0 || queued.unwrap_or(0) > 0),
        }
    }
}
