//! What a command at a shell reads of the store, and keeps in it: the watch of one model.

use std::path::PathBuf;

use jiff::Timestamp;

use super::baseline::which::failed;
use super::canary::now;
use super::failure::{Failure, UNKNOWN};
use super::{text, words};
use crate::canary::left::Mark;
use crate::canary::{Done, records};
use crate::config::Config;
use crate::drift::{self, Judged, Seen, Watch};
use crate::sample::Part;
use crate::store::{self, Batch, Db, Key, Reason, StoreError, Tag};
use crate::suite::Suite;

mod standing;
mod turn;
mod write;

pub(super) use standing::Compared;

/// Another process may write in between; so often it is tried anew.
const TRIES: usize = 4;

/// The watch of one model, as it is stored, and what is to be written.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) key: Key,
    pub(super) watch: Watch,
    config: Config,
    plan: drift::Plan,
    db: Option<Db>,
    tag: Option<Tag>,
    /// Why there is nothing to compare with, with what would do.
    why: Option<String>,
    /// The runs that it was shown.
    shown: Vec<Done>,
    compared: u64,
    exceeding: u64,
    keeps_answers: bool,
    /// Until when others know that it is asked.
    asking_until: Option<Timestamp>,
    /// What the last run left behind, and when, if it is to be written down.
    left: Option<(Option<Mark>, Timestamp)>,
}

impl Kept {
    /// Reads what is stored of the model. `save`: the store is made where there is none.
    ///
    /// # Errors
    /// It is to be written to and cannot be, or was made of other canaries than these.
    /// `url`: where the server is, if nothing knows it by the key's name.
    pub(super) fn open(
        key: Key,
        config: &Config,
        url: Option<String>,
        suite: &Suite,
        save: bool,
    ) -> Result<Kept, Failure> {
        let mut kept = Kept::nothing(key, config);
        (kept.plan.url, kept.plan.unsaved) = (url, !save);
        let opened =
            place(config).and_then(|path| if save { Db::open(&path) } else { Db::open_existing(&path) });
        match opened {
            Ok(db) => kept.db = Some(db),
            Err(error) if save => return Err(Failure::say(UNKNOWN, format!("cannot keep the run: {error}"))),
            Err(error) if matches!(error.kind(), Reason::Missing | Reason::NoPlace) => {
                kept.why = Some(format!(
                    "nothing is stored yet, so there is nothing to compare with; {}",
                    kept.how()
                ));
            }
            Err(error) => kept.why = Some(format!("the store cannot be read: {error}")),
        }
        if let Err(why) = kept.refresh() {
            if save {
                return Err(Failure::say(UNKNOWN, format!("cannot keep the run: {why}")));
            }
            kept.why = Some(why);
        }
        if let Err(why) = kept.fits(suite) {
            if save {
                return Err(Failure::say(UNKNOWN, format!("cannot keep the run: {why}")));
            }
            // Held against what both ask, a run tells what it can, and nothing of it is kept.
            if !kept.watch.compares(suite) {
                kept.why = Some(why);
            }
        }
        Ok(kept)
    }

    /// What is stored of a model, to be changed.
    ///
    /// # Errors
    /// There is no store that can be used.
    pub(super) fn reopen(key: Key, config: &Config) -> Result<Kept, Failure> {
        Kept::with(key, config, place(config).and_then(|path| Db::open_existing(&path)))
    }

    /// The same; the store is made where there is none.
    ///
    /// # Errors
    /// It cannot be made or used.
    pub(super) fn make(key: Key, config: &Config) -> Result<Kept, Failure> {
        Kept::with(key, config, place(config).and_then(|path| Db::open(&path)))
    }

    fn with(key: Key, config: &Config, db: Result<Db, StoreError>) -> Result<Kept, Failure> {
        let mut kept = Kept::nothing(key, config);
        kept.db = Some(db.map_err(failed)?);
        kept.refresh().map_err(|why| Failure::say(1, why))?;
        Ok(kept)
    }

    fn nothing(key: Key, config: &Config) -> Kept {
        let canaries = &config.canaries;
        let plan = drift::Plan {
            alarms_a_year: canaries.false_alarms_per_year,
            ..drift::Plan::new(&key.target, &key.model, canaries.every)
        };
        Kept {
            watch: Watch::new(plan.clone()),
            config: config.clone(),
            plan,
            db: None,
            tag: None,
            why: None,
            shown: Vec::new(),
            compared: 0,
            exceeding: 0,
            keeps_answers: canaries.store_answers.is_some(),
            asking_until: None,
            left: None,
            key,
        }
    }

