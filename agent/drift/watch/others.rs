//! Other canaries than before. What was learned of those that are asked as they were goes on, and what is held against
//! the model does: an edit ends no alarm and teaches no baseline.

use std::collections::{BTreeMap, BTreeSet};

use super::Watch;
use super::asked::list;
use crate::drift::held::Fit;
use crate::drift::learning::Learning;
use crate::drift::recovery::Recovery;
use crate::drift::seen::{Event, Seen, What};
use crate::drift::{Alarm, Probe, Stream};
use crate::sample::Run;
use crate::suite::{Asked, Suite};

/// Takes in what a run asked.
pub(super) fn take(watch: &mut Watch, run: &Run, suite: &Suite, seen: &mut Seen) {
    if watch.suite == run.suite && !watch.asked.is_empty() {
        return;
    }
    let now = suite.asked();
    // An earlier version kept the hash of all alone: where it is the same, so is each of them.
    let is_known = watch.suite.is_empty() || watch.suite == run.suite;
    watch.suite.clone_from(&run.suite);
    let before = std::mem::replace(&mut watch.asked, now);
    if is_known {
        if let Some(baseline) = &mut watch.baseline {
            baseline.was_asked(&watch.suite, &watch.asked);
        }
        return;
    }
    let others = Others::of(&before, &watch.asked);
    if others.is_nothing() {
        return;
    }
    withdraw(watch, &before);
    begin_anew(watch, &others);
    let text = said(watch, &others);
    seen.events.push(Event { at: run.at, what: What::OtherSuite, text });
}

/// What spoke for the alarms that hold, each as it was asked then; what is asked so again speaks again.
fn withdraw(watch: &mut Watch, before: &Asked) {
    let apart = |alarm: &Alarm| matches!(alarm.stream, Stream::Quality | Stream::Performance);
    let moved = !watch.alarms.iter().all(apart);
    let known = watch.baseline.as_ref().filter(|_| moved);
    let compared = known.iter().flat_map(|baseline| baseline.canaries.keys()).cloned();
    let prompts = known.iter().flat_map(|baseline| baseline.prompt_tokens.keys()).cloned();
    let open = watch.recovery.iter().flat_map(Recovery::open).map(|(canary, _)| canary.to_owned());
    // Checks that are lost hold up the end of other alarms, too. They are told by what was asked before.
    let lost = watch.checks.iter().filter(|(canary, recent)| {
        let record = watch.record_as(canary, before);
        !watch.alarms.is_empty() && recent.is_lost(record)
    });
    let graded: Vec<String> = open.chain(lost.map(|(canary, _)| canary.clone())).collect();
    let spoke = Asked {
        prompts: as_before(prompts, &before.prompts),
        compared: as_before(compared, &before.compared),
        graded: as_before(graded.into_iter(), &before.graded),
    };
    let Asked { prompts, compared, graded } = &mut watch.withdrawn;
    for (withdrawn, spoke, now) in [
        (prompts, spoke.prompts, &watch.asked.prompts),
        (compared, spoke.compared, &watch.asked.compared),
        (graded, spoke.graded, &watch.asked.graded),
    ] {
        for (name, was) in spoke {
            withdrawn.entry(name).or_insert(was);
        }
        withdrawn.retain(|name, was| now.get(name) != Some(was));
    }
}

/// These by their hashes of then; where an earlier version kept none, by one that nothing has.
fn as_before(
    names: impl Iterator<Item = String>,
    before: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let one = |name: String| {
        let hash = before.get(&name).cloned().unwrap_or_default();
        (name, hash)
    };
    names.map(one).collect()
}

