//! LM Studio: the list of its native API, which tells what is loaded. The newer one first, then the
//! older, then the OpenAI list; which of them it has is asked once, since it notes every unknown
//! path as an error in its user's log.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::lax::{self, List};
use super::openai::odd_models;
use super::recognise::{is_lm_studio, unexpected_endpoint};
use super::{Endpoint, Kind, Probe, Server};
use crate::http::{Http, HttpError, excerpt};
use crate::sample::{ModelSample, Note, ServerSample};

mod shapes;

use shapes::{Data, Named, OpenAi, V0, V1};

/// The row of the table.
pub(super) const KIND: Kind = Kind {
    name: "lm_studio",
    about: "LM Studio's local server, by its native API",
    contract: "Polled: GET /api/v1/models; where it has none (before 0.4.0) GET /api/v0/models, and \
               before 0.3.6 GET /v1/models. Which one is found out once, and no more often than every \
               15 s is one asked: each question is a line in the user's log. Never: any path that \
               generates (it would load the model and drop another), /api/v1/models/load and unload.",
    default_ports: &[1234],
    processes: &["lm-studio", "lmstudio", "LM Studio", "lms", "llmster", "LM Studio Helper"],
    recognise: |probe| Box::pin(is_lm_studio(probe)),
    connect: |endpoint| Box::new(LmStudio { endpoint, api: None, last: None }),
};

/// The least time between two questions, less the half second by which a beat of 15 s may come early.
const GAP: Duration = Duration::from_millis(14_500);

/// The lists that an LM Studio may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    V1,
    V0,
    OpenAi,
}

impl Api {
    const ALL: [Api; 3] = [Self::V1, Self::V0, Self::OpenAi];

    const fn path(self) -> &'static str {
        match self {
            Self::V1 => "/api/v1/models",
            Self::V0 => "/api/v0/models",
            Self::OpenAi => "/v1/models",
        }
    }
}

struct LmStudio {
    endpoint: Endpoint,
    api: Option<Api>,
    last: Option<(Instant, Result<ServerSample, HttpError>)>,
}

impl Server for LmStudio {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(async {
            if let Some((at, result)) = &self.last
                && at.elapsed() < GAP
            {
                return result.clone();
            }
            let at = Instant::now();
            let result = self.ask().await;
            // A question that reached nobody left no line in a log: it may be asked again at once.
            let reached = result.as_ref().err().is_none_or(HttpError::connected);
            self.last = reached.then(|| (at, result.clone()));
            result
        })
    }
}

impl LmStudio {
    async fn ask(&mut self) -> Result<ServerSample, HttpError> {
        if let Some(api) = self.api {
            match models(&self.endpoint.http, api).await? {
                Some(list) => return Ok(sample(list, api)),
                // Another version runs there now.
                None => self.api = None,
            }
        }
        for api in Api::ALL {
            if let Some(list) = models(&self.endpoint.http, api).await? {
                self.api = Some(api);
                return Ok(sample(list, api));
            }
        }
        Err(HttpError::Malformed(format!("has none of {}", Api::ALL.map(Api::path).join(", "))))
    }
}

/// Whether the newer native list is there.
pub(super) async fn has_models(probe: &mut Probe) -> bool {
    match probe.get(Api::V1.path()).await {
        Ok(reply) => lax::body::<Named<V1>>(&reply).is_ok_and(|named| named.models.is_some()),
        Err(_) => false,
    }
}

/// The models that one list tells of. `None`: this LM Studio does not have that list.
async fn models(http: &Http, api: Api) -> Result<Option<List<ModelSample>>, HttpError> {
    let reply = http.get(api.path()).await?;
    if reply.status == 404 || (reply.status == 200 && unexpected_endpoint(&reply)) {
        return Ok(None);
    }
    let reply = reply.ok()?;
    let list = match api {
        Api::V1 => lax::body::<Named<V1>>(&reply)?.models.map(into),
        Api::V0 => lax::body::<Data<V0>>(&reply)?.data.map(into),
        Api::OpenAi => lax::body::<Data<OpenAi>>(&reply)?.data.map(into),
    };
    let Some(list) = list else {
        let problem = format!("{} is no list of models: {:?}", api.path(), excerpt(&reply.body));
        return Err(HttpError::Malformed(problem));
    };
    Ok(Some(list))
}

fn into<T: Into<ModelSample>>(list: List<T>) -> List<ModelSample> {
    List { odd: list.odd, items: list.items.into_iter().map(Into::into).collect() }
}

fn sample(list: List<ModelSample>, api: Api) -> ServerSample {
    let mut notes = vec![match api {
        Api::V1 | Api::V0 => Note::info(
            "no_counters",
            "LM Studio tells what is loaded, but no requests, tokens, slots at work or memory taken",
            None,
        ),
        Api::OpenAi => Note::info(
            "no_native_api",
            "this LM Studio has no native API: it tells names of models, and not which are loaded",
            Some("update LM Studio to 0.3.6 or later"),
        ),
    }];
    if list.odd > 0 {
        notes.push(odd_models(list.odd));
    }
    ServerSample {
        kind: KIND.name,
        // The OpenAI list holds what is downloaded or what is loaded, by a setting that it does not tell.
        models_installed: (api != Api::OpenAi).then_some((list.items.len() + list.odd) as u64),
        models: list.items,
        notes,
        ..ServerSample::default()
    }
}