    /// Reads the watch anew.
    fn refresh(&mut self) -> Result<(), String> {
        let Some(db) = &self.db else { return Ok(()) };
        let read = db.watch(&self.key).and_then(|watch| Ok((watch, db.next_baseline(&self.key)?)));
        let (stored, next) = read.map_err(|error| format!("the store cannot be read: {error}"))?;
        // Of a model that nothing is stored of, what was shown without being kept is forgotten, too.
        self.watch = match &stored {
            Some(stored) => Watch::of_json(&stored.json)
                .map_err(|error| format!("what is stored of {} cannot be used: {error}", self.name()))?,
            None => Watch::new(self.plan.clone()),
        };
        self.watch.number_from(next);
        let unsaved = self.plan.unsaved && !self.watch.has_candidate();
        self.watch.name_commands(self.plan.url.clone(), unsaved);
        self.tag = stored.map(|stored| stored.tag);
        Ok(())
    }

    /// Whether what is stored was learned by these canaries. A run of others would make the agent's watch learn anew what
    /// is another: what an agent learned over weeks is not a shell's to destroy by the wrong config.
    ///
    /// # Errors
    /// It was not: how they differ, and what to do.
    pub(super) fn fits(&self, suite: &Suite) -> Result<(), String> {
        let Some(differs) = self.watch.learned_by_others(suite) else { return Ok(()) };
        let name = self.name();
        Err(format!(
            "what is stored of {name} was learned by other canaries than these ({}): --config names the agent's file; \
             to give up what was learned: opsagent baseline capture --anew {name}",
            text::clean(&differs)
        ))
    }

    /// Shows the watch a run. `None`: it cannot be compared, and is not kept.
    pub(super) fn observe(&mut self, done: &Done, suite: &Suite) -> Option<Seen> {
        if self.why.is_some() {
            return None;
        }
        let compares = self.watch.baseline().is_some();
        let seen = self.watch.observe(&done.run, suite);
        // A look at whole answers alone holds nothing against the baseline's numbers.
        let looks = done.run.answers.iter().any(|answer| answer.part != Part::Graded);
        if compares && looks && seen.result != Judged::Error {
            self.compared += 1;
            self.exceeding += u64::from(seen.result == Judged::Exceed);
        }
        self.shown.push(done.clone());
        Some(seen)
    }

    /// Keeps all runs and the watch, all or nothing; tells what was kept.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&mut self, suite: &Suite) -> Result<String, Failure> {
        let cannot = |why: String| Failure::say(UNKNOWN, format!("cannot keep the run: {why}"));
        let shown = std::mem::take(&mut self.shown);
        for _ in 0..TRIES {
            // What was shown without being kept is shown again, to what is stored now.
            self.refresh().map_err(cannot)?;
            self.fits(suite).map_err(cannot)?;
            let mut batch = Batch::new();
            for done in &shown {
                let seen = self.watch.observe(&done.run, suite);
                let verdict = self.watch.report(done.run.at).verdict;
                batch = batch.run(&self.key, records::run(done, suite, &seen, verdict, self.keeps_answers));
                batch = records::seen(batch, &self.key, &seen, done.run.at);
            }
            batch = batch.watch(&self.key, self.watch.to_json(), self.tag, now());
            match self.write_and_prune(&batch) {
                Ok(()) => {
                    let place =
                        self.db.as_ref().map(|db| db.path().display().to_string()).unwrap_or_default();
                    return Ok(format!("{} in {place}", words::count(shown.len(), "run")));
                }
                Err(error) if error.kind() == Reason::Changed => {}
                Err(error) => return Err(cannot(error.to_string())),
            }
        }
        Err(cannot("others write to the store all the time; try again".into()))
    }

    /// Writes what a person decided of the baseline.
    ///
    /// # Errors
    /// It cannot be written, or somebody wrote meanwhile.
    pub(super) fn write_seen(
        &mut self,
        seen: &Seen,
        active: Option<u32>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut batch = records::seen(Batch::new(), &self.key, seen, at);
        if let Some(number) = active {
            batch = batch.activate(&self.key, number, at);
        }
        let batch = batch.watch(&self.key, self.watch.to_json(), self.tag, at);
        self.write(&batch)
    }

    /// `TARGET/MODEL`.
    pub(super) fn name(&self) -> String {
        text::clean(&format!("{}/{}", self.key.target, self.key.model))
    }
}

/// Where the store lies, by the config, else as the agent of this machine has it.
///
/// # Errors
/// Nothing says where.
pub(super) fn place(config: &Config) -> Result<PathBuf, StoreError> {
    store::of_command(config.store.path.as_deref(), |name| std::env::var_os(name))
}
