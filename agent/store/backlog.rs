//! What waits to be written: bounded, the oldest goes first, and of what is watched only the newest is kept.

use std::collections::VecDeque;

use super::batch::{Applied, Batch, Write};
use super::error::StoreError;
use super::records::{Key, Tag};

/// Batches that wait at most. A run comes every few minutes a model: for one it is two days without a disk.
const MOST_BATCHES: usize = 512;

/// And so many bytes: what an agent may take of memory for a disk that is full.
const MOST_BYTES: usize = 32 << 20;

/// Who wants to know what came of a batch.
pub(super) type Tell = tokio::sync::oneshot::Sender<Result<Applied, StoreError>>;

/// A batch that waits.
pub(super) struct Waiting {
    pub(super) batch: Batch,
    /// `None`: it was told that it waits.
    pub(super) tell: Option<Tell>,
    bytes: usize,
}

/// What waits, the oldest first.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Backlog {
    /// One more. What had to go for it is given back.
    pub(super) fn push(&mut self, mut batch: Batch, tell: Tell) -> Vec<Batch> {
        self.supersede(&mut batch);
        let bytes = size(&batch);
        self.bytes += bytes;
        self.waiting.push_back(Waiting { batch, tell: Some(tell), bytes });
        let mut gone = Vec::new();
        while self.waiting.len() > 1 && (self.waiting.len() > MOST_BATCHES || self.bytes > MOST_BYTES) {
            gone.extend(self.pop().map(|oldest| oldest.batch));
        }
        gone
    }

    /// What is replaced before it was written need not be written: of watches the new one takes its place in the chain.
    /// Baselines that were made with one go on with the new one, which tells of them: so neither is there without the
    /// other, whatever is lost, and wherever a kill cuts the writing.
    fn supersede(&mut self, batch: &mut Batch) {
        let mut earlier = Vec::new();
        for write in &mut batch.writes {
            match write {
                Write::Watch { key, based_on, .. } => {
                    let before = *based_on;
                    let is_it = |older: &Write| matches!(older, Write::Watch { key: of, json, .. } if of == key && before == Some(Tag::of(json)));
                    for older in self.take(is_it, |older| is_it(older) || is_baseline(older, key)) {
                        match older {
                            Write::Watch { based_on: older, .. } => *based_on = older,
                            older => earlier.push(older),
                        }
                    }
                }
                Write::Beat { key, .. } => {
                    let is_it = |older: &Write| matches!(older, Write::Beat { key: of, .. } if of == key);
                    self.take(is_it, is_it);
                }
                _ => {}
            }
        }
        batch.writes.splice(0..0, earlier);
    }

    /// Of the first batch that has what is meant, takes out what goes with it. Of what is superseded there is one at
    /// most.
    fn take(&mut self, has: impl Fn(&Write) -> bool, goes: impl Fn(&Write) -> bool) -> Vec<Write> {
        let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.batch.writes.iter().any(&has))
        else {
            return Vec::new();
        };
        let writes = std::mem::take(&mut waiting.batch.writes);
        let (taken, left) = writes.into_iter().partition(goes);
        waiting.batch.writes = left;
        let bytes = size(&waiting.batch);
        self.bytes = self.bytes + bytes - waiting.bytes;
        waiting.bytes = bytes;
        taken
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let oldest = self.waiting.pop_front()?;
        self.bytes -= oldest.bytes;
        Some(oldest)
    }

    /// Tells all who do not know yet that theirs waits.
    pub(super) fn tell_all(&mut self, error: &StoreError) {
        for tell in self.waiting.iter_mut().filter_map(|waiting| waiting.tell.take()) {
            // Whoever is gone does not want to know.
            tell.send(Err(error.clone())).ok();
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// A baseline of this key, or which one is in force.
fn is_baseline(write: &Write, key: &Key) -> bool {
    matches!(write, Write::Baseline(of, _) | Write::Activate { key: of, .. } if of == key)
}

/// About how much memory it takes.
fn size(batch: &Batch) -> usize {
    let of = |write: &Write| match write {
        Write::Run(_, run) => {
            let answers: usize = run.answers.iter().map(|(canary, text)| canary.len() + text.len()).sum();
            // A value takes some times its text.
            1024 + 4 * run.details.to_string().len() + answers
        }
        Write::Watch { json, .. } | Write::Beat { json, .. } => json.len(),
        Write::Baseline(_, baseline) => baseline.json.len(),
        Write::Event(event) => 512 + event.words.len() + 4 * event.details.to_string().len(),
        Write::Activate { .. } | Write::Total(..) | Write::Hour { .. } => 256,
    };
    batch.writes.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::tests::{at, baseline, key, run};
    use super::*;

    fn push(backlog: &mut Backlog, batch: Batch) -> Vec<Batch> {
        backlog.push(batch, oneshot::channel().0)
    }

    #[test]
    fn of_watches_that_wait_only_the_newest_is_kept_and_it_is_based_on_what_is_stored() {
        let mut backlog = Backlog::default();
        let stored = Some(Tag::of("0"));
        let step = |from: Option<&str>, to: &str| {
            let based_on = from.map_or(stored, |from| Some(Tag::of(from)));
            Batch::new().run(&key(), run(1)).watch(&key(), to.into(), based_on, at(1))
        };
        for (from, to) in [(None, "1"), (Some("1"), "2"), (Some("2"), "3")] {
            assert!(push(&mut backlog, step(from, to)).is_empty());
        }
        let left: Vec<usize> = backlog.waiting.iter().map(|waiting| waiting.batch.writes.len()).collect();
        assert_eq!(left, [1, 1, 2], "the runs stay");
        let last = backlog.waiting.back().unwrap().batch.clone();
        assert_eq!(last, Batch::new().run(&key(), run(1)).watch(&key(), "3".into(), stored, at(1)));
        let sizes: usize = backlog.waiting.iter().map(|waiting| size(&waiting.batch)).sum();
        assert_eq!(backlog.bytes, sizes);
    }

    #[test]
    fn a_baseline_waits_with_the_newest_watch_and_is_not_lost_without_it() {
        let mut backlog = Backlog::default();
        let first = Batch::new().run(&key(), run(1)).watch(&key(), "1".into(), None, at(1));
        let first = first.baseline(&key(), baseline(1)).activate(&key(), 1, at(1));
        push(&mut backlog, first);
        let other = Key::new("box", "other");
        push(&mut backlog, Batch::new().baseline(&other, baseline(1)).watch(&other, "o".into(), None, at(1)));
        let second = Batch::new().run(&key(), run(2)).watch(&key(), "2".into(), Some(Tag::of("1")), at(2));
        push(&mut backlog, second.baseline(&key(), baseline(2)).activate(&key(), 2, at(2)));

        assert_eq!(backlog.pop().unwrap().batch, Batch::new().run(&key(), run(1)), "what may be lost");
        assert_eq!(backlog.pop().unwrap().batch.writes.len(), 2, "another model's stays where it is");
        let chain = Batch::new().baseline(&key(), baseline(1)).activate(&key(), 1, at(1));
        let chain = chain.run(&key(), run(2)).watch(&key(), "2".into(), None, at(2));
        let chain = chain.baseline(&key(), baseline(2)).activate(&key(), 2, at(2));
        assert_eq!(backlog.pop().unwrap().batch, chain);
        assert_eq!(backlog.bytes, 0);
    }

    #[test]
    fn what_is_too_much_goes_the_oldest_first_and_is_told() {
        let mut backlog = Backlog::default();
        let mut gone = Vec::new();
        for second in (0..).take(MOST_BATCHES + 2) {
            gone.extend(push(&mut backlog, Batch::new().run(&key(), run(second))));
        }
        assert_eq!(gone, [0, 1].map(|second| Batch::new().run(&key(), run(second))));
        let large = Batch::new().watch(&key(), " ".repeat(MOST_BYTES), None, at(0));
        assert_eq!(push(&mut backlog, large).len(), MOST_BATCHES, "one is always kept");
        assert_eq!(backlog.len(), 1);
        backlog.pop();
        assert_eq!(backlog.bytes, 0);
    }
}
