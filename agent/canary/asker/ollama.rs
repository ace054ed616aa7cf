//! What an Ollama has loaded under a name, and by which process.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Map;

use super::facts::Shown;
use super::options::Options;
use super::presence::{Presence, Stay};
use super::still::Anchor;
use super::{Asker, file_name};
use crate::http::HttpError;
use crate::procs::Process;
use crate::sample::ModelSample;
use crate::servers::is_for_ever;

#[derive(Deserialize)]
struct Ps {
    models: Option<Vec<Loaded>>,
}

/// An entry of `/api/ps`. A name has two while what it was given to before is still loaded.
#[derive(Deserialize)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) context_length: Option<u64>,
    expires_at: Option<String>,
}

impl Loaded {
    /// When it goes. It moves with the end of each request.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at.as_ref().and_then(|at| at.parse().ok())
    }
}

impl Asker {
    /// What is loaded.
    pub(super) async fn loaded(&self) -> Result<Vec<Loaded>, HttpError> {
        Ok(self.endpoint.http.get_json::<Ps>("/api/ps").await?.models.unwrap_or_default())
    }

    /// What the list of loaded models tells, and the process behind it. Asked here and not taken from the poll: that
    /// asks an old Ollama no oftener than every 10 s, and knows a name once. Gives how the model stands in memory.
    pub(super) async fn ollama_presence(
        &self,
        polled: &ModelSample,
        now: &mut Presence,
    ) -> Result<Option<Anchor>, HttpError> {
        let shown = self.show().await?;
        let all = self.loaded().await?;
        let (mut loaded, others): (Vec<Loaded>, Vec<Loaded>) =
            all.into_iter().partition(|model| self.is_named(&model.name));
        now.others = others.into_iter().map(|other| (other.name.clone(), other.expires_at())).collect();
        // The one that the next request gets comes first.
        loaded.sort_by_key(|model| model.digest != shown.digest);
        let child = self.child(polled, &shown);
        now.remote = shown.is_remote();
        // A process that ended is listed until the next request finds it dead, and loads the model again.
        let ended = polled.child.as_ref().is_some_and(|ran| ran.pid.is_none()) && child.process().is_none();
        now.loaded = Some(!loaded.is_empty() && !ended);
        now.mark.gone = now.loaded == Some(false);
        if let Some(model) = loaded.first() {
            now.context_tokens = model.context_length;
            let expires = model.expires_at();
            now.stay = match expires {
                Some(at) if is_for_ever(at) => Stay::ForEver,
                Some(at) => Stay::Until(at),
                None => Stay::Unknown,
            };
            now.mark.expires_at = expires;
            now.replaced = match &child {
                Child::Runs(_) => false,
                Child::RunsNot => true,
                Child::Unseen => model.digest != shown.digest,
            };
        }
        let pid = polled.child.as_ref().and_then(|child| child.pid);
        let process = child.process();
        if process.is_some_and(|process| Some(process.pid) != pid) {
            // The poll looked at the process of the model that had this name before.
            (now.busy, now.queued) = (None, None);
        }
        now.mark.process = process.map(Process::incarnation).or(now.mark.process.take());
        now.mark.digest = shown.digest;
        now.options = Options::loaded(now.context_tokens, process, &self.terms.options);
        now.loaded_with =
            process.map(|process| Options::loaded(now.context_tokens, Some(process), &Map::new()));
        Ok(Anchor::of(now).map(|anchor| Anchor {
            process: process.map(|process| (process.pid, process.started_ticks)),
            digest: loaded.into_iter().next().and_then(|model| model.digest),
            ..anchor
        }))
    }

    /// The process that runs the file of weights that the name has now.
    fn child(&self, polled: &ModelSample, shown: &Shown) -> Child {
        let (Some(machine), Some(blob)) = (&self.endpoint.machine, shown.blob()) else {
            return Child::Unseen;
        };
        let pid = polled.child.as_ref().and_then(|child| child.pid);
        let Some(known) = pid.and_then(|pid| machine.process(pid)) else { return Child::Unseen };
        let runs = |process: &Process| process.option(&["--model", "-m"]).map(file_name) == Some(blob);
        if runs(&known) {
            return Child::Runs(known);
        }
        let Some(siblings) = machine.children(known.parent) else { return Child::Unseen };
        let mut siblings = siblings.into_iter().filter_map(|pid| machine.process(pid));
        siblings.find(runs).map_or(Child::RunsNot, Child::Runs)
    }
}

/// Who runs the file of weights that a name has now.
enum Child {
    /// This process.
    Runs(Process),
    /// None of those that are seen.
    RunsNot,
    /// None is seen.
    Unseen,
}

impl Child {
    fn process(&self) -> Option<&Process> {
        match self {
            Self::Runs(process) => Some(process),
            Self::RunsNot | Self::Unseen => None,
        }
    }
}
