//! What the tap answers itself: refusals of requests that it does not pass on, and failures of the server before
//! an answer began.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;

use crate::sample::{Failure, Refusal};

/// A request that is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Why, as it is counted.
    pub(super) reason: Refusal,
    /// The status of the answer.
    pub(super) status: u16,
    /// What was found, and what would do.
    pub(super) text: Cow<'static, str>,
}

impl Refused {
    /// A refusal.
    pub(super) fn new(reason: Refusal, status: u16, text: impl Into<Cow<'static, str>>) -> Refused {
        Refused { reason, status, text: text.into() }
    }

    /// The body's framing is broken.
    pub(super) fn bad_chunk() -> Refused {
        let text = "the chunks of the request's body are malformed: a size is hexadecimal digits alone, and each \
                    line ends with CR LF";
        Refused::new(Refusal::Malformed, 400, text)
    }

    /// The body is longer than the config lets pass.
    pub(super) fn body_too_large(most: u64) -> Refused {
        let text =
            format!("the request's body is larger than {most} bytes: max_body under [tap] in the config");
        Refused::new(Refusal::BodyTooLarge, 413, text)
    }

    /// It does not come on.
    pub(super) fn slow(limit: Duration) -> Refused {
        Refused::new(
            Refusal::Slow,
            408,
            format!("nothing of the request's body came for {limit:?} (idle_timeout)"),
        )
    }

    /// The head is longer than the config lets pass.
    pub(super) fn head_too_large(most: usize) -> Refused {
        let text =
            format!("the request's head is larger than {most} bytes: max_header under [tap] in the config");
        Refused::new(Refusal::HeadTooLarge, 431, text)
    }

    /// As an answer that ends the connection.
    pub(super) fn answer(&self, manner: Manner) -> Vec<u8> {
        answer(self.status, self.reason.name(), &self.text, manner)
    }
}

/// How the client is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// It asked with `HEAD`: no body.
    pub(super) head_only: bool,
    /// It speaks Ollama's own API, where an error is a string and not an object.
    pub(super) ollama: bool,
}

impl Manner {
    /// Of one who asks so.
    pub(super) fn new(method: &str, path: &str) -> Manner {
        // What LM Studio has below `/api` is told by its version.
        let ollama =
            path.strip_prefix("/api/").is_some_and(|at| !at.starts_with("v0/") && !at.starts_with("v1/"));
        Manner { head_only: method == "HEAD", ollama }
    }

    /// Of one whose request begins so, as far as that can be read.
    pub(super) fn of(bytes: &[u8]) -> Manner {
        let mut words =
            bytes.splitn(3, |byte| *byte == b' ').map(|word| std::str::from_utf8(word).unwrap_or_default());
        Manner::new(words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// The server gave no answer: why.
pub(super) fn failure(failure: Failure, text: &str, manner: Manner) -> Vec<u8> {
    let timeout =
        matches!(failure, Failure::ConnectTimeout | Failure::FirstByteTimeout | Failure::IdleTimeout);
    answer(if timeout { 504 } else { 502 }, failure.name(), text, manner)
}

fn answer(status: u16, code: &str, text: &str, manner: Manner) -> Vec<u8> {
    let text = format!("opsagent's tap: {text}");
    let body = if manner.ollama {
        json!({ "error": text })
    } else {
        json!({ "error": { "message": text, "type": "opsagent_tap", "code": code } })
    };
    let body = format!("{body}\n");
    let retry = if status == 503 { "Retry-After: 1\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n",
        phrase(status),
        body.len()
    );
    if manner.head_only { head.into_bytes() } else { (head + &body).into_bytes() }
}

fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_in_the_form_its_client_reads() {
        let refused = Refused::new(Refusal::Connections, 503, "too many");
        let text = String::from_utf8(refused.answer(Manner::default())).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
        assert!(text.contains("Retry-After: 1\r\nConnection: close\r\n\r\n"), "{text}");
        let message =
            r#"{"error":{"message":"opsagent's tap: too many","type":"opsagent_tap","code":"connections"}}"#;
        assert!(text.ends_with(&format!("{message}\n")), "{text}");
        let ollama = failure(Failure::FirstByteTimeout, "slow", Manner { ollama: true, head_only: false });
        assert!(
            ollama.starts_with(b"HTTP/1.1 504 ")
                && ollama.ends_with(b"{\"error\":\"opsagent's tap: slow\"}\n")
        );
        let head = refused.answer(Manner { head_only: true, ollama: false });
        assert!(head.ends_with(b"\r\n\r\n"));
    }
}
