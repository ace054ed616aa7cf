//! What an Ollama's `/api/show` tells of a model.

use ollama_rs::models::ModelInfo;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{hash, listed};
use crate::canary::asker::dates::clock_of_ollama;
use crate::canary::asker::file_name;
use crate::http::{HttpError, Reply};

/// What `/api/show` told of a model: it is large, and holds for one digest.
///
/// That is the digest by which the name stands in the list of what is installed: the next request gets that one. The
/// list of what is loaded names the one that was loaded, and goes on with it when the name has another by now.
#[derive(Debug, Clone, Default)]
pub(in crate::canary::asker) struct Shown {
    pub(in crate::canary::asker) digest: Option<String>,
    pub(super) quantization: Option<String>,
    /// The file of weights, `sha256-…`.
    blob: Option<String>,
    pub(super) template: String,
    /// By what it puts today's date into each prompt.
    pub(super) clock: Option<&'static str>,
    /// Without the context: that is a fact of its own.
    pub(super) parameters: String,
    /// The context that its Modelfile sets.
    pub(super) context: Option<String>,
    pub(super) adapters: Vec<String>,
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

impl Shown {
    pub(super) fn of(reply: &Reply, digest: Option<String>) -> Result<Shown, HttpError> {
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
            clock: clock_of_ollama(&info.template),
            parameters: parameters(&info.parameters),
            context: info.parameters.lines().find_map(context).map(str::to_owned),
            adapters: lines("ADAPTER ").map(|path| file_name(path.trim()).to_owned()).collect(),
            remote: more.remote_host.is_some_and(|host| !host.is_empty()),
        })
    }

    /// Whether the model runs on somebody else's machine.
    pub(in crate::canary::asker) fn is_remote(&self) -> bool {
        self.remote
    }

    /// The file of weights that the next request gets.
    pub(in crate::canary::asker) fn blob(&self) -> Option<&str> {
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
}
