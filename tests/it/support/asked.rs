//! One model, asked by hand.

use std::time::Duration;

use opsagent::canary::asker::{Asker, Terms};
use opsagent::http::Clients;
use opsagent::procs::Machine;
use opsagent::sample::{Answer, AskError, Logprobs, Message, Part, Prompt, Question, Reply, Role, Sampling};
use opsagent::servers::{Target, kind};

/// An asker of that model, at a server of that kind on this machine.
pub fn asker(kind_name: &str, url: &str, model: &str) -> Asker {
    asker_with(kind_name, url, model, |_| {})
}

pub fn asker_with(kind_name: &str, url: &str, model: &str, change: impl FnOnce(&mut Target)) -> Asker {
    let kind = kind(kind_name).unwrap();
    let mut target = Target::new("box", url.parse().unwrap());
    target.kind = Some(kind);
    change(&mut target);
    Asker::connect(&target, kind, model, Terms::default(), &Clients::new(), Machine::here()).unwrap()
}

/// An asker that sees no process of this machine, as if the server were on another one.
pub fn elsewhere(kind_name: &str, url: &str, model: &str) -> Asker {
    let kind = kind(kind_name).unwrap();
    let target = Target::new("box", url.parse().unwrap());
    let machine = Machine::at("/nonexistent");
    Asker::connect(&target, kind, model, Terms::default(), &Clients::new(), machine).unwrap()
}

/// A greedy question for the model's own distribution, not streamed.
pub fn chat(text: &str, max_tokens: u32) -> Question {
    let prompt = Prompt::Chat(vec![Message { role: Role::User, text: text.into() }]);
    Question {
        canary: "it".into(),
        part: Part::Fingerprint,
        prompt,
        max_tokens,
        sampling: Sampling::Greedy,
        logprobs: Logprobs::Model,
        stream: false,
        cache: None,
        timeout: Duration::from_secs(60),
    }
}

pub fn raw(text: &str, max_tokens: u32) -> Question {
    Question { prompt: Prompt::Raw(text.into()), ..chat("", max_tokens) }
}

/// The probe of the sampler.
pub fn sampler(text: &str) -> Question {
    Question {
        part: Part::Sampler,
        sampling: Sampling::Default { seed: 1 },
        logprobs: Logprobs::Sampler,
        ..raw(text, 1)
    }
}

pub fn streamed(question: Question) -> Question {
    Question { stream: true, ..question }
}

/// The reply; panics where there is none.
pub fn reply(answer: Answer) -> Reply {
    answer.result.unwrap_or_else(|error| panic!("{}: {error:?}", answer.canary))
}

/// The error; panics where there is a reply.
pub fn error(answer: Answer) -> AskError {
    answer.result.expect_err("an error")
}
