//! Any other OpenAI-compatible server: its model list is all that can be relied on.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::lax::{self, List};
use super::{Endpoint, Kind, Probe, Server};
use crate::http::{Http, HttpError, Reply, excerpt};
use crate::sample::{ModelSample, Note, ServerSample, ServerState};

/// The row of the table.
pub(super) const KIND: Kind = Kind {
    name: "openai",
    about: "any other server with the OpenAI API (vLLM, SGLang, LocalAI, llama-swap, …)",
    contract: "Polled: GET /v1/models; GET /health where that list says vLLM, whose health check does \
               no work. Nothing else: on an unknown server even /health may run a generation \
               (SGLang's does), and on llama-swap a path with a model's name starts that model.",
    default_ports: &[8000, 30000],
    processes: &["vllm", "sglang", "llama-swap", "local-ai", "aphrodite", "text-generation-launcher"],
    recognise: |probe| Box::pin(is_openai(probe)),
    connect: |endpoint| Box::new(OpenAi { endpoint }),
};

/// The answer to `/v1/models`.
#[derive(Debug, Deserialize)]
pub(super) struct Models {
    #[serde(default, deserialize_with = "lax::field")]
    object: Option<String>,
    #[serde(default, deserialize_with = "lax::list")]
    data: Option<List<Model>>,
}

#[derive(Debug, Deserialize)]
struct Model {
    id: String,
    #[serde(default, deserialize_with = "lax::field")]
    owned_by: Option<String>,
    #[serde(default, deserialize_with = "lax::count")]
    max_model_len: Option<u64>,
    /// llama-swap's.
    #[serde(default, deserialize_with = "lax::count")]
    context_length: Option<u64>,
    #[serde(default, deserialize_with = "lax::object")]
    status: Option<Status>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "lax::field")]
    value: Option<String>,
}

impl Models {
    /// Whether this is a list of models: called one, and not of things that have no id at all.
    fn is_list(&self) -> bool {
        self.object.as_deref() == Some("list")
            && self.data.as_ref().is_some_and(|data| data.odd == 0 || !data.items.is_empty())
    }

    /// Whose models these are, as the first that says so says it.
    pub(super) fn owner(&self) -> Option<&str> {
        self.data.as_ref()?.items.iter().find_map(|model| model.owned_by.as_deref())
    }
}

/// The servers that say in their list who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Vllm,
    SgLang,
    LlamaCpp,
    LlamaSwap,
}

impl Flavour {
    fn of(models: &Models) -> Option<Flavour> {
        match models.owner()? {
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::SgLang),
            "llamacpp" => Some(Self::LlamaCpp),
            "llama-swap" => Some(Self::LlamaSwap),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM",
            Self::SgLang => "SGLang",
            Self::LlamaCpp => "llama.cpp behind something that hides it",
            Self::LlamaSwap => "llama-swap",
        }
    }

    /// Whether what it lists is in memory, where that follows from what it is.
    const fn always_loaded(self) -> bool {
        matches!(self, Self::Vllm | Self::SgLang)
    }
}

struct OpenAi {
    endpoint: Endpoint,
}

async fn is_openai(probe: &mut Probe) -> bool {
    match probe.get("/v1/models").await {
        Ok(reply) => lax::body::<Models>(&reply).is_ok_and(|models| models.is_list()),
        Err(_) => false,
    }
}

impl Server for OpenAi {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(async {
            let models = ask(&self.endpoint.http).await?;
            let flavour = Flavour::of(&models);
            let mut sample = sample(models, flavour);
            if flavour == Some(Flavour::Vllm) {
                look_at_health(&self.endpoint.http, &mut sample).await;
            }
            Ok(sample)
        })
    }
}

async fn ask(http: &Http) -> Result<Models, HttpError> {
    let reply = http.get("/v1/models").await?.ok()?;
    let models: Models = lax::body(&reply)?;
    if models.is_list() { Ok(models) } else { Err(no_list(&reply)) }
}

fn no_list(reply: &Reply) -> HttpError {
    HttpError::Malformed(format!("/v1/models is no list of models: {:?}", excerpt(&reply.body)))
}

fn sample(models: Models, flavour: Option<Flavour>) -> ServerSample {
    let (items, odd) = models.data.map_or((Vec::new(), 0), |data| (data.items, data.odd));
    let mut notes = Vec::new();
    if let Some(flavour) = flavour {
        notes.push(Note::info("flavour", format!("answers as {}", flavour.name()), None));
    }
    if odd > 0 {
        notes.push(odd_models(odd));
    }
    ServerSample {
        kind: KIND.name,
        models: items.into_iter().map(|item| model(item, flavour)).collect(),
        notes,
        ..ServerSample::default()
    }
}

fn model(item: Model, flavour: Option<Flavour>) -> ModelSample {
    let told = item.status.and_then(|status| status.value);
    let loaded = match told.as_deref() {
        Some("loaded") => Some(true),
        Some("unloaded") => Some(false),
        _ => flavour.is_some_and(Flavour::always_loaded).then_some(true),
    };
    ModelSample {
        name: item.id,
        loaded,
        context_tokens: item.max_model_len.or(item.context_length),
        ..ModelSample::default()
    }
}

/// The note on entries of a list that could not be read.
pub(super) fn odd_models(odd: usize) -> Note {
    Note::info("odd_models", format!("{odd} entries of the model list cannot be read and are left out"), None)
}

/// vLLM's health check tells of the engine behind the API: 503 once that is dead, while the list
/// of models goes on answering.
async fn look_at_health(http: &Http, sample: &mut ServerSample) {
    match http.get("/health").await {
        Ok(reply) if reply.status == 503 => {
            sample.state = Some(ServerState::Hung);
            sample.notes.push(Note::warning(
                "engine_dead",
                "its health check says that the engine behind the API does not run",
                Some("look at its log and restart it"),
            ));
        }
        Err(error) if error.reason() == "timeout" => sample.unanswered.push("/health"),
        // Anything else tells nothing: the list was there.
        _ => {}
    }
}
