//! JSON as it passes: in pieces of any size, of any length, and none of it is kept but the few short values that
//! somebody asked for, until they are whole.
//!
//! It is lax where being strict costs time and tells nothing (numbers, what is skipped) and never panics.

mod bytes;
mod parts;

use std::ops::Range;

pub(super) use bytes::quote;
use bytes::{is_scalar, is_space};

use super::place::Place;
use crate::sample::MeterFault;

/// How much of a short value is kept while it is not whole. Names of models and reasons are far shorter; of a
/// server's error text the beginning tells what it is.
const PART_MAX: usize = 1024;

/// How deep the values of interest lie. The deepest is the name of a tool's function in OpenAI's stream, 7.
const DEPTH: usize = 10;

/// Who is told what stands where.
pub(super) trait Reader {
    /// Which place the member `key` of the object at `parent` is. [`Place::Skip`]: nobody asks.
    fn member(&mut self, parent: Place, key: &[u8]) -> Place;
    /// A string at a place that takes text: as it stands, with its escapes, cut at [`PART_MAX`] bytes.
    fn text(&mut self, place: Place, raw: &[u8]);
    /// A string that is not empty began at any other place.
    fn filled(&mut self, place: Place);
    /// A number, a boolean or `null`.
    fn scalar(&mut self, place: Place, raw: &[u8]);
    /// An object or an array began.
    fn opened(&mut self, place: Place);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value comes.
    Value,
    /// A value or the end of an array comes.
    ValueOrEnd,
    /// A key comes.
    Key,
    /// A key or the end of an object comes.
    KeyOrEnd,
    InKey,
    Colon,
    InString,
    InScalar,
    /// A comma or an end comes.
    After,
    /// Within an object or array that nobody asks for.
    Skipping,
    SkippingString,
    /// The document is whole.
    Done,
}

/// Reads one document after another, each after [`Json::reset`].
#[derive(Debug)]
pub(super) struct Json {
    state: State,
    /// The last byte was a backslash within a string.
    escaped: bool,
    /// The string that is being read has told that it is not empty.
    told: bool,
    /// What the value that comes, or is being read, is.
    place: Place,
    /// Open objects and arrays that are read.
    depth: u8,
    /// A bit for each of them: it is an array.
    arrays: u16,
    places: [Place; DEPTH],
    /// `{` or `[`: what is skipped.
    skipping: u8,
    /// How often that is open.
    skipped: u32,
    /// Where the last text of a model stood in the bytes of one call, without its quotes, and how many there were in
    /// the document.
    text: (u32, u32),
    texts: u8,
    /// The part of a key or short value that came so far. Empty, and without memory, but in a piece's midst.
    part: Vec<u8>,
}

impl Json {
    pub(super) const fn new() -> Json {
        Json {
            state: State::Value,
            escaped: false,
            told: false,
            place: Place::Root,
            depth: 0,
            arrays: 0,
            places: [Place::Skip; DEPTH],
            skipping: b'{',
            skipped: 0,
            text: (0, 0),
            texts: 0,
            part: Vec::new(),
        }
    }

    /// A new document begins.
    #[inline]
    pub(super) fn reset(&mut self) {
        self.state = State::Value;
        self.escaped = false;
        self.place = Place::Root;
        self.depth = 0;
        self.arrays = 0;
        self.texts = 0;
        if self.part.capacity() > 0 {
            self.part = Vec::new();
        }
    }

    /// Whether the document is whole.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether nothing of the document came yet.
    #[inline]
    pub(super) fn is_blank(&self) -> bool {
        self.state == State::Value && self.depth == 0
    }

    /// Where the only text of a model stood in the bytes of the last call, if the document came in one.
    pub(super) fn only_text(&self) -> Option<Range<usize>> {
        (self.texts == 1).then_some(self.text.0 as usize..self.text.1 as usize)
    }

