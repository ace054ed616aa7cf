//! What was last told of each probe. Runs ask different things: a beat the short canaries, once an hour a run the long
//! prompts alone, a look again perhaps one canary. What a run did not ask, it says nothing of.

use serde::{Deserialize, Serialize};

use super::observe::Sight;
use crate::drift::Probe;
use crate::drift::picture::Picture;

/// What was last told of each probe, and of the short canaries together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Latest {
    /// The last run with enough of the short canaries; of the distances, those of its own probes.
    pub short: Option<Picture>,
    /// Mean distance of the long prompts when they were last asked, nats.
    long: Option<f64>,
}

impl Latest {
    /// Takes in what the run tells. What it asked and got no numbers for is unknown from then on.
    pub(super) fn take(&mut self, sight: &Sight<'_>) {
        let picture = &sight.picture;
        let long = picture.distance(Probe::Long);
        if long.is_some() || picture.faults.iter().any(|fault| fault.long) {
            self.long = long;
        }
        if sight.whole {
            self.short = Some(Picture { faults: Vec::new(), ..picture.clone() });
        }
    }

    /// Mean distances by probe, each as it was last asked.
    pub(super) fn distances(&self) -> Vec<(Probe, f64)> {
        let of = |probe: &Probe| match probe {
            Probe::Long => self.long,
            _ => self.short.as_ref()?.distance(*probe),
        };
        Probe::ALL.iter().filter_map(|probe| Some((*probe, of(probe)?))).collect()
    }
}
