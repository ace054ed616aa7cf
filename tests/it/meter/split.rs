//! The same is read however an answer is cut, and whichever way its lines end.

use opsagent::sample::End;
use opsagent::wire::Close;

use super::{Recording, STREAMS, recording};

/// The ways in which lines may end: a stream of events may have all three, lines of JSON the first two.
fn endings(recording: &Recording) -> Vec<Vec<u8>> {
    let text = String::from_utf8(recording.body.clone()).unwrap();
    let mut all = vec![text.clone(), text.replace('\n', "\r\n")];
    if recording.content_type.contains("event-stream") {
        all.push(text.replace('\n', "\r"));
        all.push(text.replace("data: ", "data:"));
        all.push(text.replace("\n\n", "\n: a comment\n\n: another\n\n"));
    }
    all.into_iter().map(String::into_bytes).collect()
}

#[test]
fn recorded_streams_read_alike_split_at_every_byte() {
    for (dialect, path) in STREAMS {
        let recording = recording(dialect, path);
        let expected = recording.whole();
        let body = &recording.body;
        for at in 0..=body.len() {
            let (first, second) = body.split_at(at);
            let seen = recording.read(&[first, second], Close::Whole);
            assert_eq!(seen, expected, "{path} split at {at}");
        }
    }
}

#[test]
fn recorded_streams_read_alike_with_every_line_ending_in_pieces_of_every_size() {
    for (dialect, path) in STREAMS {
        let recording = recording(dialect, path);
        let expected = recording.whole();
        for body in endings(&recording) {
            for size in 1..=80 {
                let pieces: Vec<&[u8]> = body.chunks(size).collect();
                assert_eq!(recording.read(&pieces, Close::Whole), expected, "{path} by {size}");
            }
        }
    }
}

#[test]
fn an_event_in_several_data_lines_is_one_document() {
    for (dialect, path) in STREAMS {
        let recording = recording(dialect, path);
        if !recording.content_type.contains("event-stream") {
            continue;
        }
        let text = String::from_utf8(recording.body.clone()).unwrap();
        let body = text.replace(",\"", ",\ndata: \"");
        assert_ne!(body, text);
        let seen = recording.read(&[body.as_bytes()], Close::Whole);
        assert_eq!(seen, recording.whole(), "{path}");
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_before_its_end_is_not_complete() {
    for (dialect, path) in STREAMS {
        let recording = recording(dialect, path);
        let text = String::from_utf8(recording.body.clone()).unwrap();
        // The first byte at which all that tells the end has come.
        let end = text
            .find("\"done\":true")
            .or_else(|| text.find("\"finish_reason\":\"length\""))
            .or_else(|| text.rfind("\"stop\":true"))
            .or_else(|| text.find("data: {\"type\":\"message_stop\""))
            .or_else(|| text.rfind("event: response.completed"))
            .unwrap();
        for at in (0..end).step_by(7) {
            let cut = &recording.body[..at];
            assert!(matches!(recording.read(&[cut], Close::Whole).end, End::Failed(_)), "{path} cut at {at}");
            assert!(
                matches!(recording.read(&[cut], Close::ClientGone).end, End::Cancelled(_)),
                "{path} at {at}"
            );
        }
    }
}

#[test]
fn chunks_that_are_alike_read_as_those_that_are_not() {
    let text = |text: &str, usage: u32| {
        format!(
            "data: {{\"id\":\"1\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":{usage}}}}}\n\n"
        )
    };
    let usage = "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"completion_tokens\":9}}\n\n".to_owned();
    let twice = |line: String| line.replace("\n\n", "\n") + &line;
    for body in [
        // The last count is the one that holds, also when an earlier chunk comes again.
        text("a", 5) + &text("b", 5) + &usage + &text("c", 5),
        text("a", 5) + &text("b", 6) + &text("c", 5) + &text("", 5) + &text("d", 5),
        text("a", 5) + &text("b\\", 5) + &text("c", 5),
        // Two documents in one event are none.
        text("a", 5) + &twice(text("b", 5)),
        text("a", 5) + "event: error\n" + &text("b", 5),
        text("a", 5) + "event: message.delta\n" + &text("b", 5) + &text("c", 5),
    ] {
        for dialect in [opsagent::sample::Dialect::OpenaiChat, opsagent::sample::Dialect::LmStudioChat] {
            let read = |size: usize| {
                let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
                super::closed(dialect, "{}", 200, "text/event-stream", &pieces, Close::Whole)
            };
            // Byte by byte no line is whole, so none is taken for another.
            assert_eq!(read(1), read(body.len()), "{body}");
        }
    }
}
