//! What the fleet counted since it began to count it, for whoever keeps it over restarts.

use std::collections::BTreeMap;

use super::Fleet;
use crate::view::KeptView;

/// A counter: whose it is, and what is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    /// The target, or the UUID of a card.
    pub target: String,
    /// The model. `None`: the target's own.
    pub model: Option<String>,
    /// What is counted, with its unit: `energy_joules`, `card_energy_joules`, or the source and what it saw, such as
    /// `tap_output_tokens`, `server_requests`.
    pub name: String,
}

/// What is kept over restarts, to be shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// By target.
    pub targets: BTreeMap<String, KeptView>,
    /// Joules by UUID of the card.
    pub cards: BTreeMap<String, f64>,
}

impl Fleet {
    /// Each counter as it stands. All begin at zero when the agent begins to watch, or anew when it had to forget;
    /// what a server or a card counted before that is not in them.
    pub fn counters(&self) -> BTreeMap<Counter, f64> {
        let mut known = self.lock();
        self.settle_all(&mut known);
        let mut all = BTreeMap::new();
        let mut add = |target: &str, model: Option<&str>, name: String, value: f64| {
            let counter = Counter { target: target.into(), model: model.map(Into::into), name };
            *all.entry(counter).or_default() += value;
        };
        for (target, entry) in &known.targets {
            for (model, what, value) in entry.grown() {
                add(target, Some(model), format!("server_{what}"), value);
            }
            if let Some(joules) = known.gpus.energy_of(target) {
                add(target, None, "energy_joules".into(), joules);
            }
        }
        for (uuid, joules) in known.gpus.grown() {
            add(uuid, None, "card_energy_joules".into(), joules);
        }
        for one in self.counted().traffic.standing() {
            add(&one.target, Some(&one.model), format!("{}_{}", one.source, one.what), one.value);
        }
        all
    }

    /// What is kept, as of now.
    pub fn record_kept(&self, kept: Kept) {
        self.lock().kept = kept;
    }
}
