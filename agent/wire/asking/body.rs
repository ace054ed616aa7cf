//! The body of a request.

use serde_json::{Map, Value, json};

use super::Api;
use crate::sample::{Logprobs, Message, Prompt, Question, Role, Sampling, TOP};

/// The seed of greedy questions. It decides nothing where the likeliest token is taken; a server that samples all
/// the same does so alike each time.
pub const SEED: u32 = 20_261_122;

/// The date that a template is told which asks for one in `date_string`, as those of Llama 3 do: else each prompt would
/// be another one tomorrow. It is what these templates say where they know no date. Another one here makes every
/// baseline of such a model void.
pub const DATE: &str = "26 Jul 2024";

/// What a server is, as far as its bodies differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// llama.cpp's server.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// vLLM: a salt keeps its prefix cache out, and tokens can be told by their numbers.
    Vllm,
    /// LM Studio, SGLang and all others.
    Openai,
}

/// What is asked for beyond OpenAI's own words. A server that refuses unknown members gets fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extras {
    /// All that the kind is known to take.
    All,
    /// Only what stands in OpenAI's own reference.
    Standard,
    /// The least: model, text, length, temperature.
    Bare,
}

impl Extras {
    /// The next fewer. `None`: there is nothing left to leave out.
    pub const fn fewer(self) -> Option<Extras> {
        match self {
            Self::All => Some(Self::Standard),
            Self::Standard => Some(Self::Bare),
            Self::Bare => None,
        }
    }
}

/// What goes with every question to one model.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// The model, as its server's inventory spells it.
    pub model: &'a str,
    /// The server.
    pub speaks: Speaks,
    /// Options of Ollama's runner, the ones with which the model is loaded.
    pub options: &'a Map<String, Value>,
    /// Whether Ollama's runner shifts its context, as it was loaded. `None`: not known, and not sent.
    pub shift: Option<bool>,
    /// Never the same twice: what vLLM is to keep its cache apart by.
    pub salt: &'a str,
    /// How much is asked for.
    pub extras: Extras,
}

/// What chat templates are told: not to let the model think, and the [`DATE`]. One that knows neither passes over them.
pub fn template_words() -> Value {
    json!({ "enable_thinking": false, "date_string": DATE })
}

/// The body with which this question is asked there.
pub fn body(api: Api, question: &Question, manner: Manner<'_>) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), manner.model.into());
    body.insert("stream".into(), question.stream.into());
    prompt(&mut body, question);
    match api {
        Api::OllamaChat | Api::OllamaGenerate => ollama(&mut body, api, question, manner),
        Api::LlamaCompletion => llama_cpp(&mut body, question),
        Api::OpenaiChat | Api::OpenaiCompletions => openai(&mut body, api, question, manner),
    }
    Value::Object(body)
}

fn prompt(body: &mut Map<String, Value>, question: &Question) {
    match &question.prompt {
        Prompt::Raw(text) => body.insert("prompt".into(), text.as_str().into()),
        Prompt::Chat(messages) => {
            let messages: Vec<Value> = messages.iter().map(message).collect();
            body.insert("messages".into(), messages.into())
        }
    };
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    json!({ "role": role, "content": message.text })
}

/// `temperature` and `seed`: nothing else decides what greedy is, and penalties are the server's own.
fn sampling(body: &mut Map<String, Value>, question: &Question) {
    let seed = match question.sampling {
        Sampling::Greedy => {
            body.insert("temperature".into(), 0.into());
            SEED
        }
        Sampling::Default { seed } => seed,
    };
    body.insert("seed".into(), seed.into());
}

fn llama_cpp(body: &mut Map<String, Value>, question: &Question) {
    body.insert("n_predict".into(), question.max_tokens.into());
    sampling(body, question);
    if question.logprobs != Logprobs::None {
        body.insert("n_probs".into(), TOP.into());
    }
    llama_cpp_extensions(body, question);
}

fn llama_cpp_extensions(body: &mut Map<String, Value>, question: &Question) {
    if question.logprobs == Logprobs::Sampler {
        body.insert("post_sampling_probs".into(), true.into());
    }
    if let Some(cache) = question.cache {
        body.insert("cache_prompt".into(), cache.into());
    }
}

