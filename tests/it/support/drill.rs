//! Runs of the fingerprint on a real llama-server, made as the agent makes them, and shown to a watch at a beat of five
//! minutes that nobody waits for.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use opsagent::canary::asker::{Abilities, Asker};
use opsagent::canary::{Asking, ask_all};
use opsagent::drift::{Alarm, Cause, Judged, Plan, Report, Seen, Watch, What};
use opsagent::sample::{Facts, Purpose, Run, Sampling};
use opsagent::suite::Suite;

use super::asked::asker_with;
use super::random::Random;
use super::real::LlamaServer;

/// The name under which each model is served, whatever it is.
const NAME: &str = "drill";

/// A context for four requests at once.
const USUAL: [&str; 6] = ["-c", "8192", "-np", "4", "--alias", NAME];

/// From one run to the next.
const BEAT: Duration = Duration::from_secs(300);

/// Nobody's speed is at stake here.
const PATIENCE: Duration = Duration::from_secs(300);

/// A llama-server, and who asks it.
pub struct Served {
    pub server: LlamaServer,
    asker: Asker,
    abilities: Abilities,
}

impl Served {
    pub async fn with(model: &Path, args: &[&str]) -> Served {
        let server = LlamaServer::start(model, &[&USUAL, args].concat());
        let asker = asker_with("llama_cpp", &server.url(), NAME, |target| target.timeout = PATIENCE);
        let abilities = asker.abilities().await.expect("it answers");
        assert!(abilities.logprobs && abilities.raw && abilities.sampler, "{abilities:?}");
        Served { server, asker, abilities }
    }

    /// Asked as a server that tells only texts.
    pub fn telling_texts_alone(mut self) -> Served {
        self.abilities = Abilities { logprobs: false, raw: false, sampler: false };
        self
    }

    pub fn restart(&mut self) {
        self.server.stop();
        self.server.start_again();
    }

    /// The chat template of its model.
    pub fn template(&self) -> String {
        let props: serde_json::Value = serde_json::from_str(&self.server.get("/props")).unwrap();
        props["chat_template"].as_str().expect("its model has one").to_owned()
    }
}

/// What makes runs.
pub struct Drill {
    pub suite: Suite,
    /// Its name, as runs carry it.
    hash: String,
    now: Timestamp,
    dice: Random,
}

impl Drill {
    pub fn new(seed: u64) -> Drill {
        let suite = Suite::builtin();
        let hash = suite.hash();
        Drill { suite, hash, now: "2026-01-05T08:00:00Z".parse().unwrap(), dice: Random(seed) }
    }

    /// One of so many.
    pub fn pick(&mut self, of: usize) -> usize {
        ((self.dice.uniform() * of as f32) as usize).min(of - 1)
    }

    /// The next beat.
    pub fn next_beat(&mut self) -> Timestamp {
        self.now += SignedDuration::try_from(BEAT).expect("five minutes");
        self.now
    }

    /// A run at the next beat, with one, two or four questions at once, and the server's prompt cache used, not used,
    /// or as the server likes.
    pub async fn run(&mut self, of: &Served) -> Run {
        let at_once = [1, 1, 2, 4][self.pick(4)];
        let cache = [None, Some(true), Some(false)][self.pick(3)];
        let asking = Asking { abilities: of.abilities, cache, timeout: PATIENCE };
        let facts = of.asker.facts().await.expect("it answers");
        let asked = ask_all(&of.asker, &asking.fingerprint(&self.suite), at_once, |_, _| {}).await;
        assert_eq!(asked.broken, None);
        Run {
            target: "box".into(),
            model: NAME.into(),
            at: self.next_beat(),
            purpose: Purpose::Beat,
            suite: self.hash.clone(),
            facts,
            idle: None,
            concurrency: at_once,
            answers: asked.answers,
        }
    }

