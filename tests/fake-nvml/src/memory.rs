//! A card's memory.

use std::ffi::{c_uint, c_ulonglong};

use crate::abi::{Code, Handle, put, versioned};
use crate::layout::{Bar1, MEMORY_V2, Memory, MemoryV2};
use crate::machine::{Told, card};

numbers! { NUMBERS:
    nvmlDeviceGetMemoryBusWidth: c_uint = "memory_bus_width";
}

library! { FUNCTIONS:
    nvmlDeviceGetMemoryInfo(me, device: Handle, to: *mut Memory) {
        let Parts { total, reserved, used, free } = Parts::of(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, Memory { total, free, used: used + reserved }) }
    }

    nvmlDeviceGetMemoryInfo_v2(me, device: Handle, to: *mut MemoryV2) {
        // SAFETY: the caller's pointer to a structure in which it set the version.
        let version = unsafe { versioned(to, &[MEMORY_V2]) }?;
        let Parts { total, reserved, used, free } = Parts::of(&card(me, device)?)?;
        // SAFETY: the same.
        unsafe { put(to, MemoryV2 { version, total, reserved, free, used }) }
    }

    nvmlDeviceGetBAR1MemoryInfo(me, device: Handle, to: *mut Bar1) {
        let card = card(me, device)?;
        let bar1Total = card.number("bar1.total")? as c_ulonglong;
        let bar1Used = card.number("bar1.used")? as c_ulonglong;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, Bar1 { bar1Total, bar1Free: bar1Total.saturating_sub(bar1Used), bar1Used }) }
    }
}

struct Parts {
    total: c_ulonglong,
    reserved: c_ulonglong,
    used: c_ulonglong,
    free: c_ulonglong,
}

impl Parts {
    fn of(card: &Told) -> Result<Parts, Code> {
        let number = |key| card.number(key).map(|bytes| bytes as c_ulonglong);
        let (total, used) = (number("memory_total")?, number("memory_used")?);
        let reserved = number("memory_reserved").unwrap_or(0);
        // A scenario may state what cannot be; `memory_free` says what is told then.
        let rest = total.saturating_sub(used).saturating_sub(reserved);
        Ok(Parts { total, reserved, used, free: number("memory_free").unwrap_or(rest) })
    }
}
