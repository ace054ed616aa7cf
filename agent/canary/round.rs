//! Asks several questions, so many at once.

use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};

use super::asker::Asker;
use crate::sample::{Answer, AskError, Question};

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

/// The answers, in the order of the questions; at most `at_once` are asked at a time. `told` hears of each answer as it
/// comes. Where the server is gone, or hangs, the last questions are not asked, and have the error of the others. Dropped,
/// it breaks off what is under way, and the server stops generating.
pub async fn ask_all(
    asker: &Asker,
    questions: &[Question],
    at_once: u8,
    mut told: impl FnMut(&Question, &Answer),
) -> Vec<Answer> {
    let misses = &Misses::default();
    let one = |(nth, question)| async move {
        if let Some(answer) = misses.over(question) {
            return (nth, question, answer);
        }
        let answer = asker.ask(question).await;
        misses.take(&answer);
        (nth, question, answer)
    };
    // Made before they are polled: a closure that is kept with the stream would tie it to one lifetime, and a job could
    // not await it.
    let all: Vec<_> = questions.iter().enumerate().map(one).collect();
    let asked = stream::iter(all).buffer_unordered(usize::from(at_once.max(1)));
    let mut asked = std::pin::pin!(asked);
    let mut answers = Vec::with_capacity(questions.len());
    while let Some((nth, question, answer)) = asked.next().await {
        told(question, &answer);
        answers.push((nth, answer));
    }
    answers.sort_by_key(|(nth, _)| *nth);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
