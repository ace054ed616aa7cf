//! OpenAI's `/v1/responses`: events that say what they are; `response.completed` or `response.incomplete` is the
//! last one, `response.failed` or `error` the sign of a failure.

use super::super::answer::{Document, Grammar, Told};
use super::super::place::Place;

/// OpenAI's `/v1/responses`.
pub(in super::super) struct Responses;

impl Grammar for Responses {
    #[inline]
    fn member(parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, b"type") => Place::Kind,
            (Place::Root, b"delta") => Place::Piece,
            (Place::Root, b"response") => Place::Response,
            (Place::Root, b"timings") => Place::Timings,
            // Of an event `error`.
            (Place::Root, b"message" | b"code") => Place::ErrorText,
            // A whole answer is the root where there is no stream.
            (Place::Root | Place::Response, key) => whole(key),
            (Place::Incomplete, b"reason") => Place::Finish,
            _ => super::common(parent, key),
        }
    }

    #[inline]
    fn told(document: &Document) -> Told {
        super::told_by_kind(document)
    }
}

fn whole(key: &[u8]) -> Place {
    match key {
        b"model" => Place::Model,
        b"status" => Place::Status,
        b"incomplete_details" => Place::Incomplete,
        b"error" => Place::Error,
        b"usage" => Place::Usage,
        _ => Place::Skip,
    }
}
