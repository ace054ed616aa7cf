//! What the numbers mean with which NVIDIA's driver reports trouble (XIDs): in words, how much each
//! matters, and what to do. Pure.
//!
//! The facts are those of NVIDIA's XID catalogue and of the error numbers in its open kernel modules; a number keeps
//! its meaning over all drivers. Numbers that only a driver's author meets are left out.

mod card;
mod link;
mod memory;
mod program;

/// One number and its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid {
    /// The number in the kernel's log.
    pub number: u32,
    /// What `opsagent explain` knows it by, such as `xid 79`.
    pub topic: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is called, in a few words.
    pub name: &'static str,
    /// What has happened, in a sentence.
    pub meaning: &'static str,
    /// What to do about it, in a sentence.
    pub remedy: &'static str,
}

impl Xid {
    /// The number as the label `xid` has it.
    pub fn label(&self) -> &'static str {
        self.topic.trim_start_matches(WORD).trim_start()
    }
}

/// How much an XID matters to the person on call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program on the card is at fault, or only its victim. No reason to wake anybody.
    Application,
    /// Something to know of; it heals by itself.
    Information,
    /// A fault of the card, its links or its driver that was survived. Look at it in working hours.
    Warning,
    /// The card or a link of it is of no use until somebody resets, reboots or replaces it.
    Critical,
}

impl Severity {
    /// Its name in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What stands before a number.
const WORD: &str = "xid";

/// The tables, each sorted by number.
const TABLES: [&[Xid]; 4] = [card::TABLE, link::TABLE, memory::TABLE, program::TABLE];

/// What that number means. `None`: it is in no table; NVIDIA's catalogue may have it.
pub fn xid(number: u32) -> Option<&'static Xid> {
    TABLES.iter().flat_map(|table| table.iter()).find(|row| row.number == number)
}

/// Every number that is known here, in order.
pub fn all() -> Vec<&'static Xid> {
    let mut rows: Vec<&'static Xid> = TABLES.iter().flat_map(|table| table.iter()).collect();
    rows.sort_by_key(|row| row.number);
    rows
}

/// The critical ones, in order. Their counters are there at zero from the start, so that a first
/// event is an increase.
pub fn critical() -> Vec<&'static Xid> {
    all().into_iter().filter(|row| row.severity == Severity::Critical).collect()
}

/// A row; the number is written once.
macro_rules! row {
    ($number:literal, $severity:ident, $name:literal, $meaning:expr, $remedy:expr) => {
        $crate::gpus::xid::Xid {
            number: $number,
            topic: concat!("xid ", stringify!($number)),
            severity: $crate::gpus::xid::Severity::$severity,
            name: $name,
            meaning: $meaning,
            remedy: $remedy,
        }
    };
}
use row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once_and_says_all() {
        let rows = all();
        assert!(rows.windows(2).all(|two| two[0].number < two[1].number));
        for row in rows {
            assert_eq!(row.label(), row.number.to_string());
            for text in [row.meaning, row.remedy] {
                assert!(
                    text.ends_with('.') && text.chars().next().is_some_and(char::is_uppercase),
                    "{row:?}"
                );
            }
            assert!(!row.name.is_empty() && row.name.len() <= 48 && !row.name.ends_with('.'), "{row:?}");
            assert_eq!(xid(row.number), Some(row));
        }
        assert_eq!(xid(0), None, "no driver reports it");
        assert_eq!(xid(u32::MAX), None);
    }

    #[test]
    fn what_pages_is_critical_and_what_a_program_does_is_not() {
        let critical: Vec<u32> = critical().iter().map(|row| row.number).collect();
        for number in [48, 62, 64, 74, 79, 95, 119, 120, 136, 140, 143] {
            assert!(critical.contains(&number), "{number}");
        }
        for number in [13, 31, 43, 45, 63, 68, 69, 92, 94, 109, 154] {
            assert!(!critical.contains(&number), "{number}");
        }
        assert!(critical.len() <= 24, "each is a series of every card: {critical:?}");
    }

    #[test]
    fn the_numbers_that_people_meet_are_known() {
        let met =
            [8, 13, 31, 32, 38, 43, 44, 45, 48, 54, 56, 57, 58, 61, 62, 63, 64, 68, 69, 74, 79, 92, 93, 94]
                .into_iter()
                .chain([95, 109, 110, 119, 120, 121, 122, 123, 136, 137, 140, 143])
                .chain(144..=150)
                .chain([154, 155, 156]);
        for number in met {
            assert!(xid(number).is_some(), "{number}");
        }
    }
}
