//! A server like llama.cpp's with one model, which sleeps at night and is loaded again in the
//! morning.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::traffic::{Asked, Traffic, Way};
use super::{KIND, MIB, Simulation, by_hour, of_day};
use crate::fleet::Live;
use crate::sample::{Dialect, ModelSample, Note, ServerSample, ServerState};

/// Seconds of the day at which the last client goes, the model is unloaded, somebody asks again,
/// and the model is there.
const NIGHT: (f64, f64, f64, f64) = (155.0, 175.0, 211.0, 215.0);

/// The model.
const MODEL: &str = "gemma-3-12b-it";

pub(super) struct LlamaCpp {
    traffic: Traffic,
}

impl LlamaCpp {
    /// `live`: where its tap writes down what it sees.
    pub(super) fn new(live: Arc<Live>) -> LlamaCpp {
        let asked = Asked { rate: by_day, dialect: Dialect::OpenaiChat, model: MODEL, live };
        LlamaCpp { traffic: Traffic::new(0x11a3a, 4, asked, Duration::ZERO, 911) }
    }
}

impl Simulation for LlamaCpp {
    fn look(&mut self, elapsed: Duration, _start: Timestamp) -> ServerSample {
        self.traffic.advance(elapsed, way);
        let sample = ServerSample {
            kind: KIND.name,
            build: Some("b7240-demo".into()),
            models_installed: Some(1),
            ..ServerSample::default()
        };
        let model = ModelSample {
            name: MODEL.into(),
            quantization: Some("Q4_K_M".into()),
            parameters: Some("11.8B".into()),
            format: Some("gguf".into()),
            family: Some("gemma3".into()),
            size_bytes: Some(7_300_574_976),
            context_tokens: Some(4096),
            context_trained_tokens: Some(131_072),
            incarnation: Some("llama-cpp".into()),
            ..ModelSample::default()
        };
        let second = of_day(elapsed.as_secs_f64());
        if (NIGHT.1..NIGHT.2).contains(&second) {
            let note = Note::info(
                "sleeping",
                "the model is unloaded until somebody asks; its slots and counters are not looked at, \
                 since that would wake it",
                None,
            );
            return ServerSample {
                state: Some(ServerState::Sleeping),
                models: vec![ModelSample { loaded: Some(false), ..model }],
                notes: vec![note],
                ..sample
            };
        }
        if (NIGHT.2..NIGHT.3).contains(&second) {
            return ServerSample {
                state: Some(ServerState::Loading),
                models: vec![ModelSample { loaded: Some(false), ..model }],
                ..sample
            };
        }
        let awake = ModelSample { loaded: Some(true), memory_bytes: Some(9_820 * MIB), ..model };
        ServerSample { models: vec![self.traffic.show(awake)], ..sample }
    }
}

/// While the model is not there requests wait for it.
fn way(at: f64) -> Way {
    match of_day(at) {
        second if (NIGHT.1..NIGHT.2).contains(&second) => Way::Away,
        second if (NIGHT.2..NIGHT.3).contains(&second) => Way::Wanted,
        _ => Way::Works,
    }
}

fn by_day(at: f64) -> f64 {
    // One client less than the other server has, and up half a wave later.
    if (NIGHT.0..NIGHT.2).contains(&of_day(at)) { 0.0 } else { 0.7 * by_hour(at + 18.0) }
}
