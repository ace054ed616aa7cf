//! What several lines of the kernel's log tell together. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::hang;
use super::nvidia::{self, Told};
use crate::sample::{CardRef, HangEvent, XidEvent, XidSource};

/// The XID of a card that fell off the bus.
const FALLEN: u32 = 79;

/// Lines that say so within this of one another are about one fall: a driver says it in words beside the XID, and
/// again whenever somebody asks for the card.
const ONE_FALL: SignedDuration = SignedDuration::from_mins(10);

/// A driver tells of one hang in many lines: the work, the engine, the reset.
const ONE_HANG: SignedDuration = SignedDuration::from_mins(1);

/// Cards remembered by their address. More than one machine has.
const MOST_CARDS: usize = 256;

/// A message of several lines ends after so many.
const LONGEST_MESSAGE: u8 = 4;

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Of a card of NVIDIA.
    Xid(XidEvent),
    /// Of another one.
    Hang(HangEvent),
}

/// What was learned from the lines so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The UUID of the card at an address, as the log says.
    uuids: BTreeMap<String, String>,
    /// When the card at an address last was said to have fallen off the bus, and whether in words alone.
    falls: BTreeMap<String, (Timestamp, bool)>,
    /// When the card at an address last was said to hang.
    hangs: BTreeMap<String, Timestamp>,
    /// The card that the message is about, and how many more lines it may have.
    about: Option<(String, u8)>,
}

impl Story {
    /// What a message tells; each of its lines may be an event.
    pub(super) fn hear(&mut self, message: &str, at: Timestamp, before_start: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for line in message.lines() {
            if let Some((place, xid, text)) = self.hear_line(line, at) {
                let card = self.uuids.get(&place).cloned().map_or(CardRef::Pci(place), CardRef::Uuid);
                let source = XidSource::KernelLog;
                events.push(Event::Xid(XidEvent { card, xid, at, source, before_start, text }));
            }
            if let Some((place, text)) = hang::told(line)
                && self.hung(&place, at)
            {
                events.push(Event::Hang(HangEvent { place, at, before_start, text }));
            }
        }
        events
    }

    /// Whether a hang that is told now is a new one.
    fn hung(&mut self, place: &str, at: Timestamp) -> bool {
        if self.hangs.len() >= MOST_CARDS && !self.hangs.contains_key(place) {
            return true;
        }
        let before = self.hangs.insert(place.to_owned(), at);
        before.is_none_or(|before| at.duration_since(before).abs() >= ONE_HANG)
    }

    fn hear_line(&mut self, line: &str, at: Timestamp) -> Option<(String, u32, Option<String>)> {
        let about = self.about.take();
        match nvidia::told(line) {
            Some(Told::Xid(place, xid, rest)) => {
                let new = xid != FALLEN || self.fell(&place, at, false);
                new.then(|| (place, xid, nvidia::message(rest)))
            }
            Some(Told::Uuid(place, uuid)) => {
                if self.uuids.len() < MOST_CARDS || self.uuids.contains_key(&place) {
                    self.uuids.insert(place, uuid.to_owned());
                }
                None
            }
            Some(Told::Fallen(place)) => {
                let place = place.or(about.map(|(place, _)| place))?;
                let text = "GPU has fallen off the bus, told without an XID".to_owned();
                self.fell(&place, at, true).then_some((place, FALLEN, Some(text)))
            }
            Some(Told::About(place)) => {
                self.about = Some((place, LONGEST_MESSAGE));
                None
            }
            None => {
                self.about = about.and_then(|(place, left)| Some((place, left.checked_sub(1)?)));
                None
            }
        }
    }

