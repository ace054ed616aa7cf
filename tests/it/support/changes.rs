//! The changes that a watch must find: what of a running server is another one, and what it is to be put down to.

use std::path::{Path, PathBuf};

use opsagent::drift::Cause;

use super::changed_model::{adapter, one_bit, quantized};
use super::real::smollm2;

/// What is done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Weights of another type, by `llama-quantize`'s name.
    Weights(&'static str),
    /// A random adapter, a hundredth as large as what it is added to.
    Adapter,
    /// One bit of one scale in a feed-forward layer.
    OneBit,
    /// A flag of llama-server with its value.
    Flag(&'static str, &'static str),
    /// The system prompt that the chat template brings.
    SystemPrompt(&'static str),
}

/// All of them: as people call them, as they are made, and their cause.
pub const CHANGES: [(&str, Change, Cause); 13] = [
    ("weights Q8_0", Change::Weights("Q8_0"), Cause::Weights),
    ("weights Q4_0", Change::Weights("Q4_0"), Cause::Weights),
    ("weights Q2_K", Change::Weights("Q2_K"), Cause::Weights),
    ("adapter of 1 %", Change::Adapter, Cause::Weights),
    ("one bit of a weight", Change::OneBit, Cause::Weights),
    ("K cache q8_0", Change::Flag("-ctk", "q8_0"), Cause::AttentionPath),
    ("K cache q4_0", Change::Flag("-ctk", "q4_0"), Cause::AttentionPath),
    ("RoPE scale 0.999", Change::Flag("--rope-freq-scale", "0.999"), Cause::AttentionPath),
    ("flash attention off", Change::Flag("-fa", "off"), Cause::AttentionPath),
    ("system prompt, one word", Change::SystemPrompt("You are a careful AI assistant"), Cause::Template),
    (
        "system prompt, pirate",
        Change::SystemPrompt("You are a rude pirate and AI assistant"),
        Cause::Template,
    ),
    ("repeat penalty 1.3", Change::Flag("--repeat-penalty", "1.3"), Cause::Sampling),
    ("temperature 1.5", Change::Flag("--temp", "1.5"), Cause::Sampling),
];

/// The change of that name.
pub fn change(name: &str) -> (&'static str, Change, Cause) {
    CHANGES.into_iter().find(|(of, ..)| *of == name).unwrap_or_else(|| panic!("no change is named {name:?}"))
}

impl Change {
    /// The model and the flags of a server with it. `template` is that of the unchanged model; files go to `folder`.
    pub fn made(self, folder: &Path, template: &str) -> (PathBuf, Vec<String>) {
        let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect();
        let text = |path: &Path| path.to_str().expect("a path of ASCII").to_owned();
        match self {
            Change::Weights(kind) => (put_in_place(&quantized(folder, kind, &[])), Vec::new()),
            Change::Adapter => (smollm2(), args(&["--lora", &text(&adapter(folder, 0.01))])),
            Change::OneBit => (put_in_place(&one_bit(folder)), Vec::new()),
            Change::Flag(flag, value) => (smollm2(), args(&[flag, value])),
            Change::SystemPrompt(begins) => {
                let changed = template.replace("You are a helpful AI assistant", begins);
                assert_ne!(changed, template, "SmolLM2 brings this system prompt");
                let file = folder.join("changed.jinja");
                std::fs::write(&file, changed).expect("the folder is ours");
                (smollm2(), args(&["--jinja", "--chat-template-file", &text(&file)]))
            }
        }
    }
}

/// The file under the name of the unchanged model, as it is after somebody replaced that.
fn put_in_place(file: &Path) -> PathBuf {
    let folder = file.with_extension("in-place");
    let place = folder.join(smollm2().file_name().expect("it is a file"));
    if !place.exists() {
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        std::fs::hard_link(file, &place).expect("the folder is ours");
    }
    place
}
