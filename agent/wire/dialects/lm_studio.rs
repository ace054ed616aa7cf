//! LM Studio's `/api/v1/chat`: events that say what they are; `chat.end` is the last one and holds the whole
//! answer's figures, `error` is the sign of a failure. Events of loading and of the prompt carry no text.

use super::super::answer::{Document, Grammar, Told};
use super::super::place::Place;

/// LM Studio's `/api/v1/chat`.
pub(in super::super) struct LmStudio;

impl Grammar for LmStudio {
    #[inline]
    fn member(parent: Place, key: &[u8]) -> Place {
        match (parent, key) {
            (Place::Root, b"type") => Place::Kind,
            (Place::Root, b"content") => Place::Piece,
            (Place::Root, b"result") => Place::Response,
            (Place::Root, b"error") => Place::Error,
            // A whole answer is the root where there is no stream.
            (Place::Root | Place::Response, b"model_instance_id") => Place::Model,
            (Place::Root | Place::Response, b"stats") => Place::Stats,
            (Place::Stats, b"input_tokens") => Place::Input,
            (Place::Stats, b"total_output_tokens") => Place::Output,
            (Place::Stats, b"reasoning_output_tokens") => Place::OutputReasoning,
            (Place::Stats, b"model_load_time_seconds") => Place::LoadSeconds,
            (Place::Stats, b"stop_reason") => Place::Finish,
            _ => super::common(parent, key),
        }
    }

    #[inline]
    fn told(document: &Document) -> Told {
        super::told_by_kind(document)
    }
}
