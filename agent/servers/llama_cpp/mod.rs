//! llama.cpp's `llama-server`: one model, or a router with many.
//!
//! `/health` tells only that its HTTP thread lives; `/slots` wakes a sleeping model and keeps a
//! waking one from sleep, so it is asked only where sleep is known to be off; the throughput gauges
//! of `/metrics` are averages since anybody's last scrape and are never used.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Endpoint, Kind, Server, lax};
use crate::http::{Http, HttpError, Reply, excerpt};
use crate::sample::{ModelSample, Note, ServerSample, ServerState};

mod router;
mod shapes;
mod sleep;

use shapes::{Models, Shape, take_meta};
pub(super) use shapes::{Props, Slot, read_slots, take_metrics, take_slots};
use sleep::Sleep;
pub use sleep::{llama_server, sleeps};

/// The row of the table.
pub(super) const KIND: Kind = Kind {
    name: "llama_cpp",
    about: "llama.cpp's llama-server: one model, or a router with many",
    contract: "Polled: GET /health, /props, /v1/models; /metrics where it is on and cannot wake a sleeping model; \
               /slots only where sleep is known to be off (--sleep-idle-seconds absent, seen in the process's own \
               arguments and environment, or sleeps = false in the config). Of a router: /models, and of loaded models \
               alone /metrics and /slots with autoload=false. Never: any POST, /models?reload=1, /slots of a server that may sleep.",
    default_ports: &[8080, 9931],
    processes: &["llama-server"],
    recognise: |probe| Box::pin(super::recognise::is_llama_cpp(probe)),
    connect: |endpoint| Box::new(LlamaCpp { endpoint, sleep: Sleep::default() }),
};

struct LlamaCpp {
    endpoint: Endpoint,
    sleep: Sleep,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

impl Server for LlamaCpp {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(self.look())
    }
}

impl LlamaCpp {
    async fn look(&mut self) -> Result<ServerSample, HttpError> {
        let http = &self.endpoint.http;
        let mut sample = ServerSample { kind: KIND.name, ..ServerSample::default() };
        let health = http.get("/health").await?;
        if is_loading(&health) {
            sample.state = Some(ServerState::Loading);
            return Ok(sample);
        }
        let status: Health = health.ok()?.json()?;
        let (props, models) = tokio::join!(http.get("/props"), http.get("/v1/models"));
        let props: Option<Props> = part(&mut sample, "/props", props)?;
        let models: Option<Models> = part(&mut sample, "/v1/models", models)?;
        if let Some(build) = props.as_ref().and_then(|props| props.build_info.as_deref()) {
            sample.version = build_number(build).map(|number| format!("b{number}"));
            sample.build = Some(build.to_owned());
        }
        let is_router = props.as_ref().is_some_and(|props| props.role.as_deref() == Some("router"));
        if is_router {
            let sleeps = self.sleep.told(&self.endpoint);
            router::look(&self.endpoint, sleeps, &props.unwrap_or_default(), models, &mut sample).await?;
            return Ok(sample);
        }
        if status.status != "ok" {
            // Builds before autumn 2024 told of slots here; what they say else is said as it is.
            sample.notes.push(Note::info("health", format!("/health says {:?}", status.status), None));
        }
        if let Some(mut model) = the_model(props.as_ref(), models) {
            self.look_at_model(props.as_ref(), &mut model, &mut sample).await?;
            sample.models.push(model);
        }
        Ok(sample)
    }

    /// Slots and counters, as far as asking them wakes nothing.
    async fn look_at_model(
        &mut self,
        props: Option<&Props>,
        model: &mut ModelSample,
        sample: &mut ServerSample,
    ) -> Result<(), HttpError> {
        let Some(props) = props else { return Ok(()) };
        let safe = self.sleep.safe(&self.endpoint, props);
        if props.is_sleeping == Some(true) {
            sample.state = Some(ServerState::Sleeping);
            model.loaded = Some(false);
        }
        let http = &self.endpoint.http;
        let (metrics, slots) = tokio::join!(
            ask(http, "/metrics", safe.metrics && props.endpoint_metrics != Some(false)),
            ask(http, "/slots", safe.slots && props.endpoint_slots != Some(false)),
        );
        match metrics {
            Some(reply) => match off(reply) {
                Some(reply) => {
                    if let Some(reply) = answered(sample, "/metrics", reply)? {
                        take_metrics(model, &reply.text());
                        model.incarnation = reply.header("process-start-time-unix").map(str::to_owned);
                    }
                }
                None => sample.notes.push(metrics_off()),
            },
            None if props.endpoint_metrics == Some(false) => sample.notes.push(metrics_off()),
            None => sample.notes.push(may_sleep("/metrics")),
        }
        match slots {
            Some(reply) => {
                if let Some(Some(reply)) =
                    off(reply).map(|reply| answered(sample, "/slots", reply)).transpose()?
                {
                    take_slots(model, &read_slots(&reply)?);
                }
            }
            None if props.endpoint_slots != Some(false) && !safe.metrics => {}
            None if props.endpoint_slots != Some(false) && props.is_sleeping != Some(true) => {
                sample.notes.push(may_sleep("/slots"));
            }
            None => {}
        }
        Ok(())
    }
}

