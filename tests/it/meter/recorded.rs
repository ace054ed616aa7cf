//! What real servers answered, recorded.

use std::time::Duration;

use opsagent::sample::{Dialect, End, Failure, Finish, Tokens, Truncation};
use opsagent::wire::Close;

use super::{STREAMS, recording};

fn tokens(input: u64, cached: Option<u64>, output: u64) -> Tokens {
    Tokens { input: Some(input), cached, output: Some(output), ..Tokens::default() }
}

#[test]
fn every_recorded_stream_is_complete_and_cut_by_its_limit() {
    for (dialect, path) in STREAMS {
        let seen = recording(dialect, path).whole();
        assert_eq!((seen.end, seen.streamed, seen.fault), (End::Complete, Some(true), None), "{path}");
        let (finish, truncated) = match dialect {
            // It says nothing of why it ended.
            Dialect::OpenaiResponses => (Finish::Stop, None),
            _ => (Finish::Length, Some(Truncation::Length)),
        };
        assert_eq!((seen.finish, seen.truncated), (Some(finish), truncated), "{path}");
        assert_eq!(seen.time_to_first_token, Some(Duration::from_millis(20)), "{path}");
        assert_eq!(seen.time_to_first_answer, Some(Duration::from_millis(20)), "{path}");
        assert_eq!(seen.duration, Duration::from_millis(30), "{path}");
        assert!(seen.model.as_deref().is_some_and(|model| model.contains("mol")), "{path}: {:?}", seen.model);
    }
}

