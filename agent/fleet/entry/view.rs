//! What is shown of a target, as of now.

use tokio::time::Instant;

use super::Entry;
use crate::fleet::{TrafficPlan, label};
use crate::sample::{ModelSample, Note};
use crate::view::{ModelView, TargetView};

impl Entry {
    pub(in crate::fleet) fn view(&self, plan: &TrafficPlan, now: Instant) -> TargetView {
        let fresh = self
            .last
            .as_ref()
            .filter(|polled| now.saturating_duration_since(polled.when) <= self.current_for(polled));
        let sample = fresh.and_then(|polled| polled.result.as_ref().ok());
        let error = fresh.and_then(|polled| polled.result.as_ref().err());
        let state = fresh.and(self.state);
        let mut notes = sample.map(|sample| sample.notes.clone()).unwrap_or_default();
        notes.extend(sample.into_iter().flat_map(|_| self.vram.notes()).cloned());
        notes.extend(self.traffic.notes());
        notes.extend(self.canaries.notes());
        if self.last.is_some() && fresh.is_none() {
            notes.push(Note::warning(
                "poll_stale",
                "the last poll is too old to be shown as current",
                Some("the agent is overloaded or a poll hangs: see opsagent_poll_last_success_timestamp_seconds and the log"),
            ));
        }
        if let Some(tap) = self.traffic.tap.as_ref().filter(|tap| tap.open) {
            notes.push(Note::info(
                "tap_open",
                format!(
                    "the tap on {} takes requests from other machines, and asks nobody who they are",
                    tap.listen
                ),
                Some("bind it to loopback, or let a firewall or the server's own key decide who may"),
            ));
        }
        TargetView {
            name: self.target.name.clone(),
            kind: self.kind().unwrap_or("unknown").into(),
            url: self.target.shown_url(),
            discovered: self.target.discovered,
            demo: self.demo,
            up: fresh.map(|polled| polled.result.is_ok()),
            state: state.map(|(state, _)| state),
            state_since: state.map(|(_, since)| since),
            reason: error.map(|error| error.reason().into()),
            error: error.map(ToString::to_string),
            version: sample.and_then(|sample| sample.version.as_deref()).map(label),
            build: sample.and_then(|sample| sample.build.as_deref()).map(label),
            every_seconds: self.target.every.as_secs_f64(),
            last_poll_at: self.last.as_ref().map(|polled| polled.at),
            last_success_at: self.last_success_at,
            poll_duration_seconds: fresh.map(|polled| polled.took.as_secs_f64()),
            models_installed: sample.and_then(|sample| sample.models_installed),
            orphans: sample.and_then(|sample| sample.orphans),
            models: sample
                .map(|sample| sample.models.iter().map(|model| self.model(model)).collect())
                .unwrap_or_default(),
            gpus: None,
            traffic: self.traffic.view(&self.target.name, plan, now),
            canaries: self.canaries.view(),
            kept: None,
            models_left_out: fresh.map_or(0, |polled| polled.left_out),
            notes,
        }
    }

    /// What its models' own counters grew by since they were first told: model, what, how much.
    pub(in crate::fleet) fn grown(&self) -> impl Iterator<Item = (&str, &'static str, f64)> {
        self.models.iter().flat_map(|(model, memory)| {
            let grown = memory.running.grown();
            // Servers tell the prompt without what came out of the cache.
            let input = grown.prompt_tokens.map(|tokens| tokens + grown.cached_tokens.unwrap_or(0.0));
            let told = [
                ("requests", grown.requests),
                ("input_tokens", input),
                ("cached_tokens", grown.cached_tokens),
                ("output_tokens", grown.output_tokens),
            ];
            told.into_iter().filter_map(move |(what, value)| Some((model.as_str(), what, value?)))
        })
    }

    fn model(&self, model: &ModelSample) -> ModelView {
        let memory = self.models.get(&model.name);
        let text = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(label);
        ModelView {
            name: model.name.clone(),
            loaded: model.loaded,
            state: model.state,
            digest: text(&model.digest),
            quantization: text(&model.quantization),
            parameters: text(&model.parameters),
            format: text(&model.format),
            family: text(&model.family),
            size_bytes: model.size_bytes,
            memory_bytes: model.memory_bytes,
            vram_bytes: model.vram_bytes,
            offload_ratio: offload_ratio(model),
            context_tokens: model.context_tokens,
            context_trained_tokens: model.context_trained_tokens,
            expires_at: model.expires_at,
            stays: model.stays,
            slots: model.slots,
            slots_busy: model.slots_busy,
            queue_depth: model.queue_depth,
            loads: memory.map_or(0, |memory| memory.loads),
            totals: memory.map(|memory| memory.running.totals()).unwrap_or_default(),
            child: model.child.clone(),
        }
    }
}

/// The part of a model that is on GPUs, 0..1. Unknown where the server does not tell both.
fn offload_ratio(model: &ModelSample) -> Option<f64> {
    let (vram, memory) = (model.vram_bytes?, model.memory_bytes?);
    (memory > 0).then(|| (vram as f64 / memory as f64).min(1.0))
}
