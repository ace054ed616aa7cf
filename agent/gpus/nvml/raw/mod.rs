//! Calls of the driver's library that nvml-wrapper does not make, or not as they are needed here: several
//! readings at once with a scope, lists in one call, drivers before 510, events that are not tied to a
//! borrow. The only unsafe code of the agent: each call gets a handle that the wrapper has just given out and
//! memory of our own, as nvml.h asks for it.
//!
//! Each function may be missing in the library; then, and only then, its call fails.
#![allow(
    unsafe_code,
    reason = "the library is written in C, and nvml-wrapper leaves these calls to its callers"
)]

use std::fmt::Display;
use std::mem::{offset_of, size_of};

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper_sys::bindings as ffi;

mod events;
mod lists;

pub(super) use events::{EventSet, Handle};
pub(super) use lists::{List, Listed, Use, processes, uses};

/// `NVML_ERROR_UNKNOWN`: stands in each field before the driver fills it in, so that one that it passes over
/// does not read as zero.
const UNANSWERED: ffi::nvmlReturn_t = 999;

// What the generated bindings say, held against nvml.h for 64-bit machines: a list in another layout would be
// read as other numbers, and nobody would see it.
const _: () = {
    assert!(size_of::<ffi::nvmlFieldValue_t>() == 40 && offset_of!(ffi::nvmlFieldValue_t, value) == 32);
    assert!(size_of::<ffi::nvmlProcessInfo_v1_t>() == 16);
    assert!(size_of::<ffi::nvmlProcessInfo_v2_t>() == 24 && size_of::<ffi::nvmlProcessDetail_v1_t>() == 32);
    assert!(size_of::<ffi::nvmlProcessUtilizationSample_t>() == 32);
    assert!(size_of::<ffi::nvmlMemory_t>() == 24);
    assert!(size_of::<ffi::nvmlMarginTemperature_v1_t>() == 8);
    assert!(size_of::<ffi::nvmlGpuFabricInfo_t>() == 28);
    assert!(size_of::<ffi::nvmlGpuFabricInfo_v2_t>() == 36 && size_of::<ffi::nvmlGpuFabricInfoV_t>() == 40);
    assert!(offset_of!(ffi::nvmlGpuFabricInfo_v2_t, state) == offset_of!(ffi::nvmlGpuFabricInfoV_t, state));
    assert!(size_of::<ffi::nvmlEventData_t>() == 32);
};

/// Rows of memory that were remapped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) correctable: u32,
    pub(super) uncorrectable: u32,
    pub(super) pending: bool,
    pub(super) failed: bool,
}

/// Readings by number and scope (nvmlDeviceGetFieldValues), in that order. The number is that of the loaded
/// driver; no translation is done.
pub(super) fn fields(
    device: &Device<'_>,
    wanted: &[(u32, u32)],
) -> Result<Vec<Result<i128, NvmlError>>, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetFieldValues)?;
    let blank = |&(field, scope): &(u32, u32)| ffi::nvmlFieldValue_t {
        fieldId: field,
        scopeId: scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: 0,
        nvmlReturn: UNANSWERED,
        value: ffi::nvmlValue_t { ullVal: 0 },
    };
    let mut values: Vec<_> = wanted.iter().map(blank).collect();
    let count = i32::try_from(values.len()).map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: the list is as long as is said.
    nvml_try(unsafe { ask(device.handle(), count, values.as_mut_ptr()) })?;
    Ok(values.iter().map(|value| nvml_try(value.nvmlReturn).and_then(|()| number(value))).collect())
}

fn number(value: &ffi::nvmlFieldValue_t) -> Result<i128, NvmlError> {
    let of = value.value;
    // SAFETY: any bits are a number of each of these types; the type says which was written.
    unsafe {
        Ok(match value.valueType {
            0 => of.dVal as i128,
            1 => of.uiVal.into(),
            2 => of.ulVal.into(),
            3 => of.ullVal.into(),
            4 => of.sllVal.into(),
            5 => of.siVal.into(),
            6 => of.usVal.into(),
            other => return Err(NvmlError::UnexpectedVariant(other)),
        })
    }
}

/// Total, free and used bytes (nvmlDeviceGetMemoryInfo, the only one before driver 510). What the driver
/// reserves counts as used there.
pub(super) fn memory(device: &Device<'_>) -> Result<[u64; 3], NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetMemoryInfo)?;
    let mut to = ffi::nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: it is written to a structure of our own.
    nvml_try(unsafe { ask(device.handle(), &raw mut to) })?;
    Ok([to.total, to.free, to.used])
}

