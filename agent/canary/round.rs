//! Asks several questions, so many at once.

use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};

use super::asker::{Asker, Broken};
use super::reload::loads_by_itself;
use crate::sample::{Answer, AskError, Question, Reply};

/// So many questions in a row that did not reach the server, or were answered by nothing in all their time: then the
/// others are not asked. Of a server that hangs a run would else take its patience times its questions.
const GIVE_UP: usize = 3;

/// Questions in a row that did not reach the server, and why the last one did not.
#[derive(Default)]
struct Misses(Mutex<(usize, Option<AskError>)>);

impl Misses {
    /// The answer to a question that is not asked any more.
    fn over(&self, question: &Question) -> Option<Answer> {
        let misses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let error = misses.1.clone().filter(|_| misses.0 >= GIVE_UP)?;
        Some(Answer { canary: question.canary.clone(), part: question.part, result: Err(error) })
    }

    fn take(&self, answer: &Answer) {
        let mut misses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer.result {
            Err(error @ AskError::Unreachable { .. }) => *misses = (misses.0 + 1, Some(error.clone())),
            _ => *misses = (0, None),
        }
    }
}

/// What came of several questions.
#[derive(Debug)]
pub struct Asked {
    /// The answers, in the order of the questions; where it was broken off, to those that were asked.
    pub answers: Vec<Answer>,
    /// Why the others were not asked, and what came says nothing. `None`: all were.
    pub broken: Option<Broken>,
}

/// Asks; at most `at_once` at a time. `told` hears of each answer to a question that was asked, as it comes. Where the server is gone, or hangs, the
/// last questions are not asked, and have the error of the others. A server that loads models by itself is asked so
/// many together, then looked at, then asked the next: it is broken off where another question would load the model.
/// Dropped, it breaks off what is under way, and the server stops generating.
pub async fn ask_all(
    asker: &Asker,
    questions: &[Question],
    at_once: u8,
    mut told: impl FnMut(&Question, &Answer),
) -> Asked {
    let at_once = usize::from(at_once.max(1));
    let loads = loads_by_itself(asker.kind());
    let misses = &Misses::default();
    let mut answers = Vec::with_capacity(questions.len());
    let together = if loads { at_once } else { questions.len().max(1) };
    for part in questions.chunks(together) {
        if let Err(broken) = Box::pin(asker.still()).await {
            return Asked { answers, broken: Some(broken) };
        }
        let from = answers.len();
        let one = |(nth, question)| async move {
            if let Some(answer) = misses.over(question) {
                return (nth, None, answer);
            }
            let answer = asker.ask(question).await;
            misses.take(&answer);
            (nth, Some(question), answer)
        };
        // Made before they are polled: a closure that is kept with the stream would tie it to one lifetime, and a job
        // could not await it.
        let all: Vec<_> = part.iter().enumerate().map(one).collect();
        let asked = stream::iter(all).buffer_unordered(at_once);
        let mut asked = std::pin::pin!(asked);
        let mut came = Vec::with_capacity(part.len());
        while let Some((nth, question, answer)) = asked.next().await {
            if let Some(question) = question {
                told(question, &answer);
            }
            came.push((nth, answer));
        }
        came.sort_by_key(|(nth, _)| *nth);
        answers.extend(came.into_iter().map(|(_, answer)| answer));
        if loads && answers[from..].iter().any(waited) && !asker.is_same_process() {
            return Asked { answers, broken: Some(Broken::Loaded) };
        }
    }
    Asked { answers, broken: None }
}

fn waited(answer: &Answer) -> bool {
    answer.result.as_ref().is_ok_and(Reply::waited_for_a_load)
}
