//! One card in several: MIG devices, each with readings of its own. Of the functions elsewhere, a MIG device
//! answers those whose readings it has: `name`, `uuid`, `memory_total`, `processes`, ...

use std::ffi::c_uint;

use crate::abi::{Handle, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, put};
use crate::layout::Attributes;
use crate::machine::{Place, card};

numbers! { NUMBERS:
    nvmlDeviceGetGpuInstanceId: c_uint = "gpu_instance";
    nvmlDeviceGetComputeInstanceId: c_uint = "compute_instance";
}

pairs! { PAIRS:
    nvmlDeviceGetMigMode: c_uint = "mig_mode", "mig_pending_mode" or None;
}

library! { FUNCTIONS:
    nvmlDeviceIsMigDeviceHandle(me, device: Handle, to: *mut c_uint) {
        let place = card(me, device)?.place().ok_or(INVALID_ARGUMENT)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, c_uint::from(place.mig.is_some())) }
    }

    nvmlDeviceGetMaxMigDeviceCount(me, device: Handle, to: *mut c_uint) {
        // Where there is no MIG this is no error.
        let most = card(me, device)?.number("mig_max").unwrap_or(0.0);
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, most as c_uint) }
    }

    nvmlDeviceGetMigDeviceHandleByIndex(me, device: Handle, index: c_uint, to: *mut Handle) {
        let card = card(me, device)?;
        if index as usize >= card.number("mig_max")? as usize {
            return Err(INVALID_ARGUMENT);
        }
        let mig = card.children().into_iter().filter_map(|child| child.place());
        let place = mig.into_iter().find(|place| place.mig == Some(index as usize));
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, place.ok_or(NOT_FOUND)?.handle()) }
    }

    nvmlDeviceGetDeviceHandleFromMigDeviceHandle(me, device: Handle, to: *mut Handle) {
        match card(me, device)?.place() {
            Some(Place { index, mig: Some(_) }) => {
                // SAFETY: the caller's pointer, as nvml.h asks for it.
                unsafe { put(to, Place { index, mig: None }.handle()) }
            }
            _ => Err(INVALID_ARGUMENT),
        }
    }

    nvmlDeviceGetAttributes_v2(me, device: Handle, to: *mut Attributes) {
        let device = card(me, device)?;
        if device.place().is_none_or(|place| place.mig.is_none()) {
            return Err(NOT_SUPPORTED);
        }
        let number = |key: &str| device.number(&format!("attributes.{key}"));
        let attributes = Attributes {
            multiprocessorCount: number("multiprocessors")? as c_uint,
            sharedCopyEngineCount: number("copy_engines")? as c_uint,
            sharedDecoderCount: number("decoders")? as c_uint,
            sharedEncoderCount: number("encoders")? as c_uint,
            sharedJpegCount: number("jpegs")? as c_uint,
            sharedOfaCount: number("ofas")? as c_uint,
            gpuInstanceSliceCount: number("gpu_slices")? as c_uint,
            computeInstanceSliceCount: number("compute_slices")? as c_uint,
            memorySizeMB: number("memory_mib")? as u64,
        };
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, attributes) }
    }
}
