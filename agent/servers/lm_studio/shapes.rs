//! The three lists that an LM Studio may have, as far as they are read.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sample::ModelSample;
use crate::servers::lax::{self, List};

/// The newer native list.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Named<T> {
    #[serde(default, deserialize_with = "lax::list")]
    pub(super) models: Option<List<T>>,
}

/// The older native list, and OpenAI's.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Data<T> {
    #[serde(default, deserialize_with = "lax::list")]
    pub(super) data: Option<List<T>>,
}

/// A model in the newer native list.
#[derive(Deserialize)]
pub(super) struct V1 {
    key: String,
    #[serde(default, deserialize_with = "lax::field")]
    architecture: Option<String>,
    #[serde(default, deserialize_with = "lax::object")]
    quantization: Option<Quantization>,
    #[serde(default, deserialize_with = "lax::field")]
    params_string: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    format: Option<String>,
    #[serde(default, deserialize_with = "lax::count")]
    size_bytes: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    max_context_length: Option<u64>,
    #[serde(default, deserialize_with = "lax::list")]
    loaded_instances: Option<List<Instance>>,
}

#[derive(Deserialize)]
struct Quantization {
    #[serde(default, deserialize_with = "lax::field")]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default, deserialize_with = "lax::object")]
    config: Option<InstanceConfig>,
}

#[derive(Deserialize)]
struct InstanceConfig {
    #[serde(default, deserialize_with = "lax::count")]
    context_length: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    parallel: Option<u64>,
}

impl From<V1> for ModelSample {
    fn from(model: V1) -> ModelSample {
        let instances = model.loaded_instances.as_ref();
        let configs =
            || instances.into_iter().flat_map(|list| &list.items).filter_map(|one| one.config.as_ref());
        // Several instances of one model: what every request gets at least, and the slots of all.
        let slots: u64 = configs().filter_map(|config| config.parallel).sum();
        ModelSample {
            loaded: instances.map(|list| list.items.len() + list.odd > 0),
            context_tokens: configs().filter_map(|config| config.context_length).min(),
            slots: u32::try_from(slots).ok().filter(|slots| *slots > 0),
            name: model.key,
            family: model.architecture,
            quantization: model.quantization.and_then(|quantization| quantization.name),
            parameters: model.params_string,
            format: model.format,
            size_bytes: model.size_bytes,
            context_trained_tokens: model.max_context_length,
            ..ModelSample::default()
        }
    }
}

/// A model in the older native list.
#[derive(Deserialize)]
pub(super) struct V0 {
    id: String,
    #[serde(default, deserialize_with = "lax::field")]
    arch: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    compatibility_type: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    quantization: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lax::count")]
    max_context_length: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    loaded_context_length: Option<u64>,
}

impl From<V0> for ModelSample {
    fn from(model: V0) -> ModelSample {
        ModelSample {
            loaded: match model.state.as_deref() {
                Some("loaded") => Some(true),
                Some("not-loaded") => Some(false),
                _ => None,
            },
            name: model.id,
            family: model.arch,
            format: model.compatibility_type,
            quantization: model.quantization,
            context_tokens: model.loaded_context_length,
            context_trained_tokens: model.max_context_length,
            ..ModelSample::default()
        }
    }
}

/// A model in the list of OpenAI.
#[derive(Deserialize)]
pub(super) struct OpenAi {
    id: String,
}

impl From<OpenAi> for ModelSample {
    fn from(model: OpenAi) -> ModelSample {
        ModelSample { name: model.id, ..ModelSample::default() }
    }
}
