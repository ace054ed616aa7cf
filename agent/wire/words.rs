//! The words that servers use for the same things.

use crate::sample::Finish;

/// The longest name of a model that is kept, in bytes. Names with a registry, a folder and a tag stay below 150.
const MODEL_MAX: usize = 256;

/// What an event is, by its `type` or its line `event:`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does not say, or nothing of interest.
    #[default]
    Other,
    /// Text for the reader.
    Answer,
    /// The model's thinking.
    Reasoning,
    /// A call of a tool.
    Tool,
    /// The last one of an answer that is whole.
    End,
    /// An error.
    Error,
}

impl Kind {
    /// What a name means.
    pub(super) fn of(raw: &[u8]) -> Kind {
        match raw {
            b"response.output_text.delta" | b"response.refusal.delta" | b"message.delta" => Kind::Answer,
            b"response.reasoning_text.delta"
            | b"response.reasoning_summary_text.delta"
            | b"response.reasoning_summary.delta"
            | b"response.reasoning.delta"
            | b"reasoning.delta" => Kind::Reasoning,
            b"response.function_call_arguments.delta"
            | b"response.custom_tool_call_input.delta"
            | b"response.mcp_call_arguments.delta"
            | b"response.code_interpreter_call_code.delta" => Kind::Tool,
            b"response.completed" | b"response.incomplete" | b"message_stop" | b"chat.end" => Kind::End,
            b"error" | b"response.failed" => Kind::Error,
            _ => Kind::Other,
        }
    }
}

/// Why generating stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// For a reason of its own.
    For(Finish),
    /// The context was full.
    ContextFull,
    /// The server broke it off.
    Broken,
}

impl Stopped {
    /// What a reason means. `None`: it goes on.
    pub(super) fn of(raw: &[u8]) -> Option<Stopped> {
        let finish = match raw {
            b"" | b"none" => return None,
            b"error" | b"abort" | b"failed" | b"modelUnloaded" => return Some(Stopped::Broken),
            b"contextLengthReached" | b"model_context_window_exceeded" => return Some(Stopped::ContextFull),
            b"stop" | b"eos" | b"word" | b"end_turn" | b"stop_sequence" | b"eosFound"
            | b"stopStringFound" => Finish::Stop,
            b"length" | b"limit" | b"max_tokens" | b"max_output_tokens" | b"maxPredictedTokensReached" => {
                Finish::Length
            }
            b"tool_calls" | b"function_call" | b"tool_use" | b"toolCalls" => Finish::ToolCalls,
            b"content_filter" | b"refusal" => Finish::ContentFilter,
            _ => Finish::Other,
        };
        Some(Stopped::For(finish))
    }
}

/// Whether an error's text says that the prompt does not fit into the context: each server has its own words.
pub(super) fn is_context_error(raw: &[u8]) -> bool {
    // llama.cpp, and Ollama around it; OpenAI and LM Studio; vLLM; llama.cpp's and SGLang's messages; Ollama's
    // embeddings; LM Studio's messages.
    const WORDS: [&[u8]; 9] = [
        b"exceed_context_size",
        b"context_length_exceeded",
        b"maximum context length",
        b"exceeds the available context size",
        b"longer than the model's context length",
        b"exceeds the context length",
        b"exceeds maximum context length",
        b"greater than the context length",
        b"context the overflows",
    ];
    WORDS.iter().any(|words| memchr::memmem::find(raw, words).is_some())
}

/// A model's name out of a JSON string: its escapes read, cut at 256 bytes. `None`: it is empty.
pub(super) fn model_name(raw: &[u8]) -> Option<String> {
    let mut name = unescape(&raw[..raw.len().min(4 * MODEL_MAX)]);
    if name.len() > MODEL_MAX {
        let end = (0..=MODEL_MAX).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
    }
    (!name.is_empty()).then_some(name)
}

fn unescape(raw: &[u8]) -> String {
    if !raw.contains(&b'\\') {
        return String::from_utf8_lossy(raw).into_owned();
    }
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    // What is no JSON string, such as one that was cut within an escape, is shown as it stands.
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_are_read_with_their_escapes_and_cut_at_a_character() {
        assert_eq!(model_name(b"qwen3:0.6b").as_deref(), Some("qwen3:0.6b"));
        assert_eq!(model_name(br"hf.co\/unsloth\/caf\u00e9").as_deref(), Some("hf.co/unsloth/café"));
        assert_eq!(model_name(br"cut\u00").as_deref(), Some(r"cut\u00"));
        assert_eq!(model_name(b""), None);
        assert_eq!(model_name(&[0xff, 0xfe]).as_deref(), Some("\u{fffd}\u{fffd}"));
        let long = model_name("é".repeat(4000).as_bytes()).unwrap();
        assert_eq!((long.len(), long.chars().count()), (256, 128));
        let odd = model_name(format!("x{}", "é".repeat(4000)).as_bytes()).unwrap();
        assert_eq!(odd.len(), 255);
    }

    #[test]
    fn each_server_says_in_its_own_words_that_a_prompt_is_too_long() {
        for text in [
            r#"an error: {\"error\":{\"code\":400,\"type\":\"exceed_context_size_error\",\"n_ctx\":2048}}"#,
            "request (3031 tokens) exceeds the available context size (2048 tokens), try increasing it",
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "the input length exceeds the context length",
            "context_length_exceeded",
        ] {
            assert!(is_context_error(text.as_bytes()), "{text}");
        }
        for text in ["model 'context' not found", "unexpected EOF", ""] {
            assert!(!is_context_error(text.as_bytes()), "{text}");
        }
    }
}
