//! What is asked of a model: the built-in canaries and probes, and the config's own. Pure.

use crate::checks::Check;
use crate::sample::{Message, Prompt, Role};

mod asked;
mod builtin;
mod hash;
mod open;
mod own;
mod select;

pub use asked::Asked;
pub use open::{DRAWN_TOKENS, OPEN, TEXT_TOKENS, TEXTS};
pub use own::Own;

/// A known prompt with its checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// Its name: unique within a suite.
    pub id: String,
    /// What it is about: one of [`CATEGORIES`], or [`OWN`].
    pub category: &'static str,
    /// What is asked.
    pub prompt: Prompt,
    /// What its answer must satisfy, all of it. None: it is compared, not graded.
    pub checks: Vec<Check>,
    /// The most tokens of a graded answer.
    pub max_tokens: u32,
    /// Whether its first tokens are compared with the baseline at each beat.
    pub fingerprint: bool,
    /// Whether its prompt is long: asked once an hour, and compared apart.
    pub long: bool,
}

/// The categories of the built-in canaries.
pub const CATEGORIES: [&str; 10] = [
    "arithmetic",
    "json",
    "instruction",
    "classification",
    "extraction",
    "code",
    "long_context",
    "multilingual",
    "refusal",
    "degeneration",
];

/// The category of a canary of the config's that names none.
pub const OWN: &str = "own";

/// The names of the probes: no canary may have one of them.
pub const PROBES: [&str; 4] = ["p0", "p1", "p2", "p3"];

/// The name of what shows the sampler's settings: no canary may have it.
pub const SAMPLER: &str = "sampler";

/// Tokens of a fingerprint canary's answer that are compared: more add little (measured: 16 find hardly more than 4).
pub const FINGERPRINT_TOKENS: u32 = 4;

/// Tokens of a probe's answer that are compared.
pub const PROBE_TOKENS: u32 = 1;

/// All that is asked of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Graded canaries, those of the fingerprint among them.
    pub canaries: Vec<Canary>,
    /// Raw prompts without a template: `p0`, `p1` (each beat), `p2`, `p3` (long). One token each.
    pub probes: Vec<(&'static str, String)>,
    /// The prompt that shows the sampler's settings: repeated words, so that penalties show too.
    pub sampler: String,
    /// The prompt of which a text is drawn, where the server does not show its sampler.
    pub drawn: String,
    /// Prompts of one message whose answers are open: for servers that tell texts alone.
    pub open: Vec<(&'static str, String)>,
}

impl Suite {
    /// The built-in canaries and probes.
    pub fn builtin() -> Suite {
        Suite {
            canaries: builtin::canaries(),
            probes: builtin::probes(),
            sampler: builtin::SAMPLER.to_owned(),
            drawn: open::DRAWN.to_owned(),
            open: open::open(),
        }
    }

    /// The canary of that name.
    pub fn canary(&self, id: &str) -> Option<&Canary> {
        self.canaries.iter().find(|canary| canary.id == id)
    }

    /// The canaries whose first tokens are compared at each beat.
    pub fn fingerprint(&self) -> impl Iterator<Item = &Canary> {
        self.canaries.iter().filter(|canary| canary.fingerprint)
    }

    /// The canaries with a long prompt.
    pub fn long(&self) -> impl Iterator<Item = &Canary> {
        self.canaries.iter().filter(|canary| canary.long)
    }

    /// The canaries whose answers are held against checks.
    pub fn graded(&self) -> impl Iterator<Item = &Canary> {
        self.canaries.iter().filter(|canary| !canary.checks.is_empty())
    }
}

impl Canary {
    /// Whether a good answer refuses (`Some(true)`), must not (`Some(false)`), or neither is asked.
    pub fn refuses(&self) -> Option<bool> {
        self.checks.iter().find_map(|check| match check {
            Check::Refusal => Some(true),
            Check::NotRefusal => Some(false),
            _ => None,
        })
    }
}

/// A prompt of one message of a user.
fn chat(text: &str) -> Prompt {
    Prompt::Chat(vec![Message { role: Role::User, text: text.to_owned() }])
}
