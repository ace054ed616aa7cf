//! Readings by number: many in one call, so that a poll is cheap (nvmlDeviceGetFieldValues).

use std::collections::HashMap;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id as id;
use nvml_wrapper::{Device, FieldIdScheme};

use super::super::CardError;
use super::answers::{IMPLAUSIBLE, NOT_SUPPORTED, OLD_DRIVER, Refusal};
use super::raw;

/// The whole card, where a scope has to be said: all of its links.
pub(super) const ALL: u32 = u32::MAX;

/// What one poll asks of every card.
const OF_A_CARD: [u32; 13] = [
    id::NVML_FI_DEV_MEMORY_TEMP,
    id::NVML_FI_DEV_RETIRED_SBE,
    id::NVML_FI_DEV_RETIRED_DBE,
    id::NVML_FI_DEV_RETIRED_PENDING,
    id::NVML_FI_DEV_PERF_POLICY_POWER,
    id::NVML_FI_DEV_PERF_POLICY_SYNC_BOOST,
    id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN,
    id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN,
    id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN,
    id::NVML_FI_DEV_PCIE_REPLAY_COUNTER,
    id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES,
    id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES,
    id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,
];

/// The answers of one call.
#[derive(Debug)]
pub(super) struct Fields {
    of: HashMap<(u32, u32), Result<u64, Refusal>>,
}

impl Fields {
    /// What every poll asks of a card.
    pub(super) fn of_card(device: &Device<'_>) -> Result<Fields, CardError> {
        Fields::ask(device, &OF_A_CARD.map(|field| (field, 0)))
    }

    /// These fields, each with its scope.
    ///
    /// # Errors
    /// The card or the driver is gone. That the driver does not know the call is the answer of each field.
    pub(super) fn ask(device: &Device<'_>, wanted: &[(u32, u32)]) -> Result<Fields, CardError> {
        let scheme = device.nvml().field_id_scheme();
        let numbers: Vec<_> =
            wanted.iter().map(|(field, scope)| (renumbered(scheme, *field), *scope)).collect();
        let answers = match raw::fields(device, &numbers).map_err(Refusal::from) {
            Ok(answers) => answers.into_iter().map(judge).collect(),
            Err(Refusal::Fatal(error)) => return Err(error),
            Err(refusal) => vec![Err(refusal); wanted.len()],
        };
        Ok(Fields { of: wanted.iter().copied().zip(answers).collect() })
    }

    /// A field of the card.
    pub(super) fn get(&self, field: u32) -> Result<u64, Refusal> {
        self.scoped(field, 0)
    }

    /// A field of a link, or of [`ALL`].
    pub(super) fn scoped(&self, field: u32, scope: u32) -> Result<u64, Refusal> {
        self.of.get(&(field, scope)).cloned().unwrap_or(Err(NOT_SUPPORTED))
    }
}

fn judge(answer: Result<i128, NvmlError>) -> Result<u64, Refusal> {
    match answer {
        // No field that is asked for is ever negative, and all bits set stand for "not known".
        Ok(value) => u64::try_from(value).ok().filter(|value| *value != u64::MAX).ok_or(IMPLAUSIBLE),
        // The number is greater than any that this driver knows.
        Err(NvmlError::InvalidArg) => Err(OLD_DRIVER),
        Err(error) => Err(error.into()),
    }
}

/// The number that the loaded driver has for a field: some moved with driver 580.82. The constants are the
/// older ones.
fn renumbered(scheme: FieldIdScheme, field: u32) -> u32 {
    match field {
        251..=255 if scheme == FieldIdScheme::V13Update1 => field + 18,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_throttling_are_found_under_the_old_and_the_new_numbers() {
        let thermal = id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN;
        assert_eq!(renumbered(FieldIdScheme::V12, thermal), 251);
        assert_eq!(renumbered(FieldIdScheme::V13Update1, thermal), 269);
        assert_eq!(renumbered(FieldIdScheme::V13Update1, id::NVML_FI_DEV_MEMORY_TEMP), 82);
        let moved = OF_A_CARD.iter().filter(|field| (256..=273).contains(*field));
        assert_eq!(moved.count(), 0, "those moved too, and are not asked for");
    }

    #[test]
    fn a_field_is_a_number_or_a_reason_and_never_a_sentinel() {
        assert_eq!(judge(Ok(0)), Ok(0));
        assert_eq!(judge(Ok(i128::from(u64::MAX))), Err(IMPLAUSIBLE));
        assert_eq!(judge(Ok(-1)), Err(IMPLAUSIBLE));
        assert_eq!(judge(Err(NvmlError::InvalidArg)), Err(OLD_DRIVER));
        assert_eq!(judge(Err(NvmlError::NotSupported)), Err(NOT_SUPPORTED));
    }
}
