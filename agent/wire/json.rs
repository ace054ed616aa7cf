//! JSON as it passes: in pieces of any size, of any length, and none of it is kept but the few short values that
//! somebody asked for, until they are whole.
//!
//! It is lax where being strict costs time and tells nothing (numbers, what is skipped) and never panics.

use std::ops::Range;

use memchr::{memchr2, memchr3};

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
    fn in_key<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
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
    fn colon(&mut self, bytes: &[u8], at: usize) -> Result<usize, MeterFault> {
        match bytes[at] {
            b':' => self.state = State::Value,
            byte if is_space(byte) => {}
            _ => return Err(MeterFault::Malformed),
        }
        Ok(at + 1)
    }

    #[inline]
    fn in_string<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
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
    fn in_scalar<R: Reader>(&mut self, bytes: &[u8], at: usize, reader: &mut R) -> usize {
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

    /// Only brackets of the kind that is skipped count: others are balanced within it.
    fn skip(&mut self, bytes: &[u8], mut at: usize) -> usize {
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

    fn skip_string(&mut self, bytes: &[u8], at: usize) -> usize {
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

/// Where the string that began before `at` ends: its closing quote. `None`: not in these bytes.
#[inline]
pub(super) fn quote(bytes: &[u8], mut at: usize, escaped: &mut bool) -> Option<usize> {
    if std::mem::take(escaped) {
        at += 1;
    }
    loop {
        let found = at + quote_or_backslash(bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
        if at > bytes.len() {
            *escaped = true;
            return None;
        }
    }
}

/// The first quote or backslash. Keys and most values are short: these are found eight bytes at a time without a
/// call, the others by `memchr`.
#[inline]
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of the lowest byte that is zero, and maybe of some above it.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().take(3).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let read = words.len().min(3) * 8;
    memchr2(b'"', b'\\', &bytes[read..]).map(|found| read + found)
}

#[inline]
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[inline]
const fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
