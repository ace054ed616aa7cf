//! How much of a card's memory a new model could take. Pure.

use crate::sample::GpuSample;

/// What a process takes of a card's memory before it loads anything: the driver's context and the kernels of the
/// libraries. Ollama keeps 457 MiB free for it, on NVIDIA's cards as on AMD's (`MinimumMemory` in its discovery of
/// GPUs); what it really is depends on card, driver and build, so a little more is assumed.
pub const PROCESS_BYTES: u64 = 512 << 20;

/// Memory that a new process could take for a model, in bytes: what is free, without [`PROCESS_BYTES`]. Of a card
/// without memory of its own it is the host's that is available, or what its driver says that it may take of it; of a divided one what the emptiest instance has,
/// since a process sees one instance only. `None`: not told, or the card gives no readings.
pub fn headroom(card: &GpuSample, host_available: Option<u64>) -> Option<u64> {
    Some(free(card, host_available)?.saturating_sub(PROCESS_BYTES))
}

/// The same with what the driver would take for the process.
pub(super) fn free(card: &GpuSample, host_available: Option<u64>) -> Option<u64> {
    if card.fault.is_some() {
        return None;
    }
    if card.shared_memory == Some(true) {
        // amdgpu sets a part aside at boot and bounds what may be mapped beside it; what it tells knows both, and
        // what the host has left. Others tell nothing, or count the host's caches as taken.
        let told = card.memory_free_bytes.filter(|_| card.vendor == "amd");
        return told.or(host_available);
    }
    match &card.mig {
        Some(mig) if mig.enabled => {
            mig.instances.iter().filter_map(|instance| instance.memory_free_bytes).max()
        }
        _ => card.memory_free_bytes.or_else(|| {
            let taken = card.memory_used_bytes?.saturating_add(card.memory_reserved_bytes.unwrap_or(0));
            Some(card.memory_total_bytes?.saturating_sub(taken))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CardFault, Mig, MigInstance};

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_the_driver_takes_for_a_process_is_no_room() {
        let card = |free| GpuSample { memory_free_bytes: Some(free), ..GpuSample::default() };
        assert_eq!(headroom(&card(GIB), None), Some(GIB - PROCESS_BYTES));
        assert_eq!(headroom(&card(PROCESS_BYTES), None), Some(0));
        assert_eq!(headroom(&card(7), None), Some(0), "never below nothing");
        assert_eq!(headroom(&GpuSample::default(), Some(GIB)), None, "not told is not zero");
    }

    #[test]
    fn where_what_is_free_is_not_told_it_is_what_is_left() {
        let card = GpuSample {
            memory_total_bytes: Some(8 * GIB),
            memory_used_bytes: Some(2 * GIB),
            memory_reserved_bytes: Some(GIB),
            ..GpuSample::default()
        };
        assert_eq!(headroom(&card, None), Some(5 * GIB - PROCESS_BYTES));
        let odd = GpuSample { memory_used_bytes: Some(u64::MAX), ..card };
        assert_eq!(headroom(&odd, None), Some(0));
    }

    #[test]
    fn a_card_without_memory_of_its_own_has_the_hosts() {
        let card = GpuSample { shared_memory: Some(true), ..GpuSample::default() };
        assert_eq!(headroom(&card, None), None);
        assert_eq!(headroom(&card, Some(64 * GIB)), Some(64 * GIB - PROCESS_BYTES));
        let apu = GpuSample { vendor: "amd".into(), memory_free_bytes: Some(20 * GIB), ..card };
        assert_eq!(headroom(&apu, Some(64 * GIB)), Some(20 * GIB - PROCESS_BYTES), "what it may map");
    }

    #[test]
    fn a_divided_card_has_what_its_emptiest_instance_has() {
        let instance =
            |free| MigInstance { memory_free_bytes: free, uuid: "MIG-1".into(), ..MigInstance::default() };
        let mig = |instances| Some(Mig { enabled: true, pending: None, instances });
        let card = GpuSample { memory_free_bytes: Some(70 * GIB), ..GpuSample::default() };
        let divided = GpuSample {
            mig: mig(vec![instance(Some(9 * GIB)), instance(Some(3 * GIB)), instance(None)]),
            ..card.clone()
        };
        assert_eq!(headroom(&divided, None), Some(9 * GIB - PROCESS_BYTES));
        let empty = GpuSample { mig: mig(Vec::new()), ..card.clone() };
        assert_eq!(headroom(&empty, None), None, "no instance, no place for a process");
        let whole = GpuSample { mig: Some(Mig::default()), ..card };
        assert_eq!(headroom(&whole, None), Some(70 * GIB - PROCESS_BYTES), "it could be, and is not divided");
    }

    #[test]
    fn a_card_that_gives_no_readings_has_no_room() {
        let card = GpuSample { memory_free_bytes: Some(GIB), ..GpuSample::default() };
        let lost = GpuSample { fault: Some(CardFault::new("lost", "gone")), ..card };
        assert_eq!(headroom(&lost, Some(GIB)), None);
    }
}