/// Why the clocks are where they are, a bit a reason (nvmlDeviceGetCurrentClocksEventReasons; before driver
/// 535 nvmlDeviceGetCurrentClocksThrottleReasons).
pub(super) fn clocks_event_reasons(device: &Device<'_>) -> Result<u64, NvmlError> {
    let lib = device.nvml().lib();
    let ask = symbol(&lib.nvmlDeviceGetCurrentClocksEventReasons)
        .or_else(|_| symbol(&lib.nvmlDeviceGetCurrentClocksThrottleReasons))?;
    let mut reasons = 0;
    // SAFETY: it is written to a number of our own.
    nvml_try(unsafe { ask(device.handle(), &raw mut reasons) })?;
    Ok(reasons)
}

/// How far the die is below its nearest limit, in degrees Celsius (nvmlDeviceGetMarginTemperature).
pub(super) fn margin(device: &Device<'_>) -> Result<i32, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetMarginTemperature)?;
    let version = size_of::<ffi::nvmlMarginTemperature_v1_t>() as u32 | 1 << 24;
    let mut to = ffi::nvmlMarginTemperature_v1_t { version, marginTemperature: 0 };
    // SAFETY: it is written to a structure of our own, which says its version.
    nvml_try(unsafe { ask(device.handle(), &raw mut to) })?;
    Ok(to.marginTemperature)
}

/// Remapped rows (nvmlDeviceGetRemappedRows).
pub(super) fn remapped_rows(device: &Device<'_>) -> Result<Rows, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetRemappedRows)?;
    let (mut correctable, mut uncorrectable, mut pending, mut failed) = (0, 0, 0, 0);
    let (one, two) = (&raw mut correctable, &raw mut uncorrectable);
    // SAFETY: it is written to numbers of our own.
    nvml_try(unsafe { ask(device.handle(), one, two, &raw mut pending, &raw mut failed) })?;
    Ok(Rows { correctable, uncorrectable, pending: pending != 0, failed: failed != 0 })
}

/// How far the card is in joining its NVLink fabric (nvmlDeviceGetGpuFabricInfoV; before driver 535
/// nvmlDeviceGetGpuFabricInfo).
pub(super) fn fabric_state(device: &Device<'_>) -> Result<u8, NvmlError> {
    let lib = device.nvml().lib();
    if let Ok(ask) = symbol(&lib.nvmlDeviceGetGpuFabricInfoV) {
        // The second version is the first that this function knows. It has less than the third, for which
        // there is room.
        let version = size_of::<ffi::nvmlGpuFabricInfo_v2_t>() as u32 | 2 << 24;
        let mut to = ffi::nvmlGpuFabricInfoV_t {
            version,
            clusterUuid: [0; 16],
            status: 0,
            cliqueId: 0,
            state: 0,
            healthMask: 0,
            healthSummary: 0,
        };
        // SAFETY: it is written to a structure of our own, which says its version.
        nvml_try(unsafe { ask(device.handle(), &raw mut to) })?;
        return Ok(to.state);
    }
    let ask = symbol(&lib.nvmlDeviceGetGpuFabricInfo)?;
    let mut to = ffi::nvmlGpuFabricInfo_t { clusterUuid: [0; 16], status: 0, cliqueId: 0, state: 0 };
    // SAFETY: it is written to a structure of our own.
    nvml_try(unsafe { ask(device.handle(), &raw mut to) })?;
    Ok(to.state)
}

/// The GPU instance of a MIG device (nvmlDeviceGetGpuInstanceId).
pub(super) fn gpu_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetGpuInstanceId)?;
    let mut id = 0;
    // SAFETY: it is written to a number of our own.
    nvml_try(unsafe { ask(device.handle(), &raw mut id) })?;
    Ok(id)
}

/// The compute instance of a MIG device (nvmlDeviceGetComputeInstanceId).
pub(super) fn compute_instance(device: &Device<'_>) -> Result<u32, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetComputeInstanceId)?;
    let mut id = 0;
    // SAFETY: it is written to a number of our own.
    nvml_try(unsafe { ask(device.handle(), &raw mut id) })?;
    Ok(id)
}

/// A function of the library, if it has it.
fn symbol<F: Copy, E: Display>(found: &Result<F, E>) -> Result<F, NvmlError> {
    found.as_ref().map(|function| *function).map_err(|error| NvmlError::FailedToLoadSymbol(error.to_string()))
}
