//! What a request asks for, found as its body passes: prompts with images weigh many megabytes, and none is kept.

use super::json::{Json, Reader};
use super::place::Place;
use super::scalars::{number, whole};
use super::words::model_name;

/// Reads the body of a request.
#[derive(Debug)]
pub(super) struct Request {
    json: Json,
    /// It is no JSON: the server will say so.
    odd: bool,
    asked: Asked,
}

/// What was asked. Of what is asked twice the last counts, as servers read it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The model, at most 256 bytes.
    pub(super) model: Option<String>,
    /// `stream`, if it says so.
    pub(super) stream: Option<bool>,
    /// The most tokens that the answer may have.
    pub(super) limit: Option<u64>,
}

impl Request {
    pub(super) const fn new() -> Request {
        Request { json: Json::new(), odd: false, asked: Asked { model: None, stream: None, limit: None } }
    }

    /// The next bytes of the body.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.odd = self.odd || self.json.feed(bytes, &mut self.asked).is_err();
    }

    /// The model that was asked for, once.
    pub(super) fn take_model(&mut self) -> Option<String> {
        self.asked.model.take()
    }

    /// What was asked, as far as it came.
    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }
}

impl Reader for Asked {
    fn member(&mut self, parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, b"model") => Place::Model,
            (Place::Root, b"stream") => Place::Stream,
            (Place::Root, b"options") => Place::Options,
            (Place::Root, b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" | b"n_predict")
            | (Place::Options, b"num_predict") => Place::Limit,
            _ => Place::Skip,
        }
    }

    fn text(&mut self, _: Place, raw: &[u8]) {
        self.model = model_name(raw);
    }

    fn filled(&mut self, _: Place) {}

    fn scalar(&mut self, place: Place, raw: &[u8]) {
        match (place, raw) {
            (Place::Stream, b"true") => self.stream = Some(true),
            (Place::Stream, b"false") => self.stream = Some(false),
            (Place::Limit, raw) => self.limit = number(raw).and_then(whole),
            _ => {}
        }
    }

    fn opened(&mut self, _: Place) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#" {"messages":[{"role":"user","content":"model \"x\", {[","model":"wrong"}],
        "tools":[{"a":[[{"model":"wrong"}]]}], "options":{"num_predict":12,"model":"wrong"},
        "model":"hf.co\/a\/b", "stream" : true}"#;

    fn read(pieces: &[&[u8]]) -> (Option<String>, Option<bool>, Option<u64>) {
        let mut request = Request::new();
        for piece in pieces {
            request.feed(piece);
        }
        let Asked { model, stream, limit } = request.asked;
        (model, stream, limit)
    }

    #[test]
    fn model_stream_and_limit_of_the_top_level_are_found_wherever_the_body_is_split() {
        let whole = (Some("hf.co/a/b".to_owned()), Some(true), Some(12));
        assert_eq!(read(&[BODY.as_bytes()]), whole);
        for at in 0..BODY.len() {
            let (first, second) = BODY.as_bytes().split_at(at);
            assert_eq!(read(&[first, second]), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = BODY.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn what_is_no_json_tells_nothing() {
        for body in ["", "model=x&stream=true", "\"model\"", "{model:x}", "\u{1f}\u{8b}\u{8}"] {
            assert_eq!(read(&[body.as_bytes()]), (None, None, None), "{body}");
        }
    }

    #[test]
    fn a_body_of_100_mb_is_read_without_being_kept() {
        let mut request = Request::new();
        request.feed(br#"{"model":"m","messages":[{"images":[""#);
        let piece = vec![b'A'; 1 << 16];
        for _ in 0..1600 {
            request.feed(&piece);
        }
        assert_eq!(request.json.held(), 0);
        request.feed(br#""]}],"stream":false}"#);
        assert_eq!((request.asked().model.as_deref(), request.asked().stream), (Some("m"), Some(false)));
    }
}
