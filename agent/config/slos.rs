//! What each `[[slo]]` means.

use std::time::Duration;

use super::check::Check;
use super::error::quoted;
use super::names::Names;
use super::nearest::nearest;
use super::raw_tap::RawSlo;
use super::read::At;
use crate::fleet::{MAX_SLOS, Slo, label};
use crate::servers::Target;

/// Models that one objective names.
const MOST_MODELS: usize = 200;

/// Targets named in a fault.
const TARGETS_TOLD: usize = 8;

/// The objectives, in the file's order.
pub(super) fn all(raw: Vec<RawSlo>, targets: &[Target], check: &mut Check<'_>) -> Vec<Slo> {
    if let Some(one) = raw.get(MAX_SLOS) {
        let problem = format!("expected at most {MAX_SLOS} objectives, found {}", raw.len());
        check.faults.add(one.line, one.path.clone(), problem);
    }
    let mut names = Names::default();
    raw.into_iter().map(|raw| one(&raw, targets, &mut names, check)).collect()
}

fn one(raw: &RawSlo, targets: &[Target], names: &mut Names, check: &mut Check<'_>) -> Slo {
    let name = names.take(raw.name.as_ref(), (&raw.path, raw.line, raw.faulty.contains(&"name")), check);
    let limits = [&raw.time_to_first_token, &raw.time_per_output_token, &raw.duration];
    if limits.iter().all(|at| at.is_none()) && raw.faulty.iter().all(|key| *key == "name") {
        let problem = "has no limit: set time_to_first_token, time_per_output_token or duration";
        check.faults.add(raw.line, raw.path.clone(), problem);
    }
    let [time_to_first_token, time_per_output_token, duration] = limits.map(|at| limit(at.as_ref(), check));
    once(&raw.targets, check);
    for at in &raw.targets {
        is_target(at, targets, check);
    }
    Slo {
        name: name.unwrap_or_default(),
        targets: values(&raw.targets),
        models: models(&raw.models, check),
        time_to_first_token,
        time_per_output_token,
        duration,
    }
}

fn limit(at: Option<&At<String>>, check: &mut Check<'_>) -> Option<Duration> {
    let least = Duration::from_millis(1);
    at.map(|at| check.at_least(Some(at), least, least))
}

/// A fault unless a target has that name.
pub(super) fn is_target(at: &At<String>, targets: &[Target], check: &mut Check<'_>) {
    if targets.iter().any(|target| target.name == at.value) {
        return;
    }
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let meant = nearest(&at.value, names.iter().copied());
    let then = match (meant, names.is_empty()) {
        (Some(name), _) => format!(", did you mean {}?", quoted(name)),
        (None, true) => ", and no [[target]] stands in this file".into(),
        (None, false) => {
            let more = if names.len() > TARGETS_TOLD { ", …" } else { "" };
            let told: Vec<String> = names.into_iter().take(TARGETS_TOLD).map(quoted).collect();
            format!(", expected {}{more}", told.join(" or "))
        }
    };
    check.fault(at, format!("no target is named {}{then}", quoted(&at.value)));
}

/// Names of models, each once.
pub(super) fn models(raw: &[At<String>], check: &mut Check<'_>) -> Vec<String> {
    once(raw, check);
    if let Some(at) = raw.get(MOST_MODELS) {
        check.fault(at, format!("expected at most {MOST_MODELS} models, found {}", raw.len()));
    }
    for at in raw {
        if at.value.trim().is_empty() {
            check.fault(at, "empty, expected a model as opsagent status shows it");
        } else if label(&at.value) != at.value {
            check.fault(at, format!("{} is no name of a model", quoted(&at.value)));
        }
    }
    values(raw)
}

/// A fault for each value that stands twice.
pub(super) fn once(raw: &[At<String>], check: &mut Check<'_>) {
    for (nth, at) in raw.iter().enumerate() {
        if raw[..nth].iter().any(|other| other.value == at.value) {
            check.fault(at, format!("{} is given twice", quoted(&at.value)));
        }
    }
}

/// The values alone.
pub(super) fn values(raw: &[At<String>]) -> Vec<String> {
    raw.iter().map(|at| at.value.clone()).collect()
}
