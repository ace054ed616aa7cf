//! What a server can be asked for, found out by asking.

use serde::Deserialize;

use super::{Asker, unreachable};
use crate::canary::Spent;
use crate::canary::asker::Stay;
use crate::http::HttpError;
use crate::sample::{AskError, Logprobs, Message, Part, Prompt, Question, Reply, Role, Sampling};
use crate::servers::sleeps;
use crate::wire::asking::Speaks;

/// What a server can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// It tells log probabilities. Else texts are compared.
    pub logprobs: bool,
    /// It takes texts as they are, without its template.
    pub raw: bool,
    /// It tells probabilities after the samplers.
    pub sampler: bool,
}

/// What the ablest server can be asked for: of all it takes the fewest tokens to look at (llama.cpp).
pub const MOST_ABLE: Abilities = Abilities { logprobs: true, raw: true, sampler: true };

#[derive(Deserialize)]
struct Props {
    is_sleeping: Option<bool>,
}

#[derive(Deserialize)]
struct Models {
    #[serde(default)]
    data: Vec<Owned>,
}

#[derive(Deserialize)]
struct Owned {
    owned_by: Option<String>,
}

impl Asker {
    /// What the server can be asked for: by a question of one token, or two, the first time. They also warm up what
    /// was just loaded. Ask only what may be asked: see [`decide`](crate::canary::left::decide).
    ///
    /// # Errors
    /// It answers nothing at all.
    pub async fn abilities(&self) -> Result<Abilities, AskError> {
        if let Some(abilities) = self.known().abilities {
            return Ok(abilities);
        }
        let speaks = self.speaks().await?;
        let sampler = speaks == Speaks::LlamaCpp;
        let chat = Prompt::Chat(vec![Message { role: Role::User, text: "Say yes.".into() }]);
        let chat = self.ask_probe(chat).await;
        // A log probability that is none is one all the same: the server tells them, and the run tells what they are.
        let broken = matches!(chat, Err(AskError::BadLogprob { .. }));
        let raw = match speaks {
            Speaks::LlamaCpp | Speaks::Ollama => broken || chat.is_ok(),
            // A model without a template takes only texts as they are.
            Speaks::Vllm | Speaks::Openai => {
                let raw = self.ask_probe(Prompt::Raw("The".into())).await;
                matches!(raw, Ok(_) | Err(AskError::BadLogprob { .. }))
            }
        };
        let logprobs = broken || !chat?.positions.is_empty();
        let abilities = Abilities { logprobs, raw, sampler };
        // Once it answers again it is asked anew what it can.
        self.known().abilities = Some(abilities).filter(|_| !broken);
        Ok(abilities)
    }

    /// Tokens that the questions of [`Asker::abilities`] took since this was asked last: they are part of no run.
    pub fn take_spent(&self) -> Spent {
        std::mem::take(&mut self.known().spent)
    }

    async fn ask_probe(&self, prompt: Prompt) -> Result<Reply, AskError> {
        let question = self.probe(prompt);
        let answer = self.ask(&question).await;
        self.known().spent += Spent::of([(&question, &answer)]);
        answer.result
    }

    /// The same of a model that may answer nothing any more: that is for a run to tell. `baseline`: whether it told
    /// texts alone when its baseline was made; `None`: it has none.
    ///
    /// # Errors
    /// It cannot be asked. What is refused from the start is no model that can be.
    pub async fn abilities_or(&self, baseline: Option<bool>) -> Result<Abilities, AskError> {
        match (self.abilities().await, baseline) {
            (Err(error), Some(text_mode)) if error.is_hard() => self.abilities_before(!text_mode).await,
            // An empty answer is one.
            (Err(AskError::Empty), None) => self.abilities_before(true).await,
            (abilities, _) => abilities,
        }
    }

    /// What the server could be asked for when it answered.
    async fn abilities_before(&self, logprobs: bool) -> Result<Abilities, AskError> {
        let speaks = self.speaks().await?;
        let raw = matches!(speaks, Speaks::LlamaCpp | Speaks::Ollama);
        Ok(Abilities { logprobs, raw, sampler: speaks == Speaks::LlamaCpp })
    }

    /// How its server is spoken to.
    pub(super) async fn speaks(&self) -> Result<Speaks, AskError> {
        Ok(match self.kind.name {
            "llama_cpp" => Speaks::LlamaCpp,
            "ollama" => Speaks::Ollama,
            "lm_studio" => Speaks::Openai,
            _ if self.owner().await.map_err(|error| unreachable(&error))? == "vllm" => Speaks::Vllm,
            _ => Speaks::Openai,
        })
    }

    /// Whose models a server of no kind of its own says it has; empty where it says nothing.
    async fn owner(&self) -> Result<String, HttpError> {
        let known = self.known().owner.clone();
        if let Some(owner) = known {
            return Ok(owner);
        }
        let models = self.endpoint.http.get_json::<Models>("/v1/models").await?;
        let owner = models.data.into_iter().find_map(|model| model.owned_by).unwrap_or_default();
        self.known().owner = Some(owner.clone());
        Ok(owner)
    }

    /// Whether the model goes by itself, where its own entry does not tell.
    pub(super) async fn stay(&self) -> Result<Stay, HttpError> {
        Ok(match self.kind.name {
            "llama_cpp" => {
                let props = self.endpoint.http.get("/props").await?.ok()?.json::<Props>();
                // Builds that do not tell of sleep do not know it. A router's processes inherit its environment.
                let knows_sleep = props.is_ok_and(|props| props.is_sleeping.is_some());
                match sleeps(&self.endpoint) {
                    Some(false) => Stay::ForEver,
                    None if !knows_sleep => Stay::ForEver,
                    _ => Stay::Unknown,
                }
            }
            // These hold what they were started with.
            "openai" if matches!(self.owner().await?.as_str(), "vllm" | "sglang") => Stay::ForEver,
            _ => Stay::Unknown,
        })
    }

    fn probe(&self, prompt: Prompt) -> Question {
        Question {
            canary: "probe".into(),
            part: Part::Fingerprint,
            prompt,
            max_tokens: 1,
            sampling: Sampling::Greedy,
            logprobs: Logprobs::Model,
            stream: false,
            cache: None,
            timeout: self.limits.probe,
        }
    }
}
