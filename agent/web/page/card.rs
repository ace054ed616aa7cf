//! A server and its models as the page shows them whole. Pure.

use jiff::Timestamp;

use super::canary;
use super::canary::Canary;
use super::headline::capital;
use super::line::Line;
use super::row::Row;
use super::traffic::Traffic;
use super::words::{self, Moment, moment};
use crate::sample::{Note, NoteLevel, ServerState};
use crate::view::{KeptView, ModelView, TargetGpus, TargetView};

/// Models that are not loaded are listed up to here; the JSON has the others.
const RESTING: usize = 60;

/// Up to here the models that are not loaded stand open.
const RESTING_OPEN: usize = 5;

/// A server's part of the page.
#[derive(Debug)]
pub(super) struct Card<'a> {
    pub(super) target: &'a TargetView,
    pub(super) line: Line<'a>,
    pub(super) since: Option<Moment>,
    /// Why it is not up, in a sentence.
    pub(super) error: Option<String>,
    pub(super) polled: Option<Moment>,
    /// How long the poll took.
    pub(super) took: Option<String>,
    pub(super) every: String,
    /// When it last answered as it should, if that is not the last poll.
    pub(super) answered: Option<Moment>,
    pub(super) installed: Option<String>,
    /// What its processes hold of this machine's GPUs.
    pub(super) gpu_memory: Option<String>,
    /// What the store keeps of it, in a few words.
    pub(super) kept: Option<String>,
    pub(super) orphans: u32,
    /// Its users' requests.
    pub(super) traffic: Option<Traffic<'a>>,
    /// What its canaries say, the worst first.
    pub(super) canaries: Vec<Canary<'a>>,
    /// Models with canaries beyond those that are shown.
    pub(super) canaries_more: usize,
    /// The models in memory, and those of which it is not told.
    pub(super) models: Vec<Row<'a>>,
    /// The models on disk alone.
    pub(super) resting: Vec<Row<'a>>,
    pub(super) resting_all: usize,
    pub(super) resting_open: bool,
    /// Warnings first.
    pub(super) notes: Vec<&'a Note>,
}

impl<'a> Card<'a> {
    pub(super) fn new(target: &'a TargetView, now: Timestamp) -> Card<'a> {
        let (resting, awake): (Vec<_>, Vec<_>) = target.models.iter().partition(|model| rests(model));
        let row = |model: &&'a ModelView| Row::new(model, now);
        let mut notes: Vec<&Note> = target.notes.iter().collect();
        notes.sort_by_key(|note| note.level == NoteLevel::Info);
        let answered = target.last_success_at.filter(|at| Some(*at) != target.last_poll_at);
        Card {
            target,
            line: Line::new(target, now),
            since: target.state_since.map(|at| moment(at, now)),
            error: target.error.as_deref().map(capital),
            polled: target.last_poll_at.map(|at| moment(at, now)),
            took: target.poll_duration_seconds.map(words::took),
            every: words::every(target.every_seconds),
            answered: answered.map(|at| moment(at, now)),
            installed: target.models_installed.map(|models| words::count(models as f64)),
            gpu_memory: target.gpus.as_ref().and_then(gpu_memory),
            kept: target.kept.as_ref().and_then(KeptView::words).map(|words| capital(&words)),
            orphans: target.orphans.unwrap_or(0),
            traffic: target.traffic.as_ref().map(|traffic| Traffic::new(traffic, now)),
            canaries: canary::shown(target, now),
            canaries_more: target.canaries.len().saturating_sub(canary::SHOWN),
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

/// `60 GiB on 2 GPUs`.
fn gpu_memory(gpus: &TargetGpus) -> Option<String> {
    let bytes = words::bytes(gpus.memory_bytes.values().fold(0, |sum, bytes| sum.saturating_add(*bytes)));
    match gpus.memory_bytes.len() {
        0 => None,
        1 => Some(bytes),
        cards => Some(format!("{bytes} on {cards} GPUs")),
    }
}

/// On disk alone.
fn rests(model: &ModelView) -> bool {
    let working = model.state.is_some_and(|state| state != ServerState::Down);
    model.loaded == Some(false) && !working && model.child.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

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
