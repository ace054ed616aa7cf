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

/// Words of an entry in a list of processes.
const SHORT: usize = size_of::<ffi::nvmlProcessInfo_v2_t>() / size_of::<u64>();
const LONG: usize = size_of::<ffi::nvmlProcessDetail_v1_t>() / size_of::<u64>();

/// Stands in a list before the driver fills it. No process id, size or instance looks like this.
const UNWRITTEN: u64 = 0xa5a5_a5a5_a5a5_a5a5;

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
    // The second and the third version have one layout, or should.
    if let Ok(ask) = new.or(older) {
        // SAFETY: the list has room for as many as are said, and for a third more.
        return entries(|count, to| unsafe { ask(device.handle(), count, to.cast()) });
    }
    let ask = oldest?;
    // SAFETY: the list has room for as many as are said.
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

/// Processes in entries of three words, or of four: the first drivers of release 535 and some later ones put a
/// fourth into each without another name for the function. How far they wrote tells which.
fn entries(ask: impl Fn(*mut u32, *mut u64) -> ffi::nvmlReturn_t) -> Result<Vec<Listed>, NvmlError> {
    let mut room = ROOM;
    loop {
        let mut words = vec![UNWRITTEN; room as usize * LONG];
        let mut count = room;
        match nvml_try(ask(&raw mut count, words.as_mut_ptr())) {
            Err(NvmlError::InsufficientSize(_)) if count > room && count <= MOST_ROOM => room = count + 16,
            other => {
                other?;
                let count = count.min(room) as usize;
                let entries = words.chunks_exact(length(&words, count));
                return Ok(entries.take(count).map(listed).collect());
            }
        }
    }
}

/// How many words an entry has: four only if the driver wrote beyond as many entries of three, and not all over
/// the list.
fn length(words: &[u64], count: usize) -> usize {
    let written = |words: &[u64]| words.iter().any(|word| *word != UNWRITTEN);
    let (short, long) = (count * SHORT, count * LONG);
    if written(&words[short..long]) && !written(&words[long..]) { LONG } else { SHORT }
}

/// The process id and its padding; the bytes; the two instances.
fn listed(entry: &[u64]) -> Listed {
    let first_half = |word: u64| {
        let [a, b, c, d, ..] = word.to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    };
    Listed { pid: first_half(entry[0]), memory: entry[1], gpu_instance: first_half(entry[2]) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a driver writes: entries of three or four words.
    fn list_of(words: usize, processes: &[(u32, u64)]) -> Vec<Listed> {
        let told = entries(|count, to| {
            for (at, (pid, memory)) in processes.iter().enumerate() {
                let entry = [u64::from(*pid), *memory, u64::MAX, 0];
                for (word, value) in entry[..words].iter().enumerate() {
                    // SAFETY: the list has room for many more.
                    unsafe { to.add(at * words + word).write(*value) };
                }
            }
            // SAFETY: a number of the caller.
            unsafe { count.write(processes.len() as u32) };
            0
        });
        told.unwrap()
    }

    #[test]
    fn processes_are_read_whichever_length_the_driver_gives_an_entry() {
        let all = [(10, 100), (11, 200), (12, u64::MAX)];
        let told = all.map(|(pid, memory)| Listed { pid, memory, gpu_instance: u32::MAX });
        for count in 0..=all.len() {
            for words in [SHORT, LONG] {
                assert_eq!(list_of(words, &all[..count]), told[..count], "{count} of {words} words");
            }
        }
    }

    #[test]
    fn a_driver_that_clears_the_whole_list_first_is_read_as_its_header_says() {
        let mut words = vec![0; 100 * LONG];
        words[0] = 10;
        assert_eq!(length(&words, 1), SHORT);
    }
}
