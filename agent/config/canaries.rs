//! What `[canaries]` means.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::check::{Check, SHORTEST_BEAT};
use super::error::quoted;
use super::raw_canaries::RawCanaries;
use super::read::At;
use super::slos::{is_target, models, once, values};
use crate::canary::{Budget, Plan, Quiet};
use crate::servers::Target;

/// Parts of a day that are quiet: more than anybody has.
const MOST_QUIET: usize = 24;

/// The fingerprint alone takes 35; a run that may take no more tells nothing of what the model is worth.
const COMPLETION_PER_RUN: RangeInclusive<u64> = 40..=100_000;

/// The least that lets one run an hour be.
const COMPLETION_PER_HOUR: RangeInclusive<u64> = 40..=100_000_000;

/// The least that lets one run an hour be.
const PROMPT_PER_HOUR: RangeInclusive<u64> = 500..=1_000_000_000;

/// Below, no number of runs would be proof enough; above, nobody would look.
const FALSE_ALARMS: RangeInclusive<f64> = 0.02..=52.0;

/// Answers kept for a shorter time than this could be read by nobody.
const SHORTEST_KEPT: Duration = Duration::from_secs(60);

/// The plan. The section itself turns canaries on: who writes it wants them.
pub(super) fn plan(raw: Option<RawCanaries>, targets: &[Target], check: &mut Check<'_>) -> Plan {
    let default = Plan::default();
    let Some(raw) = raw else { return default };
    let every = check.at_least(raw.every.as_ref(), default.every, SHORTEST_BEAT);
    let budget = Budget::of(every);
    once(&raw.targets, check);
    // Without targets in the file they are found, by names that nobody knows yet.
    for at in raw.targets.iter().filter(|_| !targets.is_empty()) {
        is_target(at, targets, check);
    }
    let per_run = number(raw.max_completion_tokens_per_run.as_ref(), &COMPLETION_PER_RUN, check);
    let per_hour = number(raw.max_completion_tokens_per_hour.as_ref(), &COMPLETION_PER_HOUR, check);
    let prompts = number(raw.max_prompt_tokens_per_hour.as_ref(), &PROMPT_PER_HOUR, check);
    Plan {
        enabled: raw.enabled.is_none_or(|at| at.value),
        every,
        quiet: quiet(&raw.quiet_hours, check),
        targets: values(&raw.targets),
        models: models(&raw.models, check),
        may_load: models(&raw.may_load, check),
        options: options(&raw.options, check),
        budget: Budget {
            completion_tokens_per_run: per_run
                .map_or(budget.completion_tokens_per_run, |tokens| tokens as u32),
            completion_tokens_per_hour: per_hour.unwrap_or(budget.completion_tokens_per_hour),
            prompt_tokens_per_hour: prompts.unwrap_or(budget.prompt_tokens_per_hour),
        },
        false_alarms_per_year: raw
            .false_alarms_per_year
            .map_or(default.false_alarms_per_year, |at| false_alarms(&at, check)),
        store_answers: raw.store_answers.map(|at| check.at_least(Some(&at), SHORTEST_KEPT, SHORTEST_KEPT)),
        builtin: raw.builtin.is_none_or(|at| at.value),
    }
}

fn quiet(raw: &[At<String>], check: &mut Check<'_>) -> Vec<Quiet> {
    if let Some(at) = raw.get(MOST_QUIET) {
        check.fault(at, format!("expected at most {MOST_QUIET} parts of the day, found {}", raw.len()));
    }
    let mut all = Vec::new();
    for at in raw {
        if let Some(part) = Quiet::parse(&at.value) {
            all.push(part);
        } else {
            let problem =
                format!("{} is no part of a day, expected one such as 22:00-06:00", quoted(&at.value));
            check.fault(at, problem);
        }
    }
    all
}

/// Options as they are told and typed: `num_ctx=8192 use_mmap=false`.
fn options(raw: &[(String, At<String>)], check: &mut Check<'_>) -> BTreeMap<String, Map<String, Value>> {
    let mut all = BTreeMap::new();
    for (model, at) in raw {
        let mut options = Map::new();
        for option in at.value.split_whitespace() {
            let pair = option.split_once('=').filter(|(key, _)| !key.is_empty());
            // What is no number, true or false is a word.
            let value =
                |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
            if let Some((key, text)) = pair {
                options.insert(key.to_owned(), value(text));
            } else {
                let problem = format!("{} is no option, expected one such as num_ctx=8192", quoted(option));
                check.fault(at, problem);
            }
        }
        all.insert(model.clone(), options);
    }
    all
}

fn number(at: Option<&At<u64>>, range: &RangeInclusive<u64>, check: &mut Check<'_>) -> Option<u64> {
    let at = at?;
    if range.contains(&at.value) {
        return Some(at.value);
    }
    check.fault(at, format!("expected {} to {} tokens, found {}", range.start(), range.end(), at.value));
    None
}

fn false_alarms(at: &At<f64>, check: &mut Check<'_>) -> f64 {
    if !FALSE_ALARMS.contains(&at.value) {
        let (least, most) = (FALSE_ALARMS.start(), FALSE_ALARMS.end());
        check.fault(at, format!("expected {least} to {most} false alarms a year, found {}", at.value));
    }
    at.value
}
