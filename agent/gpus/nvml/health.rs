//! Errors in a card's memories, what was done about them, and what the driver asks for.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, MemoryLocation};
use nvml_wrapper::sys_exports::field_id as id;

use super::super::CardError;
use super::answers::{Answers, IMPLAUSIBLE, Refusal};
use super::fields::Fields;
use super::raw;
use crate::sample::{EccErrors, GpuSample, RECOVERY_ACTIONS};

const KINDS: [(&str, MemoryError); 2] =
    [("corrected", MemoryError::Corrected), ("uncorrected", MemoryError::Uncorrected)];

const MEMORIES: [(&str, MemoryLocation); 2] =
    [("dram", MemoryLocation::Device), ("sram", MemoryLocation::SRAM)];

/// A card's health.
pub(super) fn read(
    device: &Device<'_>,
    fields: &Fields,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let ecc = device.is_ecc_enabled().map(|ecc| ecc.currently_enabled);
    card.ecc_enabled = answers.told("ecc_enabled", ecc)?;
    if card.ecc_enabled == Some(true) {
        for (kind, errors) in KINDS {
            ecc_errors(device, answers, card, kind, errors)?;
        }
    }
    if let Some(rows) = answers.told("remapped_rows", raw::remapped_rows(device))? {
        card.remapped_rows.insert("correctable".into(), rows.correctable.into());
        card.remapped_rows.insert("uncorrectable".into(), rows.uncorrectable.into());
        card.row_remap_pending = Some(rows.pending);
        card.row_remap_failed = Some(rows.failed);
    }
    for (cause, field) in
        [("single_bit", id::NVML_FI_DEV_RETIRED_SBE), ("double_bit", id::NVML_FI_DEV_RETIRED_DBE)]
    {
        let pages = answers.told(&format!("retired_pages.{cause}"), fields.get(field))?;
        card.retired_pages.extend(pages.map(|pages| (cause.to_owned(), pages as f64)));
    }
    let pending = answers.told("retired_pages_pending", fields.get(id::NVML_FI_DEV_RETIRED_PENDING))?;
    card.retired_pages_pending = pending.map(|pending| pending != 0);
    let action = fields.get(id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION).and_then(action);
    card.recovery_action = answers.told("recovery_action", action)?.map(str::to_owned);
    Ok(())
}

/// Errors since the driver was loaded. Where they are not told by memory, as on a card with MIG, the sum is.
fn ecc_errors(
    device: &Device<'_>,
    answers: &mut Answers,
    card: &mut GpuSample,
    kind: &str,
    errors: MemoryError,
) -> Result<(), CardError> {
    let mut told = |memory: &str, count: Result<u64, nvml_wrapper::error::NvmlError>| {
        let field = format!("ecc_errors.{kind}.{memory}");
        let count = answers.believed(&field, count, |count| *count != u64::MAX)?;
        let found = count.map(|count| EccErrors { kind: kind.to_owned(), memory: memory.to_owned(), count });
        let is_told = found.is_some();
        card.ecc_errors.extend(found);
        Ok(is_told)
    };
    let mut by_memory = false;
    for (memory, location) in MEMORIES {
        by_memory |= told(memory, device.memory_error_counter(errors, EccCounter::Volatile, location))?;
    }
    if !by_memory {
        told("all", device.total_ecc_errors(errors, EccCounter::Volatile))?;
    }
    Ok(())
}

/// The word for a recovery action. The order of the words is that of NVIDIA's numbers.
fn action(number: u64) -> Result<&'static str, Refusal> {
    usize::try_from(number).ok().and_then(|at| RECOVERY_ACTIONS.get(at).copied()).ok_or(IMPLAUSIBLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recovery_action_has_the_word_of_nvidias_number() {
        use nvml_wrapper_sys::bindings as ffi;
        for (number, word) in [
            (ffi::nvmlDeviceGpuRecoveryAction_s_NVML_GPU_RECOVERY_ACTION_NONE, "none"),
            (ffi::nvmlDeviceGpuRecoveryAction_s_NVML_GPU_RECOVERY_ACTION_GPU_RESET, "reset"),
            (ffi::nvmlDeviceGpuRecoveryAction_s_NVML_GPU_RECOVERY_ACTION_NODE_REBOOT, "reboot"),
            (ffi::nvmlDeviceGpuRecoveryAction_s_NVML_GPU_RECOVERY_ACTION_DRAIN_P2P, "drain_p2p"),
            (ffi::nvmlDeviceGpuRecoveryAction_s_NVML_GPU_RECOVERY_ACTION_DRAIN_AND_RESET, "drain_and_reset"),
            // Of newer headers than the bindings.
            (5, "recover_imex_domain"),
            (6, "bus_reset"),
            (7, "system_reboot"),
        ] {
            assert_eq!(action(number.into()), Ok(word));
        }
        assert_eq!(action(8), Err(IMPLAUSIBLE));
        assert_eq!(action(u64::MAX), Err(IMPLAUSIBLE));
    }
}
