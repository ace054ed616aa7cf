//! Asks: what, how often, and again what moved.

use std::time::Duration;

use super::Args;
use super::pick::{Picked, Which};
use super::progress::Progress;
use crate::canary::asker::{Asker, Terms};
use crate::canary::left::{Known, decide};
use crate::canary::run::run;
use crate::canary::{Asking, Done as Round, Order, Speed};
use crate::cli::failure::{Failure, UNKNOWN};
use crate::cli::kept::Kept;
use crate::cli::{screen, text};
use crate::drift::{Judged, Wants};
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::{Answer, Facts, Purpose, Question, Sampling};
use crate::suite::Suite;

/// The looks that follow one which found something moved, until it is sure or well again: with the first more than an
/// alarm takes after a full baseline. Each uses the prompt cache or not, and asks another number at once: a harmless
/// state does not last through all of them.
const MANNERS: [(Option<bool>, u8); 6] =
    [(Some(false), 1), (Some(true), 2), (Some(false), 4), (Some(true), 1), (Some(false), 2), (Some(true), 4)];

/// Seconds that are waited at most before a fault is looked at again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// All that was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) all: Vec<Round>,
    /// Runs of the command proper, before it looked again.
    proper: usize,
    /// The server worked for others when it began.
    pub(super) busy: bool,
}

impl Asked {
    /// The answers of the last run of the command proper.
    pub(super) fn last_answers(&self) -> &[Answer] {
        self.proper.checked_sub(1).and_then(|last| self.all.get(last)).map_or(&[], |done| &done.run.answers)
    }

    pub(super) fn spent(&self) -> (u64, u64) {
        self.all.iter().fold((0, 0), |sum, done| (sum.0 + done.spent.prompt, sum.1 + done.spent.completion))
    }

    pub(super) fn speed(&self) -> Speed {
        let answers: Vec<Answer> =
            self.all.iter().flat_map(|done| done.run.answers.iter().cloned()).collect();
        Speed::of(&answers)
    }
}

/// All that this model is asked by an agent with this config: what runs are compared by.
pub(in crate::cli) fn suite(picked: &Picked) -> Suite {
    Suite::of(&picked.config.own_canaries, picked.config.canaries.builtin, &picked.target.name, &picked.model)
}

/// Who is asked, ready to be asked.
#[derive(Debug)]
pub(in crate::cli) struct Ready {
    asker: Asker,
    pub(in crate::cli) asking: Asking,
    pub(in crate::cli) facts: Facts,
    busy: bool,
}

/// Asks `part` of the suite so often, shows each run to the watch, and looks again at what moved.
///
/// # Errors
/// The model cannot be asked, or must not be.
pub(super) async fn ask(
    args: &Args,
    picked: &Picked,
    part: &Suite,
    whole: &Suite,
    kept: &mut Kept,
    clients: &Clients,
    machine: &Machine,
) -> Result<Asked, Failure> {
    let ready = ready(&args.which, picked, clients, machine).await?;
    let questions = questions(args, &ready.asking, part);
    let mut progress = Progress::of(questions.len() * args.repeat as usize);
    let hash = whole.hash();
    let order = |purpose, questions, at_once| Order {
        target: picked.target.name.clone(),
        purpose,
        suite: hash.clone(),
        facts: ready.facts.clone(),
        questions,
        at_once,
        // The question for its abilities warmed it up.
        warm_up: false,
    };
    let mut asked = Asked { all: Vec::new(), proper: 0, busy: ready.busy };
    let mut wants = (Wants::Nothing, Judged::Ok);
    for _ in 0..args.repeat {
        let done = one(&ready, order(Purpose::Manual, questions.clone(), 1), whole, &mut progress).await?;
        if args.only.is_empty() {
            wants = kept.observe(&done, whole).map_or(wants, |seen| (seen.wants, seen.result));
        }
        asked.all.push(done);
        asked.proper += 1;
    }
    if let (Wants::RepeatHard { after, canaries }, _) = &wants {
        let questions = faulty(canaries, &ready, whole);
        if !questions.is_empty() {
            tokio::time::sleep((*after).min(LONGEST_WAIT)).await;
            progress.more(questions.len());
            let done = one(&ready, order(Purpose::Confirm, questions, 1), whole, &mut progress).await?;
            kept.observe(&done, whole);
            asked.all.push(done);
        }
    }
    let mut result = wants.1;
    for (cache, at_once) in MANNERS {
        // As long as it moved, and more looks may make it sure.
        if result != Judged::Exceed || !kept.is_open() {
            break;
        }
        let questions = Asking { cache, ..ready.asking }.fingerprint(whole);
        progress.more(questions.len());
        let done = one(&ready, order(Purpose::Confirm, questions, at_once), whole, &mut progress).await?;
        result = kept.observe(&done, whole).map_or(Judged::Error, |seen| seen.result);
        asked.all.push(done);
    }
    Ok(asked)
}

