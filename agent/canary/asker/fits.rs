//! Whether a prompt fits the context that an Ollama has loaded a model with. Its clients choose that by their requests,
//! each as it likes: a prompt that does not fit says nothing of the model.

use serde_json::{Map, Value};

use crate::sample::{AskError, Prompt, Question, Reply};

/// Bytes of a token, at most, in prose: what is longer than that by far does not fit.
const BYTES: usize = 5;

/// Why it is not even asked: servers before 0.12 would drop a part of the prompt without a word.
pub(super) fn refuse(question: &Question, runner: &Map<String, Value>) -> Option<AskError> {
    let context = runner.get("num_ctx")?.as_u64()?;
    let bytes: usize = match &question.prompt {
        Prompt::Raw(text) => text.len(),
        Prompt::Chat(messages) => messages.iter().map(|message| message.text.len()).sum(),
    };
    ((bytes / BYTES) as u64 > context).then(|| small(context))
}

/// The result, where the server found that it does not fit.
pub(super) fn told(result: Result<Reply, AskError>, runner: &Map<String, Value>) -> Result<Reply, AskError> {
    match (result, runner.get("num_ctx").and_then(Value::as_u64)) {
        (Err(AskError::TooLong { .. }), Some(context)) => Err(small(context)),
        (result, _) => result,
    }
}

fn small(context: u64) -> AskError {
    let text =
        format!("the prompt does not fit the context of {context} tokens that users load the model with");
    AskError::Unsupported { text }
}
