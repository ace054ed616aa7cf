//! Fills [`Observed`] from the view. A reading that is not there sets nothing.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::observed::Observed;
use crate::sample::{ServerState, Source};
use crate::view::{AgentView, ModelView, TargetView, TrafficView, View};

/// What the build was made from, where the builder said so.
pub const REVISION: &str = match option_env!("OPSAGENT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

impl<'a> Observed<'a> {
    /// The series of a view, but for those of its GPUs.
    pub(super) fn of(view: &'a View) -> Observed<'a> {
        let mut all = Observed::default();
        all.agent(&view.agent);
        for target in &view.targets {
            all.target(target);
            if let Some(traffic) = &target.traffic {
                all.traffic(&target.name, traffic);
            }
            for model in &target.models {
                all.model(&target.name, model);
                all.child(&target.name, model);
                all.totals(&target.name, model);
            }
        }
        all
    }

    fn agent(&mut self, agent: &'a AgentView) {
        self.build_info.set([&agent.version, REVISION], 1.0);
        self.start_timestamp_seconds.set([], seconds(agent.started_at));
        self.demo.set([], flag(agent.demo));
        self.config_last_reload_successful.set([], flag(agent.config_ok));
        self.config_last_reload_success_timestamp_seconds.set([], seconds(agent.config_at));
    }

    fn target(&mut self, target: &'a TargetView) {
        let name = target.name.as_str();
        // Whatever a simulated server imitates: its numbers must not be taken for a real one's.
        let kind = if target.demo { "demo" } else { target.kind.as_str() };
        self.poll_duration_seconds.set([name], target.poll_duration_seconds);
        self.poll_last_success_timestamp_seconds.set([name], target.last_success_at.map(seconds));
        self.target_up.set([name, kind], target.up.map(flag));
        if let Some(now) = target.state {
            for state in ServerState::ALL {
                self.target_state.set([name, state.name()], flag(state == now));
            }
        }
        let [version, build] = [&target.version, &target.build].map(known);
        self.target_info.set([name, kind, version, build, &target.url], 1.0);
        self.target_discovered.set([name], flag(target.discovered));
        self.models_installed.set([name], target.models_installed.map(count));
        self.orphans.set([name], target.orphans.map(f64::from));
    }

    fn traffic(&mut self, target: &'a str, traffic: &TrafficView) {
        self.requests_in_flight.set([target, Source::Tap.name()], traffic.in_flight.map(count));
        self.tap_up.set([target], traffic.tap.as_ref().map(|tap| flag(tap.error.is_none())));
        self.tap_connections.set([target], traffic.tap.as_ref().map(|tap| count(tap.connections)));
        self.server_log_up.set([target], traffic.log.as_ref().map(|log| flag(log.error.is_none())));
    }

    fn model(&mut self, target: &'a str, model: &'a ModelView) {
        let both = [target, &model.name];
        self.slots.set(both, model.slots.map(f64::from));
        self.slots_busy.set(both, model.slots_busy.map(f64::from));
        self.queue_depth.set(both, model.queue_depth.map(count));
        let info = [&model.digest, &model.quantization, &model.parameters, &model.format, &model.family];
        let [digest, quantization, parameters, format, family] = info.map(known);
        self.model_info.set([target, &model.name, digest, quantization, parameters, format, family], 1.0);
        self.model_loaded.set(both, model.loaded.map(flag));
        self.model_size_bytes.set(both, model.size_bytes.map(count));
        self.model_memory_bytes.set(both, model.memory_bytes.map(count));
        self.model_vram_bytes.set(both, model.vram_bytes.map(count));
        self.model_offload_ratio.set(both, model.offload_ratio);
        self.model_context_tokens.set(both, model.context_tokens.map(count));
        self.model_context_trained_tokens.set(both, model.context_trained_tokens.map(count));
        let expires = model.expires_at.filter(|_| model.stays != Some(true));
        self.model_expires_timestamp_seconds.set(both, expires.map(seconds));
        // Loads can be seen only where the server tells what is loaded.
        self.model_loads_total.set(both, model.loaded.map(|_| count(model.loads)));
    }

    fn child(&mut self, target: &'a str, model: &'a ModelView) {
        let Some(child) = &model.child else { return };
        self.child_up.set([target, &model.name], flag(child.up));
        self.child_metrics.set([target, &model.name], child.metrics.map(flag));
    }

    fn totals(&mut self, target: &'a str, model: &'a ModelView) {
        let (both, totals) = ([target, model.name.as_str()], &model.totals);
        self.server_requests_total.set(both, totals.requests);
        self.server_prompt_tokens_total.set(both, totals.prompt_tokens);
        self.server_cached_tokens_total.set(both, totals.cached_tokens);
        self.server_output_tokens_total.set(both, totals.output_tokens);
        self.server_prompt_seconds_total.set(both, totals.prompt_seconds);
        self.server_decode_seconds_total.set(both, totals.decode_seconds);
        self.server_draft_tokens_total.set(both, totals.draft_tokens);
        self.server_draft_accepted_tokens_total.set(both, totals.draft_accepted_tokens);
    }
}

/// 1 or 0.
pub(super) fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// A number as series have them.
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

/// Seconds since the Unix epoch, to the millisecond.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// A label's text. Empty is what Prometheus takes for no such label.
#[allow(clippy::ref_option, reason = "it is mapped over arrays of the view's fields")]
pub(super) fn known(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// Small numbers as text, made once: a page borrows its labels. No machine has as many cards, fans or parts.
static NUMBERS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..1024).map(|number: u32| number.to_string()).collect());

/// A card's, fan's or part's number as a label. One that no machine has is not told.
pub(super) fn number(number: u32) -> &'static str {
    NUMBERS.get(number as usize).map_or("", String::as_str)
}
