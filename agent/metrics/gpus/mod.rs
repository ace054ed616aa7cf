//! The metrics of GPUs, read off the view afresh at every scrape. Each card's stand under its UUID, which stays
//! when indices change; what it is stands in `_info` alone, joined on `gpu`.
//!
//! What a card, its driver or a permission does not give has no series; the view's JSON says why.

use crate::metrics::declare::metrics;

mod fill;

metrics! {
    /// What the last read of each card saw, and what was made of it.
    pub(in crate::metrics) struct OfGpus<'a> in "opsagent_" {
        /// GPUs that the agent's config expects, by its gpu.expected. No series where it says nothing.
        gpus_expected: Gauge [],
        /// GPUs that the drivers list, also those that give no readings. No series while no backend can read any.
        gpus_found: Gauge [],
        /// Of the GPUs that the config expects, how many give no readings now: the driver does not list them, or cannot read them. No series where it expects none.
        gpus_missing: Gauge [],
        /// 1 if the last read of the GPUs by this backend worked, else 0. No series where nothing of its driver is there.
        gpu_backend_up: Gauge ["backend"],
        /// How long the last read of all GPUs by this backend took, in seconds.
        gpu_read_duration_seconds: Gauge ["backend"],
        /// How long the last read of this card took, in seconds. A card in trouble answers slowly before it is lost.
        gpu_card_read_duration_seconds: Gauge ["gpu"],

        /// 1, with what the driver says of the card: index (may change with a reset), name, vendor, driver, newest CUDA version that it runs, PCI address, VBIOS.
        gpu_info: Gauge ["gpu", "index", "name", "vendor", "driver", "cuda", "pci", "vbios"],
        /// 1 if the card gave readings in the last read, 0 if it gives none now: then gpu_fault_info says why, and its other series are absent.
        gpu_up: Gauge ["gpu"],
        /// 1, with why the card gives no readings: lost (fell off the bus), reset_required (works again after a reset), timeout (the driver does not answer for it), gone (the driver no longer lists it), missing (the config expects it, it was never seen), stale (the last read is too old), or the driver as a whole cannot be used: no_driver, library_missing, driver_not_loaded, driver_mismatch, no_permission; other. No series for a card that gives some.
        gpu_fault_info: Gauge ["gpu", "reason"],
        /// 1 if the card has no memory of its own and takes the machine's (GB10, Jetson, APUs), 0 if it has, as far as the driver tells.
        gpu_memory_shared: Gauge ["gpu"],

        /// Part of the time that something computed, 0..1, over the driver's own window (NVML utilization.gpu: between a sixth of a second and a second; amdgpu gpu_busy_percent). Time, not how many of its units were at work.
        gpu_utilization_ratio: Gauge ["gpu"],
        /// Part of the time that the card's memory was read or written, 0..1 (NVML utilization.memory; amdgpu mem_busy_percent). Not how full it is.
        gpu_memory_utilization_ratio: Gauge ["gpu"],
        /// Part of the time that the video encoder worked, 0..1 (NVML).
        gpu_encoder_utilization_ratio: Gauge ["gpu"],
        /// Part of the time that the video decoder worked, 0..1 (NVML).
        gpu_decoder_utilization_ratio: Gauge ["gpu"],
        /// Memory of the card in bytes (NVML memory info; amdgpu mem_info_vram_total).
        gpu_memory_total_bytes: Gauge ["gpu"],
        /// Memory of the card that programs use in bytes, without what the driver reserves where it tells both (NVML memory info v2; amdgpu mem_info_vram_used).
        gpu_memory_used_bytes: Gauge ["gpu"],
        /// Memory of the card that is free in bytes, as the driver says.
        gpu_memory_free_bytes: Gauge ["gpu"],
        /// Memory of the card that the driver keeps for itself in bytes (NVML memory info v2, drivers from 510).
        gpu_memory_reserved_bytes: Gauge ["gpu"],
        /// Memory of the card in bytes that a new process could take for a model: what is free, without what the driver takes for a process.
        gpu_memory_headroom_bytes: Gauge ["gpu"],
        /// BAR1 memory in use in bytes: what of the card is mapped for the CPU and other devices (NVML).
        gpu_bar1_used_bytes: Gauge ["gpu"],
        /// BAR1 memory in all in bytes (NVML).
        gpu_bar1_total_bytes: Gauge ["gpu"],

        /// Temperature in degrees Celsius by sensor: die, memory (NVML: data-centre boards alone), hotspot (AMD).
        gpu_temperature_celsius: Gauge ["gpu", "sensor"],
        /// Temperature in degrees Celsius at which the card acts: slowdown, shutdown, memory_slowdown, operation (NVML thresholds; hwmon limits).
        gpu_temperature_limit_celsius: Gauge ["gpu", "limit"],
        /// How many degrees Celsius the die is below its slowdown (NVML margin temperature, newer cards and drivers).
        gpu_temperature_margin_celsius: Gauge ["gpu"],
        /// Power that the card draws in watts (NVML power usage: within 5 %, of Ampere and later the mean of the last second; hwmon power).
        gpu_power_watts: Gauge ["gpu"],
        /// Power limit in force in watts (NVML enforced limit; hwmon power cap).
        gpu_power_limit_watts: Gauge ["gpu"],
        /// Power limit that the card was shipped with in watts (NVML).
        gpu_power_limit_default_watts: Gauge ["gpu"],
        /// Energy that the card took in joules: its own counter (since its driver was loaded), or power summed up here since the agent started; gpu_energy_info says which.
        gpu_energy_joules_total: Counter ["gpu"],
        /// 1, with where the energy that the agent tells of the card comes from: counter (the card counts) or integrated (power at each read times the time between: power's error, and what happens between two reads is not seen).
        gpu_energy_info: Gauge ["gpu", "source"],

        /// Clock now in hertz: graphics, sm, memory, video (NVML clock info; hwmon freq).
        gpu_clock_hertz: Gauge ["gpu", "clock"],
        /// The most that the clock can be in hertz (NVML max clock info).
        gpu_clock_max_hertz: Gauge ["gpu", "clock"],
        /// Performance state as the driver numbers them: 0 is the fastest, 15 the slowest (NVML).
        gpu_performance_state: Gauge ["gpu"],
        /// 1 if the card's clocks are held down now for this reason, as the driver says: idle, applications_clocks, sw_power_cap, hw_slowdown, sync_boost, sw_thermal, hw_thermal, hw_power_brake, display_clocks (NVML clocks event reasons). Several may hold.
        gpu_throttled: Gauge ["gpu", "reason"],
        /// Seconds in which the card's clocks were held down, by reason: by the driver's own counters where it has them, else the reads that saw it, times the time between.
        gpu_throttled_seconds_total: Counter ["gpu", "reason"],
        /// Fan speed as the driver wants it, a part of the most, nominally 0..1; may be above 1 (NVML fan speed; hwmon pwm). No series for a card without fans of its own.
        gpu_fan_ratio: Gauge ["gpu", "fan"],

        /// 1 if memory errors are corrected (ECC is on), 0 if not, as the driver says.
        gpu_ecc_enabled: Gauge ["gpu"],
        /// Memory errors since the driver was loaded: kind corrected or uncorrected, memory dram, sram or all; of AMD the block's name (NVML volatile counters; amdgpu RAS).
        gpu_ecc_errors_total: Counter ["gpu", "kind", "memory"],
        /// Rows of memory that the card remapped over its life, as the driver says, by cause: correctable, uncorrectable (NVML, Ampere and later).
        gpu_remapped_rows: Gauge ["gpu", "kind"],
        /// 1 if a remapping of rows waits for a reset of the card, as the driver says.
        gpu_row_remap_pending: Gauge ["gpu"],
        /// 1 if a remapping of rows failed, as the driver says: the card should be replaced.
        gpu_row_remap_failed: Gauge ["gpu"],
        /// Pages of memory that the driver retired over the card's life, by cause: single_bit, double_bit (NVML, before Ampere).
        gpu_retired_pages: Gauge ["gpu", "kind"],
        /// 1 if a retirement of pages waits for a reset or reboot, as the driver says.
        gpu_retired_pages_pending: Gauge ["gpu"],
        /// 1 for what the driver asks for, 0 for the others: none, reset, reboot, drain_p2p, drain_and_reset, recover_imex_domain, bus_reset, system_reboot (NVML GPU recovery action).
        gpu_recovery_action: Gauge ["gpu", "action"],
        /// Errors that NVIDIA's driver reported of the card, by number (opsagent explain xid): what the kernel's log held when the agent started, and what driver or log told since, whichever told more. The critical numbers are there at 0 while either is listened to; numbers beyond the most that are kept are other.
        gpu_xid_errors_total: Counter ["gpu", "xid"],
        /// When the driver last reported this error of the card, in seconds since the Unix epoch. From before the last sleep of the machine it may be too late by its length.
        gpu_last_xid_timestamp_seconds: Gauge ["gpu", "xid"],
        /// Times that work hung on the card of AMD or Intel, as the kernel's log tells (amdgpu, i915, xe): what it held when the agent started, and since. What a driver says of one within a minute is one. No series while the log cannot be read.
        gpu_hangs_total: Counter ["gpu"],
        /// When work last hung on the card of AMD or Intel, in seconds since the Unix epoch, as the kernel's log tells.
        gpu_last_hang_timestamp_seconds: Gauge ["gpu"],
        /// 1 if the kernel's log is read for errors of GPUs, 0 if it cannot be. No series where the config turns it off.
        kernel_log_up: Gauge [],
        /// Records of the kernel's log that were overwritten before the agent could read them.
        kernel_log_records_lost_total: Counter [],

        /// Generation of the PCI Express link now, as the driver says; it falls when the card idles.
        gpu_pcie_generation: Gauge ["gpu"],
        /// The best generation of PCI Express that card, slot and system agree on, as the driver says.
        gpu_pcie_generation_max: Gauge ["gpu"],
        /// Lanes of the PCI Express link now, as the driver says. Fewer than the most under load is a fault of the slot or riser.
        gpu_pcie_width: Gauge ["gpu"],
        /// The most lanes that card and slot agree on, as the driver says.
        gpu_pcie_width_max: Gauge ["gpu"],
        /// Packets that had to be sent again over PCI Express, as the driver counts (NVML replay counter).
        gpu_pcie_replays_total: Counter ["gpu"],
        /// Bytes to the card over PCI Express, where the driver counts them.
        gpu_pcie_received_bytes_total: Counter ["gpu"],
        /// Bytes from the card over PCI Express, where the driver counts them.
        gpu_pcie_sent_bytes_total: Counter ["gpu"],
        /// NVLinks by state, as the driver says: active, inactive.
        gpu_nvlinks: Gauge ["gpu", "state"],
        /// Errors over all NVLinks of the card, as the driver counts, by kind: replay, recovery, crc; of NVLink 5 recovery, receive.
        gpu_nvlink_errors_total: Counter ["gpu", "kind"],
        /// Bytes received over all NVLinks of the card, where the driver counts them.
        gpu_nvlink_received_bytes_total: Counter ["gpu"],
        /// Bytes sent over all NVLinks of the card, where the driver counts them.
        gpu_nvlink_sent_bytes_total: Counter ["gpu"],
        /// 1 for how far the card is in joining its NVLink fabric, 0 for the others, as the driver says: not_started, in_progress, completed. No series for a card in none.
        gpu_fabric_state: Gauge ["gpu", "state"],
        /// 1 if the driver stays loaded when nobody uses the card (NVML persistence mode), else 0.
        gpu_persistence: Gauge ["gpu"],

        /// 1 if the card is divided (MIG), 0 if it could be and is not, as the driver says.
        gpu_mig_enabled: Gauge ["gpu"],
        /// 1, with what the driver says of a MIG instance, by its UUID: the numbers that nvidia-smi has for it, and its profile.
        gpu_mig_info: Gauge ["gpu", "mig", "gpu_instance", "compute_instance", "profile"],
        /// Memory of the MIG instance in bytes (NVML).
        gpu_mig_memory_total_bytes: Gauge ["gpu", "mig"],
        /// Memory of the MIG instance in use in bytes (NVML).
        gpu_mig_memory_used_bytes: Gauge ["gpu", "mig"],
        /// Memory of the MIG instance that is free in bytes (NVML).
        gpu_mig_memory_free_bytes: Gauge ["gpu", "mig"],

        /// Processes that hold memory of the card, as the driver lists them, by the target that they belong to; other: all that belong to none.
        gpu_processes: Gauge ["gpu", "target"],
        /// Memory of the card in bytes that the processes of a target hold, as the driver says; other: all that belong to none. No series where the driver does not tell (WSL2, some consumer cards).
        gpu_processes_memory_bytes: Gauge ["gpu", "target"],
        /// Energy in joules that the target took on all cards since the agent started: of each card's energy the share of its processes; other: what went to no target. All together are what the cards took.
        energy_joules_total: Counter ["target"],

        /// Memory in bytes that the next model needs, as the agent's config says (gpu.next_model). No series where it says nothing.
        next_model_bytes: Gauge [],
        /// 1 for whether the next model fits now, 0 for the others: one_card, host (there is no GPU), split (over several cards), after_unload (if Ollama unloads what it may), no, unknown. What the driver takes for a process is taken into account, what a context takes is not.
        next_model_fits: Gauge ["verdict"],
        /// How much memory in bytes is too little for the next model, even with every model unloaded that may be. No series where it fits or is not known to.
        next_model_missing_bytes: Gauge [],
    }
}
