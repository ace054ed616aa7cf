//! What identifies a model and its set-up, as its server tells it.

use std::collections::BTreeMap;

use ollama_rs::models::ModelInfo;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Asker, file_name, unreachable};
use crate::http::{HttpError, Reply};
use crate::procs::Process;
use crate::sample::{AskError, Fact, Facts, ModelSample, ServerSample};

mod llama_cpp;

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

/// What `/api/show` told of a model: it is large, and holds for one digest.
///
/// That is the digest by which the name stands in the list of what is installed: the next request gets that one. The
/// list of what is loaded names the one that was loaded, and goes on with it when the name has another by now.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) digest: Option<String>,
    quantization: Option<String>,
    /// The file of weights, `sha256-…`.
    blob: Option<String>,
    template: String,
    /// Without the context: that is a fact of its own.
    parameters: String,
    /// The context that its Modelfile sets.
    context: Option<String>,
    adapters: Vec<String>,
    remote: bool,
}

/// What ollama-rs's type leaves out.
#[derive(Debug, Default, Deserialize)]
struct More {
    system: Option<String>,
    renderer: Option<String>,
    parser: Option<String>,
    messages: Option<Box<RawValue>>,
    remote_host: Option<String>,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    quantization_level: Option<String>,
}

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

impl Shown {
    fn of(reply: &Reply, digest: Option<String>) -> Result<Shown, HttpError> {
        let info: ModelInfo = reply.json()?;
        let more: More = reply.json().unwrap_or_default();
        let messages = more.messages.as_ref().map_or("", |raw| raw.get());
        let parts = [
            info.template.as_str(),
            more.system.as_deref().unwrap_or_default(),
            more.renderer.as_deref().unwrap_or_default(),
            more.parser.as_deref().unwrap_or_default(),
            messages,
        ];
        let lines =
            |word: &'static str| info.modelfile.lines().filter_map(move |line| line.strip_prefix(word));
        Ok(Shown {
            digest,
            quantization: more.details.and_then(|details| details.quantization_level),
            blob: lines("FROM ")
                .map(|path| file_name(path.trim()))
                .find(|name| name.starts_with("sha256-"))
                .map(str::to_owned),
            template: hash(&parts.join("\0")),
            parameters: parameters(&info.parameters),
            context: info.parameters.lines().find_map(context).map(str::to_owned),
            adapters: lines("ADAPTER ").map(|path| file_name(path.trim()).to_owned()).collect(),
            remote: more.remote_host.is_some_and(|host| !host.is_empty()),
        })
    }

    /// Whether the model runs on somebody else's machine.
    pub(super) fn is_remote(&self) -> bool {
        self.remote
    }

    /// The file of weights that the next request gets.
    pub(super) fn blob(&self) -> Option<&str> {
        self.blob.as_deref()
    }
}

/// The parameters of a Modelfile, a line each, in one order.
fn parameters(text: &str) -> String {
    let mut lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.retain(|line| !line.is_empty() && context(line).is_none());
    lines.sort_unstable();
    listed(&lines)
}

/// The context, if the line sets it.
fn context(line: &str) -> Option<&str> {
    line.trim().strip_prefix("num_ctx ").map(str::trim)
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
    fn parameters_are_told_in_one_order_and_long_lists_as_their_hash() {
        let text = "temperature                    0\nnum_ctx      512\nstop   \"<|im_end|>\"\n";
        assert_eq!(text.lines().find_map(context), Some("512"), "a fact of its own");
        assert_eq!(parameters(text), "stop \"<|im_end|>\", temperature 0");
        assert_eq!(parameters(""), "none");
        let long = parameters(&"stop \"<|some_long_token|>\"\n".repeat(20));
        assert!(long.starts_with("sha256:") && long.len() == 71, "{long}");
        assert_eq!(
            hash("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180-2, appendix B.1"
        );
    }

    #[test]
    fn arguments_hold_no_path_and_no_key() {
        let args = "llama-server --model /srv/m.gguf --api-key k -c 4096 --flash-attn off -ctk q8_0";
        let args = args.split(' ').map(str::to_owned).collect();
        let process = Process { pid: 1, parent: 0, started_ticks: 0, name: "llama-server".into(), args };
        assert_eq!(arguments(&process), "--ctx-size 4096, --flash-attn off, --cache-type-k q8_0");
    }
}