fn openai(body: &mut Map<String, Value>, api: Api, question: &Question, manner: Manner<'_>) {
    body.insert("max_tokens".into(), question.max_tokens.into());
    sampling(body, question);
    if manner.extras == Extras::Bare {
        body.remove("seed");
        return;
    }
    if question.stream {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    let logprobs = question.logprobs != Logprobs::None;
    match api {
        Api::OpenaiCompletions if logprobs => {
            body.insert("logprobs".into(), TOP.into());
        }
        _ if logprobs => {
            body.insert("logprobs".into(), true.into());
            body.insert("top_logprobs".into(), TOP.into());
        }
        _ => {}
    }
    if manner.extras == Extras::Standard {
        return;
    }
    if api == Api::OpenaiChat {
        body.insert("chat_template_kwargs".into(), template_words());
    }
    match manner.speaks {
        Speaks::LlamaCpp => llama_cpp_extensions(body, question),
        Speaks::Vllm => {
            if question.cache == Some(false) {
                body.insert("cache_salt".into(), manner.salt.into());
            }
            if logprobs {
                body.insert("return_tokens_as_token_ids".into(), true.into());
            }
        }
        Speaks::Ollama | Speaks::Openai => {}
    }
}

fn ollama(body: &mut Map<String, Value>, api: Api, question: &Question, manner: Manner<'_>) {
    let mut options = manner.options.clone();
    options.insert("num_predict".into(), question.max_tokens.into());
    sampling(&mut options, question);
    body.insert("options".into(), options.into());
    if api == Api::OllamaGenerate {
        body.insert("raw".into(), true.into());
    } else {
        body.insert("think".into(), false.into());
    }
    // A prompt that does not fit is to be refused, not cut: versions before 0.12.4 cut it all the same.
    body.insert("truncate".into(), false.into());
    if let Some(shift) = manner.shift {
        body.insert("shift".into(), shift.into());
    }
    if question.logprobs != Logprobs::None {
        body.insert("logprobs".into(), true.into());
        body.insert("top_logprobs".into(), TOP.into());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{AskError, Part};

    fn question(prompt: Prompt, logprobs: Logprobs) -> Question {
        Question {
            canary: "c".into(),
            part: Part::Fingerprint,
            prompt,
            max_tokens: 4,
            sampling: Sampling::Greedy,
            logprobs,
            stream: false,
            cache: Some(false),
            timeout: Duration::from_secs(1),
        }
    }

    fn chat() -> Prompt {
        Prompt::Chat(vec![Message { role: Role::User, text: "hi".into() }])
    }

    fn asked(speaks: Speaks, extras: Extras, question: &Question) -> Value {
        let options = json!({ "num_ctx": 2048 });
        let manner = Manner {
            model: "m",
            speaks,
            options: options.as_object().unwrap(),
            shift: Some(true),
            salt: "salt-1",
            extras,
        };
        body(Api::of(speaks, question).unwrap(), question, manner)
    }

    #[test]
    fn llama_cpp_is_asked_for_twenty_probabilities_and_its_samplers_when_they_are_wanted() {
        let raw = question(Prompt::Raw("The".into()), Logprobs::Model);
        assert_eq!(
            asked(Speaks::LlamaCpp, Extras::All, &raw),
            json!({ "model": "m", "stream": false, "prompt": "The", "n_predict": 4, "temperature": 0,
                    "seed": SEED, "n_probs": 20, "cache_prompt": false })
        );
        let mut sampler = question(Prompt::Raw("a a".into()), Logprobs::Sampler);
        (sampler.sampling, sampler.cache) = (Sampling::Default { seed: 7 }, None);
        assert_eq!(
            asked(Speaks::LlamaCpp, Extras::All, &sampler),
            json!({ "model": "m", "stream": false, "prompt": "a a", "n_predict": 4, "seed": 7,
                    "n_probs": 20, "post_sampling_probs": true }),
            "a question for the defaults sends none of its own"
        );
        assert!(matches!(Api::of(Speaks::Ollama, &sampler), Err(AskError::Unsupported { .. })));
    }

    #[test]
    fn ollama_gets_the_options_it_is_loaded_with_and_never_a_keep_alive() {
        let body = asked(Speaks::Ollama, Extras::All, &question(chat(), Logprobs::Model));
        let options = json!({ "num_ctx": 2048, "num_predict": 4, "temperature": 0, "seed": SEED });
        assert_eq!(
            body,
            json!({ "model": "m", "stream": false, "messages": [{ "role": "user", "content": "hi" }],
                    "options": options, "think": false, "truncate": false, "shift": true,
                    "logprobs": true, "top_logprobs": 20 })
        );
        let raw = question(Prompt::Raw("The".into()), Logprobs::None);
        let body = asked(Speaks::Ollama, Extras::All, &raw);
        assert_eq!((&body["raw"], &body["think"]), (&json!(true), &Value::Null));
        assert!(body.get("keep_alive").is_none() && body.get("logprobs").is_none());
    }

    #[test]
    fn a_server_that_refuses_extras_gets_fewer_until_the_bare_question_is_left() {
        let mut chat = question(chat(), Logprobs::Model);
        chat.stream = true;
        let keys = |extras| {
            let body = asked(Speaks::Vllm, extras, &chat);
            let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            keys.join(" ")
        };
        let bare = "max_tokens messages model stream temperature";
        assert_eq!(keys(Extras::Bare), bare);
        assert_eq!(
            keys(Extras::Standard),
            "logprobs max_tokens messages model seed stream stream_options temperature top_logprobs"
        );
        assert_eq!(
            keys(Extras::All),
            "cache_salt chat_template_kwargs logprobs max_tokens messages model return_tokens_as_token_ids seed \
             stream stream_options temperature top_logprobs"
        );
        let words = &asked(Speaks::LlamaCpp, Extras::All, &chat)["chat_template_kwargs"];
        assert_eq!(
            words,
            &json!({ "enable_thinking": false, "date_string": "26 Jul 2024" }),
            "never another date"
        );
        assert_eq!(Extras::All.fewer().and_then(Extras::fewer).and_then(Extras::fewer), None);
    }
}
