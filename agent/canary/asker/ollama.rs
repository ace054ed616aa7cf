//! What an Ollama has loaded under a name, and by which process.

use jiff::Timestamp;
use serde::Deserialize;

use super::facts::Shown;
use super::options::Options;
use super::presence::{Presence, Stay};
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
struct Loaded {
    name: String,
    digest: Option<String>,
    context_length: Option<u64>,
    expires_at: Option<String>,
}

impl Asker {
    /// What the list of loaded models tells, and the process behind it. Asked here and not taken from the poll: that
    /// asks an old Ollama no oftener than every 10 s, and knows a name once.
    pub(super) async fn ollama_presence(
        &self,
        polled: &ModelSample,
        now: &mut Presence,
    ) -> Result<(), HttpError> {
        let shown = self.show().await?;
        let ps: Ps = self.endpoint.http.get_json("/api/ps").await?;
        let mut loaded: Vec<Loaded> = ps.models.unwrap_or_default();
        loaded.retain(|model| self.is_named(&model.name));
        // The one that the next request gets comes first.
        loaded.sort_by_key(|model| model.digest != shown.digest);
        let child = self.child(polled, &shown);
        now.remote = shown.is_remote();
        now.loaded = Some(!loaded.is_empty());
        if let Some(model) = loaded.first() {
            now.context_tokens = model.context_length;
            let expires = model.expires_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
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
        Ok(())
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
