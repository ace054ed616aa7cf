//! What a llama-server tells: `/props`, the meta data of `/v1/models`, `/lora-adapters`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{hash, listed, note_clock, put};
use crate::canary::asker::{Asker, Stay, file_name};
use crate::http::{HttpError, Reply};
use crate::procs::Process;
use crate::sample::{Fact, Facts};
use crate::servers::{Endpoint, llama_server};

/// The settings of its samplers. Others are of one request, or change nothing.
const SAMPLERS: [&str; 23] = [
    "samplers",
    "temperature",
    "dynatemp_range",
    "dynatemp_exponent",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "top_n_sigma",
    "xtc_probability",
    "xtc_threshold",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "min_keep",
];

#[derive(Debug, Default, Deserialize)]
struct Props {
    chat_template: Option<String>,
    model_path: Option<String>,
    model_ftype: Option<String>,
    total_slots: Option<u64>,
    default_generation_settings: Option<Settings>,
}

#[derive(Debug, Default, Deserialize)]
struct Settings {
    n_ctx: Option<u64>,
    params: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
struct Model {
    id: String,
    meta: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Adapter {
    path: Option<String>,
    scale: Option<f64>,
}

impl Asker {
    pub(super) async fn llama_cpp_facts(&self, facts: &mut Facts) -> Result<(), HttpError> {
        let http = &self.endpoint.http;
        // A router asks the model's own process, if it is told which and may not load it.
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("model", self.model())
            .append_pair("autoload", "false")
            .finish();
        let (props, adapters) = (format!("/props?{query}"), format!("/lora-adapters?{query}"));
        // The list of adapters wakes a model that sleeps, and keeps one awake that would.
        let stays = self.stay().await? == Stay::ForEver;
        let adapters = async { if stays { Some(http.get(&adapters).await) } else { None } };
        let (props, models, adapters) = tokio::join!(http.get(&props), http.get("/v1/models"), adapters);
        let props: Props = props?.ok()?.json()?;
        let models: Models = models?.ok()?.json()?;
        let meta =
            models.data.into_iter().find(|model| model.id == self.model()).and_then(|model| model.meta);
        let settings = props.default_generation_settings.unwrap_or_default();
        let of = &mut facts.of;
        put(of, Fact::Digest, Some(weights(props.model_path.as_deref(), meta.as_ref())));
        put(of, Fact::Quantization, props.model_ftype);
        put(of, Fact::Template, props.chat_template.as_deref().map(hash));
        put(of, Fact::Context, settings.n_ctx.map(|tokens| tokens.to_string()));
        put(of, Fact::Sampling, settings.params.as_ref().map(samplers));
        // Builds without the path have no adapters to tell of.
        let adapters = adapters.map(|reply| reply.and_then(Reply::ok)?.json::<Vec<Adapter>>());
        if let Some(Ok(adapters)) = adapters {
            put(of, Fact::Adapter, Some(listed(&adapters.iter().map(adapter).collect::<Vec<_>>())));
        }
        if let Some(template) = &props.chat_template {
            note_clock(facts, self.clock_of(template).await?);
        }
        if let Some(slots) = props.total_slots {
            facts.notes.insert("slots".into(), slots.to_string());
        }
        Ok(())
    }
}

/// The process of the server itself, where it can be seen.
pub(super) fn process(endpoint: &Endpoint) -> Option<Process> {
    llama_server(endpoint.machine.as_ref()?, endpoint.http.base().port_or_known_default()?)
}

/// The file's name, its size and its shape: it has no digest.
fn weights(path: Option<&str>, meta: Option<&Map<String, Value>>) -> String {
    let number = |key: &str, unit: &str| {
        meta.and_then(|meta| meta.get(key)?.as_u64()).map(|number| format!("{number} {unit}"))
    };
    let file = path.map(|path| file_name(path).to_owned());
    let parts = [
        file,
        number("size", "bytes"),
        number("n_params", "parameters"),
        number("n_vocab", "tokens of vocabulary"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn samplers(params: &Map<String, Value>) -> String {
    let told = SAMPLERS.iter().filter_map(|key| {
        let value = params.get(*key)?;
        // The server holds 32 bits and writes them as 64: 0.8 as 0.800000011920929.
        let value = match value.as_f64() {
            Some(number) => (number as f32).to_string(),
            None => value.as_array().map_or_else(|| value.to_string(), |list| names(list)),
        };
        Some(format!("{key}={value}"))
    });
    told.collect::<Vec<_>>().join(" ")
}

fn names(list: &[Value]) -> String {
    list.iter().map(|value| value.as_str().unwrap_or("?")).collect::<Vec<_>>().join(",")
}

fn adapter(adapter: &Adapter) -> String {
    let scale = adapter.scale.map_or_else(|| "?".into(), |scale| (scale as f32).to_string());
    format!("{} x {scale}", adapter.path.as_deref().map_or("?", file_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn samplers_are_told_as_a_person_sets_them_and_what_is_of_one_request_is_left_out() {
        let params = r#"{ "temperature": 0.800000011920929, "top_k": 40, "top_p": 0.949999988079071,
            "samplers": ["penalties", "top_k"], "seed": 4294967295, "n_predict": -1, "stream": false }"#;
        let params: Value = serde_json::from_str(params).unwrap();
        let told = samplers(params.as_object().unwrap());
        assert_eq!(told, "samplers=penalties,top_k temperature=0.8 top_k=40 top_p=0.95");
    }

    #[test]
    fn weights_are_known_by_file_size_and_shape_and_adapters_by_name_and_scale() {
        let meta = json!({ "size": 89_900_000, "n_params": 134_515_008, "n_vocab": 49152 });
        assert_eq!(
            weights(Some("/srv/models/m.gguf"), meta.as_object()),
            "m.gguf, 89900000 bytes, 134515008 parameters, 49152 tokens of vocabulary"
        );
        let one = Adapter { path: Some("/srv/a.gguf".into()), scale: Some(0.5) };
        assert_eq!(adapter(&one), "a.gguf x 0.5");
    }
}
