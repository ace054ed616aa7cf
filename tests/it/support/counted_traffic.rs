//! Fixed requests with something of everything, counted as the fleet counts them.

use std::time::Duration;

use jiff::Timestamp;
use opsagent::metrics::{Counted, Whose};
use opsagent::sample::{
    Dialect, End, Failure, Gaps, Generation, MeterFault, Phase, Refusal, ServerTimes, Source, Tokens,
    Truncation,
};

/// A complete stream with a trace.
pub fn stream() -> Generation {
    let ms = |millis| Some(Duration::from_millis(millis));
    let mut gaps = Gaps::default();
    for millis in [20, 25, 400] {
        gaps.add(Duration::from_millis(millis));
    }
    Generation {
        model: Some("llama3.1:8b".into()),
        streamed: Some(true),
        status: Some(200),
        time_to_first_token: ms(180),
        time_to_first_answer: ms(900),
        time_per_output_token: ms(89),
        pieces: 5,
        gaps,
        tokens: Tokens {
            input: Some(120),
            cached: Some(20),
            output: Some(6),
            reasoning: Some(2),
            output_estimated: false,
        },
        told: ServerTimes {
            load: ms(2),
            prompt: ms(125),
            prompt_tokens: Some(100),
            decode: ms(440),
            decode_tokens: Some(6),
        },
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        client: Some("editor".into()),
        added: Some(Duration::from_micros(70)),
        ..Generation::new(Dialect::OllamaChat, End::Complete, Duration::from_millis(640))
    }
}

/// What was counted of some requests to the target `box`, of each outcome.
pub fn count(counted: &Counted) {
    let traffic = &counted.traffic;
    let at = Timestamp::from_millisecond(1_790_000_000_250).unwrap();
    traffic.touch_source("box", Source::Tap);
    let whose = |model| Whose { target: "box", model, source: Source::Tap };
    for model in ["other", "llama3.1:8b"] {
        traffic.touch(&whose(model));
        traffic.touch_slo("box", model, "chat");
    }
    traffic.count(&whose("llama3.1:8b"), &stream(), false, at);
    let mut cold = stream();
    cold.told.load = Some(Duration::from_secs(4));
    cold.time_to_first_token = Some(Duration::from_secs(5));
    cold.trace_id = None;
    cold.truncated = Some(Truncation::Length);
    traffic.count(&whose("llama3.1:8b"), &cold, true, at);
    let left =
        Generation { end: End::Cancelled(Phase::Decode), fault: Some(MeterFault::LineTooLong), ..stream() };
    traffic.count(&whose("llama3.1:8b"), &left, false, at);
    let failed = |dialect| Generation::new(dialect, End::Failed(Failure::NotFound), Duration::from_millis(3));
    traffic.count(&whose("other"), &failed(Dialect::OpenaiChat), false, at);
    traffic.count(&whose("other"), &failed(Dialect::OpenaiEmbeddings), false, at);
    for missed in [false, true, false] {
        traffic.count_slo("box", "llama3.1:8b", "chat", missed);
    }
    traffic.count_client("box", "editor", 1);
    traffic.count_refused("box", Refusal::HeadTooLarge, 2);
}