/// One run.
///
/// # Errors
/// The server cannot be reached.
pub(in crate::cli) async fn one(
    ready: &Ready,
    order: Order,
    suite: &Suite,
    progress: &mut Progress,
) -> Result<Round, Failure> {
    let told = |question: &Question, _: &Answer| {
        let category = suite.canary(&question.canary).map_or("probe", |canary| canary.category);
        progress.step(&format!("{category}/{}", question.canary));
    };
    let cannot = |error: crate::sample::AskError| {
        Failure::say(
            UNKNOWN,
            format!("cannot ask {}: {}", ready.asker.model(), text::clean(&error.to_string())),
        )
    };
    let mut done = run(&ready.asker, order, told).await.map_err(cannot)?;
    done.run.idle = Some(!ready.busy);
    Ok(done)
}

/// Looks whether the model may be asked, and what its server can be asked for.
///
/// # Errors
/// It cannot be asked, or must not be.
pub(in crate::cli) async fn ready(
    args: &Which,
    picked: &Picked,
    clients: &Clients,
    machine: &Machine,
) -> Result<Ready, Failure> {
    let name = format!("{} of {}", text::clean(&picked.model), text::clean(&picked.target.name));
    let cannot = |why: String| Failure::say(UNKNOWN, format!("cannot ask {name}: {}", text::clean(&why)));
    let may_load = args.load || picked.config.canaries.may_load(&picked.model);
    let terms = Terms { may_load, ..Terms::default() };
    let asker = Asker::connect(&picked.target, picked.kind, &picked.model, terms, clients, machine.clone())
        .map_err(cannot)?;
    let presence = asker.presence().await.map_err(|error| cannot(error.to_string()))?;
    // Where the server does not tell whether it is in memory, a person's word is enough.
    let left =
        decide(&presence, Known { may_load: may_load || presence.loaded.is_none(), ..Known::default() });
    if !left.may_run {
        let load = if presence.loaded == Some(false) { "; --load loads it" } else { "" };
        return Err(cannot(format!("{}{load}", left.why.words())));
    }
    let busy = presence.is_busy() == Some(true);
    if busy {
        screen::note(&format!("{name} works for others just now: answers wait, and speed is not its best"));
    }
    let abilities = asker.abilities().await.map_err(|error| cannot(error.to_string()))?;
    let facts = asker.facts().await.map_err(|error| cannot(error.to_string()))?;
    let asking = Asking { abilities, cache: None, timeout: args.timeout };
    Ok(Ready { asker, asking, facts, busy })
}

fn questions(args: &Args, asking: &Asking, part: &Suite) -> Vec<Question> {
    let mut questions = asking.fingerprint(part);
    if !args.quick {
        questions.extend(asking.long(part));
        questions.extend(part.canaries.iter().map(|canary| asking.graded(canary, Sampling::Greedy)));
    }
    questions
}

/// The questions that brought a fault.
fn faulty(canaries: &[String], ready: &Ready, suite: &Suite) -> Vec<Question> {
    let mut questions = ready.asking.fingerprint(suite);
    questions.extend(ready.asking.long(suite));
    questions.retain(|question| canaries.contains(&question.canary));
    questions
}
