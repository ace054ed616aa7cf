//! One request and its answer, on the wire.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use super::{Asker, now, unreachable};
use crate::http::HttpError;
use crate::sample::{AskError, Question, Reply};
use crate::wire::asking::{Api, Heard, conclude};
use crate::wire::{Close, Head, Meter};

/// The largest answer that is read. A canary asks for some hundred tokens at the most; with twenty alternatives and
/// the frames of a stream each takes 2 KB.
const ANSWER_CAP: usize = 8 << 20;

impl Asker {
    /// Sends this body and reads the answer, measured as it comes.
    pub(super) async fn exchange(
        &self,
        api: Api,
        question: &Question,
        body: &Value,
    ) -> Result<Reply, AskError> {
        let body = body.to_string().into_bytes();
        let begin = || {
            let mut meter = Meter::new(api.dialect());
            meter.request(&body);
            // The request is small: it is with the server as soon as the connection stands, and that takes next to
            // nothing where canaries are asked.
            meter.sent(now());
            meter
        };
        let mut meter = begin();
        let mut path = api.path().to_owned();
        if self.kind.name == "llama_cpp" && !self.terms.may_load {
            // A router loads what it has not, unless it is told. Other llama-servers pass over the word.
            path.push_str("?autoload=false");
        }
        let asking = || self.live.as_ref().map(|live| live.ask(api.dialect()));
        let mut asked = asking();
        let mut opened = self.endpoint.http.open(&path, body.clone()).await;
        if opened.as_ref().is_err_and(|error| *error == HttpError::Reset) {
            // Not a byte of an answer came: the server may have ended the connection just as the question was sent.
            meter = begin();
            asked = asking();
            opened = self.endpoint.http.open(&path, body.clone()).await;
        }
        let mut opened = opened.map_err(|error| broken(&error, "before a byte of an answer came, twice"))?;
        let header = |name| opened.headers().get(name).map(http::HeaderValue::as_bytes);
        let head = Head {
            status: opened.status(),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
        };
        if let Some(asked) = &mut asked {
            asked.status(opened.status());
        }
        meter.head(head, now());
        let mut whole = Vec::new();
        while let Some(bytes) = opened.chunk().await.map_err(|error| midway(&error, whole.len()))? {
            meter.body(&bytes, now());
            if whole.len() + bytes.len() > ANSWER_CAP {
                return Err(AskError::Malformed {
                    text: format!("the answer is larger than {ANSWER_CAP} bytes"),
                });
            }
            whole.extend_from_slice(&bytes);
        }
        let generation = meter.finish(Close::Whole, now());
        if let Some(asked) = &mut asked {
            asked.whole(&generation);
        }
        let heard = Heard { status: opened.status(), body: &whole, generation };
        conclude(api, question, heard)
    }
}

/// In the midst of an answer: that is told and not asked again, since the server worked on it.
fn midway(error: &HttpError, bytes: usize) -> AskError {
    broken(error, &format!("in the midst of an answer, after {bytes} bytes of it"))
}

/// A connection that broke, with when.
fn broken(error: &HttpError, when: &str) -> AskError {
    match error {
        HttpError::Reset => {
            AskError::Unreachable { reason: error.reason(), text: format!("the connection broke {when}") }
        }
        other => unreachable(other),
    }
}
