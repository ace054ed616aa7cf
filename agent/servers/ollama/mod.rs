//! Ollama. Its own API tells which models are installed and loaded, and nothing of requests; from
//! 0.30 on its models run in child llama-servers, which tell the rest (see [`children`]).

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Endpoint, Kind, Server};
use crate::http::HttpError;
use crate::procs::Machine;
use crate::sample::{ModelSample, Note, ServerSample, ServerState};

mod blobs;
mod child;
mod children;
mod family;
mod shapes;

use blobs::Blobs;
use children::Children;
use family::Family;
pub(in crate::servers) use family::{blob_folder, is_child, is_ollama};
pub use shapes::is_for_ever;
use shapes::{Ps, Tags, Version};

/// The row of the table.
pub(super) const KIND: Kind = Kind {
    name: "ollama",
    about: "Ollama; from 0.30 on with the llama-servers that its models run in",
    contract: "Polled: GET /api/version and /api/ps; /api/tags once a minute; POST /api/show once for each loaded model \
               (it reads the file's head and loads nothing). Of its child llama-servers: GET /props once, /slots, and \
               /metrics where LLAMA_ARG_ENDPOINT_METRICS=1 stands in Ollama's environment. /api/ps no oftener than \
               every 10 s before 0.32.4, where a poll can meet a load and end the server. Never: /api/generate, \
               /api/chat, /api/embed, a keep_alive, or anything that loads.",
    default_ports: &[11434],
    processes: &["ollama"],
    recognise: |probe| Box::pin(super::recognise::is_ollama(probe)),
    connect: |endpoint| Box::new(Ollama::new(endpoint)),
};

/// The list of installed models costs a read of every manifest on old versions.
const TAGS_EVERY: Duration = Duration::from_secs(60);

/// A loaded model that is in no list asks for a new one, but not at every poll.
const TAGS_SOONEST: Duration = Duration::from_secs(10);

/// Before this version a question for the loaded models that meets a load or unload can end the
/// whole server (a map is read while it is written).
const PS_IS_SAFE: (u64, u64, u64) = (0, 32, 4);
const PS_EVERY_UNSAFE: Duration = Duration::from_secs(10);

/// A look at every process of a machine costs milliseconds.
const FAMILY_EVERY: Duration = Duration::from_secs(60);

/// From this version on models run in child llama-servers.
const HAS_CHILDREN: (u64, u64, u64) = (0, 30, 0);

struct Ollama {
    endpoint: Endpoint,
    tags: Option<(Instant, Tags)>,
    ps: Option<(Instant, Ps)>,
    version: Option<String>,
    blobs: Blobs,
    family: Option<(Instant, Option<Family>)>,
    children: Children,
}

impl Server for Ollama {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(self.look())
    }
}

impl Ollama {
    fn new(endpoint: Endpoint) -> Ollama {
        Ollama {
            endpoint,
            tags: None,
            ps: None,
            version: None,
            blobs: Blobs::default(),
            family: None,
            children: Children::default(),
        }
    }

    async fn look(&mut self) -> Result<ServerSample, HttpError> {
        let http = self.endpoint.http.clone();
        let unsafe_ps = !ps_is_safe(self.version.as_deref());
        let ps = self.ps.take().filter(|(asked, _)| unsafe_ps && asked.elapsed() < PS_EVERY_UNSAFE);
        let (version, ps) = tokio::join!(http.get_json::<Version>("/api/version"), async {
            match ps {
                Some((asked, ps)) => Ok((asked, ps)),
                None => shapes::ask::<Ps>(&http).await.map(|ps| (Instant::now(), ps)),
            }
        });
        let version = version?.version;
        if self.version.as_ref().is_some_and(|was| *was != version) {
            self.tags = None;
        }
        let mut sample =
            ServerSample { kind: KIND.name, version: Some(version.clone()), ..ServerSample::default() };
        self.version = Some(version);
        match ps {
            Ok(ps) => self.ps = Some(ps),
            Err(HttpError::Timeout(_)) => {
                self.ps = None;
                sample.unanswered.push("/api/ps");
            }
            Err(error) => return Err(error),
        }
        self.list(&mut sample).await?;
        self.look_at_children(&mut sample).await;
        Ok(sample)
    }

    /// The models, installed and loaded.
    async fn list(&mut self, sample: &mut ServerSample) -> Result<(), HttpError> {
        let loaded = self.ps.as_ref().map(|(_, ps)| ps.models());
        let stale = match &self.tags {
            None => true,
            Some((asked, tags)) => {
                let unlisted = loaded.unwrap_or_default().iter().any(|loaded| !tags.has(&loaded.name));
                asked.elapsed() >= if unlisted { TAGS_SOONEST } else { TAGS_EVERY }
            }
        };
        if stale && sample.unanswered.is_empty() {
            match shapes::ask::<Tags>(&self.endpoint.http).await {
                Ok(tags) => self.tags = Some((Instant::now(), tags)),
                Err(HttpError::Timeout(_)) => sample.unanswered.push("/api/tags"),
                Err(error) => return Err(error),
            }
        }
        let tags = self.tags.as_ref().map(|(_, tags)| tags.models());
        sample.models_installed = tags.map(|tags| tags.len() as u64);
        sample.models = shapes::merged(tags.unwrap_or_default(), loaded);
        Ok(())
    }