    /// Bytes that are held, being part of something that is not whole.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.part.capacity()
    }

    /// The next bytes of the document.
    #[inline]
    pub(super) fn feed<R: Reader>(&mut self, bytes: &[u8], reader: &mut R) -> Result<(), MeterFault> {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Value | State::ValueOrEnd => self.value(bytes, at, reader)?,
                State::Key | State::KeyOrEnd => self.key(bytes, at, reader)?,
                State::InKey => self.in_key(bytes, at, reader),
                State::Colon => self.colon(bytes, at)?,
                State::InString => self.in_string(bytes, at, reader),
                State::InScalar => self.in_scalar(bytes, at, reader),
                State::After => self.after(bytes, at)?,
                State::Skipping => self.skip(bytes, at),
                State::SkippingString => self.skip_string(bytes, at),
                State::Done if is_space(bytes[at]) => at + 1,
                State::Done => return Err(MeterFault::Malformed),
            };
        }
        Ok(())
    }

    #[inline]
    fn value<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> Result<usize, MeterFault> {
        match bytes[at] {
            b'{' | b'[' => self.open(bytes[at], reader),
            byte if is_space(byte) => {}
            b']' if self.state == State::ValueOrEnd => self.close(b']')?,
            // A document is an object or an array.
            _ if self.depth == 0 => return Err(MeterFault::Malformed),
            b'"' => {
                self.state = State::InString;
                self.told = false;
                return Ok(self.in_string(bytes, at + 1, reader));
            }
            byte if is_scalar(byte) => {
                self.state = State::InScalar;
                return Ok(self.in_scalar(bytes, at, reader));
            }
            _ => return Err(MeterFault::Malformed),
        }
        Ok(at + 1)
    }

    #[inline]
    fn key<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> Result<usize, MeterFault> {
        match bytes[at] {
            b'"' => {
                self.state = State::InKey;
                return Ok(self.in_key(bytes, at + 1, reader));
            }
            byte if is_space(byte) => {}
            b'}' if self.state == State::KeyOrEnd => self.close(b'}')?,
            _ => return Err(MeterFault::Malformed),
        }
        Ok(at + 1)
    }

    #[inline]
    fn colon(&mut self, bytes: &[u8], at: usize) -> Result<usize, MeterFault> {
        match bytes[at] {
            b':' => self.state = State::Value,
            byte if is_space(byte) => {}
            _ => return Err(MeterFault::Malformed),
        }
        Ok(at + 1)
    }

    #[inline]
    fn after(&mut self, bytes: &[u8], at: usize) -> Result<usize, MeterFault> {
        match bytes[at] {
            b',' => {
                let top = usize::from(self.depth).wrapping_sub(1) % DEPTH;
                self.place = self.places[top];
                self.state = if self.arrays >> top & 1 == 1 { State::Value } else { State::Key };
            }
            byte @ (b'}' | b']') => self.close(byte)?,
            byte if is_space(byte) => {}
            _ => return Err(MeterFault::Malformed),
        }
        Ok(at + 1)
    }

    #[inline]
    fn open<R: Reader>(&mut self, bracket: u8, reader: &mut R) {
        if self.place != Place::Skip {
            reader.opened(self.place);
        }
        let at = usize::from(self.depth);
        if !self.place.is_entered() || at >= DEPTH {
            self.skipping = bracket;
            self.skipped = 1;
            self.state = State::Skipping;
            return;
        }
        self.places[at] = self.place;
        self.depth += 1;
        if bracket == b'[' {
            self.arrays |= 1 << at;
            self.state = State::ValueOrEnd;
        } else {
            self.arrays &= !(1 << at);
            self.state = State::KeyOrEnd;
        }
    }

    #[inline]
    fn close(&mut self, bracket: u8) -> Result<(), MeterFault> {
        let top = self.depth.checked_sub(1).ok_or(MeterFault::Malformed)?;
        if (self.arrays >> top & 1 == 1) != (bracket == b']') {
            return Err(MeterFault::Malformed);
        }
        self.depth = top;
        self.value_ended();
        Ok(())
    }

    #[inline]
    fn value_ended(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::After };
    }
}
