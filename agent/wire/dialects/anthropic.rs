//! Anthropic's `/v1/messages`: events that say what they are; `message_stop` is the last one, `error` the sign of a
//! failure. Its count of input tokens leaves out those that a cache gave or took.

use super::super::answer::{Document, Grammar, Told};
use super::super::place::Place;
use super::super::words::Kind;

/// Anthropic's `/v1/messages`.
pub(in super::super) struct Anthropic;

impl Grammar for Anthropic {
    #[inline]
    fn member(parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, b"type") => Place::Kind,
            (Place::Root, b"delta") => Place::Delta,
            (Place::Root, b"message") => Place::Response,
            (Place::Root, b"error") => Place::Error,
            (Place::Root | Place::Response, b"model") => Place::Model,
            (Place::Root | Place::Response, b"usage") => Place::Usage,
            (Place::Root | Place::Response | Place::Delta, b"stop_reason") => Place::Finish,
            (Place::Delta, b"text") => Place::Answer,
            (Place::Delta, b"thinking") => Place::Reasoning,
            (Place::Delta, b"partial_json") => Place::Tool,
            (Place::Usage, b"input_tokens") => Place::InputUncached,
            (Place::Usage, b"cache_read_input_tokens") => Place::Cached,
            (Place::Usage, b"cache_creation_input_tokens") => Place::CacheWritten,
            _ => super::common(parent, key),
        }
    }

    #[inline]
    fn told(document: &Document) -> Told {
        Told {
            piece: document.answer || document.reasoning || document.tool,
            visible: document.answer,
            end: document.kind == Kind::End,
            error: document.error || document.kind == Kind::Error,
        }
    }
}