    /// The Ollama's process and its children. Looked for among all processes once a minute, found or
    /// not, which is how soon an orphan is seen; in between its own children are enough. Another
    /// Ollama at this address comes after a refused connection, and this starts anew then.
    fn family(&mut self, machine: &Machine, port: u16) -> Option<Family> {
        let known = self.family.take().filter(|(looked, _)| looked.elapsed() < FAMILY_EVERY);
        let (looked, family) = match known {
            Some((looked, None)) => (looked, None),
            Some((looked, Some(family))) => match family.again(machine) {
                Some(family) => (looked, Some(family)),
                None => (Instant::now(), Family::find(machine, port)),
            },
            None => (Instant::now(), Family::find(machine, port)),
        };
        self.family = Some((looked, family.clone()));
        family
    }

    async fn look_at_children(&mut self, sample: &mut ServerSample) {
        let version = parsed(sample.version.as_deref());
        let old = version.is_some_and(|version| version < HAS_CHILDREN && version != (0, 0, 0));
        let Some(machine) = self.endpoint.machine.clone() else {
            sample.notes.push(if old { tells_nothing() } else { elsewhere() });
            return;
        };
        let port = self.endpoint.http.base().port_or_known_default().unwrap_or(0);
        let Some(family) = self.family(&machine, port) else {
            sample.notes.push(if old { tells_nothing() } else { process_unseen() });
            return;
        };
        if old && family.children.is_empty() {
            sample.notes.push(tells_nothing());
            return;
        }
        if sample.unanswered.is_empty() {
            self.blobs.learn(&self.endpoint.http, &sample.models, &family).await;
        }
        let certain = version.is_some_and(|version| version >= HAS_CHILDREN);
        self.children.look(&self.endpoint.http, &machine, &family, &self.blobs, certain, sample).await;
        let any = |is: fn(&ModelSample) -> bool| sample.models.iter().any(is);
        // A load may hold up /api/ps for seconds, whatever else is loaded.
        let alone = !any(|model| model.loaded == Some(true)) || sample.unanswered == ["/api/ps"];
        if any(|model| model.state == Some(ServerState::Loading)) && alone {
            sample.state = Some(ServerState::Loading);
        }
        if any(is_silent) {
            sample.notes.push(Note::warning(
                "child_hangs",
                "the process that runs a model does not answer, and Ollama waits for it",
                Some(
                    "see the GPU and Ollama's log; a restart of Ollama ends the process and frees what waits",
                ),
            ));
        }
    }
}

fn is_silent(model: &ModelSample) -> bool {
    let silent = model.child.as_ref().is_some_and(|child| child.pid.is_some() && !child.up);
    silent && model.state != Some(ServerState::Loading)
}

/// Whether an Ollama of that version may be asked for the loaded models at any moment. Where it does not say its
/// version, it may not.
pub fn ps_is_safe(version: Option<&str>) -> bool {
    parsed(version).is_some_and(|version| version >= PS_IS_SAFE)
}

/// `0.34.0` or `0.33.0-rc2` as numbers.
fn parsed(version: Option<&str>) -> Option<(u64, u64, u64)> {
    let mut parts = version?
        .split('.')
        .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

fn tells_nothing() -> Note {
    Note::info(
        "no_counters",
        "Ollama before 0.30 tells nothing of its requests: no slots, no queue, no tokens",
        Some("upgrade Ollama to 0.30 or later"),
    )
}

fn elsewhere() -> Note {
    Note::info(
        "children_elsewhere",
        "this Ollama is on another machine: the processes that run its models, which know of slots and tokens, listen there on loopback only",
        Some("run opsagent on that machine"),
    )
}

fn process_unseen() -> Note {
    Note::info(
        "process_unseen",
        "the process behind this address cannot be seen (another user's, or in a container), so neither can the slots and tokens of its models",
        Some("run opsagent as root or as Ollama's user, or inside the same container or pod"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parsed(Some("0.34.0")), Some((0, 34, 0)));
        assert_eq!(parsed(Some("0.33.0-rc2")), Some((0, 33, 0)));
        assert!(parsed(Some("0.9.6")) < parsed(Some("0.11.4")));
        assert_eq!(parsed(Some("main")), None);
        assert_eq!(parsed(None), None);
        let safe = |version| ps_is_safe(Some(version));
        assert!(safe("0.32.4") && safe("0.34.0") && !safe("0.32.3") && !safe("main") && !ps_is_safe(None));
    }
}
