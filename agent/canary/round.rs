//! Asks several questions, so many at once.

use futures_util::stream::{self, StreamExt as _};

use super::asker::Asker;
use crate::sample::{Answer, Question};

/// The answers, in the order of the questions; at most `at_once` are asked at a time. `told` hears of each answer as it
/// comes. Dropped, it breaks off what is under way, and the server stops generating.
pub async fn ask_all(
    asker: &Asker,
    questions: &[Question],
    at_once: u8,
    mut told: impl FnMut(&Question, &Answer),
) -> Vec<Answer> {
    let one = |(nth, question)| async move { (nth, question, asker.ask(question).await) };
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
