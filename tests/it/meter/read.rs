//! What counts as generated text, and when it came.

use std::time::Duration;

use opsagent::sample::{Dialect, Generation, Tokens};
use opsagent::wire::{Close, Progress};

use super::{Bench, whole};

const SSE: &str = "text/event-stream";

/// Whether a chunk in this dialect has generated text, and text for the reader.
fn text(dialect: Dialect, chunk: &str) -> (bool, bool) {
    let (kind, body) = match dialect {
        Dialect::OllamaChat | Dialect::OllamaGenerate => ("application/x-ndjson", format!("{chunk}\n")),
        _ => (SSE, format!("data: {chunk}\n\n")),
    };
    let seen = whole(dialect, "{}", 200, kind, &body);
    assert_eq!(seen.fault, None, "{chunk}");
    (seen.time_to_first_token.is_some(), seen.time_to_first_answer.is_some())
}

const NONE: (bool, bool) = (false, false);
const UNSEEN: (bool, bool) = (true, false);
const SEEN: (bool, bool) = (true, true);

#[test]
fn only_generated_text_is_a_token_and_only_an_answer_is_visible() {
    let chat = |delta: &str| {
        text(Dialect::OpenaiChat, &format!("{{\"id\":\"1\",\"choices\":[{{\"delta\":{delta}}}]}}"))
    };
    for (delta, expected) in [
        (r#"{"role":"assistant"}"#, NONE),
        (r#"{"role":"assistant","content":null}"#, NONE),
        (r#"{"role":"assistant","content":""}"#, NONE),
        ("{}", NONE),
        (r#"{"content":"a"}"#, SEEN),
        (r#"{"content":"\""}"#, SEEN),
        (r#"{"content":"\u00e9"}"#, SEEN),
        (r#"{"reasoning_content":"a","content":null}"#, UNSEEN),
        (r#"{"reasoning":"a","content":""}"#, UNSEEN),
        (r#"{"thinking":"a"}"#, UNSEEN),
        (r#"{"refusal":"no"}"#, SEEN),
        (
            r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#,
            UNSEEN,
        ),
        (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}"#, UNSEEN),
        (r#"{"tool_calls":[{"index":0,"id":"c","function":{"arguments":""}}]}"#, NONE),
        (r#"{"tool_calls":[]}"#, NONE),
    ] {
        assert_eq!(chat(delta), expected, "{delta}");
    }
    for (dialect, chunk, expected) in [
        (
            Dialect::OpenaiChat,
            r#"{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            NONE,
        ),
        (
            Dialect::OpenaiChat,
            r#"{"id":"1","choices":[{"delta":{"content":null}}],"prompt_progress":{"total":9}}"#,
            NONE,
        ),
        // llama-swap's own words while it starts a model.
        (
            Dialect::OpenaiChat,
            r#"{"choices":[{"delta":{"reasoning_content":"llama-swap loading model: x"}}]}"#,
            NONE,
        ),
        (Dialect::OpenaiChat, r#"{"choices":[{"delta":{"reasoning_content":"a"}}],"id":"1"}"#, UNSEEN),
        (Dialect::OpenaiChat, r#"{"choices":[{"delta":{"content":"a"}}]}"#, SEEN),
        (Dialect::OpenaiCompletions, r#"{"id":"1","choices":[{"text":"a"}]}"#, SEEN),
        (
            Dialect::OpenaiCompletions,
            r#"{"id":"1","choices":[{"text":""}],"usage":{"prompt_tokens":0}}"#,
            NONE,
        ),
        (Dialect::LlamaCppCompletion, r#"{"content":"a","stop":false}"#, SEEN),
        (Dialect::LlamaCppCompletion, r#"{"content":"","stop":false}"#, NONE),
        (Dialect::OllamaChat, r#"{"message":{"role":"assistant","content":"a"},"done":false}"#, SEEN),
        (Dialect::OllamaChat, r#"{"message":{"content":"","thinking":"a"},"done":false}"#, UNSEEN),
        (
            Dialect::OllamaChat,
            r#"{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"content":"x"}}}]}}"#,
            UNSEEN,
        ),
        (Dialect::OllamaChat, r#"{"message":{"content":"","images":["x"]},"done":false}"#, NONE),
        (Dialect::OllamaGenerate, r#"{"response":"a","done":false}"#, SEEN),
        (Dialect::OllamaGenerate, r#"{"response":"","thinking":"a","done":false}"#, UNSEEN),
        (Dialect::OllamaGenerate, r#"{"response":"","done":true,"context":[1,2]}"#, NONE),
        (
            Dialect::AnthropicMessages,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
            SEEN,
        ),
        (Dialect::AnthropicMessages, r#"{"type":"content_block_delta","delta":{"thinking":"a"}}"#, UNSEEN),
        (
            Dialect::AnthropicMessages,
            r#"{"type":"content_block_delta","delta":{"partial_json":"{"}}"#,
            UNSEEN,
        ),
        (Dialect::AnthropicMessages, r#"{"type":"content_block_delta","delta":{"partial_json":""}}"#, NONE),
        (
            Dialect::AnthropicMessages,
            r#"{"type":"content_block_start","content_block":{"type":"text","text":"a"}}"#,
            NONE,
        ),
        (Dialect::AnthropicMessages, r#"{"type":"ping"}"#, NONE),
        (Dialect::OpenaiResponses, r#"{"delta":"a","type":"response.output_text.delta"}"#, SEEN),
        (Dialect::OpenaiResponses, r#"{"type":"response.reasoning_text.delta","delta":"a"}"#, UNSEEN),
        (
            Dialect::OpenaiResponses,
            r#"{"type":"response.function_call_arguments.delta","delta":"a"}"#,
            UNSEEN,
        ),
        (Dialect::OpenaiResponses, r#"{"type":"response.output_text.done","text":"a"}"#, NONE),
        (Dialect::OpenaiResponses, r#"{"type":"response.audio.delta","delta":"a"}"#, NONE),
        (Dialect::LmStudioChat, r#"{"type":"message.delta","content":"a"}"#, SEEN),
        (Dialect::LmStudioChat, r#"{"type":"reasoning.delta","content":"a"}"#, UNSEEN),
        (Dialect::LmStudioChat, r#"{"type":"prompt_processing.progress","progress":0.5}"#, NONE),
        (Dialect::LmStudioChat, r#"{"type":"model_load.progress","content":"a"}"#, NONE),
    ] {
        assert_eq!(text(dialect, chunk), expected, "{dialect:?} {chunk}");
    }
}

fn chunk(text: &str) -> String {
    format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

#[allow(clippy::unnecessary_wraps, reason = "so are the times that it is compared with")]
fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// Ten tokens: the first at 100 ms, three in one read at 200 ms, a stall, six one by one until 1.6 s.
fn stalled(usage: bool) -> Generation {
    let mut bench = Bench::sent(Dialect::OpenaiChat, r#"{"model":"m","stream":true}"#);
    bench.head(40, 200, SSE);
    let role = "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n";
    assert_eq!(bench.body(50, role.as_bytes()), Progress { pieces: 0, first: false });
    let thought = chunk("a").replace("content", "reasoning_content");
    assert_eq!(bench.body(100, thought.as_bytes()), Progress { pieces: 1, first: true });
    // One read, of two parts as HTTP frames them.
    assert_eq!(bench.body(200, chunk("b").repeat(2).as_bytes()), Progress { pieces: 2, first: false });
    assert_eq!(bench.body(200, chunk("b").as_bytes()), Progress { pieces: 1, first: false });
    for at in 0..6 {
        bench.body(1100 + 100 * at, chunk("c").as_bytes());
    }
    if usage {
        let last = "data: {\"id\":\"1\",\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":21,\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\ndata: [DONE]\n\n";
        bench.body(1700, last.as_bytes());
    }
    bench.finish(1800, Close::Whole)
}

#[test]
fn times_are_those_of_tokens_and_a_read_with_several_is_one_gap() {
    let seen = stalled(true);
    assert_eq!((seen.time_to_first_token, seen.time_to_first_answer), (millis(100), millis(200)));
    assert_eq!((seen.gaps.count(), seen.gaps.longest), (7, Duration::from_millis(900)));
    assert!((seen.gaps.sum_seconds - 1.5).abs() < 1e-9);
    // 1.5 s for the 20 tokens after the first.
    assert_eq!(seen.time_per_output_token, millis(75));
    assert_eq!(
        seen.tokens,
        Tokens { input: Some(7), output: Some(21), reasoning: Some(2), ..Tokens::default() }
    );
    assert_eq!((seen.duration, seen.model.as_deref()), (Duration::from_millis(1800), Some("m")));
}

#[test]
fn without_a_count_of_the_servers_ours_stands_in_for_it() {
    let seen = stalled(false);
    assert_eq!(seen.tokens, Tokens { output: Some(10), output_estimated: true, ..Tokens::default() });
    let pace = seen.time_per_output_token.unwrap().as_secs_f64();
    assert!((pace - 1.5 / 9.0).abs() < 1e-6, "{pace}");
}

#[test]
fn tokens_that_came_in_one_read_have_no_pace() {
    let body = chunk("a").repeat(5);
    let seen = whole(Dialect::OpenaiChat, "{}", 200, SSE, &body);
    assert_eq!((seen.time_per_output_token, seen.gaps.count()), (None, 0));
    assert_eq!(seen.time_to_first_token, millis(20));
}

#[test]
fn what_a_stream_told_of_its_beginning_does_not_stand_for_the_whole_of_it() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n";
    let delta = "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n";
    let body = format!("{start}{}", delta.repeat(9));
    let seen = whole(Dialect::AnthropicMessages, "{}", 200, SSE, &body);
    assert_eq!((seen.tokens.output, seen.tokens.output_estimated), (Some(9), true));
    assert_eq!(seen.tokens.input, Some(5));
}

#[test]
fn an_answer_that_begins_before_the_request_was_sent_counts_from_its_head() {
    let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
    bench.meter = opsagent::wire::Meter::new(Dialect::OpenaiChat);
    bench.head(100, 200, SSE);
    let late = bench.at(500);
    bench.meter.sent(late);
    bench.body(700, chunk("a").as_bytes());
    assert_eq!(bench.finish(800, Close::Whole).time_to_first_token, millis(600));
}

#[test]
fn the_model_is_the_one_asked_for_and_else_the_one_that_answers() {
    let body = "{\"model\":\"told\",\"choices\":[]}";
    let model = |request| whole(Dialect::OpenaiChat, request, 200, "application/json", body).model;
    assert_eq!(model("{\"model\":\"asked\"}").as_deref(), Some("asked"));
    assert_eq!(model("{}").as_deref(), Some("told"));
    assert_eq!(model("{\"model\":\"\"}").as_deref(), Some("told"));
}

#[test]
fn lm_studio_tells_its_load_time_and_its_context() {
    let v1 = "{\"model_instance_id\":\"q\",\"output\":[{\"type\":\"message\",\"content\":\"x\"}],\"stats\":{\"input_tokens\":9,\"total_output_tokens\":20,\"reasoning_output_tokens\":4,\"model_load_time_seconds\":2.5}}";
    let seen = whole(Dialect::LmStudioChat, "{}", 200, "application/json", v1);
    assert_eq!((seen.told.load, seen.model.as_deref()), (Some(Duration::from_millis(2500)), Some("q")));
    assert_eq!(
        seen.tokens,
        Tokens { input: Some(9), output: Some(20), reasoning: Some(4), ..Tokens::default() }
    );
    let v0 = "{\"choices\":[{\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":28},\"model_info\":{\"context_length\":128}}";
    let seen = whole(Dialect::OpenaiChat, "{}", 200, "application/json", v0);
    assert_eq!(seen.truncated, Some(opsagent::sample::Truncation::Context));
}

#[test]
fn an_answer_that_does_not_say_its_type_is_known_by_its_first_byte() {
    let lines = "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"done\":true}\n";
    let seen = whole(Dialect::OllamaChat, "{}", 200, "", lines);
    assert_eq!((seen.end, seen.streamed), (opsagent::sample::End::Complete, Some(true)));
    let seen = whole(Dialect::OllamaChat, "{\"stream\":false}", 200, "text/plain", "\n{\n\"done\":true\n}\n");
    assert_eq!((seen.end, seen.streamed), (opsagent::sample::End::Complete, Some(false)));
    for kind in ["", "text/plain", "application/json"] {
        let seen = whole(Dialect::OpenaiChat, "{}", 200, kind, &chunk("a"));
        assert_eq!((seen.streamed, seen.time_to_first_token), (Some(true), millis(20)), "{kind}");
    }
}
