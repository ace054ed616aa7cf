//! What identifies a model and its set-up, as its server tells it.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asker, file_name, unreachable};
use crate::http::{HttpError, Reply};
use crate::procs::Process;
use crate::sample::{AskError, DATED, Fact, Facts, ModelSample, ServerSample};

mod llama_cpp;
mod shown;

pub(super) use shown::Shown;

/// Longer texts are told as their hash: nobody compares them by eye.
const LONGEST: usize = 240;

/// Arguments of a llama-server that change what it computes or how fast, and hold no path and no key.
const ARGUMENTS: [&[&str]; 17] = [
    &["-c", "--ctx-size"],
    &["-np", "--parallel"],
    &["-b", "--batch-size"],
    &["-ub", "--ubatch-size"],
    &["-t", "--threads"],
    &["-ngl", "--gpu-layers", "--n-gpu-layers"],
    &["-fa", "--flash-attn"],
    &["-ctk", "--cache-type-k"],
    &["-ctv", "--cache-type-v"],
    &["--rope-scaling"],
    &["--rope-scale"],
    &["--rope-freq-base"],
    &["--rope-freq-scale"],
    &["-sm", "--split-mode"],
    &["-ts", "--tensor-split"],
    &["--spec-type"],
    &["--chat-template"],
];

#[derive(Deserialize)]
struct Tags {
    models: Option<Vec<Installed>>,
}

#[derive(Deserialize)]
struct Installed {
    name: String,
    digest: Option<String>,
}

impl Asker {
    /// What the server tells of itself and the model. Loads and wakes nothing.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn facts(&self) -> Result<Facts, AskError> {
        let sample = self.server.lock().await.0.poll().await.map_err(|error| unreachable(&error))?;
        let Some(model) = sample.models.iter().find(|model| self.is_it(model)) else {
            let text = format!("its server does not list the model {:?}", self.model());
            return Err(AskError::Unsupported { text });
        };
        let mut facts = Facts::default();
        let version = sample.build.as_deref().or(sample.version.as_deref());
        put(&mut facts.of, Fact::Version, version.map(|version| format!("{} {version}", sample.kind)));
        put(&mut facts.of, Fact::Quantization, model.quantization.clone());
        put(&mut facts.of, Fact::Context, model.context_tokens.map(|tokens| tokens.to_string()));
        put(&mut facts.of, Fact::Digest, shape(model));
        let more = match self.kind.name {
            "llama_cpp" => self.llama_cpp_facts(&mut facts).await,
            "ollama" => self.ollama_facts(&mut facts).await,
            "openai" => self.openai_facts(&mut facts).await,
            _ => Ok(()),
        };
        more.map_err(|error| unreachable(&error))?;
        self.note_process(&sample, model, &mut facts);
        self.known().version(facts.of.get(&Fact::Version));
        Ok(facts)
    }

    async fn ollama_facts(&self, facts: &mut Facts) -> Result<(), HttpError> {
        let shown = self.show().await?;
        let digest = shown.digest.map(|digest| format!("sha256:{digest}"));
        put(&mut facts.of, Fact::Digest, digest);
        put(&mut facts.of, Fact::Quantization, shown.quantization);
        facts.of.insert(Fact::Template, shown.template);
        note_clock(facts, shown.clock);
        facts.of.insert(Fact::Sampling, shown.parameters);
        facts.of.insert(Fact::Adapter, listed(&shown.adapters));
        // Each request chooses the context, and the next one another: what it is loaded with is no fact of the model.
        if let Some(loaded) = facts.of.remove(&Fact::Context) {
            facts.notes.insert("context".into(), loaded);
        }
        put(&mut facts.of, Fact::Context, shown.context);
        Ok(())
    }

    /// What `/api/show` tells, asked once for each digest.
    pub(super) async fn show(&self) -> Result<Shown, HttpError> {
        let tags: Tags = self.endpoint.http.get_json("/api/tags").await?;
        let mut models = tags.models.unwrap_or_default().into_iter();
        let digest = models.find(|model| self.is_named(&model.name)).and_then(|model| model.digest);
        let known = self.known().shown.clone();
        if known.digest.is_some() && known.digest == digest {
            return Ok(known);
        }
        let reply = self.endpoint.http.post("/api/show", &json!({ "model": self.model() })).await;
        let shown = Shown::of(&reply.and_then(Reply::ok)?, digest)?;
        self.known().shown = shown.clone();
        Ok(shown)
    }

    async fn openai_facts(&self, facts: &mut Facts) -> Result<(), HttpError> {
        #[derive(Deserialize)]
        struct Models {
            data: Vec<Map<String, Value>>,
        }
        let models = self.endpoint.http.get_json::<Models>("/v1/models").await?;
        let id = |model: &&Map<String, Value>| model.get("id").and_then(Value::as_str) == Some(self.model());
        let Some(model) = models.data.iter().find(id) else { return Ok(()) };
        let text = |key: &str| model.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        put(&mut facts.of, Fact::Digest, text("root").map(|root| file_name(root).to_owned()));
        // An adapter is a model with a parent.
        put(&mut facts.of, Fact::Adapter, text("parent").map(|parent| format!("on {parent}")));
        if text("owned_by") == Some("vllm") {
            let version = self.endpoint.http.get("/version").await.and_then(Reply::ok);
            let version = version.and_then(|reply| reply.json::<Map<String, Value>>());
            let version =
                version.ok().and_then(|body| Some(format!("vllm {}", body.get("version")?.as_str()?)));
            put(&mut facts.of, Fact::Version, version);
        }
        Ok(())
    }

    /// The arguments with which the model's process runs, where it can be seen.
    fn note_process(&self, sample: &ServerSample, model: &ModelSample, facts: &mut Facts) {
        let Some(machine) = &self.endpoint.machine else { return };
        let process = match model.child.as_ref().and_then(|child| child.pid) {
            Some(pid) => machine.process(pid),
            None if sample.kind == "llama_cpp" => llama_cpp::process(&self.endpoint),
            None => None,
        };
        if let Some(process) = process.filter(|process| !process.args.is_empty()) {
            facts.notes.insert("arguments".into(), arguments(&process));
        }
    }
}

