//! Any bytes give an answer, the same one however they are split, and never a panic.

use opsagent::sample::{Dialect, Generation};
use opsagent::wire::Close;
use proptest::prelude::*;

use super::{STREAMS, closed, recording};

const KINDS: [&str; 4] = ["text/event-stream", "application/x-ndjson", "application/json", ""];

/// Words that mean something to a meter, and noise, in any order.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "data:",
        "data: ",
        "event: ",
        "error: ",
        ": c",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "[DONE]",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\\"",
        "\\u00e9",
        "\"content\":",
        "\"delta\":",
        "\"choices\":[",
        "\"message\":{",
        "\"response\":\"a\"",
        "\"done\":true",
        "\"done\":false",
        "\"error\":",
        "null",
        "true",
        "12",
        "-1",
        "1e400",
        "\"model\":\"m\"",
        "\"usage\":{",
        "\"completion_tokens\":3",
        "\"type\":\"message_stop\"",
        "\"finish_reason\":\"stop\"",
        "\u{feff}",
        "event: error\n",
        "é",
        " ",
    ];
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn read(dialect: Dialect, kind: &str, body: &[u8], cuts: &[prop::sample::Index], close: Close) -> Generation {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(body.len());
    let mut pieces = Vec::new();
    let mut from = 0;
    for end in ends {
        pieces.push(&body[from..end]);
        from = end;
    }
    closed(dialect, "{}", 200, kind, &pieces, close)
}

proptest! {
    // More of them: PROPTEST_CASES.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_reads_alike_however_it_is_split(
        dialect in prop::sample::select(&Dialect::ALL[..]),
        kind in prop::sample::select(&KINDS[..]),
        words in prop::collection::vec(piece(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let body = words.concat();
        let whole = read(dialect, kind, &body, &[], Close::Whole);
        prop_assert_eq!(read(dialect, kind, &body, &cuts, Close::Whole), whole);
    }

    #[test]
    fn chunks_that_are_nearly_alike_read_alike_however_they_are_split(
        dialect in prop::sample::select(&Dialect::ALL[..]),
        chunks in prop::collection::vec((0..4_usize, "[a\\\\\"]{0,3}", 0..3_u8), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let body: String = chunks.iter().map(|(shape, text, count)| match shape {
            0 => format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":{{\"completion_tokens\":{count}}}}}\n\n"),
            1 => format!("data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"reasoning\":\"{text}\"}}}}]}}\n\n"),
            2 => format!("event: message.delta\ndata:{{\"delta\":{{\"text\":\"{text}\"}},\"content\":\"{text}\"}}\n\n"),
            _ => format!("data: {{\"response\":\"{text}\",\"eval_count\":{count}}}\n\n"),
        }).collect();
        let kind = KINDS[0];
        let whole = read(dialect, kind, body.as_bytes(), &[], Close::Whole);
        prop_assert_eq!(read(dialect, kind, body.as_bytes(), &cuts, Close::Whole), whole);
    }

    #[test]
    fn a_recorded_stream_with_a_few_bytes_changed_reads_alike_however_it_is_split(
        stream in prop::sample::select(&STREAMS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let recording = recording(stream.0, stream.1);
        let mut body = recording.body;
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let whole = read(stream.0, &recording.content_type, &body, &[], Close::Whole);
        prop_assert_eq!(read(stream.0, &recording.content_type, &body, &cuts, Close::Whole), whole);
    }

    #[test]
    fn a_request_of_any_bytes_is_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let mut meter = opsagent::wire::Meter::new(Dialect::OllamaChat);
        meter.request(&bytes);
        meter.request(text.as_bytes());
        let now = tokio::time::Instant::now().into_std();
        let seen = meter.finish(Close::ClientGone, now);
        prop_assert!(seen.model.is_none_or(|model| model.len() <= 256));
    }
}
