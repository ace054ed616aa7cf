//! The watch of one model, in memory and in the store. Without a store it goes on in memory.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Done;
use crate::checks;
use crate::drift::{self, Report, Seen, Severity, Watch, What};
use crate::sample::{Answer, Part};
use crate::store::{BaselineRecord, Batch, EventRecord, Key, Reason, RunRecord, Store, StoreError, Tag};
use crate::suite::Suite;

/// The watch of one model.
#[derive(Debug)]
pub(super) struct Keeper {
    key: Key,
    plan: drift::Plan,
    store: Option<Store>,
    watch: Watch,
    /// What is stored, as far as is known.
    stored: Option<Tag>,
    /// What was last handed over: it may still wait to be written.
    handed: Option<Tag>,
    /// What is stored is another opsagent's, or damaged: it is left as it is.
    foreign: bool,
    keeps_answers: bool,
}

impl Keeper {
    /// Reads what is stored of the model.
    pub(super) async fn load(plan: drift::Plan, store: Option<Store>, keeps_answers: bool) -> Keeper {
        let mut keeper = Keeper {
            key: Key::new(&plan.target, &plan.model),
            watch: Watch::new(plan.clone()),
            plan,
            store,
            stored: None,
            handed: None,
            foreign: false,
            keeps_answers,
        };
        keeper.refresh().await;
        keeper
    }

    /// What drift says now.
    pub(super) fn report(&self) -> Report {
        self.watch.report(Timestamp::now())
    }

    /// Another beat, or another number of false alarms that is put up with.
    pub(super) fn replan(&mut self, plan: drift::Plan, keeps_answers: bool) {
        self.watch.replan(plan.clone());
        (self.plan, self.keeps_answers) = (plan, keeps_answers);
    }

    /// Takes what somebody else stored meanwhile, such as a person at a shell who accepted a baseline.
    async fn refresh(&mut self) {
        let Some(store) = self.store.as_ref().filter(|_| !self.foreign) else { return };
        let key = self.key.clone();
        let record = match store.read(move |db| db.watch(&key)).await {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be read; it goes on in memory");
                return;
            }
        };
        let Some(record) = record else { return };
        if Some(record.tag) == self.handed || Some(record.tag) == self.stored {
            return;
        }
        match Watch::of_json(&record.json) {
            Ok(mut watch) => {
                watch.replan(self.plan.clone());
                self.watch = watch;
                (self.stored, self.handed) = (Some(record.tag), Some(record.tag));
            }
            Err(error) => {
                tracing::warn!(key = ?self.key, %error, "what is stored of a model's canaries cannot be used, and is left as it is");
                self.foreign = true;
            }
        }
    }

    /// Shows the watch a run, and keeps both.
    pub(super) async fn observe(&mut self, done: &Done, suite: &Suite) -> Seen {
        self.refresh().await;
        let seen = self.watch.observe(&done.run, suite);
        if self.foreign {
            return seen;
        }
        match self.write(done, suite, &seen).await {
            // Somebody wrote between the look and now: the run is held against what they stored.
            Some(error) if error.kind() == Reason::Changed => {
                self.handed = self.stored;
                self.refresh().await;
                let seen = self.watch.observe(&done.run, suite);
                if let Some(error) = self.write(done, suite, &seen).await {
                    tracing::warn!(key = ?self.key, %error, "a run of canaries was not stored");
                }
                seen
            }
            Some(error) => {
                tracing::warn!(key = ?self.key, %error, "a run of canaries was not stored");
                seen
            }
            None => seen,
        }
    }

    /// Hands it over. What waits for a disk that is full counts as written.
    async fn write(&mut self, done: &Done, suite: &Suite, seen: &Seen) -> Option<StoreError> {
        let store = self.store.as_ref()?;
        let at = done.run.at;
        let json = self.watch.to_json();
        let tag = Tag::of(&json);
        let record = self.record(done, suite, seen);
        let mut batch = Batch::new().run(&self.key, record).watch(&self.key, json, self.handed, at);
        if let Some(made) = &seen.made {
            let baseline = BaselineRecord {
                number: made.number,
                at: made.at.unwrap_or(at),
                suite: made.suite.clone(),
                runs: made.runs,
                json: serde_json::to_string(made).unwrap_or_default(),
            };
            batch = batch.baseline(&self.key, baseline).activate(&self.key, made.number, at);
        }
        for event in &seen.events {
            batch = batch.event(self.event(event));
        }
        let before = self.handed.replace(tag);
        match store.write(batch).await {
            Ok(_) => {
                self.stored = Some(tag);
                None
            }
            Err(error) if error.is_kept() => None,
            Err(error) => {
                self.handed = before;
                Some(error)
            }
        }
    }

    fn record(&self, done: &Done, suite: &Suite, seen: &Seen) -> RunRecord {
        let run = &done.run;
        let (passed, graded) = graded(&run.answers, suite);
        let text = |answer: &Answer| {
            let reply = answer.result.as_ref().ok().filter(|_| answer.part == Part::Graded)?;
            Some((answer.canary.clone(), reply.text.clone()))
        };
        RunRecord {
            at: run.at,
            purpose: name(&run.purpose),
            result: seen.result.name().to_owned(),
            verdict: self.report().verdict.name().to_owned(),
            distance: seen.distance,
            kld: seen.kld,
            passed: (graded > 0).then_some(passed),
            graded: (graded > 0).then_some(graded),
            prompt_tokens: Some(done.spent.prompt),
            completion_tokens: Some(done.spent.completion),
            ttft_seconds: done.speed.time_to_first_token_seconds,
            tokens_per_second: done.speed.tokens_per_second,
            suite: run.suite.clone(),
            details: details(&run.answers, done),
            answers: if self.keeps_answers {
                run.answers.iter().filter_map(text).collect()
            } else {
                Vec::new()
            },
        }
    }

    fn event(&self, event: &drift::Event) -> EventRecord {
        let severity = match &event.what {
            What::Raised(alarm) => alarm.severity,
            _ => Severity::Info,
        };
        EventRecord {
            at: event.at,
            target: self.key.target.clone(),
            model: Some(self.key.model.clone()),
            kind: event.what.name().to_owned(),
            severity: severity.name().to_owned(),
            words: event.text.clone(),
            details: serde_json::to_value(&event.what).unwrap_or_default(),
        }
    }
}

/// Graded answers that passed, and all.
fn graded(answers: &[Answer], suite: &Suite) -> (u64, u64) {
    let (mut passed, mut all) = (0, 0);
    for answer in answers.iter().filter(|answer| answer.part == Part::Graded) {
        let (Some(canary), Ok(reply)) = (suite.canary(&answer.canary), &answer.result) else { continue };
        all += 1;
        let outcomes = checks::all(&canary.checks, &reply.text);
        passed += u64::from(outcomes.iter().all(|outcome| outcome.failed.is_none()));
    }
    (passed, all)
}

fn details(answers: &[Answer], done: &Done) -> Value {
    let errors = answers.iter().filter_map(|answer| Some((&answer.canary, answer.result.as_ref().err()?)));
    let errors: Vec<Value> =
        errors.map(|(canary, error)| json!({ "canary": canary, "error": error.to_string() })).collect();
    json!({
        "at_once": done.run.concurrency,
        "idle": done.run.idle,
        "questions": answers.len(),
        "waited_for_a_load": done.waited_for_a_load,
        "errors": errors,
    })
}

/// The word that a value is in JSON.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
