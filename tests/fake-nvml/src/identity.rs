//! Which cards there are, and what each is.

use std::ffi::{c_char, c_int, c_uint};

use crate::abi::{Code, Handle, INVALID_ARGUMENT, NOT_FOUND, put, put_text, text};
use crate::layout::PciInfo;
use crate::machine::{Place, Told, card, system, there};

texts! { TEXTS:
    nvmlDeviceGetName = "name";
    nvmlDeviceGetUUID = "uuid";
    nvmlDeviceGetVbiosVersion = "vbios";
    nvmlDeviceGetSerial = "serial";
    nvmlDeviceGetBoardPartNumber = "board_part";
    nvmlDeviceGetInforomImageVersion = "inforom";
}

numbers! { NUMBERS:
    nvmlDeviceGetMinorNumber: c_uint = "minor";
    nvmlDeviceGetBrand: c_uint = "brand";
    nvmlDeviceGetArchitecture: c_uint = "architecture";
    nvmlDeviceGetBoardId: c_uint = "board_id";
    nvmlDeviceGetMultiGpuBoard: c_uint = "multi_gpu_board";
    nvmlDeviceGetNumGpuCores: c_uint = "cores";
    nvmlDeviceGetPersistenceMode: c_uint = "persistence";
    nvmlDeviceGetComputeMode: c_uint = "compute_mode";
    nvmlDeviceGetDisplayActive: c_uint = "display.active";
    nvmlDeviceGetDisplayMode: c_uint = "display.mode";
    nvmlDeviceGetBusType: c_uint = "bus_type";
    nvmlDeviceGetVirtualizationMode: c_uint = "virtualization";
}

library! { FUNCTIONS:
    nvmlDeviceGetCount(me, to: *mut c_uint) {
        let count = system(me)?.cards();
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, count as c_uint) }
    }

    nvmlDeviceGetCount_v2(me, to: *mut c_uint) {
        let count = system(me)?.cards();
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, count as c_uint) }
    }

    nvmlDeviceGetHandleByIndex(me, index: c_uint, to: *mut Handle) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { by_index(me, index, to) }
    }

    nvmlDeviceGetHandleByIndex_v2(me, index: c_uint, to: *mut Handle) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { by_index(me, index, to) }
    }

    nvmlDeviceGetHandleByUUID(me, uuid: *const c_char, to: *mut Handle) {
        let machine = system(me)?;
        // SAFETY: the caller's text, as nvml.h asks for it.
        let uuid = unsafe { text(uuid) }?;
        let place = find(&machine, |told| told.text("uuid").is_ok_and(|own| own == uuid))?;
        there(me, place.handle())?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, place.handle()) }
    }

    nvmlDeviceGetHandleBySerial(me, serial: *const c_char, to: *mut Handle) {
        let machine = system(me)?;
        // SAFETY: the caller's text, as nvml.h asks for it.
        let serial = unsafe { text(serial) }?;
        let place = find(&machine, |told| told.text("serial").is_ok_and(|own| own == serial))?;
        there(me, place.handle())?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, place.handle()) }
    }

    nvmlDeviceGetHandleByPciBusId(me, id: *const c_char, to: *mut Handle) {
        // SAFETY: the caller's pointers, as nvml.h asks for them.
        unsafe { by_pci(me, id, to) }
    }

    nvmlDeviceGetHandleByPciBusId_v2(me, id: *const c_char, to: *mut Handle) {
        // SAFETY: the caller's pointers, as nvml.h asks for them.
        unsafe { by_pci(me, id, to) }
    }

    nvmlDeviceGetIndex(me, device: Handle, to: *mut c_uint) {
        let place = card(me, device)?.place().ok_or(INVALID_ARGUMENT)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, place.mig.unwrap_or(place.index) as c_uint) }
    }

    nvmlDeviceGetPciInfo(me, device: Handle, to: *mut PciInfo) {
        let info = pci(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, info) }
    }

    nvmlDeviceGetPciInfo_v2(me, device: Handle, to: *mut PciInfo) {
        let info = pci(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, info) }
    }

    nvmlDeviceGetPciInfo_v3(me, device: Handle, to: *mut PciInfo) {
        let info = pci(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, info) }
    }

    nvmlDeviceGetCudaComputeCapability(me, device: Handle, major: *mut c_int, minor: *mut c_int) {
        let capability = card(me, device)?.text("compute_capability")?;
        let (one, other) = capability.split_once('.').ok_or(INVALID_ARGUMENT)?;
        let number = |digits: &str| digits.parse().map_err(|_| INVALID_ARGUMENT);
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(major, number(one)?)? };
        // SAFETY: the same.
        unsafe { put(minor, number(other)?) }
    }
}

/// # Safety
/// `to` is null, or may be written to.
unsafe fn by_index(me: &str, index: c_uint, to: *mut Handle) -> Result<(), Code> {
    let handle = Place { index: index as usize, mig: None }.handle();
    card(me, handle)?;
    // SAFETY: by the contract of this function.
    unsafe { put(to, handle) }
}

/// # Safety
/// `id` is null, or a text that ends with a zero; `to` is null, or may be written to.
unsafe fn by_pci(me: &str, id: *const c_char, to: *mut Handle) -> Result<(), Code> {
    let machine = system(me)?;
    // SAFETY: by the contract of this function.
    let id = unsafe { text(id) }?;
    let place = find(&machine, |told| told.text("pci").is_ok_and(|own| numbers(&own) == numbers(id)))?;
    there(me, place.handle())?;
    // SAFETY: by the contract of this function.
    unsafe { put(to, place.handle()) }
}

/// The first card or MIG device of which that is so.
fn find(machine: &Told, holds: impl Fn(&Told) -> bool) -> Result<Place, Code> {
    let cards = (0..machine.cards()).map(|index| machine.of(Place { index, mig: None }));
    let mut all = cards.flat_map(|card| {
        let children = card.children();
        std::iter::once(card).chain(children)
    });
    all.find(|told| holds(told)).and_then(|told| told.place()).ok_or(NOT_FOUND)
}

fn pci(card: &Told) -> Result<PciInfo, Code> {
    let id = card.text("pci")?;
    let [domain, bus, device, function] = numbers(&id);
    let mut info = PciInfo {
        busIdLegacy: [0; 16],
        domain,
        bus,
        device,
        pciDeviceId: card.number("pci_device_id").unwrap_or(0.0) as c_uint,
        pciSubSystemId: card.number("pci_subsystem_id").unwrap_or(0.0) as c_uint,
        busId: [0; 32],
    };
    let legacy =
        if id.is_empty() { id.clone() } else { format!("{domain:04X}:{bus:02X}:{device:02X}.{function}") };
    // SAFETY: a buffer of our own, as long as it is.
    unsafe { put_text(info.busIdLegacy.as_mut_ptr(), 16, &legacy)? };
    // SAFETY: the same.
    unsafe { put_text(info.busId.as_mut_ptr(), 32, &id)? };
    Ok(info)
}

/// Domain, bus, device and function of an address such as `00000000:18:00.0`.
fn numbers(id: &str) -> [c_uint; 4] {
    let mut parts = id.split([':', '.']).map(|part| c_uint::from_str_radix(part, 16).unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}
