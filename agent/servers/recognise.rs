//! Tells the kind of an unknown server, on parsed bodies, never on status codes: LM Studio answers
//! 200 to every path, llama-server is itself at 401, 404 and 503, and everybody imitates
//! `/v1/models`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::openai::Models;
use super::{KINDS, Kind, lax};
use crate::http::{Http, HttpError, Reply};

/// The answers of an unknown server so far: each path is asked at most once, since LM Studio logs
/// an error for every path that it does not know.
#[derive(Debug)]
pub struct Probe {
    http: Http,
    seen: HashMap<&'static str, Result<Arc<Reply>, HttpError>>,
}

impl Probe {
    /// Nothing asked yet.
    pub fn new(http: Http) -> Probe {
        Probe { http, seen: HashMap::new() }
    }

    /// The answer to a GET of that path, of whatever status; asked at most once.
    pub async fn get(&mut self, path: &'static str) -> Result<Arc<Reply>, HttpError> {
        if let Some(reply) = self.seen.get(path) {
            return reply.clone();
        }
        let reply = self.http.get(path).await.map(Arc::new);
        self.seen.insert(path, reply.clone());
        reply
    }

    /// The answer in this shape, if it has it; the status does not matter.
    async fn read<T: DeserializeOwned>(&mut self, path: &'static str) -> Option<T> {
        lax::body(&*self.get(path).await.ok()?).ok()
    }

    /// # Errors
    /// A question was not answered in time.
    fn in_time(&self) -> Result<(), HttpError> {
        let late = |error: &&HttpError| matches!(error, HttpError::Timeout(_));
        self.seen
            .values()
            .filter_map(|reply| reply.as_ref().err())
            .find(late)
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    fn met_unexpected_endpoint(&self) -> bool {
        self.seen.values().flatten().any(|reply| unexpected_endpoint(reply))
    }

    /// Whose models `/v1/models` lists, where it says so.
    async fn owner(&mut self) -> Option<String> {
        self.read::<Models>(MODELS).await?.owner().map(str::to_owned)
    }
}

/// Asks the rows of the table in their order; the first that knows the answers as its own is it.
///
/// # Errors
/// Nothing answers at that address (the reason why), or no kind knows the answers.
pub async fn recognise(probe: &mut Probe) -> Result<&'static Kind, HttpError> {
    // Every kind knows this path and none minds it; if nothing comes of it, nothing else is asked.
    let first = probe.get(MODELS).await?;
    for kind in KINDS {
        if (kind.recognise)(probe).await {
            // What all imitate is not taken for the last word while a question to one of them hangs.
            return if *kind == &super::openai::KIND { probe.in_time().map(|()| *kind) } else { Ok(kind) };
        }
    }
    if first.status == 403 && first.body.is_empty() {
        return Err(HttpError::Status { status: 403, text: Some(HOST_CHECK.into()) });
    }
    match Arc::unwrap_or_clone(first).ok() {
        Err(error) => Err(error),
        Ok(reply) => Err(HttpError::Malformed(format!(
            "no known kind of server answers GET {MODELS} with {:?}",
            crate::http::excerpt(&reply.body)
        ))),
    }
}

/// The path that every kind has, at no cost to any.
const MODELS: &str = "/v1/models";

/// What an empty 403 means on an Ollama.
const HOST_CHECK: &str = "an empty refusal, as Ollama gives to a host name that is not its own: \
                          use localhost or the IP address in the url, or set OLLAMA_HOST=0.0.0.0 there";

/// Owners in a model list that are neither LM Studio's nor Ollama's.
const OTHER_OWNERS: [&str; 4] = ["vllm", "sglang", "llama-swap", "llamacpp"];

