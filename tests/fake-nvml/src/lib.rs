//! A fake of NVIDIA's management library (NVML), loaded in its place. What it answers stands in a scenario, a
//! JSON file named by `OPSAGENT_FAKE_NVML_SCENARIO`; `scenario.rs` says what may stand in it.
//!
//! It has the functions that the agent asks. Names and layouts are those of NVIDIA's `nvml.h`.

mod scenario;

use std::ffi::{c_char, c_uint, c_ulonglong, c_void};

use scenario::{ARGUMENT_VERSION_MISMATCH, Card, Code, INSUFFICIENT_SIZE, INVALID_ARGUMENT, OK};

/// `nvmlDevice_t`, into which nobody looks: here the card's place in the scenario, from 1.
type Handle = *mut c_void;

/// `nvmlPciInfo_t`.
#[repr(C)]
pub struct PciInfo {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pci_device_id: c_uint,
    pci_sub_system_id: c_uint,
    bus_id: [c_char; 32],
}

/// `nvmlUtilization_t`.
#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// What nvml.h calls `nvmlMemory_v2`: the size of the structure, and its version in the highest byte.
const MEMORY_V2: c_uint = size_of::<MemoryV2>() as c_uint | 2 << 24;

/// Each function of the library: `me` is its own name, by which the scenario and the trace know it.
macro_rules! library {
    ($($name:ident($me:ident $(, $arg:ident: $type:ty)*) $body:block)*) => {$(
        /// As in nvml.h. Its pointers must be such as nvml.h asks for.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> Code {
            let $me = stringify!($name);
            let answer = || -> Result<(), Code> { $body };
            answer().err().unwrap_or(OK)
        }
    )*};
}

/// Functions that give one number of a card, which stands in the scenario under that key.
macro_rules! numbers {
    ($($name:ident: $type:ty = $key:literal;)*) => {
        library! {$(
            $name(me, device: Handle, to: *mut $type) {
                let value = card(me, device)?.number($key)?;
                // SAFETY: the caller's pointer, as nvml.h asks for it.
                unsafe { put(to, value as $type) }
            }
        )*}
    };
}

/// Functions that give a text of a card.
macro_rules! texts {
    ($($name:ident = $key:literal;)*) => {
        library! {$(
            $name(me, device: Handle, to: *mut c_char, room: c_uint) {
                let text = card(me, device)?.text($key)?;
                // SAFETY: the caller's buffer, as long as it says.
                unsafe { put_text(to, room, &text) }
            }
        )*}
    };
}

library! {
    nvmlInit_v2(me) { scenario::init(me) }

    nvmlShutdown(me) { scenario::shutdown(me) }

    nvmlSystemGetDriverVersion(me, to: *mut c_char, room: c_uint) {
        let text = scenario::system(me)?.text("driver")?;
        // SAFETY: the caller's buffer, as long as it says.
        unsafe { put_text(to, room, &text) }
    }

    nvmlDeviceGetCount_v2(me, to: *mut c_uint) {
        let count = scenario::system(me)?.cards();
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, count as c_uint) }
    }

    nvmlDeviceGetHandleByIndex_v2(me, index: c_uint, to: *mut Handle) {
        let place = index as usize + 1;
        scenario::card(me, place)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, std::ptr::without_provenance_mut(place)) }
    }

    nvmlDeviceGetPciInfo_v3(me, device: Handle, to: *mut PciInfo) {
        let id = card(me, device)?.text("pci")?;
        let mut parts = id.split([':', '.']).map(|part| c_uint::from_str_radix(part, 16).unwrap_or(0));
        let mut part = || parts.next().unwrap_or(0);
        let mut info = PciInfo {
            bus_id_legacy: [0; 16],
            domain: part(),
            bus: part(),
            device: part(),
            pci_device_id: 0,
            pci_sub_system_id: 0,
            bus_id: [0; 32],
        };
        // SAFETY: a buffer of our own, as long as it is.
        unsafe { put_text(info.bus_id.as_mut_ptr(), 32, &id)? };
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, info) }
    }

    nvmlDeviceGetUtilizationRates(me, device: Handle, to: *mut Utilization) {
        let card = card(me, device)?;
        let gpu = card.number("utilization")? as c_uint;
        let memory = card.number("memory_utilization").unwrap_or(0.0) as c_uint;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, Utilization { gpu, memory }) }
    }

    nvmlDeviceGetMemoryInfo_v2(me, device: Handle, to: *mut MemoryV2) {
        // SAFETY: the caller's pointer to a structure in which it set the version.
        let version = unsafe { to.as_ref() }.ok_or(INVALID_ARGUMENT)?.version;
        if version != MEMORY_V2 {
            return Err(ARGUMENT_VERSION_MISMATCH);
        }
        let card = card(me, device)?;
        let number = |key| card.number(key).map(|bytes| bytes as c_ulonglong);
        let (total, used) = (number("memory_total")?, number("memory_used")?);
        let reserved = number("memory_reserved").unwrap_or(0);
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, MemoryV2 { version, total, reserved, free: total - used - reserved, used }) }
    }

    nvmlDeviceGetTemperature(me, device: Handle, sensor: c_uint, to: *mut c_uint) {
        if sensor != 0 {
            return Err(INVALID_ARGUMENT);
        }
        let celsius = card(me, device)?.number("temperature")?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, celsius as c_uint) }
    }
}

texts! {
    nvmlDeviceGetName = "name";
    nvmlDeviceGetUUID = "uuid";
    nvmlDeviceGetVbiosVersion = "vbios";
}

numbers! {
    nvmlDeviceGetPowerUsage: c_uint = "power_mw";
    nvmlDeviceGetEnforcedPowerLimit: c_uint = "power_limit_mw";
    nvmlDeviceGetTotalEnergyConsumption: c_ulonglong = "energy_mj";
}

fn card(me: &str, device: Handle) -> Result<Card, Code> {
    scenario::card(me, device.addr())
}

/// # Safety
/// `to` is null, or may be written to.
unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by the contract of this function.
    unsafe { to.write(value) };
    Ok(())
}

/// # Safety
/// `to` is null, or has room for that many bytes.
unsafe fn put_text(to: *mut c_char, room: c_uint, text: &str) -> Result<(), Code> {
    if text.len() >= room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, byte) in text.bytes().chain([0]).enumerate() {
        // SAFETY: by the contract of this function; the text and its end fit, as was just seen.
        unsafe { put(to.wrapping_add(at), byte.cast_signed() as c_char)? };
    }
    Ok(())
}
