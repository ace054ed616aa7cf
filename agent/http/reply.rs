//! An answer, whole, and how it is read.

use http::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::HttpError;

/// An answer, whole, of whatever status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`BODY_CAP`](super::BODY_CAP) bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply if its status is a success.
    pub fn ok(self) -> Result<Reply, HttpError> {
        match self.status {
            200..=299 => Ok(self),
            401 | 403 => Err(HttpError::Unauthorized(self.status)),
            300..=399 => {
                let to = self.headers.get("location").and_then(|v| v.to_str().ok()).unwrap_or("nowhere");
                Err(HttpError::Redirect(excerpt(to.as_bytes())))
            }
            status => Err(HttpError::Status { status, text: error_text(&self.body) }),
        }
    }

    /// The body as JSON of this shape. Invalid UTF-8 inside strings is replaced, not refused:
    /// one odd model name must not hide a server.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_str(&self.text())
            // The parser's words may hold a string of the body, as long as that is.
            .map_err(|error| {
                let (words, body) = (excerpt(error.to_string().as_bytes()), excerpt(&self.body));
                HttpError::Malformed(format!("{words} in {body:?}"))
            })
    }

    /// The body as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// A header's value, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The server's own words in an error body: `{"error": "…"}` or `{"error": {"message": "…"}}`.
fn error_text(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").or_else(|| value.get("message"))?;
    let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
    Some(excerpt(text.as_bytes()))
}

/// The first bytes of a body, for an error message: one line, printable, at most 80 characters.
pub fn excerpt(body: &[u8]) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(320)]);
    let mut text: String = head.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    if body.len() > text.len() {
        text.push('…');
    }
    text
}
