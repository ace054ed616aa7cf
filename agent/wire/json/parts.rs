//! Keys, strings, numbers, and what is skipped: each may end in these bytes or go on in the next.

use memchr::memchr3;

use super::bytes::{is_scalar, quote};
use super::{DEPTH, Json, PART_MAX, Reader, State};
use crate::wire::place::Place;

impl Json {
    #[inline]
    pub(super) fn in_key<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
        let end = quote(bytes, at, &mut self.escaped);
        let piece = &bytes[at..end.unwrap_or(bytes.len())];
        let parent = self.places[usize::from(self.depth).wrapping_sub(1) % DEPTH];
        let Some(end) = end else {
            self.keep(piece);
            return bytes.len();
        };
        self.place = if self.part.is_empty() {
            reader.member(parent, piece)
        } else {
            self.keep(piece);
            let key = std::mem::take(&mut self.part);
            reader.member(parent, &key)
        };
        // What nearly always follows is taken at once: a colon here, a comma below.
        if bytes.get(end + 1) == Some(&b':') {
            self.state = State::Value;
            return end + 2;
        }
        self.state = State::Colon;
        end + 1
    }

    #[inline]
    pub(super) fn in_string<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
        let end = quote(bytes, at, &mut self.escaped);
        let piece = &bytes[at..end.unwrap_or(bytes.len())];
        if self.place.takes_text() {
            if end.is_some() && self.part.is_empty() {
                reader.text(self.place, &piece[..piece.len().min(PART_MAX)]);
            } else {
                self.keep(piece);
                if end.is_some() {
                    let text = std::mem::take(&mut self.part);
                    reader.text(self.place, &text);
                }
            }
        } else if !self.told && !piece.is_empty() && self.place != Place::Skip {
            self.told = true;
            reader.filled(self.place);
            if self.place.is_text_of_the_model() {
                self.text = (at as u32, (at + piece.len()) as u32);
                self.texts = self.texts.saturating_add(1);
            }
        }
        match end {
            Some(end) => self.member_ended(bytes, end + 1),
            None => bytes.len(),
        }
    }

    #[inline]
    pub(super) fn in_scalar<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
        let end = bytes[at..].iter().position(|byte| !is_scalar(*byte)).map(|length| at + length);
        let piece = &bytes[at..end.unwrap_or(bytes.len())];
        if self.place != Place::Skip {
            if end.is_some() && self.part.is_empty() {
                reader.scalar(self.place, &piece[..piece.len().min(PART_MAX)]);
            } else {
                self.keep(piece);
                if end.is_some() {
                    let scalar = std::mem::take(&mut self.part);
                    reader.scalar(self.place, &scalar);
                }
            }
        }
        match end {
            Some(end) => self.member_ended(bytes, end),
            None => bytes.len(),
        }
    }

    /// A string or scalar ended before `at`.
    #[inline]
    fn member_ended(&mut self, bytes: &[u8], at: usize) -> usize {
        let top = usize::from(self.depth).wrapping_sub(1) % DEPTH;
        if bytes.get(at) == Some(&b',') && self.arrays >> top & 1 == 0 {
            self.state = State::Key;
            return at + 1;
        }
        self.state = State::After;
        at
    }

    /// Only brackets of the kind that is skipped count: others are balanced within it.
    pub(super) fn skip(&mut self, bytes: &[u8], mut at: usize) -> usize {
        let closing = self.skipping + 2;
        while let Some(found) = memchr3(b'"', self.skipping, closing, &bytes[at..]) {
            let byte = bytes[at + found];
            at += found + 1;
            if byte == b'"' {
                self.state = State::SkippingString;
                return at;
            }
            if byte == closing {
                self.skipped -= 1;
                if self.skipped == 0 {
                    self.value_ended();
                    return at;
                }
            } else {
                self.skipped = self.skipped.saturating_add(1);
            }
        }
        bytes.len()
    }

    pub(super) fn skip_string(&mut self, bytes: &[u8], at: usize) -> usize {
        match quote(bytes, at, &mut self.escaped) {
            Some(end) => {
                self.state = State::Skipping;
                end + 1
            }
            None => bytes.len(),
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = PART_MAX.saturating_sub(self.part.len());
        self.part.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}
