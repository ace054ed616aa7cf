//! A line like the one before: chunks of a stream mostly differ in their text alone.
//!
//! What stands before and after the text is remembered as two hashes, never as bytes. A line with the same two was
//! read before, but for its text, so it tells the same: one more piece of the same sort. That costs a fifth of
//! reading it.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::answer::Told;
use super::json::quote;
use super::words::Kind;

/// After so many lines that were unlike the one before, looking is given up: in this stream each has a number or a
/// time of its own.
const MISSES: u8 = 16;

/// What a line with text was like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// What such a line tells. `None`: there was none yet.
    told: Option<Told>,
    /// What the event was called before its data.
    kind: Kind,
    before: Part,
    after: Part,
    /// Lines that were looked at in vain since one was alike.
    misses: u8,
}

/// A part of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    length: usize,
    hash: u64,
}

impl Shape {
    /// What a line of an event tells, if it is like the one that was learned.
    #[inline]
    pub(super) fn recognise(&mut self, line: &[u8], kind: Kind) -> Option<Told> {
        let told = self.told?;
        if kind == self.kind && self.is_like(line) {
            self.misses = 0;
            return Some(told);
        }
        self.misses += 1;
        if self.misses >= MISSES {
            self.told = None;
        }
        None
    }

    /// A line was read: its only text stood at `text`, within quotes, and it told no more than `told`.
    pub(super) fn learn(&mut self, line: &[u8], kind: Kind, text: Range<usize>, told: Told) {
        if self.misses < MISSES {
            self.kind = kind;
            self.before = Part::of(&line[..text.start]);
            self.after = Part::of(&line[text.end..]);
            self.told = Some(told);
        }
    }

    /// Another document was read. What it told counts from now on: the one that was learned would tell its own
    /// figures anew.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.told = None;
    }

    #[inline]
    fn is_like(&self, line: &[u8]) -> bool {
        let (start, rest) = (self.before.length, self.after.length);
        // Text, and the quote that ends it.
        let Some(end) = line.len().checked_sub(rest).filter(|end| *end > start) else { return false };
        rest > 0
            && quote(&line[..=end], start, &mut false) == Some(end)
            && Part::of(&line[..start]) == self.before
            && Part::of(&line[end..]) == self.after
    }
}

impl Part {
    #[inline]
    fn of(bytes: &[u8]) -> Part {
        // The seed is fixed: who could make two lines alike is the server, and only its own figures would suffer.
        Part { length: bytes.len(), hash: FixedState::with_seed(0).hash_one(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told { piece: true, visible: true, end: false, error: false };

    fn learned() -> Shape {
        let mut shape = Shape::default();
        shape.learn(br#"{"a":1,"text":"one","b":2}"#, Kind::Other, 15..18, TOLD);
        shape
    }

    #[test]
    fn only_the_text_may_differ_and_it_may_not_be_empty() {
        for (line, alike) in [
            (r#"{"a":1,"text":"one","b":2}"#, true),
            (r#"{"a":1,"text":"another \"one\"","b":2}"#, true),
            (r#"{"a":1,"text":"\\","b":2}"#, true),
            (r#"{"a":1,"text":"","b":2}"#, false),
            (r#"{"a":1,"text":"\","b":2}"#, false),
            (r#"{"a":1,"text":"x","text":"y","b":2}"#, false),
            (r#"{"a":2,"text":"one","b":2}"#, false),
            (r#"{"a":1,"text":"one","b":3}"#, false),
            (r#"{"a":1,"text":null,"b":2}"#, false),
            (r#","b":2}"#, false),
            ("", false),
        ] {
            assert_eq!(learned().recognise(line.as_bytes(), Kind::Other).is_some(), alike, "{line}");
        }
    }

    #[test]
    fn an_event_of_another_name_is_another_and_what_was_forgotten_is_unknown() {
        let line = br#"{"a":1,"text":"one","b":2}"#;
        assert_eq!(learned().recognise(line, Kind::Answer), None);
        let mut shape = learned();
        shape.forget();
        assert_eq!(shape.recognise(line, Kind::Other), None);
    }

    #[test]
    fn a_stream_whose_lines_all_differ_is_looked_at_for_a_while_only() {
        let mut shape = learned();
        for number in 0..100 {
            let line = format!(r#"{{"a":{number},"text":"x","b":9}}"#);
            assert_eq!(shape.recognise(line.as_bytes(), Kind::Other), None);
            let end = line.len() - 7;
            shape.learn(line.as_bytes(), Kind::Other, end - 2..end - 1, TOLD);
        }
        assert_eq!((shape.told, shape.misses), (None, MISSES));
    }
}
