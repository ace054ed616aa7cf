//! Compressed answers: a copy is decoded as it passes.

use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder};
use opsagent::sample::{Dialect, End, MeterFault};
use opsagent::wire::Close;

use super::{Bench, Recording, recording};
use crate::support::fixture;

fn chat() -> Recording {
    recording(Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-usage.http")
}

/// Compresses and flushes each event, as a proxy does with a stream, and ends it.
fn packed(mut codec: impl EncodeV2, body: &[u8]) -> Vec<Vec<u8>> {
    let mut room = vec![0; 1 << 20];
    let text = std::str::from_utf8(body).unwrap();
    let mut pieces = Vec::new();
    for event in text.split_inclusive("\n\n") {
        let mut output = WriteBuffer::new_initialized(&mut room);
        codec.encode(&mut PartialBuffer::new(event.as_bytes()), &mut output).unwrap();
        assert!(codec.flush(&mut output).unwrap());
        pieces.push(output.written().to_vec());
    }
    let mut output = WriteBuffer::new_initialized(&mut room);
    assert!(codec.finish(&mut output).unwrap());
    pieces.push(output.written().to_vec());
    pieces
}

fn all(body: &[u8]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("gzip", packed(GzipEncoder::new(flate2::Compression::default().into()), body)),
        ("deflate", packed(ZlibEncoder::new(flate2::Compression::default().into()), body)),
        ("Deflate", packed(DeflateEncoder::new(flate2::Compression::default().into()), body)),
        ("zstd", packed(ZstdEncoder::new(3), body)),
    ]
}

fn read(encoding: &str, pieces: &[&[u8]]) -> opsagent::sample::Generation {
    let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
    bench.encoded_head(10, 200, "text/event-stream", Some(encoding));
    for piece in pieces {
        bench.body(20, piece);
    }
    bench.finish(30, Close::Whole)
}

#[test]
fn a_compressed_stream_is_read_as_it_comes_and_however_it_is_split() {
    let plain = chat();
    let expected = plain.whole();
    for (encoding, pieces) in all(&plain.body) {
        let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
        bench.encoded_head(10, 200, "text/event-stream", Some(encoding));
        // The first event has the role alone; each of the following twelve is a token.
        let seen: Vec<u32> = pieces.iter().map(|piece| bench.body(20, piece).pieces).collect();
        assert_eq!(seen[..14], [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0], "{encoding}");
        assert_eq!(bench.finish(30, Close::Whole), expected, "{encoding}");
        let whole = pieces.concat();
        for size in [1, 2, 3, 7, 100, whole.len()] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(read(encoding, &pieces), expected, "{encoding} by {size}");
        }
    }
}

#[test]
fn brotli_is_read_as_it_comes() {
    let expected = chat().whole();
    let body = fixture::bytes("packed/chat-stream-usage.br");
    for size in [1, 5, 64, body.len()] {
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        assert_eq!(read("br", &pieces), expected, "by {size}");
    }
    // It was flushed after each event: half of it holds some tokens.
    let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
    bench.encoded_head(10, 200, "text/event-stream", Some("br"));
    assert!(bench.body(20, &body[..body.len() / 2]).pieces > 1);
}

#[test]
fn what_cannot_be_decoded_ends_the_measurement_and_says_why() {
    let fault = Some(MeterFault::Encoding);
    for (encoding, body) in [
        ("compress", &b"data: x\n\n"[..]),
        ("gzip, br", b"x"),
        ("gzip", b"data: {}\n\n"),
        ("deflate", b"data: {}\n\n"),
        ("br", b"data: {\"id\":\"1\",\"choices\":[]}\n\n"),
        ("zstd", b"data: {}\n\n"),
    ] {
        let seen = read(encoding, &[body]);
        assert_eq!((seen.fault, seen.end, seen.status), (fault, End::Complete, Some(200)), "{encoding}");
    }
    for encoding in ["identity", "", " Identity "] {
        assert_eq!(read(encoding, &[&chat().body]), chat().whole(), "{encoding}");
    }
}

#[test]
fn a_stream_that_breaks_within_its_compression_is_told_by_how_it_broke() {
    for (encoding, pieces) in all(&chat().body) {
        let cut: Vec<&[u8]> = pieces[..5].iter().map(Vec::as_slice).collect();
        let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
        bench.encoded_head(10, 200, "text/event-stream", Some(encoding));
        for piece in cut {
            bench.body(20, piece);
        }
        let seen = bench.finish(30, super::RESET);
        assert_eq!(seen.end, End::Failed(opsagent::sample::Failure::Reset), "{encoding}");
        assert_eq!((seen.fault, seen.tokens.output), (None, Some(4)), "{encoding}");
    }
}

#[test]
fn a_few_bytes_that_become_very_many_cost_little_and_end_the_measurement() {
    let spaces = vec![b' '; 16 << 20];
    for (encoding, pieces) in all(&spaces) {
        let bomb = pieces.concat();
        assert!(bomb.len() < 100 << 10, "{encoding}: {}", bomb.len());
        let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
        bench.encoded_head(10, 200, "application/json", Some(encoding));
        bench.body(20, &bomb);
        assert_eq!(bench.finish(30, Close::Whole).fault, Some(MeterFault::Encoding), "{encoding}");
    }
}

#[test]
fn bytes_after_a_whole_message_are_of_no_interest() {
    let body = b"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
    for (encoding, pieces) in all(body) {
        let whole = pieces.concat();
        let mut bench = Bench::sent(Dialect::OpenaiChat, "{}");
        bench.encoded_head(10, 200, "application/json", Some(encoding));
        bench.body(20, &whole);
        bench.body(20, b"\0\0\0 padding");
        let seen = bench.finish(30, Close::Whole);
        assert_eq!((seen.fault, seen.end, seen.tokens.input), (None, End::Complete, Some(3)), "{encoding}");
    }
}