/// Forgets what is known of what is another now, and learns it anew.
fn begin_anew(watch: &mut Watch, others: &Others) {
    let names = |of: &'_ BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>();
    let (graded, compared) = (names(&others.graded), names(&others.compared));
    let gone = || graded.iter().map(String::as_str);
    watch.checks.retain(|canary, _| !others.graded.contains(canary));
    watch.beside.forget(gone());
    if let Some(recovery) = &mut watch.recovery {
        // One that is not well yet is withdrawn; or it is asked as it was again.
        let well: Vec<&str> = gone().filter(|canary| !recovery.waits_for(canary)).collect();
        for canary in well {
            recovery.forget(canary);
        }
    }
    for learning in [&mut watch.learning, &mut watch.candidate].into_iter().flatten() {
        learning.forget_checks(gone());
        learning.forget_prints(compared.iter().chain(&others.prompts).map(String::as_str));
    }
    if others.is_more {
        // A baseline knows all that it compares by as many runs, or its bound says nothing of some of it.
        watch.learning = Some(Learning::default());
        watch.candidate = None;
    }
    if watch.baseline.is_some() && watch.next_size().is_none() {
        watch.learning = None;
    }
    let held = watch.held();
    if !held.is_some_and(|held| held.canaries.values().any(|known| known.probe == Probe::Long)) {
        watch.counted.long_off = false;
    }
    watch.watch_checks();
}

/// Which canaries and probes are others now, by their names.
#[derive(Debug, Default)]
struct Others {
    prompts: BTreeSet<String>,
    compared: BTreeSet<String>,
    graded: BTreeSet<String>,
    /// Something is compared now that was not, or was otherwise.
    is_more: bool,
    /// Of all of these, those that were not asked before, and those that are asked no more.
    new: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Others {
    fn of(before: &Asked, now: &Asked) -> Others {
        let names = |before: &BTreeMap<String, String>, now: &BTreeMap<String, String>| {
            let all = before.keys().chain(now.keys());
            all.filter(|name| before.get(*name) != now.get(*name)).cloned().collect::<BTreeSet<String>>()
        };
        let only = |of: &Asked, other: &Asked| {
            of.prompts.keys().filter(|name| !other.prompts.contains_key(*name)).cloned().collect()
        };
        let compared = names(&before.compared, &now.compared);
        Others {
            prompts: names(&before.prompts, &now.prompts),
            is_more: compared.iter().any(|name| now.compared.contains_key(name)),
            compared,
            graded: names(&before.graded, &now.graded),
            new: only(now, before),
            gone: only(before, now),
        }
    }

    fn is_nothing(&self) -> bool {
        self.prompts.is_empty() && self.compared.is_empty() && self.graded.is_empty()
    }

    /// Which are new, edited and gone, in words.
    fn names(&self) -> String {
        let all: BTreeSet<&String> = self.prompts.iter().chain(&self.compared).chain(&self.graded).collect();
        let edited = all.into_iter().filter(|name| !self.new.contains(*name) && !self.gone.contains(*name));
        let said = [
            (edited.map(String::as_str).collect::<Vec<_>>(), "edited"),
            (self.new.iter().map(String::as_str).collect(), "new"),
            (self.gone.iter().map(String::as_str).collect(), "asked no more"),
        ];
        let said = said.iter().filter(|(names, _)| !names.is_empty());
        said.map(|(names, how)| format!("{how}: {}", list(names))).collect::<Vec<_>>().join("; ")
    }
}

/// What is other, what goes on, and what comes of it.
fn said(watch: &Watch, others: &Others) -> String {
    let mut said = vec![format!("{}: other canaries are asked ({})", watch.plan.name(), others.names())];
    if let Some(baseline) = &watch.baseline {
        let number = baseline.number;
        said.push(match baseline.fit(&watch.asked) {
            _ if others.compared.is_empty() => {
                format!("baseline {number} goes on, and how their checks fare is learned beside it")
            }
            Fit::Nothing => format!("baseline {number} says nothing of them: a new one is learned"),
            Fit::Part => {
                format!(
                    "baseline {number} goes on for the others, until one is learned that knows these, too"
                )
            }
            Fit::Whole => format!("baseline {number} goes on for the others"),
        });
    } else if others.is_more {
        said.push("the baseline is learned from the beginning".into());
    }
    if !watch.alarms.is_empty() {
        let streams: Vec<&str> = watch.alarms.iter().map(|alarm: &Alarm| alarm.stream.name()).collect();
        said.push(format!("the alarm of {} holds on", streams.join(" and ")));
    }
    said.join("; ")
}
