//! What measuring an answer costs: `cargo bench --bench meter`. The quickest of many short rounds is told, since
//! other work on the machine makes any of them longer and none shorter.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Duration;

use opsagent::sample::{Dialect, Generation};
use opsagent::wire::{Close, Head, Meter};
use tokio::time::Instant;

/// Chunks of one round: some tenths of a millisecond.
const CHUNKS: u32 = 1280;
const ROUNDS: u32 = 2000;

const OPENAI: &str = "data: {\"id\":\"chatcmpl-245\",\"object\":\"chat.completion.chunk\",\"created\":1795339403,\"model\":\"smol\",\"system_fingerprint\":\"fp_ollama\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" a\"},\"finish_reason\":null}]}\n\n";
const LLAMA_CPP: &str = "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"1\"}}],\"created\":1795325514,\"id\":\"chatcmpl-fwkY5UZPXMoqARxmO3ILc8vydzNikHqx\",\"model\":\"/srv/models/smollm/SmolLM2-135M-Instruct.Q4_1.gguf\",\"system_fingerprint\":\"b0-unknown\",\"object\":\"chat.completion.chunk\"}\n\n";
const OLLAMA: &str = "{\"model\":\"hf.co/bartowski/Qwen3-30B-A3B-Instruct-2507-GGUF:Q4_K_M-with-a-long-name-of-a-registry-and-a-folder\",\"created_at\":\"2026-11-22T09:23:19.465296832Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\" token\"},\"done\":false}\n";
const ANTHROPIC: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"I\"}}\n\n";
const RESPONSES: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_G10OwmGl4joV5PDgccwRTKXGeEC5VYCC\",\"output_index\":0,\"content_index\":0,\"delta\":\"I\"}\n\n";

/// Nanoseconds a chunk, read in pieces of so many chunks.
fn chunks(dialect: Dialect, content_type: &str, chunk: &str, together: u32) -> f64 {
    let bytes = chunk.repeat(together as usize);
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now().into_std();
            let mut meter = Meter::new(dialect);
            meter.sent(start);
            let content_type = Some(content_type.as_bytes());
            meter.head(Head { status: 200, content_type, content_encoding: None }, start);
            let began = Instant::now();
            let mut at = start;
            for _ in 0..CHUNKS / together {
                at += Duration::from_millis(10);
                black_box(meter.body(black_box(bytes.as_bytes()), at));
            }
            let took = began.elapsed();
            let seen = meter.finish(Close::ClientGone, at);
            assert_eq!(seen.tokens.output, Some(u64::from(CHUNKS)));
            took.as_secs_f64() * 1e9 / f64::from(CHUNKS)
        })
        .fold(f64::MAX, f64::min)
}

/// Seconds for a request's body of 100 MiB, in pieces of 64 KiB.
fn prompt(text: &str) -> f64 {
    let piece = text.repeat((64 << 10) / text.len());
    (0..20)
        .map(|_| {
            let mut meter = Meter::new(Dialect::OpenaiChat);
            meter.request(b"{\"messages\":[{\"content\":\"");
            let began = Instant::now();
            for _ in 0..1600 {
                meter.request(black_box(piece.as_bytes()));
            }
            began.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min)
}

fn main() {
    const SSE: &str = "text/event-stream";
    println!("chunk       bytes   ns one by one   ns in reads of 64");
    for (name, dialect, content_type, chunk) in [
        ("openai", Dialect::OpenaiChat, SSE, OPENAI),
        ("llama.cpp", Dialect::OpenaiChat, SSE, LLAMA_CPP),
        ("ollama", Dialect::OllamaChat, "application/x-ndjson", OLLAMA),
        ("anthropic", Dialect::AnthropicMessages, SSE, ANTHROPIC),
        ("responses", Dialect::OpenaiResponses, SSE, RESPONSES),
    ] {
        let (one, many) = (chunks(dialect, content_type, chunk, 1), chunks(dialect, content_type, chunk, 64));
        println!("{name:<10} {:>6} {one:>15.0} {many:>19.0}", chunk.len());
    }
    println!(
        "prompt of 100 MiB: {:.1} ms of base64, {:.1} ms of text",
        prompt("iVBORw0KGgo") * 1e3,
        prompt("A line of prose with a few \\\"quotes\\\", then its end.\\n") * 1e3
    );
    println!("bytes: {} a meter, {} a generation", size_of::<Meter>(), size_of::<Generation>());
}
