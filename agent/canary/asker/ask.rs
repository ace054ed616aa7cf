//! One question, its time, and what its answer proves.

use std::sync::atomic::Ordering;

use tokio::time::timeout;

use super::{Asker, Waits, fits};
use crate::sample::{ABSENT, Answer, AskError, Logprobs, Question, Reply};
use crate::wire::asking::{Api, Extras, Manner, Speaks, body};

impl Asker {
    /// Asks. Dropped, or out of time, it closes the connection, and the server stops generating; a load of the model
    /// for which the question waits is never ended that way by the question's own limit.
    ///
    /// Of an Ollama nothing is asked before [`Asker::presence`] was read: without the options that the model is loaded
    /// with, the question would load it anew.
    pub async fn ask(&self, question: &Question) -> Answer {
        let warm = {
            let mut known = self.known();
            known.asked = true;
            known.waits.warm
        };
        let mut answer = std::pin::pin!(self.answer(question));
        let result = match timeout(question.timeout, answer.as_mut()).await {
            Ok(result) => result,
            // On the heap: it is rare, and all that asks would else be larger by it.
            Err(_) => Box::pin(self.hold(question, answer, warm)).await,
        };
        self.known().waits.take(warm, &result);
        Answer { canary: question.canary.clone(), part: question.part, result }
    }

    /// What answers told of loads since this was asked last, those of [`Asker::abilities`] among them.
    pub fn take_waits(&self) -> Waits {
        std::mem::take(&mut self.known().waits)
    }

    async fn answer(&self, question: &Question) -> Result<Reply, AskError> {
        let speaks = self.speaks().await?;
        let api = Api::of(speaks, question)?;
        let options = self.known().options.clone();
        let options = match (speaks, options) {
            (Speaks::Ollama, None) => {
                let text = "the options that the model is loaded with were not read".to_owned();
                return Err(AskError::Unsupported { text });
            }
            (_, options) => options.unwrap_or_default(),
        };
        let of_ollama = speaks == Speaks::Ollama;
        if let Some(refused) = fits::refuse(question, &options.runner).filter(|_| of_ollama) {
            return Err(refused);
        }
        loop {
            let (extras, proven) = self.known().extras.unwrap_or((Extras::All, false));
            let salt = format!("opsagent-{}-{}", self.began, self.asked.fetch_add(1, Ordering::Relaxed));
            let manner = Manner {
                model: &self.model,
                speaks,
                options: &options.runner,
                shift: options.shift,
                salt: &salt,
                extras,
            };
            let result = self.exchange(api, question, &body(api, question, manner)).await;
            match (&result, extras.fewer()) {
                (Err(AskError::Status { status: 400 | 422, .. }), Some(fewer))
                    if !proven && matches!(api, Api::OpenaiChat | Api::OpenaiCompletions) =>
                {
                    self.known().extras = Some((fewer, false));
                }
                _ if of_ollama => {
                    return self.learned(extras, question, fits::told(result, &options.runner));
                }
                _ => return self.learned(extras, question, result),
            }
        }
    }

    /// Remembers what an answer proved.
    fn learned(
        &self,
        extras: Extras,
        question: &Question,
        result: Result<Reply, AskError>,
    ) -> Result<Reply, AskError> {
        let mut known = self.known();
        let Ok(reply) = &result else {
            // Nothing worked: the next question begins with all again.
            known.extras = known.extras.filter(|(_, proven)| *proven);
            return result;
        };
        known.extras = Some((extras, true));
        if question.logprobs == Logprobs::Model {
            if reply.positions.is_empty() && known.gave_logprobs {
                return Err(AskError::BadLogprob { found: ABSENT.into() });
            }
            known.gave_logprobs |= !reply.positions.is_empty();
        }
        result
    }
}
