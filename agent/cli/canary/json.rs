//! What was found, as JSON: without a word of an answer, unless it is asked for.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::answers::{Graded, categories};
use super::outcome::{Outcome, Standing};
use crate::cli::kept::Compared;
use crate::sample::{Answer, Part};

/// Grows when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// The document, ending in a line's end. `texts`: with what the model answered.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn json(
    outcome: &Outcome<'_>,
    graded: &[Graded<'_>],
    answers: &[Answer],
    texts: bool,
) -> anyhow::Result<Vec<u8>> {
    let by_category: Vec<Value> = categories(graded)
        .into_iter()
        .map(|(category, passed)| json!({ "category": category, "passed": passed }))
        .collect();
    let standing = match &outcome.standing {
        Standing::None { why } => {
            json!({ "compared": 0, "exceeding": 0, "sure": false, "why_not": why, "report": null })
        }
        Standing::Compared(Compared { report, runs: compared, exceeding, sure }) => {
            json!({ "compared": compared, "exceeding": exceeding, "sure": sure, "why_not": null, "report": report })
        }
    };
    let whole = json!({
        "schema_version": SCHEMA_VERSION,
        "target": outcome.target,
        "model": outcome.model,
        "kind": outcome.kind,
        "version": outcome.version,
        "url": outcome.url,
        "suite": outcome.suite,
        "exit_code": outcome.code,
        "answers": answers.iter().map(|one| answer(one, graded, texts)).collect::<Vec<_>>(),
        "categories": by_category,
        "time_to_first_token_seconds": outcome.speed.time_to_first_token_seconds,
        "tokens_per_second": outcome.speed.tokens_per_second,
        "prompt_tokens": outcome.spent.prompt,
        "completion_tokens": outcome.spent.completion,
        "baseline": standing,
        "unanswered": outcome.silence.unanswered,
        "empty": outcome.silence.empty,
        "fault": outcome.silence.fault,
        "saved": outcome.saved.is_some(),
    });
    let mut text = serde_json::to_vec_pretty(&whole).context("cannot write what was found as JSON")?;
    text.push(b'\n');
    Ok(text)
}

fn answer(answer: &Answer, graded: &[Graded<'_>], texts: bool) -> Value {
    let part = match answer.part {
        Part::Fingerprint => "fingerprint",
        Part::Graded => "graded",
        Part::Sampler => "sampler",
    };
    let reply = answer.result.as_ref().ok();
    let error = answer.result.as_ref().err();
    let mut value = json!({
        "canary": answer.canary,
        "part": part,
        "error": error.map(|error| json!({ "reason": error.name(), "text": error.to_string() })),
        "prompt_tokens": reply.and_then(|reply| reply.generation.tokens.input),
        "completion_tokens": reply.and_then(|reply| reply.generation.tokens.output),
        "seconds": reply.map(|reply| reply.generation.duration.as_secs_f64()),
        "time_to_first_token_seconds":
            reply.and_then(|reply| reply.generation.time_to_first_token).map(|time| time.as_secs_f64()),
    });
    if let Some(Ok((_, outcomes))) = graded
        .iter()
        .find(|one| one.canary == answer.canary && answer.part == Part::Graded)
        .map(|one| &one.last)
    {
        let check =
            |outcome: &crate::checks::Outcome| json!({ "check": outcome.check, "failed": outcome.failed });
        value["checks"] = outcomes.iter().map(check).collect();
    }
    if let (true, Some(reply)) = (texts, reply) {
        value["text"] = reply.text.clone().into();
    }
    value
}
