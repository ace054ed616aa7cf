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
    /// Where the server is, if no config and no agent knows it by that name: commands say so then.
    pub url: Option<String>,
    /// What the model does now is kept nowhere, so that it cannot be accepted yet.
    #[serde(skip)]
    pub unsaved: bool,
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
        match &self.url {
            Some(url) => format!("opsagent canary --url {url} --model {}", self.model),
            None => format!("opsagent canary --target {} --model {}", self.target, self.model),
        }
    }

    /// The command that makes a full baseline at once.
    pub fn capture(&self) -> String {
        match &self.url {
            Some(url) => format!("opsagent baseline capture --url {url} --model {}", self.model),
            None => format!("opsagent baseline capture {}", self.name()),
        }
    }

    /// The command that takes what the model does now for right; with what comes before it, between backticks.
    pub(super) fn accept(&self) -> String {
        let accept = format!("`opsagent baseline accept {}`", self.name());
        if self.unsaved { format!("`{} --save`, then {accept}", self.canary()) } else { accept }
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
            url: None,
            unsaved: false,
            alarms_a_year: 0.1,
            every_seconds: 300.0,
            accepts_small_changes: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_server_as_whoever_reads_them_can_reach_it() {
        let named = Plan::new("box", "smol", Duration::from_secs(300));
        assert_eq!(named.canary(), "opsagent canary --target box --model smol");
        assert_eq!(named.capture(), "opsagent baseline capture box/smol");
        assert_eq!(named.accept(), "`opsagent baseline accept box/smol`");
        let url = Some("http://box:8080/".to_owned());
        let alone = Plan { target: "box:8080".into(), url, unsaved: true, ..named };
        assert_eq!(alone.canary(), "opsagent canary --url http://box:8080/ --model smol");
        assert_eq!(alone.capture(), "opsagent baseline capture --url http://box:8080/ --model smol");
        assert_eq!(
            alone.accept(),
            "`opsagent canary --url http://box:8080/ --model smol --save`, then `opsagent baseline accept box:8080/smol`"
        );
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&alone).unwrap()).unwrap();
        assert_eq!((stored.url, stored.unsaved), (alone.url, false), "a run that is stored is saved");
    }
}
