//! The answers of Ollama's own API, as lenient as its versions ask for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::http::{Http, HttpError};
use crate::sample::ModelSample;
use crate::servers::lax::{self, List};

/// An expiry further off than this is `keep_alive: -1`: Ollama writes the year 2319 then.
const FOR_EVER_HOURS: i64 = 24 * 365 * 50;

/// `GET /api/version`. A build from source says `0.0.0`.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

/// `GET /api/ps`.
#[derive(Debug, Deserialize)]
pub(super) struct Ps {
    #[serde(default, deserialize_with = "lax::list")]
    models: Option<List<Loaded>>,
}

/// `GET /api/tags`.
#[derive(Debug, Deserialize)]
pub(super) struct Tags {
    #[serde(default, deserialize_with = "lax::list")]
    models: Option<List<Installed>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Loaded {
    pub(super) name: String,
    #[serde(default, deserialize_with = "lax::field")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "lax::object")]
    details: Option<Details>,
    #[serde(default, deserialize_with = "lax::count")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    size_vram: Option<u64>,
    #[serde(default, deserialize_with = "lax::count")]
    context_length: Option<u64>,
    #[serde(default, deserialize_with = "lenient_time")]
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Installed {
    name: String,
    #[serde(default, deserialize_with = "lax::field")]
    digest: Option<String>,
    #[serde(default, deserialize_with = "lax::object")]
    details: Option<Details>,
    #[serde(default, deserialize_with = "lax::count")]
    size: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "lax::field")]
    format: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    family: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    parameter_size: Option<String>,
    #[serde(default, deserialize_with = "lax::field")]
    quantization_level: Option<String>,
    /// What the model was trained for; in `/api/tags` from 0.30 on.
    #[serde(default, deserialize_with = "lax::count")]
    context_length: Option<u64>,
}

/// An answer that holds a list of models; one that does not is not Ollama's.
pub(super) trait Lists: DeserializeOwned {
    /// Where it is asked for.
    const PATH: &'static str;
    /// Whether the list is there.
    fn is_there(&self) -> bool;
}

impl Lists for Ps {
    const PATH: &'static str = "/api/ps";
    fn is_there(&self) -> bool {
        self.models.is_some()
    }
}

impl Lists for Tags {
    const PATH: &'static str = "/api/tags";
    fn is_there(&self) -> bool {
        self.models.is_some()
    }
}

/// Asks for a list of models.
pub(super) async fn ask<T: Lists>(http: &Http) -> Result<T, HttpError> {
    let list: T = lax::body(&http.get(T::PATH).await?.ok()?)?;
    if list.is_there() {
        Ok(list)
    } else {
        Err(HttpError::Malformed(format!("{} tells no list of models", T::PATH)))
    }
}

impl Ps {
    pub(super) fn models(&self) -> &[Loaded] {
        self.models.as_ref().map(|list| list.items.as_slice()).unwrap_or_default()
    }
}

impl Tags {
    pub(super) fn models(&self) -> &[Installed] {
        self.models.as_ref().map(|list| list.items.as_slice()).unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.models().iter().any(|model| model.name == name)
    }
}

/// The installed and the loaded models, each once. `loaded`: `None` where that list could not be
/// had; then nobody knows what is loaded.
pub(super) fn merged(installed: &[Installed], loaded: Option<&[Loaded]>) -> Vec<ModelSample> {
    let mut models: BTreeMap<&str, ModelSample> = BTreeMap::new();
    for model in installed {
        let mut seen = ModelSample {
            name: model.name.clone(),
            loaded: loaded.map(|_| false),
            digest: model.digest.clone(),
            size_bytes: model.size,
            ..ModelSample::default()
        };
        describe(&mut seen, model.details.as_ref());
        models.insert(&model.name, seen);
    }
    for model in loaded.unwrap_or_default() {
        let seen = models
            .entry(&model.name)
            .or_insert_with(|| ModelSample { name: model.name.clone(), ..ModelSample::default() });
        describe(seen, model.details.as_ref());
        seen.loaded = Some(true);
        seen.digest = model.digest.clone().or(seen.digest.take());
        seen.memory_bytes = model.size;
        seen.vram_bytes = model.size_vram;
        seen.context_tokens = model.context_length;
        let stays = model.expires_at.is_some_and(is_for_ever);
        seen.stays = model.expires_at.map(|_| stays);
        seen.expires_at = model.expires_at.filter(|_| !stays);
    }
    models.into_values().collect()
}

fn describe(model: &mut ModelSample, details: Option<&Details>) {
    let Some(details) = details else { return };
    let set = |to: &mut Option<String>, from: &Option<String>| {
        if from.as_ref().is_some_and(|text| !text.is_empty()) {
            to.clone_from(from);
        }
    };
    set(&mut model.format, &details.format);
    set(&mut model.family, &details.family);
    set(&mut model.parameters, &details.parameter_size);
    set(&mut model.quantization, &details.quantization_level);
    if details.context_length.is_some() {
        model.context_trained_tokens = details.context_length;
    }
}

/// Whether a model's `expires_at` is so far off that it stands for never. Compared with a fixed date, since this
/// reads no clock: nobody keeps a model loaded for fifty years.
pub fn is_for_ever(time: Timestamp) -> bool {
    const YEAR_2025: i64 = 1_735_689_600;
    time.as_second() > YEAR_2025 + FOR_EVER_HOURS * 3600
}

/// A time that cannot be read is unknown, and costs nothing else.
fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = lax::field(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
