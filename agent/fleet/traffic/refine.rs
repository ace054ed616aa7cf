//! What of a generation only the target's inventory tells: how far a request was, and whether the context was
//! full. Pure.

use std::time::Duration;

use crate::sample::{End, Finish, Generation, Phase, Truncation};

/// The kind that sends an answer's head once it begins with the request, and not with its first token.
const EARLY_HEADS: &str = "llama_cpp";

/// More tokens than this in one answer, or longer than that, is no reading: a sum would keep it for ever.
const MOST_TOKENS: u64 = 1_000_000_000;
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What a server says of itself, without what cannot be.
pub(super) fn doubt(one: &mut Generation) {
    let Generation { tokens, told, .. } = one;
    let counts = [&mut tokens.input, &mut tokens.cached, &mut tokens.output, &mut tokens.reasoning];
    for count in counts.into_iter().chain([&mut told.prompt_tokens, &mut told.decode_tokens]) {
        *count = count.filter(|count| *count <= MOST_TOKENS);
    }
    for time in [&mut told.load, &mut told.prompt, &mut told.decode] {
        *time = time.filter(|time| *time <= LONGEST);
    }
}

/// How far a request was whose client left. Before the head of its answer came it was in the server's queue only
/// as far as a server sends that head when it begins. Others send it with the first token, and every server does
/// where the answer is no stream; what they were handed they may well have been working on.
pub(super) fn phase(one: &mut Generation, kind: &str) {
    let nothing_sent = one.duration.is_zero();
    let told = kind == EARLY_HEADS && one.streamed == Some(true);
    if one.end == End::Cancelled(Phase::Queued) && !told && !nothing_sent {
        one.end = End::Cancelled(Phase::Prefill);
    }
}

/// By which limit it was cut, given the context that its model was loaded with. A prompt that is merely long is
/// not: it must fill all of the context, or prompt and answer together must.
pub(super) fn truncation(one: &mut Generation, context: Option<u64>) {
    let (Some(context), false) = (context.filter(|context| *context > 0), one.dialect.embeds()) else {
        return;
    };
    if one.tokens.output_estimated {
        return;
    }
    let Some(input) = one.tokens.input else { return };
    let all = input.saturating_add(one.tokens.output.unwrap_or(0));
    // A server stops one token before its context is full. More than fits can only be where the oldest was
    // dropped.
    let stopped = one.finish == Some(Finish::Length) && all.saturating_add(1) >= context;
    if input >= context || stopped || all > context {
        one.truncated = Some(Truncation::Context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Dialect, Failure, ServerTimes, Tokens};

    fn ended(end: End, streamed: Option<bool>, millis: u64) -> Generation {
        let one = Generation::new(Dialect::OpenaiChat, end, Duration::from_millis(millis));
        Generation { streamed, ..one }
    }

    #[test]
    fn only_a_server_that_sends_its_head_early_tells_its_queue_from_its_work() {
        use Phase::{Decode, Prefill, Queued};
        for (kind, streamed, millis, was, is) in [
            ("llama_cpp", Some(true), 5, Queued, Queued),
            ("llama_cpp", Some(false), 5, Queued, Prefill),
            ("llama_cpp", None, 5, Queued, Prefill),
            ("ollama", Some(true), 5, Queued, Prefill),
            ("ollama", Some(true), 0, Queued, Queued),
            ("ollama", Some(true), 5, Decode, Decode),
        ] {
            let mut one = ended(End::Cancelled(was), streamed, millis);
            phase(&mut one, kind);
            assert_eq!(one.end, End::Cancelled(is), "{kind} {streamed:?} {millis} ms");
        }
        let mut failed = ended(End::Failed(Failure::Reset), None, 5);
        phase(&mut failed, "ollama");
        assert_eq!(failed.end, End::Failed(Failure::Reset));
    }

    #[test]
    fn the_context_is_full_only_when_it_is() {
        let cases = [
            // A long prompt, and an answer that ended by itself within what is left.
            (4000, 90, Finish::Stop, None),
            (4090, 6, Finish::Stop, None),
            (4000, 50, Finish::Length, Some(Truncation::Length)),
            (4000, 94, Finish::Length, Some(Truncation::Length)),
            (4000, 95, Finish::Length, Some(Truncation::Context)),
            (4000, 96, Finish::Length, Some(Truncation::Context)),
            // Oldest tokens were dropped while it went on.
            (4000, 97, Finish::Stop, Some(Truncation::Context)),
            (4096, 0, Finish::Stop, Some(Truncation::Context)),
        ];
        for (input, output, finish, wanted) in cases {
            let mut one = ended(End::Complete, Some(true), 5);
            one.tokens = Tokens { input: Some(input), output: Some(output), ..Tokens::default() };
            one.finish = Some(finish);
            one.truncated = (finish == Finish::Length).then_some(Truncation::Length);
            truncation(&mut one, Some(4096));
            assert_eq!(one.truncated, wanted, "{input} {output} {finish:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_no_reading() {
        let mut one = ended(End::Complete, Some(true), 5);
        one.tokens = Tokens { input: Some(u64::MAX), output: Some(7), ..Tokens::default() };
        one.told = ServerTimes { load: Some(Duration::MAX), prompt: Some(LONGEST), ..ServerTimes::default() };
        doubt(&mut one);
        assert_eq!((one.tokens.input, one.tokens.output), (None, Some(7)));
        assert_eq!((one.told.load, one.told.prompt), (None, Some(LONGEST)));
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let full = Tokens { input: Some(9000), output: Some(9), ..Tokens::default() };
        let judged = |one: Generation, context| {
            let mut one = one;
            truncation(&mut one, context);
            one.truncated
        };
        let of = |tokens| Generation { tokens, ..ended(End::Complete, Some(true), 5) };
        assert_eq!(judged(of(full), Some(4096)), Some(Truncation::Context));
        assert_eq!(judged(of(full), None), None);
        assert_eq!(judged(of(full), Some(0)), None);
        assert_eq!(judged(of(Tokens { input: None, ..full }), Some(4)), None);
        assert_eq!(judged(of(Tokens { output_estimated: true, ..full }), Some(4096)), None);
        // The tokens of an embedding are those of all its texts together.
        let embeds = Generation { dialect: Dialect::OllamaEmbed, ..of(full) };
        assert_eq!(judged(embeds, Some(4096)), None);
    }
}
