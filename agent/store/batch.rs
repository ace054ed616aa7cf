//! What is to be written together: all of it or nothing.

use jiff::Timestamp;

use super::records::{BaselineRecord, EventRecord, Key, RunRecord, Tag, Total};

/// Things to write in one transaction, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    pub(super) writes: Vec<Write>,
}

/// One thing to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Write {
    Run(Key, Box<RunRecord>),
    Watch { key: Key, at: Timestamp, json: String, based_on: Option<Tag> },
    Beat { key: Key, at: Timestamp, json: String },
    Baseline(Key, BaselineRecord),
    Activate { key: Key, number: u32, at: Timestamp },
    Event(Box<EventRecord>),
    Total(Total, Timestamp),
    Hour { key: Key, at: Timestamp, name: String, value: f64 },
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The numbers of its runs, in their order.
    pub runs: Vec<i64>,
    /// The numbers of its events, in their order.
    pub events: Vec<i64>,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// And this run.
    #[must_use]
    pub fn run(self, key: &Key, run: RunRecord) -> Batch {
        self.and(Write::Run(key.clone(), Box::new(run)))
    }

    /// And the key's watch anew. `based_on`: the tag of the one it was made of, `None` if there was none. If another
    /// one is stored by then, the whole batch is refused as [`super::Reason::Changed`].
    #[must_use]
    pub fn watch(self, key: &Key, json: String, based_on: Option<Tag>, at: Timestamp) -> Batch {
        self.and(Write::Watch { key: key.clone(), at, json, based_on })
    }

    /// And what the beat knows of the key. Whoever writes last is right: it tells of what is there now.
    #[must_use]
    pub fn beat(self, key: &Key, json: String, at: Timestamp) -> Batch {
        self.and(Write::Beat { key: key.clone(), at, json })
    }

    /// And a baseline. Its number must be above all of the key ([`super::Db::next_baseline`]); else the whole batch is
    /// refused as [`super::Reason::Changed`]. One may be left out: its batch was lost, and the next ones are not.
    #[must_use]
    pub fn baseline(self, key: &Key, baseline: BaselineRecord) -> Batch {
        self.and(Write::Baseline(key.clone(), baseline))
    }

    /// And from now on the key is compared with this baseline, which must be stored.
    #[must_use]
    pub fn activate(self, key: &Key, number: u32, at: Timestamp) -> Batch {
        self.and(Write::Activate { key: key.clone(), number, at })
    }

    /// And this event.
    #[must_use]
    pub fn event(self, event: EventRecord) -> Batch {
        self.and(Write::Event(Box::new(event)))
    }

    /// And this counter's new value. One that is none (NaN, negative) is left out.
    #[must_use]
    pub fn total(self, total: Total, at: Timestamp) -> Batch {
        if total.value.is_finite() && total.value >= 0.0 { self.and(Write::Total(total, at)) } else { self }
    }

    /// And this value in the history of its hour. One that is none (NaN, infinite) is left out.
    #[must_use]
    pub fn hour(self, key: &Key, at: Timestamp, name: &str, value: f64) -> Batch {
        if value.is_finite() {
            self.and(Write::Hour { key: key.clone(), at, name: name.into(), value })
        } else {
            self
        }
    }

    /// And all of another one.
    #[must_use]
    pub fn with(mut self, other: Batch) -> Batch {
        self.writes.extend(other.writes);
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many runs and how many events are in it.
    pub(super) fn counts(&self) -> (u64, u64) {
        let of = |fits: fn(&Write) -> bool| self.writes.iter().filter(|write| fits(write)).count() as u64;
        (of(|write| matches!(write, Write::Run(..))), of(|write| matches!(write, Write::Event(_))))
    }

    fn and(mut self, write: Write) -> Batch {
        self.writes.push(write);
        self
    }
}
