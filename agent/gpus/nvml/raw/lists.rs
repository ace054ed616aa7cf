//! Lists of processes.

use std::mem::zeroed;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper_sys::bindings as ffi;

use super::symbol;

/// Room for a list at the first try: more processes than this on one card are not seen in life.
const ROOM: u32 = 512;

/// A list longer than this is garbage.
const MOST_ROOM: u32 = 65_536;

/// A process as the driver lists it. Instances are `u32::MAX` where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Listed {
    pub(in super::super) pid: u32,
    /// Bytes; `u64::MAX`: not told.
    pub(in super::super) memory: u64,
    pub(in super::super) gpu_instance: u32,
}

/// Which list of processes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum List {
    Compute,
    Graphics,
    /// Clients of the Multi-Process Service.
    Mps,
}

/// What a process did on a card in one of the driver's samples.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Use {
    pub(in super::super) pid: u32,
    /// When, in microseconds, by the driver's clock.
    pub(in super::super) at: u64,
    /// Of the time, in percent.
    pub(in super::super) sm: u32,
}

/// The processes of a kind (nvmlDeviceGetComputeRunningProcesses and its like, in the newest version that the
/// library has).
pub(in super::super) fn processes(device: &Device<'_>, which: List) -> Result<Vec<Listed>, NvmlError> {
    let lib = device.nvml().lib();
    let (new, older, oldest) = match which {
        List::Compute => (
            symbol(&lib.nvmlDeviceGetComputeRunningProcesses_v3),
            symbol(&lib.nvmlDeviceGetComputeRunningProcesses_v2),
            symbol(&lib.nvmlDeviceGetComputeRunningProcesses),
        ),
        List::Graphics => (
            symbol(&lib.nvmlDeviceGetGraphicsRunningProcesses_v3),
            symbol(&lib.nvmlDeviceGetGraphicsRunningProcesses_v2),
            symbol(&lib.nvmlDeviceGetGraphicsRunningProcesses),
        ),
        List::Mps => (
            symbol(&lib.nvmlDeviceGetMPSComputeRunningProcesses_v3),
            symbol(&lib.nvmlDeviceGetMPSComputeRunningProcesses_v2),
            symbol(&lib.nvmlDeviceGetMPSComputeRunningProcesses),
        ),
    };
    // The second and the third version have one layout.
    if let Ok(ask) = new.or(older) {
        // SAFETY: the list has room for as many as are said.
        let found = list(|count, to| unsafe { ask(device.handle(), count, to) })?;
        let listed = |process: &ffi::nvmlProcessInfo_v2_t| Listed {
            pid: process.pid,
            memory: process.usedGpuMemory,
            gpu_instance: process.gpuInstanceId,
        };
        return Ok(found.iter().map(listed).collect());
    }
    let ask = oldest?;
    // SAFETY: the same.
    let found = list(|count, to| unsafe { ask(device.handle(), count, to) })?;
    let listed = |process: &ffi::nvmlProcessInfo_v1_t| Listed {
        pid: process.pid,
        memory: process.usedGpuMemory,
        gpu_instance: u32::MAX,
    };
    Ok(found.iter().map(listed).collect())
}

/// What processes did since that moment of the driver's clock, in microseconds
/// (nvmlDeviceGetProcessUtilization).
pub(in super::super) fn uses(device: &Device<'_>, since: u64) -> Result<Vec<Use>, NvmlError> {
    let ask = symbol(&device.nvml().lib().nvmlDeviceGetProcessUtilization)?;
    // SAFETY: the list has room for as many as are said.
    let found = list(|count, to| unsafe { ask(device.handle(), to, count, since) })?;
    let told = |sample: &ffi::nvmlProcessUtilizationSample_t| Use {
        pid: sample.pid,
        at: sample.timeStamp,
        sm: sample.smUtil,
    };
    Ok(found.iter().map(told).collect())
}

/// A list in one call, or in two where it is longer than any in life.
fn list<T: Copy>(ask: impl Fn(*mut u32, *mut T) -> ffi::nvmlReturn_t) -> Result<Vec<T>, NvmlError> {
    let mut room = ROOM;
    loop {
        // SAFETY: the structures of lists are plain numbers, for which zero is a value.
        let mut items: Vec<T> = vec![unsafe { zeroed() }; room as usize];
        let mut count = room;
        match nvml_try(ask(&raw mut count, items.as_mut_ptr())) {
            Err(NvmlError::InsufficientSize(_)) if count > room && count <= MOST_ROOM => room = count + 16,
            other => {
                other?;
                items.truncate(count as usize);
                return Ok(items);
            }
        }
    }
}
