//! Who uses a card. `processes` of a card or a MIG device is a list, or the name of an error; absent it is empty:
//!
//! | key | what it is |
//! |---|---|
//! | `pid` | the process |
//! | `memory` | bytes, a reading; null: not available |
//! | `kind` | `compute` (the default), `graphics`, `both` or `mps` |
//! | `from`, `until` | the seconds between which it is there |
//! | `sm`, `mem`, `encoder`, `decoder`, `jpeg`, `ofa` | its use in percent; one without `sm` was idle |
//!
//! A card with MIG devices has their processes, too, unless its own list is an error.

use std::ffi::{c_uint, c_ulonglong};

use serde_json::Value;

use crate::abi::{Code, Handle, NOT_AVAILABLE, NOT_FOUND, NOT_SUPPORTED};
use crate::abi::{get, put, put_list, versioned};
use crate::clocks::microseconds;
use crate::layout::{
    PROCESSES_USE_V1, Process, ProcessDetail, ProcessUse, ProcessUseV1, ProcessV1, ProcessesUse,
};
use crate::machine::{Told, card};
use crate::names::code;
use crate::scenario;
use crate::value;

/// Stands for no instance.
const NONE: c_uint = c_uint::MAX;

/// Functions that list the processes of a kind, in their second and third version, which share a layout.
macro_rules! lists {
    ($table:ident: $($name:ident = $kind:literal;)*) => {
        library! {$table: $(
            $name(me, device: Handle, count: *mut c_uint, to: *mut Process) {
                let list = list(&card(me, device)?, $kind)?;
                if scenario::read()["long_processes"] == true {
                    let long: Vec<ProcessDetail> = list.into_iter().map(longer).collect();
                    // SAFETY: the caller has room for as many, although it does not know how long each is.
                    return unsafe { put_list(count, to.cast(), &long) };
                }
                // SAFETY: the caller's pointers, as nvml.h asks for them.
                unsafe { put_list(count, to, &list) }
            }
        )*}
    };
}

/// The same in their first version.
macro_rules! first_lists {
    ($table:ident: $($name:ident = $kind:literal;)*) => {
        library! {$table: $(
            $name(me, device: Handle, count: *mut c_uint, to: *mut ProcessV1) {
                let list = list(&card(me, device)?, $kind)?.into_iter();
                let first = |Process { pid, usedGpuMemory, .. }| ProcessV1 { pid, usedGpuMemory };
                let list: Vec<ProcessV1> = list.map(first).collect();
                // SAFETY: the caller's pointers, as nvml.h asks for them.
                unsafe { put_list(count, to, &list) }
            }
        )*}
    };
}

lists! { LISTS:
    nvmlDeviceGetComputeRunningProcesses_v2 = "compute";
    nvmlDeviceGetComputeRunningProcesses_v3 = "compute";
    nvmlDeviceGetGraphicsRunningProcesses_v2 = "graphics";
    nvmlDeviceGetGraphicsRunningProcesses_v3 = "graphics";
    nvmlDeviceGetMPSComputeRunningProcesses_v2 = "mps";
    nvmlDeviceGetMPSComputeRunningProcesses_v3 = "mps";
}

first_lists! { FIRST_LISTS:
    nvmlDeviceGetComputeRunningProcesses = "compute";
    nvmlDeviceGetGraphicsRunningProcesses = "graphics";
    nvmlDeviceGetMPSComputeRunningProcesses = "mps";
}

