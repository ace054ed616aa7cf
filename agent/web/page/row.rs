//! A model as the page shows it. Pure.

use jiff::Timestamp;

use super::badge::Badge;
use super::words::{self, Moment, moment};
use crate::view::{ChildSample, ModelView, Totals};

/// A model's line.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) model: &'a ModelView,
    pub(super) badge: Badge,
    /// Family, parameters and quantization.
    pub(super) about: Vec<&'a str>,
    /// The beginning of the digest.
    pub(super) digest: Option<&'a str>,
    pub(super) context: Option<String>,
    pub(super) context_trained: Option<String>,
    pub(super) size: Option<String>,
    pub(super) memory: Option<String>,
    /// The part on GPUs.
    pub(super) offload: Option<Part>,
    pub(super) slots: Option<String>,
    pub(super) unloads: Option<Moment>,
    pub(super) loads: String,
    pub(super) tokens: Tokens,
    /// How it works: requests, speed, drafts.
    pub(super) work: Vec<String>,
    pub(super) child: Option<Child>,
}

/// A part of a whole, as text and as a bar.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) width: String,
}

/// Tokens of a model, since the agent started.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) prompt: Option<String>,
    pub(super) cached: Option<String>,
    pub(super) output: Option<String>,
}

/// The process that runs a model for its server.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) text: String,
    pub(super) bad: bool,
}

impl<'a> Row<'a> {
    pub(super) fn new(model: &'a ModelView, now: Timestamp) -> Row<'a> {
        let tokens = |count: Option<u64>| count.map(|count| words::count(count as f64));
        let about = [&model.family, &model.parameters, &model.quantization, &model.format];
        Row {
            model,
            badge: Badge::of_model(model),
            about: about.into_iter().flatten().map(String::as_str).collect(),
            digest: model.digest.as_deref().map(short),
            context: tokens(model.context_tokens),
            context_trained: tokens(model.context_trained_tokens),
            size: model.size_bytes.map(words::bytes),
            memory: model.memory_bytes.map(words::bytes),
            offload: model
                .offload_ratio
                .map(|ratio| Part { text: words::percent(ratio), width: words::width(ratio) }),
            slots: match (model.slots_busy, model.slots) {
                (Some(busy), Some(all)) => Some(format!("{busy} of {all}")),
                (None, Some(all)) => Some(format!("{all}")),
                (Some(busy), None) => Some(format!("{busy} busy")),
                (None, None) => None,
            },
            unloads: model.expires_at.map(|at| moment(at, now)),
            loads: words::count(model.loads as f64),
            tokens: Tokens::of(&model.totals),
            work: work(&model.totals),
            child: model.child.as_ref().map(Child::of),
        }
    }
}

impl Child {
    fn of(child: &ChildSample) -> Child {
        let (text, bad) = match (child.pid, child.up) {
            (None, _) => ("listed, but no process runs it".into(), true),
            (Some(pid), false) => (format!("process {pid} does not answer"), true),
            (Some(pid), true) if child.metrics == Some(false) => {
                (format!("process {pid}, its metrics are off"), false)
            }
            (Some(pid), true) => (format!("process {pid}"), false),
        };
        Child { text, bad }
    }
}

impl Tokens {
    fn of(totals: &Totals) -> Tokens {
        let count = |value: Option<f64>| value.map(words::count);
        Tokens {
            prompt: count(totals.prompt_tokens),
            cached: count(totals.cached_tokens),
            output: count(totals.output_tokens),
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.prompt.is_some() || self.output.is_some()
    }
}

/// What the totals tell of the work done; of means, those over the whole time.
fn work(totals: &Totals) -> Vec<String> {
    let part = |some: Option<f64>, all: Option<f64>| Some(some? / all.filter(|all| *all > 0.0)?);
    let requests = totals.requests.map(|count| format!("{} requests", words::count(count)));
    let speed = part(totals.output_tokens, totals.decode_seconds);
    let speed = speed.map(|speed| format!("{speed:.1} tokens/s out on average"));
    let accepted = part(totals.draft_accepted_tokens, totals.draft_tokens);
    let accepted = accepted.map(|part| format!("{} of drafts accepted", words::percent(part.min(1.0))));
    [requests, speed, accepted].into_iter().flatten().collect()
}

/// As much of a digest as tells two apart.
fn short(digest: &str) -> &str {
    let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
    digest.get(..12).unwrap_or(digest)
}