/// The model that a server without a router runs. Its name is the one its own inventory gives,
/// which is what clients see.
fn the_model(props: Option<&Props>, models: Option<Models>) -> Option<ModelSample> {
    let listed = models.and_then(|models| models.data?.items.into_iter().next());
    let name = match &listed {
        Some(listed) => listed.id.clone(),
        None => props.and_then(|props| props.model_alias.clone().or_else(|| props.model_path.clone()))?,
    };
    let mut model =
        ModelSample { name, loaded: Some(true), format: Some("gguf".into()), ..ModelSample::default() };
    if let Some(meta) = listed.and_then(|listed| listed.meta) {
        take_meta(&mut model, &meta);
    }
    if let Some(props) = props {
        model.quantization = props.model_ftype.clone().or(model.quantization);
        model.slots = props.total_slots;
        let allocated = props.default_generation_settings.as_ref().and_then(|settings| settings.n_ctx);
        model.context_tokens = allocated.or(model.context_tokens);
    }
    Some(model)
}

/// Whether it says that it is reading its model: every path does, with status 503, before keys
/// are asked for.
pub(super) fn is_loading(reply: &Reply) -> bool {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        message: Option<String>,
        r#type: Option<String>,
    }
    reply.json::<Body>().is_ok_and(|body| {
        body.error.r#type.as_deref() == Some("unavailable_error")
            || body.error.message.as_deref() == Some("Loading model")
    })
}

async fn ask(http: &Http, path: &str, may: bool) -> Option<Result<Reply, HttpError>> {
    if may { Some(http.get(path).await) } else { None }
}

/// A question beside the health check: without an answer in time it is noted as unanswered, and
/// the rest of the sample stands.
fn answered(
    sample: &mut ServerSample,
    path: &'static str,
    reply: Result<Reply, HttpError>,
) -> Result<Option<Reply>, HttpError> {
    match reply {
        Ok(reply) => reply.ok().map(Some),
        Err(HttpError::Timeout(_)) => {
            sample.unanswered.push(path);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn part<T: Shape>(
    sample: &mut ServerSample,
    path: &'static str,
    reply: Result<Reply, HttpError>,
) -> Result<Option<T>, HttpError> {
    let Some(reply) = answered(sample, path, reply)? else { return Ok(None) };
    let shape: T = lax::body(&reply)?;
    if shape.fits() {
        Ok(Some(shape))
    } else {
        Err(HttpError::Malformed(format!(
            "{path} does not answer as llama-server does: {:?}",
            excerpt(&reply.body)
        )))
    }
}

/// `None` for the answer "this endpoint is not switched on": 501, or 404 of builds without it.
pub(super) fn off(reply: Result<Reply, HttpError>) -> Option<Result<Reply, HttpError>> {
    match reply {
        Ok(reply) if matches!(reply.status, 404 | 501) => None,
        other => Some(other),
    }
}

/// Why an endpoint was not asked.
fn may_sleep(path: &str) -> Note {
    Note::info(
        "may_sleep",
        format!(
            "{path} was not asked: the server may put its model to sleep, and the question would wake it"
        ),
        Some("if it never sleeps, set sleeps = false on the target"),
    )
}

fn metrics_off() -> Note {
    Note::info(
        "metrics_off",
        "the server's /metrics is off: no token counters and no queue",
        Some("start llama-server with --metrics"),
    )
}

/// The number in `b11434-6b4a1c2`; a build out of a source archive says 0, which is no number.
pub(super) fn build_number(build_info: &str) -> Option<u32> {
    let digits: String = build_info.strip_prefix('b')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_number_is_read_or_unknown() {
        assert_eq!(build_number("b11434-6b4a1c2"), Some(11434));
        assert_eq!(build_number("b0-unknown"), None);
        assert_eq!(build_number("11434"), None);
    }
}
