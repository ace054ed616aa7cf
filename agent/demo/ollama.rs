//! A server like Ollama, with two models on disk. One is always loaded; the other is wanted once a
//! day, does not fit beside it whole, and goes again. Once a day everything stands still for 20 s.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::traffic::Traffic;
use super::{DAY, KIND, MIB, Simulation, by_hour, of_day};
use crate::sample::{ModelSample, ServerSample, ServerState};

/// Seconds of the day in which nothing moves although requests are in flight.
const STUCK: (f64, f64) = (60.0, 80.0);

/// Seconds of the day at which the second model is asked for, is loaded, and is asked no more.
const CODER: (f64, f64, f64) = (100.0, 105.0, 125.0);

/// How long the models stay after their last request.
const KEEP_CHAT: Duration = Duration::from_secs(300);
const KEEP_CODER: Duration = Duration::from_secs(45);

pub(super) struct Ollama {
    chat: Traffic,
    /// The second model's process and the day it was started on.
    coder: Option<(u64, Traffic)>,
}

impl Ollama {
    pub(super) fn new() -> Ollama {
        Ollama { chat: Traffic::new(0x0a11a, 2, by_hour, Duration::ZERO, 4182), coder: None }
    }

    fn chat(&self, start: Timestamp) -> ModelSample {
        self.chat.show(ModelSample {
            name: "llama3.1:8b".into(),
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
            name: "qwen2.5-coder:14b".into(),
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
        let (asked, loaded, _) = CODER;
        if second < loaded {
            self.coder = None;
            let loading = (second >= asked).then_some(ServerState::Loading);
            return ModelSample { state: loading, ..on_disk };
        }
        let started = Duration::from_secs_f64(day as f64 * DAY + loaded);
        let process = || (day, Traffic::new(0xc0de + day, 1, in_the_evening, started, 0));
        let (_, traffic) = match self.coder.take() {
            Some(coder) if coder.0 == day => self.coder.insert(coder),
            _ => self.coder.insert(process()),
        };
        traffic.advance(elapsed, |_| false);
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
        self.chat.advance(elapsed, |at| (STUCK.0..STUCK.1).contains(&of_day(at)));
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

fn in_the_evening(at: f64) -> f64 {
    if (CODER.1..CODER.2).contains(&of_day(at)) { 0.2 } else { 0.0 }
}

fn expiry(start: Timestamp, after: Duration) -> Option<Timestamp> {
    start.checked_add(SignedDuration::try_from(after).ok()?).ok()
}