    /// The same while two users ask for whole answers, one after the other.
    pub async fn run_under_load(&mut self, of: &Served) -> Run {
        let asking = Asking { abilities: of.abilities, cache: None, timeout: PATIENCE };
        let graded: Vec<_> = self.suite.graded().cloned().collect();
        let from = self.pick(graded.len());
        let users = async {
            for nth in (from..).step_by(2) {
                let sampling = Sampling::Default { seed: nth as u32 };
                let ask = |nth: usize| asking.graded(&graded[nth % graded.len()], sampling);
                let (one, other) = (ask(nth), ask(nth + 1));
                tokio::join!(of.asker.ask(&one), of.asker.ask(&other));
            }
        };
        tokio::select! {
            run = self.run(of) => run,
            () = users => unreachable!("they never end"),
        }
    }

    /// A watch whose baseline has at least so many runs of this server, a sixth of them while others use it too.
    pub async fn learned(&mut self, of: &Served, runs: u64) -> Watch {
        let mut watch = Watch::new(Plan::new("box", NAME, BEAT));
        while watch.baseline().is_none_or(|baseline| baseline.runs < runs) {
            let run = if self.pick(6) == 0 { self.run_under_load(of).await } else { self.run(of).await };
            let seen = watch.observe(&run, &self.suite);
            assert_eq!(seen.result, Judged::Ok, "nothing changed: {:?}", watch.report(self.now));
        }
        watch
    }

    /// Shows this server's runs to the watch until it raises an alarm by its answers alone, and has said what it says
    /// where the server tells facts of itself; `most` of them at the most.
    pub async fn find(&mut self, of: &Served, watch: &Watch, most: u32) -> Found {
        let (mut told, mut silent) = (watch.clone(), watch.clone());
        let mut found = Found::default();
        while found.runs < most && (found.alarm.is_none() || !found.is_told()) {
            let run = self.run(of).await;
            found.runs += 1;
            found.tokens += completion_tokens(&run);
            // What its template does is no fact of the change: it decides what is compared at all.
            let facts = Facts { notes: run.facts.notes.clone(), ..Facts::default() };
            let alone = Run { facts, ..run.clone() };
            let seen = silent.observe(&alone, &self.suite);
            if let Some(alarm) = raised(&seen).filter(|_| found.alarm.is_none()) {
                found.alarm = Some(alarm);
                found.after = found.runs;
                found.report = silent.report(self.now);
            }
            let seen = told.observe(&run, &self.suite);
            if found.is_told() {
                continue;
            }
            let accepted = seen.events.iter().any(|event| matches!(event.what, What::Accepted { .. }));
            let alarmed = raised(&seen).is_some();
            if alarmed || accepted {
                let report = told.report(self.now);
                found.told = Some(Told { after: found.runs, alarmed, cause: report.cause });
            }
        }
        if found.alarm.is_none() {
            found.report = silent.report(self.now);
        }
        found
    }
}

/// What came of a change.
#[derive(Default)]
pub struct Found {
    /// Runs that were made.
    pub runs: u32,
    /// Tokens that all of them generated.
    pub tokens: u64,
    /// The first alarm, by answers alone: as if the server told nothing of itself.
    pub alarm: Option<Alarm>,
    /// Runs to it.
    pub after: u32,
    /// What the watch says then.
    pub report: Report,
    /// What it says where the server tells facts of itself.
    pub told: Option<Told>,
}

/// What came of a change that the server tells of.
pub struct Told {
    /// Runs to it.
    pub after: u32,
    /// Whether it was an alarm. If not, it was a change that was told and small, and so taken for the new baseline.
    pub alarmed: bool,
    pub cause: Option<Cause>,
}

impl Found {
    fn is_told(&self) -> bool {
        self.told.is_some()
    }

    pub fn cause(&self) -> Option<Cause> {
        self.report.cause
    }
}

/// The first alarm that a run raised.
pub fn raised(seen: &Seen) -> Option<Alarm> {
    seen.events.iter().find_map(|event| match &event.what {
        What::Raised(alarm) => Some(alarm.clone()),
        _ => None,
    })
}

/// Tokens that the server generated for a run.
pub fn completion_tokens(run: &Run) -> u64 {
    let replies = run.answers.iter().filter_map(|answer| answer.result.as_ref().ok());
    replies.filter_map(|reply| reply.generation.tokens.output).sum()
}
