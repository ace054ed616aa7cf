//! A server and its models as the page shows them. Pure.

use jiff::Timestamp;

use super::headline::capital;
use super::words::{self, Moment, moment};
use crate::sample::{Note, NoteLevel, ServerState};
use crate::view::{Health, ModelView, TargetView, Totals};

/// Models that are not loaded are listed up to here; the JSON has the others.
const RESTING: usize = 60;

/// Up to here the models that are not loaded stand open.
const RESTING_OPEN: usize = 5;

/// A server's part of the page.
#[derive(Debug)]
pub(super) struct Card<'a> {
    pub(super) target: &'a TargetView,
    pub(super) anchor: String,
    pub(super) badge: Badge,
    pub(super) since: Option<Moment>,
    /// For how long it is in that state.
    pub(super) held: Option<String>,
    /// Why it is not up, in a sentence.
    pub(super) error: Option<String>,
    /// Version and build.
    pub(super) version: Option<String>,
    pub(super) polled: Option<Moment>,
    /// How long the poll took.
    pub(super) took: Option<String>,
    pub(super) every: String,
    /// When it last answered, if that is not the last poll.
    pub(super) answered: Option<Moment>,
    pub(super) slots: Option<String>,
    pub(super) queue: Option<u64>,
    pub(super) installed: Option<String>,
    /// Models in memory; `None` where none tells.
    pub(super) in_memory: Option<usize>,
    pub(super) orphans: u32,
    /// The models in memory, and those of which it is not told.
    pub(super) models: Vec<Row<'a>>,
    /// The models on disk alone.
    pub(super) resting: Vec<Row<'a>>,
    pub(super) resting_all: usize,
    pub(super) resting_open: bool,
    /// Warnings first.
    pub(super) notes: Vec<&'a Note>,
}

/// A state in a word, a sign and a colour, so that none of them has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
}

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

impl<'a> Card<'a> {
    pub(super) fn new(target: &'a TargetView, now: Timestamp) -> Card<'a> {
        let (resting, awake): (Vec<_>, Vec<_>) = target.models.iter().partition(|model| rests(model));
        let row = |model: &&'a ModelView| Row::new(model, now);
        let mut notes: Vec<&Note> = target.notes.iter().collect();
        notes.sort_by_key(|note| note.level == NoteLevel::Info);
        let queues: Vec<u64> = target.models.iter().filter_map(|model| model.queue_depth).collect();
        let version = [target.version.as_deref(), target.build.as_deref()];
        Card {
            target,
            anchor: anchor(&target.name),
            badge: Badge::of_target(target),
            since: target.state_since.map(|at| moment(at, now)),
            held: target
                .state_since
                .map(|at| words::length(now.duration_since(at).as_secs().max(0).unsigned_abs())),
            error: target.error.as_deref().map(capital),
            version: match version {
                [Some(version), Some(build)] if version != build => Some(format!("{version}, build {build}")),
                [version, build] => version.or(build).map(Into::into),
            },
            polled: target.last_poll_at.map(|at| moment(at, now)),
            took: target.poll_duration_seconds.map(words::took),
            every: words::every(target.every_seconds),
            answered: target
                .last_success_at
                .filter(|at| Some(*at) != target.last_poll_at)
                .map(|at| moment(at, now)),
            slots: target.slots().map(|(busy, all)| format!("{busy} of {all}")),
            queue: (!queues.is_empty())
                .then(|| queues.iter().fold(0, |sum: u64, one| sum.saturating_add(*one))),
            installed: target.models_installed.map(|models| words::count(models as f64)),
            in_memory: target
                .models
                .iter()
                .any(|model| model.loaded.is_some())
                .then(|| target.models.iter().filter(|model| model.loaded == Some(true)).count()),
            orphans: target.orphans.unwrap_or(0),
            models: awake.iter().map(row).collect(),
            resting_all: resting.len(),
            resting_open: resting.len() <= RESTING_OPEN,
            resting: resting.iter().take(RESTING).map(row).collect(),
            notes,
        }
    }

    /// Resting models that are not listed.
    pub(super) fn resting_more(&self) -> usize {
        self.resting_all - self.resting.len()
    }
}

/// On disk alone.
fn rests(model: &ModelView) -> bool {
    let working = model.state.is_some_and(|state| state != ServerState::Down);
    model.loaded == Some(false) && !working && model.child.is_none()
}

impl Badge {
    fn of_target(target: &TargetView) -> Badge {
        let badge = Badge::of_state(target.state);
        if target.health() == Health::Warning { Badge { sign: "!", tone: "warning", ..badge } } else { badge }
    }

