//! Tokens, times and limits of an answer, out of what its server counted and, where it counted nothing, what came.

use std::time::Duration;

use super::answer::Answer;
use crate::sample::{Finish, ServerTimes, Tokens, Truncation};

/// Tokens of the answer, of which `pieces` came as a stream. `complete`: it is whole, and so are its counts.
pub(super) fn tokens(answer: &Answer, pieces: u64, complete: bool) -> Tokens {
    let counts = &answer.counts;
    let uncached = counts
        .input_uncached
        .map(|input| input + counts.cached.unwrap_or(0) + counts.cache_written.unwrap_or(0));
    let timed = counts.timed_cached.zip(counts.timed_prompt).map(|(cached, prompt)| cached + prompt);
    let mut input = counts.input.or(uncached).or(timed);
    let mut told = counts.output.or(counts.timed_output);
    if (input, told) == (Some(0), Some(0)) {
        // Ollama writes zeros on every chunk until it knows.
        (input, told) = (None, None);
    }
    // A stream that was cut tells of its beginning at most.
    let stale = |told: u64| told < pieces && (told == 0 || !complete);
    let output = told.filter(|told| !stale(*told));
    let estimated = output.is_none() && pieces > 0;
    Tokens {
        input,
        cached: counts.cached.or(counts.timed_cached),
        output: if estimated { Some(pieces) } else { output },
        reasoning: counts.reasoning,
        output_estimated: estimated,
    }
}

/// What the server told of its own times.
pub(super) fn times(answer: &Answer) -> ServerTimes {
    let (counts, times) = (&answer.counts, &answer.times);
    let duration = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
    // Zero: it had not begun to measure.
    let measured = |seconds| duration(seconds).filter(|length| !length.is_zero());
    let (prompt, decode) = (measured(times.prompt), measured(times.decode));
    // Ollama's time is of the uncached part alone; where it does not tell the cached one, nobody knows of how many.
    let uncached = counts.input.zip(counts.cached).map(|(input, cached)| input.saturating_sub(cached));
    ServerTimes {
        load: duration(times.load),
        prompt,
        prompt_tokens: prompt.and(counts.timed_prompt.or(uncached)),
        decode,
        decode_tokens: decode.and(counts.timed_output.or(counts.output)),
    }
}

/// By which limit the answer was cut. `limit`: the most tokens that the request allows.
pub(super) fn truncation(answer: &Answer, tokens: &Tokens, limit: Option<u64>) -> Option<Truncation> {
    if answer.context_full {
        return Some(Truncation::Context);
    }
    if answer.finish != Some(Finish::Length) {
        return None;
    }
    let counted = tokens.output.filter(|_| !tokens.output_estimated);
    // It stopped below what was allowed: then it was the context that was full.
    let below = counted.zip(limit).is_some_and(|(output, limit)| output < limit);
    let filled = counted
        .zip(tokens.input)
        .zip(answer.context)
        .is_some_and(|((output, input), context)| input + output >= context);
    Some(if below || filled { Truncation::Context } else { Truncation::Length })
}
