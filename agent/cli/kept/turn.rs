//! What is known of asking the model, shared with the agent: what the last canary left behind, and whether it is asked
//! no more.

use jiff::Timestamp;

use super::{Kept, place};
use crate::canary::asker::{Presence, Stay};
use crate::canary::left::Mark;
use crate::canary::remembered::{ASKING, Remembered, Stopped};
use crate::cli::canary::now;
use crate::cli::screen;
use crate::store::{Batch, Db};

impl Kept {
    /// What is known of asking the model. Nothing where nothing is stored, or it cannot be read.
    pub(in crate::cli) fn remembered(&self) -> Remembered {
        let record = self.db.as_ref().and_then(|db| db.beat(&self.key).ok().flatten());
        record.and_then(|record| Remembered::of_json(&record.json)).unwrap_or_default()
    }

    /// A model that goes from memory by itself is about to be asked by nobody's hand: the store is made where there is
    /// none, or the same command would take each of its runs for the first, and keep the model in memory for ever.
    pub(in crate::cli) fn make_memory(&mut self, presence: &Presence) {
        let goes = presence.loaded == Some(true) && presence.stay != Stay::ForEver;
        if self.db.is_some() || !goes || presence.mark == Mark::default() {
            return;
        }
        match place(&self.config).and_then(|path| Db::open(&path)) {
            Ok(db) => self.db = Some(db),
            Err(error) => screen::note(&format!(
                "it cannot be kept that the model was asked ({error}): asked so again and again, it never leaves memory"
            )),
        }
    }

    /// Canaries are about to be asked, or go on being asked: that is written down, but not before each of them.
    pub(in crate::cli) fn begin(&mut self) {
        let at = now();
        let is_known = |until: Timestamp| until.duration_since(at) > ASKING / 2;
        if self.asking_until.is_some_and(is_known) {
            return;
        }
        self.asking_until = at.checked_add(ASKING).ok();
        self.remember(|known| known.begin_by_command(at));
    }

    /// What could not be seen after the last one is what is there now.
    pub(in crate::cli) fn found(&mut self, now: &Mark) {
        self.remember(|known| known.found(now));
    }

    /// The last one was answered, and left this behind: written down at the end.
    pub(in crate::cli) fn leave(&mut self, left: Option<Mark>) {
        self.left = Some((left, now()));
    }

    /// No more canaries are asked.
    fn ended(&mut self) {
        if let Some((left, at)) = self.left.take() {
            self.remember(|known| known.end(left, at));
        }
    }

    /// The agent is not to ask the model any more, either.
    pub(in crate::cli) fn stop(
        &mut self,
        words: String,
        options: serde_json::Map<String, serde_json::Value>,
    ) {
        let stopped = Stopped { at: now(), words, options };
        self.remember(|known| known.stopped = Some(stopped));
    }

    /// Changes what is stored of it. Without a store nothing is kept: no store is made for it.
    fn remember(&mut self, change: impl FnOnce(&mut Remembered)) {
        let mut known = self.remembered();
        change(&mut known);
        let Some(db) = &mut self.db else { return };
        if let Err(error) = db.apply(&Batch::new().beat(&self.key, known.to_json(), now())) {
            screen::note(&format!("it was not kept that the model was asked: {error}"));
        }
    }
}

impl Drop for Kept {
    /// However a command ends, what it left behind is known, unless it was killed.
    fn drop(&mut self) {
        self.ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, StorePlan};
    use crate::store::Key;

    #[test]
    fn a_command_writes_once_that_it_asks_and_once_what_it_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opsagent.db");
        let store = StorePlan { path: Some(path.clone()), ..StorePlan::default() };
        let key = Key::new("box", "m");
        let mut kept = Kept::make(key.clone(), &Config { store, ..Config::default() }).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        let version = || other.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
        let (mut last, mut writes) = (version(), 0);
        let mut look = || {
            let now = version();
            writes += u32::from(std::mem::replace(&mut last, now) != now);
            writes
        };
        let mark = |work: u32| Mark { work: Some(work.into()), ..Mark::default() };
        for run in 0..300 {
            kept.begin();
            look();
            kept.leave(Some(mark(run)));
            look();
        }
        let known = kept.remembered();
        assert!(known.is_asked_by_command(now()) && known.left == Some(Mark::default()), "{known:?}");
        drop(kept);
        assert_eq!(look(), 2);
        let stored = Db::open_existing(&path).unwrap().beat(&key).unwrap().unwrap();
        let known = Remembered::of_json(&stored.json).unwrap();
        assert!(!known.is_asked_by_command(now()) && known.left == Some(mark(299)), "{known:?}");
    }
}
