//! The answers of a llama-server, as lenient as its many builds ask for, and what they become.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::http::{HttpError, Reply};
use crate::sample::ModelSample;
use crate::servers::lax::{self, List};
use crate::wire::exposition;

/// `GET /props`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::servers) struct Props {
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) role: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) build_info: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) model_alias: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) model_path: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) model_ftype: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) total_slots: Option<u32>,
    /// There only on builds that know sleep.
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) is_sleeping: Option<bool>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) endpoint_slots: Option<bool>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(in crate::servers) endpoint_metrics: Option<bool>,
    #[serde(default, deserialize_with = "lax::object")]
    pub(in crate::servers) default_generation_settings: Option<Settings>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::servers) struct Settings {
    /// Context of one slot, in tokens.
    #[serde(default, deserialize_with = "lax::count")]
    pub(in crate::servers) n_ctx: Option<u64>,
}

/// `GET /v1/models`; the router's has a `status` each.
#[derive(Debug, Deserialize)]
pub(super) struct Models {
    #[serde(default, deserialize_with = "lax::list")]
    pub(super) data: Option<List<Model>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Model {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lax::object")]
    pub(super) meta: Option<Meta>,
    #[serde(default, deserialize_with = "lax::object")]
    pub(super) status: Option<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default, deserialize_with = "lax::count")]
    pub(super) n_ctx: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    pub(super) n_ctx_train: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    pub(super) n_params: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    pub(super) size: Option<u64>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(super) ftype: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default, deserialize_with = "lax::field")]
    pub(super) value: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(super) args: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(super) failed: Option<bool>,
    #[serde(default, deserialize_with = "lax::field")]
    pub(super) exit_code: Option<i64>,
}

/// An entry of `GET /slots`. After a request its numbers stay: only `is_processing` tells.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::servers) struct Slot {
    is_processing: bool,
    id_task: Option<f64>,
    n_ctx: Option<u64>,
    n_prompt_tokens_processed: Option<f64>,
    next_token: Option<NextToken>,
}

/// An array of one now, an object on older builds.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum NextToken {
    Many(Vec<Progress>),
    One(Progress),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Progress {
    n_decoded: Option<f64>,
}

impl Slot {
    /// A number that changes while the slot works.
    fn progress(&self) -> f64 {
        let decoded = match &self.next_token {
            Some(NextToken::Many(all)) => all.iter().filter_map(|one| one.n_decoded).sum(),
            Some(NextToken::One(one)) => one.n_decoded.unwrap_or(0.0),
            None => 0.0,
        };
        // Another task in the same slot is progress, whatever its own numbers are.
        decoded + self.n_prompt_tokens_processed.unwrap_or(0.0) + self.id_task.unwrap_or(0.0) * 1e6
    }
}

/// An answer that must hold something to be this server's.
pub(super) trait Shape: DeserializeOwned {
    /// Whether it does.
    fn fits(&self) -> bool;
}

impl Shape for Props {
    fn fits(&self) -> bool {
        self.build_info.is_some() || self.default_generation_settings.is_some() || self.model_path.is_some()
    }
}

impl Shape for Models {
    fn fits(&self) -> bool {
        self.data.is_some()
    }
}

/// What the model list tells of a model.
pub(super) fn take_meta(model: &mut ModelSample, meta: &Meta) {
    model.context_tokens = meta.n_ctx.filter(|tokens| *tokens > 0);
    model.context_trained_tokens = meta.n_ctx_train.filter(|tokens| *tokens > 0);
    model.size_bytes = meta.size.filter(|bytes| *bytes > 0);
    model.parameters = meta.n_params.filter(|n| *n > 0).map(parameters);
    model.quantization.clone_from(&meta.ftype);
}

/// The slots, without those that cannot be read: another build may tell them otherwise.
pub(in crate::servers) fn read_slots(reply: &Reply) -> Result<Vec<Slot>, HttpError> {
    let entries: Vec<Box<RawValue>> = reply.json()?;
    Ok(entries.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect())
}