    /// Whether a fall that is told now is a new one. Two XIDs are two falls, as the driver counts.
    fn fell(&mut self, place: &str, at: Timestamp, in_words: bool) -> bool {
        if self.falls.len() >= MOST_CARDS && !self.falls.contains_key(place) {
            return true;
        }
        let before = self.falls.insert(place.to_owned(), (at, in_words));
        before.is_none_or(|(before, words_before)| {
            (!in_words && !words_before) || at.duration_since(before).abs() >= ONE_FALL
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_348_740 + minute * 60).unwrap()
    }

    fn xids(events: Vec<Event>) -> Vec<XidEvent> {
        let xid = |event| match event {
            Event::Xid(event) => event,
            Event::Hang(hang) => panic!("{hang:?}"),
        };
        events.into_iter().map(xid).collect()
    }

    fn told(story: &mut Story, message: &str, minute: i64) -> Vec<(CardRef, u32)> {
        xids(story.hear(message, at(minute), false))
            .into_iter()
            .map(|event| (event.card, event.xid))
            .collect()
    }

    fn pci(place: &str) -> CardRef {
        CardRef::Pci(place.into())
    }

    #[test]
    fn a_card_whose_uuid_the_log_told_is_named_by_it() {
        let mut story = Story::default();
        let xid = "NVRM: Xid (PCI:0000:3b:00): 43, pid=1, name=a, Ch 8";
        assert_eq!(told(&mut story, xid, 0), [(pci("0000:3b:00.0"), 43)]);
        assert_eq!(told(&mut story, "NVRM: GPU at PCI:0000:3b:00: GPU-3b-uuid", 0), []);
        assert_eq!(told(&mut story, xid, 0), [(CardRef::Uuid("GPU-3b-uuid".into()), 43)]);
        let event = &xids(story.hear(xid, at(5), true))[0];
        assert_eq!((event.at, event.before_start, event.source), (at(5), true, XidSource::KernelLog));
        assert_eq!(event.text.as_deref(), Some("Ch 8 (a, pid 1)"));
    }

    #[test]
    fn one_fall_off_the_bus_is_one_event_however_often_it_is_said() {
        let mut story = Story::default();
        let xid = "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.";
        let words = "NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.";
        let fallen = [(pci("0000:3b:00.0"), 79)];
        assert_eq!(told(&mut story, xid, 0), fallen);
        for minute in [0, 1, 9, 18, 27] {
            assert_eq!(told(&mut story, words, minute), [], "said again and again after {minute} min");
        }
        assert_eq!(told(&mut story, words, 60), fallen, "after an hour it is another one");
        assert_eq!(told(&mut story, xid, 61), [], "the XID of the same fall");
        assert_eq!(told(&mut story, xid, 62), fallen, "the driver counts its XIDs itself");
        let other = "NVRM: GPU 0000:5e:00.0: GPU has fallen off the bus.";
        assert_eq!(told(&mut story, other, 61), [(pci("0000:5e:00.0"), 79)]);
    }

    #[test]
    fn a_fall_told_over_several_lines_is_understood_as_one_record_and_as_many() {
        let lines = [
            "NVRM: The NVIDIA GPU 0000:18:00.0",
            "NVRM: (PCI ID: 10de:2901) installed in this system has",
            "NVRM: fallen off the bus and is not responding to commands.",
        ];
        let fallen = [(pci("0000:18:00.0"), 79)];
        assert_eq!(told(&mut Story::default(), &lines.join("\n"), 0), fallen);
        let mut story = Story::default();
        let found: Vec<_> = lines.iter().flat_map(|line| told(&mut story, line, 0)).collect();
        assert_eq!(found, fallen);
        assert_eq!(told(&mut Story::default(), lines[2], 0), [], "nobody knows which card");
        let mut story = Story::default();
        told(&mut story, lines[0], 0);
        for _ in 0..10 {
            told(&mut story, "something else", 0);
        }
        assert_eq!(told(&mut story, lines[2], 0), [], "too far from where its card was named");
    }

    #[test]
    fn the_lines_of_one_hang_are_one_event() {
        let mut story = Story::default();
        let lines = "amdgpu 0000:03:00.0: ring comp_1.0.0 timeout, signaled seq=1\namdgpu 0000:03:00.0: GPU reset begin!";
        let events = story.hear(lines, at(0), true);
        let [Event::Hang(hang)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((hang.place.as_str(), hang.before_start, hang.at), ("0000:03:00.0", true, at(0)));
        assert_eq!(hang.text, "ring comp_1.0.0 timeout, signaled seq=1");
        assert_eq!(story.hear("amdgpu 0000:03:00.0: GPU reset begin!", at(0), false), []);
        assert_eq!(story.hear("amdgpu 0000:03:00.0: GPU reset begin!", at(2), false).len(), 1);
        assert_eq!(
            story.hear("amdgpu 0000:06:00.0: GPU reset begin!", at(2), false).len(),
            1,
            "another card"
        );
    }

    #[test]
    fn several_xids_in_one_message_are_several_events() {
        let mut story = Story::default();
        let xids = "NVRM: Xid (PCI:0000:3b:00): 13, a\nNVRM: Xid (PCI:0000:3b:00): 13, b";
        assert_eq!(told(&mut story, xids, 0).len(), 2);
    }

    #[test]
    fn addresses_without_end_do_not_fill_memory() {
        let mut story = Story::default();
        for number in 0..2000 {
            let place = format!("{number:04x}:00:00");
            told(&mut story, &format!("NVRM: GPU at PCI:{place}: GPU-{number}"), 0);
            told(&mut story, &format!("NVRM: Xid (PCI:{place}): 79, x"), 0);
            story.hear(&format!("i915 {place}.0: GPU HANG: ecode"), at(0), false);
        }
        assert!(story.hangs.len() <= MOST_CARDS);
        assert!(story.uuids.len() <= MOST_CARDS && story.falls.len() <= MOST_CARDS);
    }
}