/// That the template puts today's date into each prompt.
fn note_clock(facts: &mut Facts, clock: Option<&str>) {
    if let Some(clock) = clock {
        facts.notes.insert(DATED.into(), format!("today's, by {clock} in the chat template"));
    }
}

fn listed(parts: &[String]) -> String {
    let whole = parts.join(", ");
    match whole.len() {
        0 => "none".into(),
        1..=LONGEST => whole,
        _ => hash(&whole),
    }
}

/// What identifies the weights as far as the list of models tells: Ollama's digest, else their size.
fn shape(model: &ModelSample) -> Option<String> {
    if let Some(digest) = &model.digest {
        return Some(format!("sha256:{}", digest.trim_start_matches("sha256:")));
    }
    let bytes = model.size_bytes.map(|bytes| format!("{bytes} bytes"));
    let parts: Vec<String> =
        [model.family.clone(), model.parameters.clone(), bytes].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn arguments(process: &Process) -> String {
    let told = ARGUMENTS.iter().filter_map(|names| {
        let value = process.option(names)?;
        // A template may be a text of its own, not a name.
        let value = if value.len() > 40 { hash(value) } else { value.to_owned() };
        Some(format!("{} {value}", names.last()?))
    });
    listed(&told.collect::<Vec<_>>())
}

/// SHA-256 of a text, as `sha256:` and 64 hex digits.
fn hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().fold(String::from("sha256:"), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        text
    })
}

fn put(facts: &mut BTreeMap<Fact, String>, fact: Fact, text: Option<String>) {
    if let Some(text) = text {
        facts.insert(fact, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_no_path_and_no_key() {
        let args = "llama-server --model /srv/m.gguf --api-key k -c 4096 --flash-attn off -ctk q8_0";
        let args = args.split(' ').map(str::to_owned).collect();
        let process = Process { pid: 1, parent: 0, started_ticks: 0, name: "llama-server".into(), args };
        assert_eq!(arguments(&process), "--ctx-size 4096, --flash-attn off, --cache-type-k q8_0");
    }
}