#[test]
fn tokens_are_what_the_server_counted() {
    for (dialect, path, expected) in [
        (Dialect::OllamaChat, "ollama/0.34.0/chat-stream.http", tokens(12, Some(3), 12)),
        (Dialect::OllamaGenerate, "ollama/0.34.0/generate-stream.http", tokens(13, Some(3), 12)),
        (Dialect::OllamaGenerate, "ollama/0.34.0/length-stop.http", tokens(13, Some(0), 3)),
        (Dialect::OpenaiChat, "ollama/0.34.0/v1-chat-stream-usage.http", tokens(12, Some(11), 8)),
        (Dialect::OpenaiChat, "ollama/0.34.0/v1-chat.http", tokens(12, Some(0), 8)),
        (Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-usage.http", tokens(34, Some(26), 12)),
        (Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-timings-progress.http", tokens(34, Some(25), 6)),
        (Dialect::OpenaiCompletions, "llama_cpp/b11434/oai-completion-stream.http", tokens(5, Some(4), 4)),
        (Dialect::LlamaCppCompletion, "llama_cpp/b11434/completion.http", tokens(5, Some(4), 6)),
        (Dialect::OpenaiResponses, "llama_cpp/b11434/responses-stream.http", tokens(31, Some(30), 6)),
        // Anthropic's count of input leaves out what the cache gave.
        (Dialect::AnthropicMessages, "llama_cpp/b11434/anthropic-stream.http", tokens(31, Some(24), 6)),
        (Dialect::AnthropicMessages, "ollama/0.34.0/v1-messages-stream.http", tokens(12, Some(11), 8)),
        (Dialect::AnthropicMessages, "llama_cpp/b11434/anthropic.http", tokens(31, Some(30), 6)),
    ] {
        assert_eq!(recording(dialect, path).whole().tokens, expected, "{path}");
    }
    let responses = recording(Dialect::OpenaiResponses, "ollama/0.34.0/v1-responses-stream.http").whole();
    assert_eq!(responses.tokens, Tokens { reasoning: Some(0), ..tokens(12, Some(11), 8) });
}

#[test]
fn without_usage_the_pieces_are_counted_and_said_to_be_an_estimate() {
    let seen = recording(Dialect::OpenaiChat, "ollama/0.34.0/v1-chat-stream.http").whole();
    assert_eq!(seen.tokens, Tokens { output: Some(8), output_estimated: true, ..Tokens::default() });
}

#[test]
fn times_are_what_the_server_told() {
    let chat = recording(Dialect::OllamaChat, "ollama/0.34.0/chat-stream.http").whole().told;
    assert_eq!(chat.load, Some(Duration::from_nanos(2_824_162)));
    assert_eq!((chat.prompt, chat.prompt_tokens), (Some(Duration::from_micros(143_485)), Some(9)));
    assert_eq!((chat.decode, chat.decode_tokens), (Some(Duration::from_micros(449_770)), Some(12)));
    // 0.11.4 does not say how much of the prompt was cached: nobody knows how many tokens the time was for.
    let old = recording(Dialect::OllamaChat, "ollama/0.11.4/chat-stream.http").whole();
    assert_eq!((old.tokens.cached, old.told.prompt_tokens), (None, None));
    assert!(old.told.prompt.is_some());
    let llama = recording(Dialect::OpenaiChat, "llama_cpp/b11434/chat-stream-usage.http").whole().told;
    assert_eq!((llama.load, llama.prompt_tokens, llama.decode_tokens), (None, Some(8), Some(12)));
    assert_eq!(
        (llama.prompt, llama.decode),
        (Some(Duration::from_micros(61_862)), Some(Duration::from_micros(122_357)))
    );
}

#[test]
fn what_is_no_stream_has_no_first_token() {
    for (dialect, path) in [
        (Dialect::OllamaGenerate, "ollama/0.34.0/length-stop.http"),
        (Dialect::OllamaChat, "ollama/0.34.0/chat-logprobs.http"),
        (Dialect::OpenaiChat, "ollama/0.34.0/v1-chat.http"),
        (Dialect::OpenaiChat, "llama_cpp/b11434/chat.http"),
        (Dialect::LlamaCppCompletion, "llama_cpp/b11434/completion-n1.http"),
        (Dialect::AnthropicMessages, "llama_cpp/b11434/anthropic.http"),
    ] {
        let seen = recording(dialect, path).whole();
        assert_eq!((seen.end, seen.streamed, seen.fault), (End::Complete, Some(false), None), "{path}");
        assert_eq!((seen.time_to_first_token, seen.time_per_output_token), (None, None), "{path}");
        assert_eq!((seen.finish.is_some(), seen.gaps.count()), (true, 0), "{path}");
    }
}

#[test]
fn loading_and_unloading_generate_nothing_and_are_complete() {
    for path in ["ollama/0.34.0/generate-load-only.http", "ollama/0.34.0/unload.http"] {
        let seen = recording(Dialect::OllamaGenerate, path).whole();
        assert_eq!((seen.end, seen.finish), (End::Complete, Some(Finish::Other)), "{path}");
        assert_eq!((seen.tokens, seen.time_to_first_token), (Tokens::default(), None), "{path}");
    }
}

#[test]
fn a_child_that_was_killed_fails_its_stream_though_the_status_was_200() {
    let killed = recording(Dialect::OllamaGenerate, "ollama/0.34.0/generate-stream-child-killed.http");
    let seen = killed.whole();
    assert_eq!((seen.end, seen.status), (End::Failed(Failure::StreamError), Some(200)));
    assert!(seen.tokens.output_estimated && seen.tokens.output > Some(100), "{:?}", seen.tokens);
    assert_eq!(killed.read(&[&killed.body], Close::ClientGone).end, seen.end);
}

#[test]
fn answers_that_refuse_say_why() {
    for (dialect, path, failure) in [
        (Dialect::OllamaChat, "ollama/0.34.0/err-missing-model.http", Failure::NotFound),
        (Dialect::OllamaEmbed, "ollama/0.34.0/embed.http", Failure::ServerError),
        (Dialect::OpenaiChat, "ollama/0.34.0/err-v1-missing.http", Failure::ClientError),
        (Dialect::OpenaiChat, "ollama/0.34.0/err-host.http", Failure::Unauthorized),
        (Dialect::OpenaiChat, "llama_cpp/b11434/error-401.http", Failure::Unauthorized),
        (Dialect::OpenaiChat, "llama_cpp/b11434/health-loading.http", Failure::Overloaded),
        (Dialect::OpenaiChat, "llama_cpp/b11434/error-exceed-context-stream.http", Failure::ContextExceeded),
        (Dialect::OpenaiEmbeddings, "llama_cpp/b11434/error-embedding-501.http", Failure::ServerError),
    ] {
        let seen = recording(dialect, path).whole();
        assert_eq!((seen.end, seen.fault), (End::Failed(failure), None), "{path}");
    }
}
