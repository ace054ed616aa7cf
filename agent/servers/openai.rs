//! Any other OpenAI-compatible server: its model list is all that can be relied on.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Endpoint, Kind, Probe, Server};
use crate::http::HttpError;
use crate::sample::{ModelSample, ServerSample};

/// The row of the table.
pub(super) const KIND: Kind = Kind {
    name: "openai",
    about: "any other server with the OpenAI API (vLLM, SGLang, LocalAI, llama-swap, …)",
    contract: "Polled: GET /v1/models. Nothing else: on an unknown server even /health may run a generation (SGLang's does).",
    default_ports: &[8000, 30000],
    processes: &["vllm", "sglang", "llama-swap", "local-ai", "aphrodite", "text-generation-launcher"],
    recognise: |probe| Box::pin(is_openai(probe)),
    connect: |endpoint| Box::new(OpenAi { endpoint }),
};

#[derive(Deserialize)]
struct Models {
    object: String,
    data: Option<Vec<Model>>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    max_model_len: Option<u64>,
}

struct OpenAi {
    endpoint: Endpoint,
}

async fn is_openai(probe: &mut Probe) -> bool {
    match probe.get("/v1/models").await {
        Ok(reply) => reply.json::<Models>().is_ok_and(|models| models.object == "list"),
        Err(_) => false,
    }
}

impl Server for OpenAi {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(async {
            let models: Models = self.endpoint.http.get_json("/v1/models").await?;
            if models.object != "list" {
                return Err(HttpError::Malformed(format!(
                    "/v1/models has object {:?}, not \"list\"",
                    models.object
                )));
            }
            let models = models.data.unwrap_or_default().into_iter().map(|model| ModelSample {
                name: model.id,
                context_tokens: model.max_model_len,
                ..ModelSample::default()
            });
            Ok(ServerSample { kind: KIND.name, models: models.collect(), ..ServerSample::default() })
        })
    }
}
