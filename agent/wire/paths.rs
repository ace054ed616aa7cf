//! What is spoken, told by the method and the path of a request.

use crate::sample::Dialect;

/// Which dialect a request speaks. `None`: it asks for no answer of a model, or for none that is known here, and
/// passes unmeasured.
///
/// The path's end decides, since proxies put folders in front of it (`/upstream/MODEL/v1/...`, `/openai/v1/...`).
/// Where the end alone may mean two things, only paths that servers are known to have are taken.
pub fn dialect_of(method: &str, path: &str) -> Option<Dialect> {
    if method != "POST" {
        return None;
    }
    // As bytes, since it is done for every request.
    let path = path.as_bytes();
    let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    let mut parts = path[..end].rsplit(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let last = parts.next()?;
    let (before, earlier) = (parts.next(), parts.next());
    match (before, last) {
        (Some(b"chat"), b"completions") => Some(Dialect::OpenaiChat),
        (Some(b"v1"), b"chat") if earlier == Some(b"api") => Some(Dialect::LmStudioChat),
        (Some(b"api"), b"generate") => Some(Dialect::OllamaGenerate),
        (Some(b"api"), b"chat") => Some(Dialect::OllamaChat),
        (Some(b"api"), b"embed" | b"embeddings") => Some(Dialect::OllamaEmbed),
        (Some(b"v1" | b"v0"), b"completions") => Some(Dialect::OpenaiCompletions),
        (Some(b"v1" | b"v0"), b"embeddings") => Some(Dialect::OpenaiEmbeddings),
        (Some(b"v1"), b"responses") => Some(Dialect::OpenaiResponses),
        (Some(b"v1"), b"messages") => Some(Dialect::AnthropicMessages),
        (_, b"completion") => Some(Dialect::LlamaCppCompletion),
        (_, b"infill") => Some(Dialect::LlamaCppInfill),
        (_, b"embedding") => Some(Dialect::LlamaCppEmbedding),
        // Without a version they are llama.cpp's own, at its root or behind llama-swap.
        (None, last) => bare(last),
        (Some(_), last) if earlier == Some(b"upstream") => bare(last),
        _ => None,
    }
}

fn bare(last: &[u8]) -> Option<Dialect> {
    match last {
        b"completions" => Some(Dialect::LlamaCppCompletion),
        b"embeddings" => Some(Dialect::LlamaCppEmbedding),
        b"responses" => Some(Dialect::OpenaiResponses),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_every_server_is_told() {
        for (path, dialect) in [
            ("/api/generate", Dialect::OllamaGenerate),
            ("/api/chat", Dialect::OllamaChat),
            ("/api/embed", Dialect::OllamaEmbed),
            ("/api/embeddings", Dialect::OllamaEmbed),
            ("/v1/chat/completions", Dialect::OpenaiChat),
            ("/chat/completions", Dialect::OpenaiChat),
            ("/api/v0/chat/completions", Dialect::OpenaiChat),
            ("/v1/completions", Dialect::OpenaiCompletions),
            ("/api/v0/completions", Dialect::OpenaiCompletions),
            ("/v1/responses", Dialect::OpenaiResponses),
            ("/responses", Dialect::OpenaiResponses),
            ("/v1/embeddings", Dialect::OpenaiEmbeddings),
            ("/api/v0/embeddings", Dialect::OpenaiEmbeddings),
            ("/completion", Dialect::LlamaCppCompletion),
            ("/completions", Dialect::LlamaCppCompletion),
            ("/infill", Dialect::LlamaCppInfill),
            ("/embedding", Dialect::LlamaCppEmbedding),
            ("/embeddings", Dialect::LlamaCppEmbedding),
            ("/v1/messages", Dialect::AnthropicMessages),
            ("/api/v1/chat", Dialect::LmStudioChat),
        ] {
            assert_eq!(dialect_of("POST", path), Some(dialect), "{path}");
            assert_eq!(dialect_of("GET", path), None, "{path}");
        }
    }

    #[test]
    fn queries_slashes_and_folders_in_front_change_nothing() {
        for (path, dialect) in [
            ("/v1/chat/completions?api-version=1", Dialect::OpenaiChat),
            ("//v1//chat/completions/", Dialect::OpenaiChat),
            ("/upstream/qwen3/v1/chat/completions", Dialect::OpenaiChat),
            ("/upstream/qwen3/completions", Dialect::LlamaCppCompletion),
            ("/upstream/qwen3/embeddings", Dialect::LlamaCppEmbedding),
            ("/openai/v1/responses", Dialect::OpenaiResponses),
            ("/ollama/api/chat", Dialect::OllamaChat),
            ("/anthropic/v1/messages", Dialect::AnthropicMessages),
            ("http://server:8080/v1/completions", Dialect::OpenaiCompletions),
        ] {
            assert_eq!(dialect_of("POST", path), Some(dialect), "{path}");
        }
    }

    #[test]
    fn what_only_looks_like_a_generation_passes_unmeasured() {
        for path in [
            "",
            "/",
            "*",
            "/api/pull",
            "/api/show",
            "/v1/messages/count_tokens",
            "/v1/threads/t1/messages",
            "/v1/responses/resp_1/cancel",
            "/v1/audio/transcriptions",
            "/tokenize",
            "/other/completions",
            "/chat",
            "/completions/x",
        ] {
            assert_eq!(dialect_of("POST", path), None, "{path}");
        }
    }
}