library! { FUNCTIONS:
    nvmlDeviceGetProcessUtilization(
        me, device: Handle, to: *mut ProcessUse, count: *mut c_uint, last_seen: c_ulonglong
    ) {
        let list = uses(&card(me, device)?, last_seen)?;
        let list: Vec<ProcessUse> = list.iter().map(|of| ProcessUse {
            pid: of.pid,
            timeStamp: of.timeStamp,
            smUtil: of.smUtil,
            memUtil: of.memUtil,
            encUtil: of.encUtil,
            decUtil: of.decUtil,
        }).collect();
        // SAFETY: the caller's pointers, as nvml.h asks for them.
        unsafe { put_list(count, to, &list) }
    }

    nvmlDeviceGetProcessesUtilizationInfo(me, device: Handle, to: *mut ProcessesUse) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { versioned(to, &[PROCESSES_USE_V1])? };
        // SAFETY: the same.
        let mut asked = unsafe { get(to) }?;
        let list = uses(&card(me, device)?, asked.lastSeenTimeStamp)?;
        let array = asked.procUtilArray;
        // SAFETY: a list of the caller's, as long as it says.
        let put_all = unsafe { put_list(&raw mut asked.processSamplesCount, array, &list) };
        // SAFETY: the same as above: how many there are is told also where they do not fit.
        unsafe { put(to, asked)? };
        put_all
    }
}

/// As drivers of release 535 wrote an entry at first, where nvml.h and the function's name said that it is shorter.
fn longer(Process { pid, usedGpuMemory, gpuInstanceId, computeInstanceId }: Process) -> ProcessDetail {
    ProcessDetail { pid, usedGpuMemory, gpuInstanceId, computeInstanceId, usedGpuCcProtectedMemory: 0 }
}

fn list(of: &Told, kind: &str) -> Result<Vec<Process>, Code> {
    let is = |process: &&(Value, [c_uint; 2])| match process.0["kind"].as_str().unwrap_or("compute") {
        "both" => kind != "mps",
        own => own == kind,
    };
    let all = processes(of)?;
    let list = all.iter().filter(is).map(|(process, [gpu, compute])| Process {
        pid: pid(process),
        usedGpuMemory: value::number(&process["memory"], of.seconds)
            .map_or(NOT_AVAILABLE, |bytes| bytes as c_ulonglong),
        gpuInstanceId: *gpu,
        computeInstanceId: *compute,
    });
    Ok(list.collect())
}

/// What its processes did since that moment. This is made anew for each question, so there always is something.
fn uses(of: &Told, last_seen: c_ulonglong) -> Result<Vec<ProcessUseV1>, Code> {
    if of.number("mig_mode").is_ok_and(|mode| mode > 0.0) {
        return Err(NOT_SUPPORTED);
    }
    let now = microseconds();
    let all = processes(of)?;
    let list = all.iter().filter_map(|(process, _)| {
        let percent = |key: &str| value::number(&process[key], of.seconds).map_or(0, |use_| use_ as c_uint);
        value::number(&process["sm"], of.seconds).ok()?;
        Some(ProcessUseV1 {
            timeStamp: now,
            pid: pid(process),
            smUtil: percent("sm"),
            memUtil: percent("mem"),
            encUtil: percent("encoder"),
            decUtil: percent("decoder"),
            jpgUtil: percent("jpeg"),
            ofaUtil: percent("ofa"),
        })
    });
    let list: Vec<_> = list.filter(|of| of.timeStamp > last_seen).collect();
    if list.is_empty() { Err(NOT_FOUND) } else { Ok(list) }
}

/// Those that are there now, with their GPU and compute instance.
fn processes(of: &Told) -> Result<Vec<(Value, [c_uint; 2])>, Code> {
    let stated = of.at("processes");
    if let Some(error) = stated.as_str() {
        return Err(code(error));
    }
    let instance = |key: &str| of.number(key).map_or(NONE, |id| id as c_uint);
    let instances = [instance("gpu_instance"), instance("compute_instance")];
    let there = |process: &&Value| {
        let past = |key: &str| process[key].as_f64().map(|second| second <= of.seconds);
        past("from").unwrap_or(true) && !past("until").unwrap_or(false)
    };
    let own = stated.as_array().into_iter().flatten().filter(there);
    let mut all: Vec<_> = own.map(|process| (process.clone(), instances)).collect();
    for child in of.children() {
        all.extend(processes(&child)?);
    }
    Ok(all)
}

fn pid(process: &Value) -> c_uint {
    process["pid"].as_u64().map_or(0, |pid| pid as c_uint)
}
