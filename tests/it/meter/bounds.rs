//! Bad answers end the measurement of their request, with a reason; nothing grows, and no text stays.

use opsagent::sample::{Dialect, End, Failure, MeterFault};
use opsagent::wire::{Close, Meter};

use super::{Bench, STREAMS, closed, recording, whole};

const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

#[test]
fn what_cannot_be_read_ends_the_measurement_and_says_why() {
    for (kind, body) in [
        (NDJSON, "{\"done\":false}\nnonsense\n"),
        (NDJSON, "{\"message\":{\"content\":\"a\n{\"done\":true}\n"),
        (NDJSON, "{\"done\":false}}\n"),
        (SSE, "data: {\"message\":\n\n"),
        (SSE, "data: [DONE\n\n"),
        (SSE, "data: ]\n\n"),
        (JSON, "{\"a\":1]"),
        (JSON, "<html>"),
        ("", "hello"),
    ] {
        let seen = whole(Dialect::OllamaChat, "{}", 200, kind, body);
        assert_eq!((seen.fault, seen.end), (Some(MeterFault::Malformed), End::Complete), "{kind} {body}");
        let broken = closed(Dialect::OllamaChat, "{}", 200, kind, &[body.as_bytes()], super::RESET);
        assert_eq!(broken.end, End::Failed(Failure::Reset), "{kind} {body}");
    }
}

#[test]
fn what_was_seen_before_a_fault_stands() {
    let body = "{\"message\":{\"content\":\"a\"}}\n{\"message\":{\"content\":\"b\"}}\n?\n{\"message\":{\"content\":\"c\"}}\n";
    let seen = whole(Dialect::OllamaChat, "{}", 200, NDJSON, body);
    assert_eq!((seen.tokens.output, seen.fault), (Some(2), Some(MeterFault::Malformed)));
    assert!(seen.time_to_first_token.is_some());
}

/// Feeds 100 MiB of one byte between a beginning and an end.
fn long(
    dialect: Dialect,
    kind: &str,
    begin: &str,
    byte: u8,
    end: &str,
) -> (Option<MeterFault>, End, Option<u64>) {
    let mut bench = Bench::sent(dialect, "{}");
    bench.head(1, 200, kind);
    bench.body(2, begin.as_bytes());
    let piece = vec![byte; 1 << 16];
    for _ in 0..1600 {
        bench.body(3, &piece);
        // What it holds shows in its debug output.
        assert!(format!("{:?}", bench.meter).len() < 16 << 10);
    }
    bench.body(4, end.as_bytes());
    let seen = bench.finish(5, Close::Whole);
    (seen.fault, seen.end, seen.tokens.input)
}

#[test]
fn a_line_of_100_mb_ends_the_measurement_and_is_not_held() {
    let fault = Some(MeterFault::LineTooLong);
    for (begin, byte) in
        [("{\"message\":{\"content\":\"", b'a'), ("{\"done_reason\":\"", b'a'), ("", b' '), ("{\"", b'k')]
    {
        assert_eq!(long(Dialect::OllamaChat, NDJSON, begin, byte, "\"}}\n"), (fault, End::Complete, None));
    }
    for begin in ["data: {\"a\":\"", ": ", "event: ", "data:", "x"] {
        assert_eq!(long(Dialect::OpenaiChat, SSE, begin, b'a', "\n\n").1, End::Complete, "{begin}");
    }
}

#[test]
fn a_body_of_100_mb_is_read_and_not_held() {
    let begin = "{\"data\":[{\"embedding\":[0";
    let end = "]}],\"usage\":{\"prompt_tokens\":12}}";
    let seen = long(Dialect::OpenaiEmbeddings, JSON, begin, b'1', end);
    assert_eq!(seen, (None, End::Complete, Some(12)));
    let base64 = "{\"data\":[{\"embedding\":\"";
    let seen = long(Dialect::OpenaiEmbeddings, JSON, base64, b'A', "\"}],\"usage\":{\"prompt_tokens\":12}}");
    assert_eq!(seen, (None, End::Complete, Some(12)));
}

#[test]
fn any_depth_is_read() {
    let deep = format!("{{\"a\":{}{},\"done\":true}}\n", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let seen = whole(Dialect::OllamaChat, "{}", 200, NDJSON, &deep);
    assert_eq!((seen.fault, seen.end), (None, End::Complete));
    let choices = format!("{{\"choices\":{}{},\"usage\":{{}}}}", "[".repeat(1 << 16), "]".repeat(1 << 16));
    let seen = whole(Dialect::OpenaiChat, "{}", 200, JSON, &choices);
    assert_eq!((seen.fault, seen.end), (None, End::Complete));
}

#[test]
fn a_meter_is_small() {
    assert!(std::mem::size_of::<Meter>() <= 1024, "{}", std::mem::size_of::<Meter>());
}

const MARKER: &str = "MARKER";

#[test]
fn no_text_of_prompt_or_answer_stays() {
    let request =
        format!("{{\"messages\":[{{\"content\":\"{MARKER}\"}}],\"prompt\":\"{MARKER}\",\"model\":\"m\"}}");
    for (dialect, path) in STREAMS {
        let recording = recording(dialect, path);
        let text = String::from_utf8(recording.body).unwrap();
        // Every value that is text of the model.
        let marked =
            ["content", "response", "thinking", "text", "delta", "token", "reasoning_content", "arguments"]
                .iter()
                .fold(text, |text, key| {
                    text.replace(&format!("\"{key}\":\""), &format!("\"{key}\":\"{MARKER}"))
                });
        assert!(marked.contains(MARKER), "{path}");
        let mut bench = Bench::sent(dialect, &request);
        bench.head(1, recording.status, &recording.content_type);
        for line in marked.split_inclusive('\n') {
            // Also while a line is under way: only what was asked for is kept, never the text itself.
            let (first, second) = line.as_bytes().split_at(line.len() / 2);
            bench.body(2, first);
            assert!(!format!("{:?}", bench.meter).contains(MARKER), "{path}");
            bench.body(2, second);
            assert!(!format!("{:?}", bench.meter).contains(MARKER), "{path}");
        }
        let seen = bench.finish(3, Close::Whole);
        assert_eq!(seen.end, End::Complete, "{path}");
        assert!(!format!("{seen:?}").contains(MARKER), "{path}");
    }
}

#[test]
fn an_errors_text_does_not_stay_and_a_name_of_a_model_is_cut() {
    let body = format!("{{\"error\":{{\"message\":\"{MARKER}\",\"type\":\"{MARKER}\"}}}}\n");
    let seen = whole(Dialect::OllamaChat, "{}", 200, NDJSON, &body);
    assert!(!format!("{seen:?}").contains(MARKER));
    let request = format!("{{\"model\":\"{}\"}}", "m".repeat(1 << 20));
    let seen = whole(Dialect::OllamaChat, &request, 200, NDJSON, "{\"done\":true}\n");
    assert_eq!(seen.model.map(|model| model.len()), Some(256));
}
