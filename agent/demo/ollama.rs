//! A server like Ollama, with two models on disk. One is always loaded; the other is wanted once a
//! day, does not fit beside it whole, and goes again. Once a day everything stands still for 20 s.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::traffic::{Asked, Traffic, Way};
use super::{DAY, KIND, MIB, Simulation, by_hour, of_day};
use crate::fleet::Live;
use crate::sample::{Dialect, ModelSample, ServerSample, ServerState};

/// Seconds of the day in which nothing moves although requests are in flight.
const STUCK: (f64, f64) = (60.0, 80.0);

/// Seconds of the day at which the second model is asked for, is loaded, and is asked no more.
const CODER: (f64, f64, f64) = (100.0, 105.0, 125.0);

/// How long the models stay after their last request.
const KEEP_CHAT: Duration = Duration::from_secs(300);
const KEEP_CODER: Duration = Duration::from_secs(45);

/// The models.
const CHAT_MODEL: &str = "llama3.1:8b";
const CODER_MODEL: &str = "qwen2.5-coder:14b";

pub(super) struct Ollama {
    chat: Traffic,
    /// The second model's process and the day it was started on.
    coder: Option<(u64, Traffic)>,
    live: Arc<Live>,
}

impl Ollama {
    /// `live`: where its tap writes down what it sees.
    pub(super) fn new(live: Arc<Live>) -> Ollama {
        let asked = asked(by_hour, CHAT_MODEL, &live);
        Ollama { chat: Traffic::new(0x0a11a, 2, asked, Duration::ZERO, 4182), coder: None, live }
    }

    fn chat(&self, start: Timestamp) -> ModelSample {
        self.chat.show(ModelSample {
            name: CHAT_MODEL.into(),
            loaded: Some(true),
            digest: Some("de30".repeat(16)),
            quantization: Some("Q4_K_M".into()),
            parameters: Some("8.0B".into()),
            format: Some("gguf".into()),
            family: Some("llama".into()),
            size_bytes: Some(4_920_753_328),
            memory_bytes: Some(6_912 * MIB),
            vram_bytes: Some(6_912 * MIB),
            context_tokens: Some(8192),
            context_trained_tokens: Some(131_072),
            expires_at: expiry(start, self.chat.active() + KEEP_CHAT),
            incarnation: Some("chat".into()),
            ..ModelSample::default()
        })
    }

    fn coder(&mut self, elapsed: Duration, start: Timestamp) -> ModelSample {
        let at = elapsed.as_secs_f64();
        let (day, second) = ((at / DAY) as u64, of_day(at));
        let on_disk = ModelSample {
            name: CODER_MODEL.into(),
            loaded: Some(false),
            digest: Some("de31".repeat(16)),
            quantization: Some("Q4_K_M".into()),
            parameters: Some("14.8B".into()),
            format: Some("gguf".into()),
            family: Some("qwen2".into()),
            size_bytes: Some(8_988_124_069),
            context_trained_tokens: Some(32_768),
            ..ModelSample::default()
        };
        let (wanted, loaded, _) = CODER;
        if second < wanted {
            self.coder = None;
            return on_disk;
        }
        // Its requests wait from the moment at which the first one asks.
        let began = Duration::from_secs_f64(day as f64 * DAY + wanted);
        let process = || {
            let asked = asked(in_the_evening, CODER_MODEL, &self.live);
            (day, Traffic::new(0xc0de + day, 1, asked, began, 0))
        };
        let (_, traffic) = match self.coder.take() {
            Some(coder) if coder.0 == day => self.coder.insert(coder),
            _ => self.coder.insert(process()),
        };
        traffic.advance(elapsed, |at| if of_day(at) < CODER.1 { Way::Wanted } else { Way::Works });
        if second < loaded {
            return ModelSample { state: Some(ServerState::Loading), ..on_disk };
        }
        let gone = traffic.active() + KEEP_CODER;
        if elapsed >= gone {
            return on_disk;
        }
        traffic.show(ModelSample {
            loaded: Some(true),
            memory_bytes: Some(14_980 * MIB),
            vram_bytes: Some(11_264 * MIB),
            context_tokens: Some(16_384),
            expires_at: expiry(start, gone),
            incarnation: Some(format!("coder-{day}")),
            ..on_disk
        })
    }
}

impl Simulation for Ollama {
    fn look(&mut self, elapsed: Duration, start: Timestamp) -> ServerSample {
        self.chat.advance(elapsed, |at| match of_day(at) {
            // An answer is under way then, so that a reader sees it stop.
            second if (STUCK.0 - 2.0..STUCK.0).contains(&second) => Way::Asked,
            second if (STUCK.0..STUCK.1).contains(&second) => Way::Stuck,
            _ => Way::Works,
        });
        ServerSample {
            kind: KIND.name,
            version: Some("0.34.0-demo".into()),
            models_installed: Some(2),
            models: vec![self.chat(start), self.coder(elapsed, start)],
            orphans: Some(0),
            ..ServerSample::default()
        }
    }
}

fn asked(rate: fn(f64) -> f64, model: &'static str, live: &Arc<Live>) -> Asked {
    Asked { rate, dialect: Dialect::OllamaChat, model, live: Arc::clone(live) }
}

fn in_the_evening(at: f64) -> f64 {
    if (CODER.1..CODER.2).contains(&of_day(at)) { 0.2 } else { 0.0 }
}

fn expiry(start: Timestamp, after: Duration) -> Option<Timestamp> {
    start.checked_add(SignedDuration::try_from(after).ok()?).ok()
}
