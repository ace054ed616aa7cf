//! Whether what is asked fits into what it may cost. What would never be asked is a fault: nobody writes a canary for
//! that. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::Check;
use super::raw_canaries::RawCanaries;
use super::raw_canary::RawCanary;
use super::read::At;
use crate::canary::asker::MOST_ABLE;
use crate::canary::{Asking, LeftOut, Plan, left_out};
use crate::suite::{Own, Suite};

/// Pairs of a target and a model for which canaries of one's own are looked at: what is beyond the status tells.
const MOST_PAIRS: usize = 64;

/// Names told of what an hour leaves out.
const LISTED: usize = 8;

/// The key whose smallness leaves built-in canaries out by its owner's will.
const PER_RUN: &str = "max_completion_tokens_per_run";

/// Where something stands in the file: line and path.
type Place = (usize, String);

/// Where a canary of one's own stands, and its tokens.
pub(super) struct Placed {
    canary: Place,
    max_tokens: Option<Place>,
}

/// Where the budget stands, as far as it is written.
#[derive(Default)]
pub(super) struct Keys(Vec<(&'static str, Place)>);

impl Placed {
    pub(super) fn of(raw: &RawCanary) -> Placed {
        let max_tokens = raw.max_tokens.as_ref().map(place);
        Placed { canary: (raw.line, raw.path.clone()), max_tokens }
    }
}

impl Keys {
    pub(super) fn of(raw: Option<&RawCanaries>) -> Keys {
        let Some(raw) = raw else { return Keys::default() };
        let all = [
            (PER_RUN, &raw.max_completion_tokens_per_run),
            ("max_completion_tokens_per_hour", &raw.max_completion_tokens_per_hour),
            ("max_prompt_tokens_per_hour", &raw.max_prompt_tokens_per_hour),
        ];
        Keys(all.into_iter().filter_map(|(key, at)| Some((key, place(at.as_ref()?)))).collect())
    }

    fn find(&self, key: &str) -> Option<&Place> {
        self.0.iter().find(|(one, _)| *one == key).map(|(_, place)| place)
    }
}

fn place<T>(at: &At<T>) -> Place {
    (at.line, at.path.clone())
}

/// Tells what would never be asked of any server: where the ablest of them has no room for it, no other has.
pub(super) fn check(own: &[Own], placed: &[Placed], plan: &Plan, keys: &Keys, check: &mut Check<'_>) {
    if !plan.enabled {
        return;
    }
    let asking = Asking { abilities: MOST_ABLE, cache: None, timeout: Duration::ZERO };
    let mut told: BTreeSet<&Place> = BTreeSet::new();
    for (target, model) in pairs(own, plan) {
        let left = left_out(&Suite::of(own, plan.builtin, target, model), &asking, &plan.budget);
        for one in &left {
            let canary = own.iter().position(|own| !own.canary.id.is_empty() && own.canary.id == one.canary);
            let canary = canary.and_then(|nth| placed.get(nth));
            let (at, problem) = match (canary, keys.find(one.key)) {
                (Some(canary), _) if one.key == PER_RUN => {
                    (canary.max_tokens.as_ref().filter(|_| one.graded).unwrap_or(&canary.canary), of_run(one))
                }
                // A run that is kept small leaves out built-in canaries: `opsagent check` and the status tell of them.
                (None, _) if one.key == PER_RUN => continue,
                (_, Some(key)) => (key, of_key(one, &left)),
                (Some(canary), None) => (&canary.canary, of_hour(one)),
                // The usual hour has room for all that is built in: one's own are what is too much for it.
                (None, None) => continue,
            };
            if told.insert(at) {
                check.faults.add(at.0, at.1.clone(), problem);
            }
        }
    }
}

/// Those that own canaries name, and any other.
fn pairs<'a>(own: &'a [Own], plan: &Plan) -> Vec<(&'a str, &'a str)> {
    let mut all = BTreeSet::from([("", "")]);
    for one in own {
        let named = |names: &'a [String]| -> Vec<&'a str> {
            if names.is_empty() { vec![""] } else { names.iter().map(String::as_str).collect() }
        };
        for target in named(&one.targets) {
            let asked = |model: &&str| {
                (target.is_empty() || plan.wants_target(target))
                    && (model.is_empty() || plan.wants_model(model))
            };
            all.extend(named(&one.models).into_iter().filter(asked).map(|model| (target, model)));
        }
        if all.len() > MOST_PAIRS {
            break;
        }
    }
    all.into_iter().take(MOST_PAIRS).collect()
}

fn of_run(one: &LeftOut) -> String {
    let LeftOut { allows, room, would_do, .. } = one;
    if !one.graded {
        return format!(
            "it would never be compared: what is compared takes {would_do} tokens of answers, and {PER_RUN} is \
             {allows}: expected {would_do} there, or fewer canaries with fingerprint = true"
        );
    }
    let fewer = if *room > 0 { format!("expected at most {room} here, or ") } else { "expected ".to_owned() };
    format!(
        "its whole answer would never be asked for: {PER_RUN} is {allows}, and leaves {room} tokens beside what is \
         compared: {fewer}{would_do} there"
    )
}

fn of_hour(one: &LeftOut) -> String {
    format!(
        "it would never be asked: {} is {}, and what is asked in one run with it takes up to {would_do}: expected \
         {would_do} there, or less here",
        one.key,
        one.allows,
        would_do = one.would_do
    )
}

fn of_key(one: &LeftOut, left: &[LeftOut]) -> String {
    let of: Vec<&LeftOut> = left.iter().filter(|other| other.key == one.key).collect();
    let mut names: Vec<&str> = Vec::new();
    for one in &of {
        if !names.contains(&one.canary.as_str()) {
            names.push(&one.canary);
        }
    }
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.truncate(LISTED);
    let would_do = of.iter().map(|one| one.would_do).max().unwrap_or(one.would_do);
    format!(
        "leaves no room for {}{more}, which would never be asked: expected at least {would_do} tokens, found {}",
        names.join(", "),
        one.allows
    )
}
