//! Real traffic of a target: what is under way, what ended, and what is promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::metrics::{Counted, Whose};
use crate::sample::{Refusal, Source};
use crate::view::{LogTailView, TapView};

mod awake;
mod gone;
mod live;
mod names;
mod notes;
mod own;
mod pace;
mod record;
mod refine;
mod settle;
mod slo;
mod view;
mod window;

pub(super) use awake::{Awake, is_load};
pub(super) use gone::Gone;
pub use live::{Asking, Connected, InFlight, Live};
pub(super) use names::{Inventory, OTHER};
pub(super) use settle::{Model, Models, began, was_answered};
pub use slo::{MAX_SLOS, Slo};

use own::Own;
use pace::Pace;
use window::Window;

/// What the config says of real traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficPlan {
    /// What is promised: the first [`MAX_SLOS`] are judged.
    pub slos: Vec<Slo>,
}

/// What is known and not a target's own, while its traffic is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) plan: &'a TrafficPlan,
    pub(super) counted: &'a Counted,
    /// Models of a target that get series of their own.
    pub(super) max_models: usize,
    pub(super) now: Instant,
    pub(super) at: Timestamp,
}

/// The real traffic of one target.
#[derive(Debug)]
pub(super) struct Traffic {
    live: BTreeMap<Source, Watched>,
    pub(super) tap: Option<TapView>,
    pub(super) log: Option<LogTailView>,
    /// The models whose series are there, by who saw their requests. A model keeps them for as long as its target
    /// has any: a counter that goes and comes again would count anew.
    used: BTreeSet<(String, Source)>,
    clients: BTreeSet<Arc<str>>,
    window: Window,
    pace: Pace,
    /// From when on it is watched. What ended before is told by a log: it counts, and tells nothing of now.
    since: Instant,
    /// Its log tells tokens. Not each does: an Ollama before 0.30 writes of requests alone.
    log_tells_tokens: bool,
    own: Own,
    last_end_at: Option<Timestamp>,
    /// When the last request of a user to each model ended; its models are among `used`.
    last_use: BTreeMap<String, Timestamp>,
}

/// What somebody writes, and how far it was read.
#[derive(Debug, Default)]
struct Watched {
    live: Arc<Live>,
    refused: [u64; Refusal::ALL.len()],
    lost: u64,
    /// Empty, with the room of what ended between the last two looks: under load it is needed again at once, and
    /// memory that the system gives anew costs as much as counting.
    room: Vec<live::End>,
}

impl Traffic {
    /// None yet.
    pub(super) fn new(now: Instant) -> Traffic {
        Traffic {
            live: BTreeMap::new(),
            tap: None,
            log: None,
            used: BTreeSet::new(),
            clients: BTreeSet::new(),
            window: Window::new(now),
            pace: Pace::new(now),
            since: now,
            log_tells_tokens: false,
            own: Own::default(),
            last_end_at: None,
            last_use: BTreeMap::new(),
        }
    }

    /// Where this source writes down what it sees; from now on its counters are there.
    pub(super) fn live(&mut self, target: &str, source: Source, world: &World<'_>) -> Arc<Live> {
        let live = Arc::clone(&self.live.entry(source).or_default().live);
        world.counted.traffic.touch_source(target, source);
        self.touch(target, OTHER, source, world);
        live
    }

    /// There is no tap any more. What it counted stays; requests that are still in flight are counted, too.
    pub(super) fn forget_tap(&mut self) {
        self.tap = None;
    }

    /// The log is followed, or cannot be. What was read of it before stays.
    pub(super) fn record_log(&mut self, place: String, error: Option<String>) {
        let before = self.log.take().filter(|log| log.place == place);
        self.log = Some(LogTailView { place, error, last_line_at: before.and_then(|log| log.last_line_at) });
    }

    /// The log is followed no more.
    pub(super) fn forget_log(&mut self) {
        self.log = None;
    }

    /// Whether its log is followed.
    pub(super) fn follows_log(&self) -> bool {
        self.log.is_some()
    }

    /// Whether a tap or a log tells of users' requests, and when the last one to this model ended.
    pub(super) fn last_use(&self, model: &str) -> (bool, Option<Timestamp>) {
        (self.tap.is_some() || self.log.is_some(), self.last_use.get(model).copied())
    }

    /// When the last one to any other model ended. Of a log, which tells canaries' requests as users', only what it
    /// could name.
    pub(super) fn last_use_beside(&self, model: &str) -> Option<Timestamp> {
        let other = |name: &str| name != model && !(name == OTHER && self.log.is_some());
        self.last_use.iter().filter(|(name, _)| other(name)).map(|(_, at)| *at).max()
    }

    /// The source of what is shown and judged, what users got: the tap's word, or the log's where there is no tap.
    fn shown(&self) -> Option<Source> {
        let here = |source: &Source| self.live.contains_key(source);
        let wanted = [(Source::Tap, self.tap.is_some()), (Source::Log, self.log.is_some())];
        let wanted = wanted.into_iter().filter(|(_, is)| *is).map(|(source, _)| source).find(here);
        wanted.or_else(|| [Source::Tap, Source::Log].into_iter().find(here))
    }

    /// Makes the counters of a model that is loaded be there, so that its first failure is seen.
    pub(super) fn expect(&mut self, target: &str, model: &str, world: &World<'_>) {
        let sources: Vec<Source> = self.live.keys().copied().collect();
        for source in sources {
            self.touch(target, model, source, world);
        }
    }

    /// Makes the counters of a model be there, unless too many are; gives the name under which it counts.
    fn touch<'m>(&mut self, target: &str, model: &'m str, source: Source, world: &World<'_>) -> &'m str {
        if self.used.contains(&(model.to_owned(), source)) {
            return model;
        }
        let names: BTreeSet<&str> =
            self.used.iter().map(|(name, _)| name.as_str()).filter(|name| *name != OTHER).collect();
        if model != OTHER && names.len() >= world.max_models && !names.contains(model) {
            return OTHER;
        }
        self.used.insert((model.to_owned(), source));
        let whose = Whose { target, model, source };
        if self.tells_tokens(source) {
            world.counted.traffic.touch(&whose);
        } else {
            world.counted.traffic.touch_requests(&whose);
        }
        self.touch_slos(target, model, source, world);
        model
    }

    /// Whether this source tells how many tokens came.
    fn tells_tokens(&self, source: Source) -> bool {
        source != Source::Log || self.log_tells_tokens
    }

    /// The log told tokens: from now on it is known that it does, of each model.
    fn learn_tokens(&mut self, target: &str, world: &World<'_>) {
        if !std::mem::replace(&mut self.log_tells_tokens, true) {
            for (model, source) in self.used.iter().filter(|(_, source)| *source == Source::Log) {
                world.counted.traffic.touch(&Whose { target, model, source: *source });
            }
        }
    }

    fn touch_slos(&self, target: &str, model: &str, source: Source, world: &World<'_>) {
        if self.shown() == Some(source) {
            for slo in world.plan.slos.iter().take(MAX_SLOS).filter(|slo| slo.is_for(target, model)) {
                world.counted.traffic.touch_slo(target, model, &slo.name);
            }
        }
    }

    /// The objectives are others now.
    pub(super) fn replan(&mut self, target: &str, world: &World<'_>) {
        self.window.forget_slos();
        for (model, source) in &self.used {
            self.touch_slos(target, model, *source, world);
        }
    }
}
