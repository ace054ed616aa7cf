//! What the store keeps of a target over restarts of the agent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Totals of a target, from the store: they go on after a restart of the agent or of the server. What happened while
/// no agent ran is not in them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptView {
    /// Since when they are kept.
    pub since: Timestamp,
    /// The target's share of the cards' energy, joules. `None`: never told.
    pub energy_joules: Option<f64>,
    /// Tokens and requests of all models, by who saw them: `tap`, `canary`, `log`, or `server` for its own counters.
    /// One request may be seen by several, so they are never added up.
    pub sources: BTreeMap<String, KeptTokens>,
    /// The same of each model.
    pub models: BTreeMap<String, BTreeMap<String, KeptTokens>>,
}

/// Tokens and requests, as one source saw them. `None`: never told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptTokens {
    /// Requests that ended.
    pub requests: Option<f64>,
    /// Tokens of prompts, cached ones too.
    pub input_tokens: Option<f64>,
    /// The part of them out of the cache.
    pub cached_tokens: Option<f64>,
    /// Tokens generated.
    pub output_tokens: Option<f64>,
    /// The part of them that is reasoning.
    pub reasoning_tokens: Option<f64>,
}

impl KeptTokens {
    /// The field of this name.
    pub fn field(&mut self, name: &str) -> Option<&mut Option<f64>> {
        Some(match name {
            "requests" => &mut self.requests,
            "input_tokens" => &mut self.input_tokens,
            "cached_tokens" => &mut self.cached_tokens,
            "output_tokens" => &mut self.output_tokens,
            "reasoning_tokens" => &mut self.reasoning_tokens,
            _ => return None,
        })
    }
}

impl KeptView {
    /// Takes a total by its name in the store: `energy_joules`, or the source and what is counted, such as
    /// `tap_output_tokens`. Another name is of no use here.
    pub fn take(&mut self, model: Option<&str>, name: &str, value: f64) {
        if name == "energy_joules" {
            self.energy_joules = Some(value);
            return;
        }
        let Some((source, what)) = name.split_once('_') else { return };
        if KeptTokens::default().field(what).is_none() {
            return;
        }
        let own = model.map(|model| self.models.entry(model.into()).or_default());
        for sources in own.into_iter().chain([&mut self.sources]) {
            if let Some(field) = sources.entry(source.into()).or_default().field(what) {
                *field = Some(field.unwrap_or(0.0) + value);
            }
        }
    }

    /// In a few words: `since 2026-11-22: 1.2 M tokens out (server), 3.4 kWh`. `None`: nothing to tell yet.
    pub fn words(&self) -> Option<String> {
        let told = |source: &'static str| Some((source, self.sources.get(source)?.output_tokens?));
        // Who sees the most stands first: a server counts what did not pass the tap too.
        let seen = ["server", "tap", "log"].into_iter().find_map(told).filter(|(_, tokens)| *tokens > 0.0);
        let tokens = seen.map(|(source, tokens)| format!("{} tokens out ({source})", short(tokens)));
        let energy = self.energy_joules.filter(|joules| *joules > 0.0).map(energy);
        let all: Vec<String> = [tokens, energy].into_iter().flatten().collect();
        let day = self.since.strftime("%Y-%m-%d");
        (!all.is_empty()).then(|| format!("since {day}: {}", all.join(", ")))
    }
}

/// A count in three figures or so.
fn short(count: f64) -> String {
    for (least, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if count >= least {
            let count = count / if unit == "k" { 1e3 } else { least };
            return if count < 100.0 { format!("{count:.1} {unit}") } else { format!("{count:.0} {unit}") };
        }
    }
    format!("{count:.0}")
}

fn energy(joules: f64) -> String {
    let watt_hours = joules / 3600.0;
    if watt_hours < 1000.0 {
        format!("{watt_hours:.1} Wh")
    } else {
        format!("{:.1} kWh", watt_hours / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_summed_up_by_source_and_what_was_never_told_is_unknown() {
        let mut kept = KeptView::default();
        kept.take(Some("a"), "tap_output_tokens", 5.0);
        kept.take(Some("b"), "tap_output_tokens", 7.0);
        kept.take(Some("b"), "canary_requests", 2.0);
        kept.take(None, "since_seconds", 9.0);
        assert_eq!(kept.sources["tap"].output_tokens, Some(12.0));
        assert_eq!(kept.sources["tap"].requests, None);
        assert_eq!(kept.models["b"]["canary"].requests, Some(2.0));
        assert_eq!((kept.sources.len(), kept.energy_joules), (2, None));
    }

    #[test]
    fn the_words_take_the_server_before_the_tap_and_are_silent_of_nothing() {
        let mut kept = KeptView::default();
        assert_eq!(kept.words(), None);
        kept.take(Some("a"), "tap_output_tokens", 9_999.0);
        assert_eq!(kept.words().unwrap(), "since 1970-01-01: 9999 tokens out (tap)");
        kept.take(Some("a"), "server_output_tokens", 1_234_000.0);
        kept.take(None, "energy_joules", 12_240_000.0);
        assert_eq!(kept.words().unwrap(), "since 1970-01-01: 1.2 M tokens out (server), 3.4 kWh");
    }
}
