//! Which of what stands in the store this agent handed over itself: a disk that is full keeps it waiting, and what was
//! there before it stays. Pure.

use std::collections::VecDeque;

use crate::store::Tag;

/// What was handed over and not seen in the store yet: any of it may come to be stored. As many as may wait for a disk
/// that hangs; beyond that the oldest is taken for somebody else's.
const MOST: usize = 256;

/// One text of the store that this agent and others replace, each as it likes.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// What holds by what is known here: ours that was handed over last, or theirs that was taken since.
    last: Option<Tag>,
    /// What was last seen in the store.
    stored: Option<Tag>,
    /// What was handed over since, the oldest first.
    waiting: VecDeque<Tag>,
}

impl Handed {
    /// Whether this is to be handed over: it is another than what holds.
    pub(super) fn hand(&mut self, tag: Tag) -> bool {
        if self.last.replace(tag) == Some(tag) {
            return false;
        }
        if self.waiting.len() >= MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(tag);
        true
    }

    /// Whether what stands in the store now is somebody else's, and new. What was there before ours that still waits is
    /// not: what is known here is newer.
    pub(super) fn is_theirs(&mut self, tag: Tag) -> bool {
        if let Some(nth) = self.waiting.iter().position(|waiting| *waiting == tag) {
            // Those before it were written over, or replaced while they waited.
            self.waiting.drain(..=nth);
            self.stored = Some(tag);
            return false;
        }
        if self.stored.replace(tag) == Some(tag) {
            return false;
        }
        self.last = Some(tag);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        Tag::of(text)
    }

    #[test]
    fn what_was_there_before_ours_that_waits_is_not_theirs_and_neither_is_ours() {
        let mut handed = Handed::default();
        assert!(handed.is_theirs(tag("of the last agent")), "nothing is known yet");
        assert!(handed.hand(tag("1")) && handed.hand(tag("2")) && handed.hand(tag("3")));
        assert!(!handed.hand(tag("3")), "it holds already");
        for seen in ["of the last agent", "2", "2", "3", "3"] {
            assert!(!handed.is_theirs(tag(seen)), "{seen}");
        }
        assert!(handed.is_theirs(tag("theirs")) && !handed.is_theirs(tag("theirs")));
        assert!(!handed.hand(tag("theirs")), "what was taken over holds");
        assert!(handed.hand(tag("4")) && !handed.is_theirs(tag("theirs")), "ours waits");
        assert!(handed.is_theirs(tag("theirs again")), "they wrote while ours waited");
        assert!(handed.hand(tag("4")), "ours was written over");
        assert!(!handed.is_theirs(tag("4")));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut handed = Handed::default();
        assert!((0..2 * MOST).all(|nth| handed.hand(tag(&nth.to_string()))));
        assert_eq!(handed.waiting.len(), MOST);
        assert!(!handed.is_theirs(tag(&(2 * MOST - 1).to_string())) && handed.waiting.is_empty());
    }
}