/// llama-server: the header that it puts on every answer, of whatever status. Where a proxy took
/// that off, the words of its answers.
pub(super) async fn is_llama_cpp(probe: &mut Probe) -> bool {
    let Ok(reply) = probe.get(MODELS).await else { return false };
    let Ok(said) = lax::body::<Said>(&reply) else { return false };
    if reply.header("server").is_some_and(|server| server.starts_with("llama.cpp")) {
        return true;
    }
    if said.error.as_deref().is_some_and(is_loading) {
        return true;
    }
    // Asked only where the list hints at it: on others it is an unknown path.
    if probe.owner().await.as_deref() != Some("llamacpp") {
        return false;
    }
    let props = probe.read::<Props>("/props").await;
    props.is_some_and(|props| props.build_info.is_some() && props.default_generation_settings.is_some())
}

/// LM Studio: its greeting, and a list of models or a refusal to show it. The greeting alone is also
/// given at the ports that its own windows use. Asked only where the list does not name somebody else.
pub(super) async fn is_lm_studio(probe: &mut Probe) -> bool {
    let Ok(reply) = probe.get(MODELS).await else { return false };
    let Ok(said) = lax::body::<Said>(&reply) else { return false };
    if !(said.object.as_deref() == Some("list") || said.error.is_some()) {
        return false;
    }
    let owner = probe.owner().await;
    if owner.as_deref().is_some_and(|owner| owner == "library" || OTHER_OWNERS.contains(&owner)) {
        return false;
    }
    let greeting = probe.read::<Greeting>("/lmstudio-greeting").await;
    if greeting.is_none_or(|greeting| greeting.lmstudio != Some(true)) {
        return false;
    }
    // Some versions deny the list of OpenAI while they have their own.
    !unexpected_endpoint(&reply) || super::lm_studio::has_models(probe).await
}

/// Ollama: its root's exact words and its version, and no sign of those who imitate both:
/// llama-swap's version has a commit, LocalAI tells itself under `/.well-known`.
pub(super) async fn is_ollama(probe: &mut Probe) -> bool {
    if probe.owner().await.is_some_and(|owner| OTHER_OWNERS.contains(&owner.as_str())) {
        return false;
    }
    // What answers unknown paths with this notes each as an error in its user's log.
    if probe.met_unexpected_endpoint() {
        return false;
    }
    match probe.get("/").await {
        Ok(root) if root.body == b"Ollama is running" => {}
        _ => return false,
    }
    let Some(release) = probe.read::<Release>("/api/version").await else { return false };
    if release.version.is_none_or(|version| version.is_empty())
        || release.commit.is_some()
        || release.build_date.is_some()
    {
        return false;
    }
    probe.read::<Object>("/.well-known/localai.json").await.is_none()
}

/// What llama-server says to every question while it reads its model.
fn is_loading(error: &RawValue) -> bool {
    serde_json::from_str::<Refusal>(error.get()).is_ok_and(|error| {
        error.message.as_deref() == Some("Loading model")
            && error.sort.as_deref() == Some("unavailable_error")
    })
}

/// Whether that is how LM Studio answers a path that it does not know: with status 200.
pub(super) fn unexpected_endpoint(reply: &Reply) -> bool {
    let error = lax::body::<Plain>(reply).ok().and_then(|plain| plain.error);
    error.is_some_and(|error| error.starts_with("Unexpected endpoint"))
}

#[derive(Deserialize)]
struct Plain {
    #[serde(default, deserialize_with = "lax::field")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "lax::field")]
    object: Option<String>,
    error: Option<Box<RawValue>>,
}

/// An error's words, where it is an object that has them.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default, deserialize_with = "lax::field")]
    message: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "lax::field")]
    sort: Option<String>,
}

#[derive(Deserialize)]
struct Props {
    #[serde(default, deserialize_with = "lax::field")]
    build_info: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    default_generation_settings: Option<Object>,
}

/// Any JSON object.
type Object = HashMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Greeting {
    #[serde(default, deserialize_with = "lax::field")]
    lmstudio: Option<bool>,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default, deserialize_with = "lax::field")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    commit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lax::field")]
    build_date: Option<IgnoredAny>,
}
