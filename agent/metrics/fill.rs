//! Fills [`Observed`] from the view. A reading that is not there sets nothing.

use jiff::Timestamp;

use super::observed::Observed;
use crate::sample::ServerState;
use crate::view::{AgentView, CardView, GpusView, ModelView, TargetView, View, XidCount};

/// What the build was made from, where the builder said so.
pub const REVISION: &str = match option_env!("OPSAGENT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

impl<'a> Observed<'a> {
    /// The series of a view. `indices`: the cards' indices as text, in the view's order.
    pub(super) fn of(view: &'a View, indices: &'a [String]) -> Observed<'a> {
        let mut all = Observed::default();
        all.agent(&view.agent);
        for target in &view.targets {
            all.target(target);
            for model in &target.models {
                all.model(&target.name, model);
                all.child(&target.name, model);
                all.totals(&target.name, model);
            }
        }
        all.gpus(&view.gpus);
        for (card, index) in view.gpus.cards.iter().zip(indices) {
            all.card(card, index);
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

    fn gpus(&mut self, gpus: &'a GpusView) {
        for backend in &gpus.backends {
            self.gpu_backend_up.set([&backend.name], flag(backend.up));
            self.gpu_read_duration_seconds.set([&backend.name], backend.read_duration_seconds);
        }
        // Nothing found is not the same as nothing could be read.
        let read = gpus.backends.iter().any(|backend| backend.up);
        self.gpus_found.set([], read.then_some(gpus.cards.len() as f64));
        self.kernel_log_up.set([], gpus.kernel_log.as_ref().map(|log| flag(log.up)));
        self.kernel_log_records_lost_total.set([], gpus.kernel_log.as_ref().map(|log| count(log.lost)));
        for stray in &gpus.strays {
            self.xids(&stray.card, &stray.xids);
        }
    }

    fn xids(&mut self, gpu: &'a str, xids: &'a [XidCount]) {
        for xid in xids {
            self.gpu_xid_errors_total.set([gpu, &xid.xid], count(xid.count));
            self.gpu_last_xid_timestamp_seconds.set([gpu, &xid.xid], xid.last_at.map(seconds));
        }
    }

    fn card(&mut self, view: &'a CardView, index: &'a str) {
        let card = &view.told;
        let gpu = card.uuid.as_str();
        let [name, driver, pci, vbios] = [&card.name, &card.driver, &card.pci, &card.vbios].map(known);
        self.gpu_info.set([gpu, index, name, &card.vendor, driver, pci, vbios], 1.0);
        let memory = [card.memory_total_bytes, card.memory_used_bytes, card.memory_free_bytes];
        let [total, used, free] = memory.map(|bytes| bytes.map(count));
        self.gpu_utilization_ratio.set([gpu], card.utilization_ratio);
        self.gpu_memory_total_bytes.set([gpu], total);
        self.gpu_memory_used_bytes.set([gpu], used);
        self.gpu_memory_free_bytes.set([gpu], free);
        for (sensor, celsius) in &card.temperatures_celsius {
            self.gpu_temperature_celsius.set([gpu, sensor], *celsius);
        }
        self.gpu_power_watts.set([gpu], card.power_watts);
        self.gpu_power_limit_watts.set([gpu], card.power_limit_watts);
        self.gpu_energy_joules_total.set([gpu], view.energy_total_joules);
        self.gpu_up.set([gpu], flag(card.fault.is_none()));
        self.xids(gpu, &view.xids);
    }
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn count(number: u64) -> f64 {
    number as f64
}

/// Seconds since the Unix epoch, to the millisecond.
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// A label's text. Empty is what Prometheus takes for no such label.
#[allow(clippy::ref_option, reason = "it is mapped over arrays of the view's fields")]
fn known(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}
