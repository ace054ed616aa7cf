//! What a change would take to be found, from now, and what would not be found: said from the first minutes on, so
//! that nobody takes silence for proof.

use super::Capability;
use super::baseline::Baseline;
use super::slow::BLOCK;

/// What detectors say of the runs they need.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    /// To a change that every run shows.
    pub full: Option<u64>,
    /// To a fault that hits one run of five.
    pub partial: Option<u64>,
    /// To a change that only long prompts show, in runs that ask them.
    pub long: Option<u64>,
    /// To a small change on a noisy server. `None`: it still warms up.
    pub slow: Option<u64>,
    /// Until the slow path can find anything.
    pub slow_warm: Option<u64>,
    /// Failures in a row of the check that is known best.
    pub check: Option<u64>,
    /// To a server that became slow.
    pub slower: Option<u64>,
}

/// What can be found, and what cannot. `next`: runs of the next baseline; `seconds`: from one run to the next.
pub(super) fn capabilities(
    baseline: &Baseline,
    reach: Reach,
    next: Option<u64>,
    seconds: f64,
) -> Vec<Capability> {
    let mut all = Vec::new();
    let until = next.map(|next| format!("until the baseline of {next} runs; then sooner"));
    let dated = baseline.facts.is_dated();
    let full = if dated && baseline.text_mode {
        "what alters the first word after two prompts without a template"
    } else if dated && baseline.deterministic {
        "any other weights, cache type or kernels"
    } else if baseline.text_mode && baseline.deterministic {
        "what alters a text (weights, cache type, template, penalties)"
    } else if baseline.text_mode {
        "what alters more texts than vary by themselves (Q4, template, penalties)"
    } else if baseline.deterministic {
        "any other weights, cache type, template or kernels"
    } else {
        "a change well above this server's noise (KLD 0.1 and more)"
    };
    all.push(one(full, reach.full, until.clone()));
    if dated {
        let note =
            "its template prints today's date; what the server itself tells of the template is watched";
        all.push(one("another template or system prompt", None, Some(note.to_owned())));
    }
    all.push(one("a fault that hits one answer in five", reach.partial, until.clone()));
    let has = baseline.canaries.contains_key(super::look::SAMPLER);
    let note = (!has).then(|| {
        "only where greedy texts change: this server neither shows its sampler nor draws the same with the same seed"
            .to_owned()
    });
    all.push(one("other sampling defaults", reach.full.filter(|_| has), note));
    let long = reach.long.map(|runs| runs.saturating_mul(per_hour(seconds)));
    let note = match reach.long {
        Some(runs) => format!("the long prompts are asked once an hour: {runs} times"),
        None => "the long prompts were asked too seldom yet; a day of beats is enough".to_owned(),
    };
    all.push(one("what only long prompts show (batch size, cache reuse)", long, Some(note)));
    all.push(one(
        "a cut or refused prompt, and log probabilities that are none",
        Some(2),
        Some("no test needed: it is asked again after 10 s".to_owned()),
    ));
    quality(&mut all, baseline, reach);
    if !baseline.text_mode && !baseline.deterministic {
        let note = reach
            .slow_warm
            .filter(|runs| *runs > 0)
            .map(|runs| format!("medians of {BLOCK} runs need a week first: from {runs} runs on"));
        all.push(one("a small change below this server's noise (KLD about 0.013)", reach.slow, note));
    }
    let note = reach.slower.is_none().then(|| "too few runs had the server for themselves".to_owned());
    all.push(one("answers that became slow", reach.slower, note));
    all.push(one(
        "images, tools, prompts longer than the longest canary, one bit in a rare word's row",
        None,
        Some("never: nothing here looks at them".to_owned()),
    ));
    all
}

fn quality(all: &mut Vec<Capability>, baseline: &Baseline, reach: Reach) {
    let stable = baseline.checks.values().filter(|record| record.is_stable()).count();
    let note = match (reach.check, stable) {
        (Some(failures), _) => {
            format!("{failures} failures in a row of one of {stable} stable checks; several at once, sooner")
        }
        (None, 0) => "no check was asked often enough yet, or none passes reliably".to_owned(),
        (None, _) => "its bounds are too wide yet".to_owned(),
    };
    all.push(one("lost quality, by the checks", None, Some(note)));
}

fn one(change: &str, runs: Option<u64>, note: Option<String>) -> Capability {
    Capability { change: change.to_owned(), runs, note }
}

/// Beats in an hour.
fn per_hour(seconds: f64) -> u64 {
    (3600.0 / seconds.max(1.0)).round().max(1.0) as u64
}
