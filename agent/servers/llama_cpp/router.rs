//! A llama-server in router mode: many models, each in a process of its own.

use futures_util::future::join_all;

use super::shapes::{Model, Models, Props, Status, read_slots, take_meta, take_metrics, take_slots};
use super::sleep::metrics_lets_sleep;
use super::{answered, ask, may_sleep as note_of_sleep, off};
use crate::http::{HttpError, Reply};
use crate::sample::{ModelSample, Note, ServerSample, ServerState};
use crate::servers::Endpoint;

/// Loaded models that are looked into in one poll. A machine holds a few; the bound is for a lie.
const MOST_LOADED: usize = 32;

/// Looks at every model that is loaded, and at none that is not: a question without
/// `autoload=false` would load it, and may evict another. `sleeps`: what the config says of sleep, or
/// the router's own process, whose environment the models' processes inherit.
pub(super) async fn look(
    endpoint: &Endpoint,
    sleeps: Option<bool>,
    props: &Props,
    models: Option<Models>,
    sample: &mut ServerSample,
) -> Result<(), HttpError> {
    let Some(models) = models.and_then(|models| models.data) else { return Ok(()) };
    sample.models_installed = Some((models.items.len() + models.odd) as u64);
    let mut all: Vec<(Model, ModelSample)> = models
        .items
        .into_iter()
        .map(|model| {
            let seen = listed(&model);
            (model, seen)
        })
        .collect();
    for (model, _) in &all {
        if let Some(status) = model.status.as_ref().filter(|status| status.failed == Some(true)) {
            sample.notes.push(failed(&model.id, status));
        }
    }
    let loaded = all.iter_mut().filter(|(_, seen)| seen.loaded == Some(true)).take(MOST_LOADED);
    let (http, new) = (&endpoint.http, metrics_lets_sleep(props));
    let sleeps = |model: &Model| match (endpoint.sleeps, sleeps) {
        (Some(sleeps), _) => sleeps,
        (None, Some(true)) => true,
        (None, _) => may_sleep(model.status.as_ref()),
    };
    let asked = loaded.map(|(model, seen)| (query(&model.id), !sleeps(model), seen));
    let answers = join_all(asked.map(|(query, stays_awake, seen)| async move {
        let metrics = ask(http, &format!("/metrics?{query}"), new || stays_awake).await;
        let slots = ask(http, &format!("/slots?{query}"), stays_awake).await;
        (seen, metrics, slots)
    }))
    .await;
    if answers.iter().any(|(_, metrics, _)| metrics.is_none()) {
        sample.notes.push(note_of_sleep("/metrics"));
    }
    for (seen, metrics, slots) in answers {
        if let Some(Some(reply)) =
            metrics.and_then(still_loaded).map(|reply| answered(sample, "/metrics", reply)).transpose()?
        {
            take_metrics(seen, &reply.text());
            seen.incarnation = reply.header("process-start-time-unix").map(str::to_owned);
        }
        if let Some(Some(reply)) =
            slots.and_then(still_loaded).map(|reply| answered(sample, "/slots", reply)).transpose()?
        {
            take_slots(seen, &read_slots(&reply)?);
        }
    }
    sample.models = all.into_iter().map(|(_, seen)| seen).collect();
    sample.state = state(&sample.models);
    Ok(())
}

fn listed(model: &Model) -> ModelSample {
    let state = match model.status.as_ref().and_then(|status| status.value.as_deref()) {
        Some("loaded") => Some(ServerState::Ready),
        Some("loading" | "downloading") => Some(ServerState::Loading),
        Some("sleeping") => Some(ServerState::Sleeping),
        _ => None,
    };
    let mut seen = ModelSample {
        name: model.id.clone(),
        loaded: Some(state == Some(ServerState::Ready)),
        state: state.filter(|state| *state != ServerState::Ready),
        ..ModelSample::default()
    };
    if let Some(meta) = &model.meta {
        take_meta(&mut seen, meta);
    }
    seen
}

/// The router itself is loading only if that is all it does.
fn state(models: &[ModelSample]) -> Option<ServerState> {
    let busy = models.iter().any(|model| model.slots_busy.unwrap_or(0) > 0);
    let loading = models.iter().any(|model| model.state == Some(ServerState::Loading));
    let loaded = models.iter().any(|model| model.loaded == Some(true));
    (loading && !busy && !loaded).then_some(ServerState::Loading)
}

/// Whether the process of that model was told to let it sleep: its arguments stand in the list.
/// Without arguments nobody knows, and it may.
fn may_sleep(status: Option<&Status>) -> bool {
    let args = status.and_then(|status| status.args.as_ref()).filter(|args| !args.is_empty());
    args.is_none_or(|args| args.iter().any(|arg| arg.starts_with("--sleep-idle-seconds")))
}

fn query(model: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("model", model)
        .append_pair("autoload", "false")
        .finish()
}

/// `None` where the model went away between the list and the question (400 "model is not loaded"),
/// or the endpoint is off.
fn still_loaded(reply: Result<Reply, HttpError>) -> Option<Result<Reply, HttpError>> {
    off(reply).filter(|reply| !matches!(reply, Ok(reply) if matches!(reply.status, 400 | 503)))
}

fn failed(model: &str, status: &Status) -> Note {
    let code = status.exit_code.map_or_else(String::new, |code| format!(" (exit code {code})"));
    Note::warning(
        "model_failed",
        format!("{model}: its process ended with an error{code}"),
        Some("see the router's log for the model's own words"),
    )
}
