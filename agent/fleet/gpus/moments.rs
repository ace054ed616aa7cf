//! What is odd of a card at a moment: whether it is worth a person's way is told only by several reads. Pure.
//!
//! Hardware holds its clocks down for a blink each time that a load sets in, and a read may fall into it. So what one
//! read alone shows is only mentioned; what comes again is a warning, and stays one for a while after it was last
//! seen: else a headline, and the exit code of a check, would come and go with each read.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::sample::{Note, NoteLevel};

/// Two reads that show it within this time are one story.
const WINDOW: Duration = Duration::from_secs(60);

/// So long a warning stays after the read that showed it last.
const KEPT: Duration = Duration::from_secs(30);

/// What the last reads showed, by the note's code; those are as few as there are rules.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    seen: BTreeMap<String, Seen>,
    /// When there was a read last, and the time over which reads say nothing of each other.
    read: Option<(Instant, Duration)>,
}

#[derive(Debug, Clone)]
struct Seen {
    note: Note,
    last: Instant,
    /// An earlier read showed it too, not long before.
    again: bool,
}

impl Moments {
    /// Takes what one read shows. `longest`: over a longer time without a read, reads say nothing of each other;
    /// with reads that are rare it is longer than the times here, and holds in their stead.
    pub(super) fn take(&mut self, notes: Vec<Note>, now: Instant, longest: Duration) {
        self.read = Some((now, longest));
        let window = WINDOW.max(longest);
        self.seen.retain(|_, seen| now.saturating_duration_since(seen.last) <= window);
        for note in notes {
            let again = self.seen.contains_key(&note.code);
            self.seen.insert(note.code.clone(), Seen { note, last: now, again });
        }
    }

    /// The card gives no readings: what was seen of it stands no more.
    pub(super) fn forget(&mut self) {
        *self = Moments::default();
    }

    /// What is told of it now.
    pub(super) fn notes(&self, now: Instant) -> Vec<Note> {
        let Some((read, longest)) = self.read else { return Vec::new() };
        let told = |seen: &Seen| match seen.again {
            true if now.saturating_duration_since(seen.last) <= KEPT.max(longest) => Some(seen.note.clone()),
            false if seen.last == read => Some(Note { level: NoteLevel::Info, ..seen.note.clone() }),
            _ => None,
        };
        self.seen.values().filter_map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told at `at` after reads at these seconds, each with or without something to see. `every`: the beat.
    fn told(every: u64, reads: &[(u64, bool)], at: u64) -> Option<NoteLevel> {
        let (mut moments, start) = (Moments::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for (second, odd) in reads {
            let notes = if *odd { vec![Note::warning("odd", "it is odd", None)] } else { Vec::new() };
            moments.take(notes, after(*second), Duration::from_secs(every * 3));
        }
        moments.notes(after(at)).first().map(|note| note.level)
    }

    #[test]
    fn what_one_read_alone_shows_is_mentioned_and_no_warning() {
        assert_eq!(told(5, &[(0, true)], 4), Some(NoteLevel::Info));
        assert_eq!(told(5, &[(0, true), (5, false)], 5), None);
        assert_eq!(told(5, &[(0, true), (61, true)], 61), Some(NoteLevel::Info), "another story");
    }

    #[test]
    fn what_comes_again_is_a_warning_and_stays_one_for_a_while() {
        assert_eq!(told(5, &[(0, true), (5, true)], 5), Some(NoteLevel::Warning));
        let blinks: Vec<(u64, bool)> = (0..20).map(|nth| (nth * 5, nth % 4 == 0)).collect();
        for at in 4..20 {
            assert_eq!(told(5, &blinks[..=at], at as u64 * 5), Some(NoteLevel::Warning), "read {at}");
        }
        let over = [(0, true), (5, true), (10, false), (35, false), (36, false)];
        assert_eq!(told(5, &over[..4], 35), Some(NoteLevel::Warning));
        assert_eq!(told(5, &over, 36), None);
    }

    #[test]
    fn reads_that_are_rare_tell_it_too() {
        assert_eq!(told(120, &[(0, true), (120, true)], 121), Some(NoteLevel::Warning));
        assert_eq!(told(120, &[(0, true), (120, true), (240, false)], 480), Some(NoteLevel::Warning));
        assert_eq!(told(120, &[(0, true), (120, true), (240, false)], 481), None);
    }

    #[test]
    fn of_a_card_that_fell_silent_nothing_is_told() {
        let mut moments = Moments::default();
        let now = Instant::now();
        moments.take(vec![Note::warning("odd", "it is odd", None)], now, KEPT);
        moments.forget();
        assert_eq!(moments.notes(now), []);
    }
}
