//! Finds the documents in an answer: lines of JSON, events (SSE), or one document. Split anywhere, any line ending.

mod events;

use std::marker::PhantomData;

use memchr::memchr;

use super::answer::{Answer, Grammar, Reading};
use super::json::Json;
use super::shape::Shape;
use crate::sample::MeterFault;

/// The longest line of a stream that is read. Nothing of it is held; but no server writes such a line, and reading
/// on costs the other streams time. The longest real ones are some megabytes: Ollama's last line may hold its
/// `context`, 7 bytes a token, and the last event of `/v1/responses` repeats the whole answer.
const LINE_MAX: u64 = 16 << 20;

/// How an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// It does not say; its first byte will tell. If that is a brace: whether lines were asked for.
    Unknown { lines: bool },
    /// Server-sent events.
    Events,
    /// A document a line.
    Lines,
    /// One document.
    Whole,
}

/// What the line of an event stream that is under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// Not known yet.
    Unknown,
    Data,
    Other,
}

/// Reads an answer's frames.
#[derive(Debug)]
pub(super) struct Frames {
    form: Form,
    field: Field,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// The document that is under way was told.
    told: bool,
    /// How much of [`events::MARKER`] came in place of a document.
    marker: u8,
    /// Bytes of the line so far.
    line: u64,
    json: Json,
    /// What came of a line of which it is not known that it is data.
    name: Vec<u8>,
    shape: Shape,
}

impl Frames {
    pub(super) fn new(form: Form) -> Frames {
        Frames {
            form,
            field: Field::Unknown,
            after_return: false,
            told: false,
            marker: 0,
            line: 0,
            json: Json::new(),
            name: Vec::new(),
            shape: Shape::default(),
        }
    }

    /// How the answer is framed, as far as is known.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Whether the document under way, or the only one, is whole.
    pub(super) fn is_document_whole(&self) -> bool {
        self.json.is_done()
    }

    /// The next bytes of the answer.
    #[inline]
    pub(super) fn feed<G: Grammar>(&mut self, bytes: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        match self.form {
            Form::Events => self.events::<G>(bytes, answer),
            Form::Lines => self.lines::<G>(bytes, answer),
            Form::Whole => self.document::<G>(bytes, answer),
            Form::Unknown { lines } => {
                let bytes = bytes.trim_ascii_start();
                let Some(first) = bytes.first() else { return Ok(()) };
                self.form = match first {
                    b'{' | b'[' if lines => Form::Lines,
                    b'{' | b'[' => Form::Whole,
                    b'd' | b'e' | b'i' | b'r' | b':' => Form::Events,
                    _ => return Err(MeterFault::Malformed),
                };
                self.feed::<G>(bytes, answer)
            }
        }
    }

    fn lines<G: Grammar>(&mut self, mut bytes: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            self.measure(line)?;
            self.document::<G>(line, answer)?;
            let Some(end) = end else { break };
            self.document_ends(answer)?;
            self.line = 0;
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    #[inline]
    fn measure(&mut self, line: &[u8]) -> Result<(), MeterFault> {
        self.line += line.len() as u64;
        if self.line > LINE_MAX { Err(MeterFault::LineTooLong) } else { Ok(()) }
    }

    /// A part of a document.
    #[inline]
    fn document<G: Grammar>(&mut self, bytes: &[u8], answer: &mut Answer) -> Result<(), MeterFault> {
        self.json.feed(bytes, &mut Reading { answer: &mut *answer, grammar: PhantomData::<G> })?;
        if self.json.is_done() && !self.told {
            self.told = true;
            self.shape.forget();
            answer.document_ended::<G>();
        }
        Ok(())
    }

    /// Here a document must be whole, if one began.
    #[inline]
    fn document_ends(&mut self, answer: &mut Answer) -> Result<(), MeterFault> {
        let cut = !self.json.is_done() && !self.json.is_blank();
        if cut || (self.marker > 0 && usize::from(self.marker) < events::MARKER.len()) {
            return Err(MeterFault::Malformed);
        }
        self.json.reset();
        self.told = false;
        self.marker = 0;
        answer.document_begins();
        Ok(())
    }
}
