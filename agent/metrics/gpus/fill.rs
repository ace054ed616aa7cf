//! Fills [`OfGpus`] from the view. A reading that is not there sets nothing.

use super::OfGpus;
use crate::metrics::fill::{count, flag, known, number, seconds};
use crate::sample::{FABRIC_STATES, GpuSample, Mig, RECOVERY_ACTIONS};
use crate::view::{CardView, EnergySource, Fit, GpusView, Verdict, View, XidCount};

/// What went to no target stands under this name.
const OTHER: &str = "other";

impl<'a> OfGpus<'a> {
    /// The series of a view's cards, and of what its targets take of them.
    pub(in crate::metrics) fn of(view: &'a View) -> OfGpus<'a> {
        let mut all = OfGpus::new();
        all.machine(&view.gpus);
        for card in &view.gpus.cards {
            all.identity(&card.told);
            all.load(&card.told);
            all.heat_and_power(card);
            all.clocks(card);
            all.memory_errors(&card.told);
            all.xids(&card.told.uuid, &card.xids);
            all.links(&card.told);
            all.parts(&card.told);
            all.users(card);
        }
        for target in &view.targets {
            let joules = target.gpus.as_ref().and_then(|gpus| gpus.energy_joules);
            all.energy_joules_total.set([&target.name], joules);
        }
        all.energy_joules_total.set([OTHER], view.gpus.other_energy_joules);
        if let Some(next) = &view.gpus.next_model {
            all.next_model(next);
        }
        all
    }

    fn machine(&mut self, gpus: &'a GpusView) {
        for backend in &gpus.backends {
            // A machine has the driver of one vendor: that the others' are missing is no failure to alert on.
            let absent = backend.reason.as_deref() == Some("no_driver");
            self.gpu_backend_up.set([&backend.name], (!absent).then(|| flag(backend.up)));
            self.gpu_read_duration_seconds.set([&backend.name], backend.read_duration_seconds);
        }
        // Nothing found is not the same as nothing could be read.
        let read = gpus.backends.iter().any(|backend| backend.up);
        let found = gpus.cards.iter().filter(|card| is_listed(&card.told)).count();
        self.gpus_found.set([], read.then_some(found as f64));
        self.gpus_expected.set([], gpus.expected.map(f64::from));
        self.gpus_missing.set([], gpus.missing.map(f64::from));
        self.kernel_log_up.set([], gpus.kernel_log.as_ref().map(|log| flag(log.up)));
        self.kernel_log_records_lost_total.set([], gpus.kernel_log.as_ref().map(|log| count(log.lost)));
        for hang in gpus.kernel_log.iter().flat_map(|log| &log.hangs) {
            self.gpu_hangs_total.set([&hang.card], count(hang.count));
            self.gpu_last_hang_timestamp_seconds.set([&hang.card], hang.last_at.map(seconds));
        }
        for stray in &gpus.strays {
            self.xids(&stray.card, &stray.xids);
        }
    }

    fn next_model(&mut self, fit: &'a Fit) {
        self.next_model_bytes.set([], count(fit.bytes));
        for verdict in Verdict::ALL {
            self.next_model_fits.set([verdict.name()], flag(verdict == fit.verdict));
        }
        self.next_model_missing_bytes.set([], fit.missing_bytes.map(count));
    }

    fn xids(&mut self, gpu: &'a str, xids: &'a [XidCount]) {
        for xid in xids {
            self.gpu_xid_errors_total.set([gpu, &xid.xid], count(xid.count));
            self.gpu_last_xid_timestamp_seconds.set([gpu, &xid.xid], xid.last_at.map(seconds));
        }
    }

    fn identity(&mut self, card: &'a GpuSample) {
        let gpu = card.uuid.as_str();
        let texts = [&card.name, &card.driver, &card.cuda, &card.pci, &card.vbios];
        let [name, driver, cuda, pci, vbios] = texts.map(known);
        let index = card.index.map_or("", number);
        self.gpu_info.set([gpu, index, name, &card.vendor, driver, cuda, pci, vbios], 1.0);
        self.gpu_up.set([gpu], flag(card.fault.is_none()));
        if let Some(fault) = &card.fault {
            self.gpu_fault_info.set([gpu, &fault.reason], 1.0);
        }
        self.gpu_memory_shared.set([gpu], card.shared_memory.map(flag));
        self.gpu_card_read_duration_seconds.set([gpu], card.read_seconds);
    }

    fn load(&mut self, card: &'a GpuSample) {
        let gpu = [card.uuid.as_str()];
        self.gpu_utilization_ratio.set(gpu, card.utilization_ratio);
        self.gpu_memory_utilization_ratio.set(gpu, card.memory_utilization_ratio);
        self.gpu_encoder_utilization_ratio.set(gpu, card.encoder_utilization_ratio);
        self.gpu_decoder_utilization_ratio.set(gpu, card.decoder_utilization_ratio);
        self.gpu_memory_total_bytes.set(gpu, card.memory_total_bytes.map(count));
        self.gpu_memory_used_bytes.set(gpu, card.memory_used_bytes.map(count));
        self.gpu_memory_free_bytes.set(gpu, card.memory_free_bytes.map(count));
        self.gpu_memory_reserved_bytes.set(gpu, card.memory_reserved_bytes.map(count));
        self.gpu_bar1_used_bytes.set(gpu, card.bar1_used_bytes.map(count));
        self.gpu_bar1_total_bytes.set(gpu, card.bar1_total_bytes.map(count));
    }

    fn heat_and_power(&mut self, view: &'a CardView) {
        let (card, gpu) = (&view.told, view.told.uuid.as_str());
        for (sensor, celsius) in &card.temperatures_celsius {
            self.gpu_temperature_celsius.set([gpu, sensor], *celsius);
        }
        for (limit, celsius) in &card.temperature_limits_celsius {
            self.gpu_temperature_limit_celsius.set([gpu, limit], *celsius);
        }
        self.gpu_temperature_margin_celsius.set([gpu], card.temperature_margin_celsius);
        self.gpu_power_watts.set([gpu], card.power_watts);
        self.gpu_power_limit_watts.set([gpu], card.power_limit_watts);
        self.gpu_power_limit_default_watts.set([gpu], card.power_limit_default_watts);
        self.gpu_energy_joules_total.set([gpu], view.energy_total_joules);
        if let Some(source) = view.energy_source {
            self.gpu_energy_info.set([gpu, source_name(source)], 1.0);
        }
        for fan in &card.fans {
            self.gpu_fan_ratio.set([gpu, number(fan.fan)], fan.ratio);
        }
    }

    fn clocks(&mut self, view: &'a CardView) {
        let (card, gpu) = (&view.told, view.told.uuid.as_str());
        for (name, clock) in &card.clocks {
            self.gpu_clock_hertz.set([gpu, name], clock.hertz);
            self.gpu_clock_max_hertz.set([gpu, name], clock.max_hertz);
        }
        self.gpu_performance_state.set([gpu], card.performance_state.map(f64::from));
        for (reason, held) in &card.throttled {
            self.gpu_throttled.set([gpu, reason], flag(*held));
        }
        for (reason, seconds) in &view.throttled_total_seconds {
            self.gpu_throttled_seconds_total.set([gpu, reason], *seconds);
        }
    }

    fn memory_errors(&mut self, card: &'a GpuSample) {
        let gpu = card.uuid.as_str();
        self.gpu_ecc_enabled.set([gpu], card.ecc_enabled.map(flag));
        for errors in &card.ecc_errors {
            self.gpu_ecc_errors_total.set([gpu, &errors.kind, &errors.memory], count(errors.count));
        }
        for (kind, rows) in &card.remapped_rows {
            self.gpu_remapped_rows.set([gpu, kind], *rows);
        }
        self.gpu_row_remap_pending.set([gpu], card.row_remap_pending.map(flag));
        self.gpu_row_remap_failed.set([gpu], card.row_remap_failed.map(flag));
        for (kind, pages) in &card.retired_pages {
            self.gpu_retired_pages.set([gpu, kind], *pages);
        }
        self.gpu_retired_pages_pending.set([gpu], card.retired_pages_pending.map(flag));
        if let Some(asked) = &card.recovery_action {
            for action in RECOVERY_ACTIONS {
                self.gpu_recovery_action.set([gpu, action], flag(action == asked));
            }
        }
    }

    fn links(&mut self, card: &'a GpuSample) {
        let (gpu, pcie) = (card.uuid.as_str(), &card.pcie);
        self.gpu_pcie_generation.set([gpu], pcie.generation.map(f64::from));
        self.gpu_pcie_generation_max.set([gpu], pcie.generation_max.map(f64::from));
        self.gpu_pcie_width.set([gpu], pcie.width.map(f64::from));
        self.gpu_pcie_width_max.set([gpu], pcie.width_max.map(f64::from));
        self.gpu_pcie_replays_total.set([gpu], pcie.replays.map(count));
        self.gpu_pcie_received_bytes_total.set([gpu], pcie.received_bytes.map(count));
        self.gpu_pcie_sent_bytes_total.set([gpu], pcie.sent_bytes.map(count));
        if let Some(state) = &card.fabric_state {
            for one in FABRIC_STATES {
                self.gpu_fabric_state.set([gpu, one], flag(one == state));
            }
        }
        let Some(nvlinks) = &card.nvlinks else { return };
        self.gpu_nvlinks.set([gpu, "active"], f64::from(nvlinks.active));
        self.gpu_nvlinks.set([gpu, "inactive"], f64::from(nvlinks.inactive));
        for (kind, errors) in &nvlinks.errors {
            self.gpu_nvlink_errors_total.set([gpu, kind], *errors);
        }
        self.gpu_nvlink_received_bytes_total.set([gpu], nvlinks.received_bytes.map(count));
        self.gpu_nvlink_sent_bytes_total.set([gpu], nvlinks.sent_bytes.map(count));
    }

    fn parts(&mut self, card: &'a GpuSample) {
        let gpu = card.uuid.as_str();
        self.gpu_persistence.set([gpu], card.persistence.map(flag));
        let Some(Mig { enabled, instances, .. }) = &card.mig else { return };
        self.gpu_mig_enabled.set([gpu], flag(*enabled));
        for part in instances {
            let mig = part.uuid.as_str();
            let [gpu_instance, compute_instance] =
                [part.gpu_instance, part.compute_instance].map(|id| id.map_or("", number));
            let profile = known(&part.profile);
            self.gpu_mig_info.set([gpu, mig, gpu_instance, compute_instance, profile], 1.0);
            self.gpu_mig_memory_total_bytes.set([gpu, mig], part.memory_total_bytes.map(count));
            self.gpu_mig_memory_used_bytes.set([gpu, mig], part.memory_used_bytes.map(count));
            self.gpu_mig_memory_free_bytes.set([gpu, mig], part.memory_free_bytes.map(count));
        }
    }

    fn users(&mut self, view: &'a CardView) {
        let gpu = view.told.uuid.as_str();
        self.gpu_memory_headroom_bytes.set([gpu], view.headroom_bytes.map(count));
        for user in &view.users {
            self.gpu_processes.set([gpu, &user.target], f64::from(user.processes));
            self.gpu_processes_memory_bytes.set([gpu, &user.target], user.memory_bytes.map(count));
        }
    }
}

/// Whether a driver tells that the card is there, be it well or not.
fn is_listed(card: &GpuSample) -> bool {
    card.fault.as_ref().is_none_or(|fault| !matches!(fault.reason.as_str(), "gone" | "missing"))
}

fn source_name(source: EnergySource) -> &'static str {
    match source {
        EnergySource::Counter => "counter",
        EnergySource::Integrated => "integrated",
    }
}
