//! Asks: what, how often, and again what moved.

use std::time::Duration;

use super::Args;
use super::pick::Picked;
use super::progress::Progress;
use super::ready::{Ready, Wanted};
use crate::canary::{Asking, Done as Round, Follow, Speed, Spent};
use crate::cli::failure::Failure;
use crate::cli::kept::Kept;
use crate::drift::{Judged, Wants};
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::{Answer, Purpose, Question, Sampling};
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
    /// What the questions took that found out what the server can be asked for.
    probed: Spent,
}

impl Asked {
    /// The answers of the last run of the command proper.
    pub(super) fn last_answers(&self) -> &[Answer] {
        self.proper.checked_sub(1).and_then(|last| self.all.get(last)).map_or(&[], |done| &done.run.answers)
    }

    pub(super) fn spent(&self) -> Spent {
        let mut sum = self.probed;
        self.all.iter().for_each(|done| sum += done.spent);
        sum
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
    let mut ready = Ready::new(&args.which, picked, Purpose::Manual, kept, clients, machine).await?;
    let questions = questions(args, &ready.asking, part);
    let mut progress = Progress::of(questions.len() * args.repeat as usize);
    let mut asked = Asked { all: Vec::new(), proper: 0, busy: ready.busy, probed: ready.probed };
    let mut wants = (Wants::Nothing, Judged::Ok);
    for _ in 0..args.repeat {
        let wanted = Wanted { purpose: Purpose::Manual, questions: questions.clone(), at_once: 1 };
        let done = ready.round(wanted, whole, kept, &mut progress).await?;
        if args.only.is_empty() {
            wants = kept.observe(&done, whole).map_or(wants, |seen| (seen.wants, seen.result));
        }
        asked.all.push(done);
        asked.proper += 1;
    }
    let questions = again(&wants.0, args.quick, &ready.asking, whole);
    if !questions.is_empty() {
        if let Wants::RepeatHard { after, .. } = &wants.0 {
            tokio::time::sleep((*after).min(LONGEST_WAIT)).await;
        }
        progress.more(questions.len());
        let wanted = Wanted { purpose: Purpose::Confirm, questions, at_once: 1 };
        let done = ready.round(wanted, whole, kept, &mut progress).await?;
        kept.observe(&done, whole);
        asked.all.push(done);
    }
    let mut result = wants.1;
    for (cache, at_once) in MANNERS {
        // As long as it moved, and more looks may make it sure.
        if result != Judged::Exceed || !kept.is_open() {
            break;
        }
        let questions = Asking { cache, ..ready.asking }.fingerprint(whole);
        progress.more(questions.len());
        let wanted = Wanted { purpose: Purpose::Confirm, questions, at_once };
        let done = ready.round(wanted, whole, kept, &mut progress).await?;
        result = kept.observe(&done, whole).map_or(Judged::Error, |seen| seen.result);
        asked.all.push(done);
    }
    Ok(asked)
}

fn questions(args: &Args, asking: &Asking, part: &Suite) -> Vec<Question> {
    let mut questions = asking.fingerprint(part);
    if !args.quick {
        questions.extend(asking.long(part));
        questions.extend(part.canaries.iter().map(|canary| asking.graded(canary, Sampling::Greedy)));
    }
    questions
}

/// What is asked again at once, as the agent does it: what brought a fault, and checks that always passed and failed
/// once, with other seeds. First tokens that moved have their own looks; of a quick form no answer is asked for whole.
fn again(wants: &Wants, quick: bool, asking: &Asking, suite: &Suite) -> Vec<Question> {
    if matches!(wants, Wants::Confirm { .. }) || quick && matches!(wants, Wants::BurstChecks { .. }) {
        return Vec::new();
    }
    let looks = Follow::of(wants).into_iter();
    looks.flat_map(|(_, look)| look.questions(suite, asking)).collect()
}
