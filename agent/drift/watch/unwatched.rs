//! What is asked and not watched, or not yet; and what is not asked any more although an alarm stands on it.

use std::collections::BTreeSet;

use super::Watch;
use super::asked::list;
use crate::drift::baseline::Record;
use crate::drift::failures;
use crate::drift::held::Fit;

/// What is asked and cannot be watched, or not yet, a sentence for each reason.
pub(super) fn unwatched(watch: &Watch) -> Vec<String> {
    let baseline = watch.baseline.as_ref();
    let asks = |name: &str| {
        watch.asked.is_empty() || baseline.is_some_and(|baseline| baseline.asks(name, &watch.asked))
    };
    let known = |name: &str| {
        let known =
            baseline.is_some_and(|one| one.canaries.contains_key(name) || one.dropped.contains_key(name));
        known && asks(name)
    };
    let of_baseline = baseline.iter().flat_map(|baseline| &baseline.dropped).filter(|(name, _)| asks(name));
    let learned = watch.learning.iter().flat_map(super::Learning::unwatched);
    let learned = learned.map(|(name, _, why)| (name, why)).filter(|(name, _)| !known(name));
    let of_baseline = of_baseline.map(|(name, why)| (name.as_str(), why.as_str()));
    let mut said = failures::said(of_baseline.chain(learned));
    said.extend(not_compared_yet(watch));
    said.extend(not_graded_yet(watch));
    said.extend(dated(watch));
    said
}

/// What cannot be watched of a model whose template puts today's date into each prompt.
fn dated(watch: &Watch) -> Option<String> {
    let baseline = watch.baseline.as_ref().map(|baseline| baseline.text_mode);
    let text_mode = baseline.or(watch.learning.as_ref().map(|learning| learning.text_mode)) == Some(true);
    let left = if text_mode {
        "and as this server tells texts alone, next to nothing is compared: the first word after two prompts without a \
         template"
    } else {
        "so that only the prompts without a template are compared"
    };
    watch.facts.is_dated().then(|| {
        format!(
            "what goes through the chat template: it prints today's date, which makes another prompt of each tomorrow, \
             {left}; checks go on"
        )
    })
}

/// First tokens that the baseline in force does not know, since they are asked for otherwise.
fn not_compared_yet(watch: &Watch) -> Option<String> {
    let baseline = watch.baseline.as_ref().filter(|_| !watch.asked.is_empty())?;
    let fit = baseline.fit(&watch.asked);
    let lacks: Vec<&str> = baseline.lacks(&watch.asked).collect();
    if lacks.is_empty() {
        return None;
    }
    let until = match (&watch.learning, watch.next_size()) {
        (Some(learning), Some(next)) if watch.alarms.is_empty() => {
            let runs = if fit == Fit::Nothing { learning.taken() } else { learning.settled.runs };
            let left = next.saturating_sub(runs).max(1);
            format!("compared by the next baseline, in {left} {}", if left == 1 { "run" } else { "runs" })
        }
        _ => "compared by the next baseline".to_owned(),
    };
    Some(format!("{}: new or edited since baseline {}; {until}", list(&lacks), baseline.number))
}

/// Checks that the baseline in force does not know, since they are graded otherwise, and that are not known yet.
fn not_graded_yet(watch: &Watch) -> Option<String> {
    let baseline = watch.baseline.as_ref().filter(|_| !watch.asked.is_empty())?;
    let new = watch.asked.graded.keys().map(String::as_str);
    let new: Vec<&str> = new
        .filter(|name| !baseline.grades(name, &watch.asked))
        .filter(|name| !watch.record(name).is_some_and(|record| record.is_stable() || record.is_unstable()))
        .collect();
    (!new.is_empty()).then(|| {
        format!(
            "{}: checks that are new or edited since baseline {}; they are watched after {} answers each",
            list(&new),
            baseline.number,
            Record::LEAST
        )
    })
}

/// That an alarm no longer ends by itself, since what spoke for it is asked otherwise or no more.
pub(super) fn withdrawn(watch: &Watch) -> Option<String> {
    let gone = &watch.withdrawn;
    let names: BTreeSet<&str> = gone
        .graded
        .keys()
        .chain(gone.compared.keys())
        .chain(gone.prompts.keys())
        .map(String::as_str)
        .collect();
    if names.is_empty() || watch.alarms.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let name = watch.plan.name();
    let baseline = watch.baseline.as_ref().filter(|_| !watch.is_blind());
    let back = baseline.map_or_else(String::new, |baseline| {
        format!("; it is as it was before: `opsagent baseline rollback {name} {}`", baseline.number)
    });
    Some(format!(
        "Asked otherwise: {} {} edited or taken out while the alarm held, so that nobody can tell whether it still holds: \
         it does not end by itself. What the model does now is right: `opsagent baseline accept {name}`{back}; or ask as \
         before",
        list(&names),
        if names.len() == 1 { "was" } else { "were" }
    ))
}
