//! What joins a card to the rest: PCI Express, NVLink, the fabric.
//!
//! `nvlink` of a card is `{"links": 18, "each": {...}, "3": {...}}`: how many links it has, and what each of them
//! tells unless something else is said of that link.

use std::ffi::{c_uchar, c_uint, c_ulonglong};

use crate::abi::{Code, Handle, INVALID_ARGUMENT, NOT_SUPPORTED, put, versioned};
use crate::layout::{FABRIC_V2, FABRIC_V3, FabricV1, FabricV2, FabricV3};
use crate::machine::{Told, card};
use crate::names::{DIRECTIONS, NVLINK_CAPABILITIES, NVLINK_ERRORS, by_number};

numbers! { NUMBERS:
    nvmlDeviceGetCurrPcieLinkGeneration: c_uint = "pcie.generation";
    nvmlDeviceGetCurrPcieLinkWidth: c_uint = "pcie.width";
    nvmlDeviceGetMaxPcieLinkGeneration: c_uint = "pcie.max_generation";
    nvmlDeviceGetGpuMaxPcieLinkGeneration: c_uint = "pcie.gpu_max_generation";
    nvmlDeviceGetMaxPcieLinkWidth: c_uint = "pcie.max_width";
    nvmlDeviceGetPcieReplayCounter: c_uint = "pcie.replays";
    nvmlDeviceGetPcieSpeed: c_uint = "pcie.speed_mb_s";
    nvmlDeviceGetPcieLinkMaxSpeed: c_uint = "pcie.max_speed";
}

library! { FUNCTIONS:
    nvmlDeviceGetPcieThroughput(me, device: Handle, counter: c_uint, to: *mut c_uint) {
        let kibibytes = card(me, device)?.number(by_number(DIRECTIONS, counter)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, kibibytes as c_uint) }
    }

    nvmlDeviceGetNvLinkState(me, device: Handle, link: c_uint, to: *mut c_uint) {
        let active = of_link(&card(me, device)?, link, "active")?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, active as c_uint) }
    }

    nvmlDeviceGetNvLinkVersion(me, device: Handle, link: c_uint, to: *mut c_uint) {
        let version = of_link(&card(me, device)?, link, "version")?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, version as c_uint) }
    }

    nvmlDeviceGetNvLinkCapability(
        me, device: Handle, link: c_uint, capability: c_uint, to: *mut c_uint
    ) {
        let capability = by_number(NVLINK_CAPABILITIES, capability)?;
        let is = of_link(&card(me, device)?, link, capability)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, is as c_uint) }
    }

    nvmlDeviceGetNvLinkErrorCounter(
        me, device: Handle, link: c_uint, counter: c_uint, to: *mut c_ulonglong
    ) {
        let errors = of_link(&card(me, device)?, link, by_number(NVLINK_ERRORS, counter)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, errors as c_ulonglong) }
    }

    nvmlDeviceGetGpuFabricInfo(me, device: Handle, to: *mut FabricV1) {
        let FabricV3 { clusterUuid, status, cliqueId, state, .. } = fabric(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, FabricV1 { clusterUuid, status, cliqueId, state }) }
    }

    nvmlDeviceGetGpuFabricInfoV(me, device: Handle, to: *mut FabricV3) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        let version = unsafe { versioned(to, &[FABRIC_V2, FABRIC_V3]) }?;
        let info = fabric(&card(me, device)?)?;
        // Field by field, as the real one: some take the bytes between `state` and `healthMask` for a part of it.
        // SAFETY: the same. What all versions have stands at one place in all.
        let common = unsafe { &mut *to.cast::<FabricV2>() };
        common.clusterUuid = info.clusterUuid;
        common.status = info.status;
        common.cliqueId = info.cliqueId;
        common.state = info.state;
        common.healthMask = info.healthMask;
        if version == FABRIC_V3 {
            // SAFETY: the same; the caller says that it has this version.
            unsafe { (*to).healthSummary = info.healthSummary };
        }
        Ok(())
    }
}

/// How many NVLinks the card has.
pub fn links(card: &Told) -> Result<c_uint, Code> {
    card.number("nvlink.links").map(|links| links as c_uint)
}

/// What the scenario says of a link.
pub fn of_link(card: &Told, link: c_uint, key: &str) -> Result<f64, Code> {
    if link >= links(card)? {
        return Err(INVALID_ARGUMENT);
    }
    let own = format!("nvlink.{link}.{key}");
    if card.at(&own).is_null() { card.number(&format!("nvlink.each.{key}")) } else { card.number(&own) }
}

fn fabric(card: &Told) -> Result<FabricV3, Code> {
    let number = |key: &str| card.number(&format!("fabric.{key}"));
    let optional =
        |key: &str| number(key).or_else(|code| if code == NOT_SUPPORTED { Ok(0.0) } else { Err(code) });
    let uuid = card.text("fabric.cluster").unwrap_or_default().replace('-', "");
    let byte = |at: usize| uuid.get(at * 2..at * 2 + 2).and_then(|hex| c_uchar::from_str_radix(hex, 16).ok());
    Ok(FabricV3 {
        version: 0,
        clusterUuid: std::array::from_fn(|at| byte(at).unwrap_or(0)),
        status: optional("status")? as Code,
        cliqueId: optional("clique")? as c_uint,
        state: number("state")? as c_uchar,
        healthMask: optional("health_mask")? as c_uint,
        healthSummary: optional("health_summary")? as c_uchar,
    })
}