/// What `/slots` tells of a model.
pub(in crate::servers) fn take_slots(model: &mut ModelSample, slots: &[Slot]) {
    let busy = slots.iter().filter(|slot| slot.is_processing);
    model.slots = Some(slots.len() as u32);
    model.slots_busy =
        Some(model.slots_busy.unwrap_or(0).max(busy.clone().count() as u32).min(slots.len() as u32));
    model.context_tokens = slots.first().and_then(|slot| slot.n_ctx).or(model.context_tokens);
    let progress: f64 = busy.map(Slot::progress).sum();
    model.progress = Some(model.progress.unwrap_or(0.0) + progress);
}

/// What the server's own metrics tell of a model. The throughput gauges are left out on purpose:
/// they are averages since the last scrape of anybody.
pub(in crate::servers) fn take_metrics(model: &mut ModelSample, page: &str) {
    let samples = exposition::parse(page);
    let value = |name: &str| exposition::sum(&samples, &format!("llamacpp:{name}"));
    let counters = &mut model.counters;
    counters.prompt_tokens = value("prompt_tokens_total");
    counters.cached_tokens = value("prompt_tokens_cached_total");
    counters.output_tokens = value("tokens_predicted_total");
    counters.prompt_seconds = value("prompt_seconds_total");
    counters.decode_seconds = value("tokens_predicted_seconds_total");
    counters.draft_tokens = value("spec_decode_num_draft_tokens_total");
    counters.draft_accepted_tokens = value("spec_decode_num_accepted_tokens_total");
    let busy = value("requests_processing").map(|busy| busy.max(0.0) as u32);
    model.slots_busy = match (model.slots_busy, busy) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    model.queue_depth = value("requests_deferred").map(|waiting| waiting.max(0.0) as u64);
    let done = [value("n_decode_total"), counters.output_tokens, counters.prompt_tokens];
    if done.iter().any(Option::is_some) {
        model.progress = Some(model.progress.unwrap_or(0.0) + done.into_iter().flatten().sum::<f64>());
    }
}

/// 134515008 is `134.52M`, as Ollama writes it.
fn parameters(count: u64) -> String {
    let count = count as f64;
    if count >= 1e9 {
        format!("{:.1}B", count / 1e9)
    } else if count >= 1e6 {
        format!("{:.2}M", count / 1e6)
    } else {
        format!("{count:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processing_slots_count_in_both_shapes_of_next_token() {
        let body = r#"[{"is_processing":true,"id_task":2,"n_prompt_tokens_processed":5,"next_token":[{"n_decoded":3}]},
            {"is_processing":true,"id_task":1,"next_token":{"n_decoded":4}},
            {"is_processing":false,"id_task":9,"next_token":[{"n_decoded":99}]}]"#;
        let slots: Vec<Slot> = serde_json::from_str(body).unwrap();
        let mut model = ModelSample::default();
        take_slots(&mut model, &slots);
        assert_eq!((model.slots, model.slots_busy), (Some(3), Some(2)));
        assert_eq!(model.progress, Some(3_000_012.0));
    }

    #[test]
    fn gauges_of_throughput_are_not_taken_and_what_is_missing_stays_unknown() {
        let mut model = ModelSample::default();
        take_metrics(&mut model, "llamacpp:predicted_tokens_seconds 59\nllamacpp:tokens_predicted_total 7\n");
        assert_eq!(model.counters.output_tokens, Some(7.0));
        assert_eq!(model.counters.decode_seconds, None);
        assert_eq!((model.slots_busy, model.queue_depth), (None, None));
    }

    #[test]
    fn parameters_read_as_people_write_them() {
        assert_eq!([8_030_261_248, 134_515_008, 5000].map(parameters), ["8.0B", "134.52M", "5000"]);
    }
}
