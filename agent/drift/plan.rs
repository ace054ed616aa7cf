//! What a watch is told once: whose it is, how often it looks, and how many false alarms are put up with.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a watch is told once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The target, as the config names it: for words and commands.
    pub target: String,
    /// The model, as the target's inventory spells it.
    pub model: String,
    /// False alarms a year that are put up with, over all streams of this model.
    pub alarms_a_year: f64,
    /// From one beat to the next, in seconds.
    pub every_seconds: f64,
    /// Whether a change that the server itself told, and that moved the answers by next to nothing, makes a new
    /// baseline without a person's word.
    pub accepts_small_changes: bool,
}

impl Plan {
    /// For one model on one target, with a beat of that length, and 0.1 false alarms a year.
    pub fn new(target: &str, model: &str, every: Duration) -> Plan {
        Plan {
            target: target.to_owned(),
            model: model.to_owned(),
            every_seconds: every.as_secs_f64(),
            ..Plan::default()
        }
    }

    /// The command that asks the model by hand.
    pub(super) fn canary(&self) -> String {
        format!("opsagent canary --target {} --model {}", self.target, self.model)
    }

    /// `TARGET/MODEL`, as commands take it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.target, self.model)
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            target: String::new(),
            model: String::new(),
            alarms_a_year: 0.1,
            every_seconds: 300.0,
            accepts_small_changes: true,
        }
    }
}