    fn of_state(state: Option<ServerState>) -> Badge {
        // The signs have no picture form that a phone could put in their place.
        let (sign, tone) = match state {
            Some(ServerState::Loading) => ("◌", "ok"),
            Some(ServerState::Ready) => ("✓", "ok"),
            Some(ServerState::Busy) => ("▸", "ok"),
            Some(ServerState::Sleeping) => ("◦", "ok"),
            Some(ServerState::Hung) => ("‖", "critical"),
            Some(ServerState::Down) => ("✕", "critical"),
            None => ("?", "unknown"),
        };
        Badge { sign, word: state.map_or("not known", ServerState::name), tone }
    }

    fn of_model(model: &ModelView) -> Badge {
        if model.child.as_ref().is_some_and(|child| child.pid.is_none()) {
            return Badge { sign: "✕", word: "not running", tone: "critical" };
        }
        match (model.state, model.loaded) {
            (Some(state), _) => Badge::of_state(Some(state)),
            (None, Some(true)) => Badge { sign: "✓", word: "loaded", tone: "ok" },
            (None, Some(false)) => Badge { sign: "◦", word: "not loaded", tone: "unknown" },
            (None, None) => Badge { sign: "–", word: "not told", tone: "unknown" },
        }
    }
}

impl<'a> Row<'a> {
    fn new(model: &'a ModelView, now: Timestamp) -> Row<'a> {
        let tokens = |count: Option<u64>| count.map(|count| words::count(count as f64));
        let about = [&model.family, &model.parameters, &model.quantization, &model.format];
        Row {
            model,
            badge: Badge::of_model(model),
            about: about.into_iter().flatten().map(String::as_str).collect(),
            digest: model.digest.as_deref().map(|digest| digest.get(..12).unwrap_or(digest)),
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
            child: model.child.as_ref().map(|child| match (child.pid, child.up) {
                (None, _) => Child { text: "listed, but no process runs it".into(), bad: true },
                (Some(pid), false) => Child { text: format!("process {pid} does not answer"), bad: true },
                (Some(pid), true) if child.metrics == Some(false) => {
                    Child { text: format!("process {pid}, its metrics are off"), bad: false }
                }
                (Some(pid), true) => Child { text: format!("process {pid}"), bad: false },
            }),
        }
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

/// A server's place on the page, fit for an address: it is the same at every refresh.
pub(super) fn anchor(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    // Two names that differ in their odd characters alone must not share a place.
    if plain == name { format!("s-{name}") } else { format!("s-{plain}-{:x}", hash(name.as_bytes())) }
}

/// FNV-1a, 64 bit.
pub(super) const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_have_places_of_their_own() {
        assert_eq!(anchor("box7"), "s-box7");
        assert_ne!(anchor("a.b"), anchor("a b"));
        let odd = anchor("\"><script>");
        assert!(odd.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{odd}");
    }

    #[test]
    fn every_state_has_its_own_word_and_sign() {
        let states: Vec<_> = ServerState::ALL.into_iter().map(Some).chain([None]).collect();
        for (nth, state) in states.iter().enumerate() {
            for other in &states[nth + 1..] {
                let (one, other) = (Badge::of_state(*state), Badge::of_state(*other));
                assert!(one.sign != other.sign && one.word != other.word);
            }
        }
    }

    #[test]
    fn a_model_whose_process_is_gone_does_not_rest() {
        let mut model = ModelView { loaded: Some(false), ..ModelView::default() };
        assert!(rests(&model));
        model.state = Some(ServerState::Loading);
        assert!(!rests(&model));
        model.state = None;
        model.loaded = None;
        assert!(!rests(&model));
    }
}
