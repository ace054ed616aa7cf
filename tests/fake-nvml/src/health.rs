//! Errors in a card's memories, and what was done about them.

use std::ffi::{c_uint, c_ulonglong};
use std::ptr::null_mut;

use crate::abi::{Code, Handle, NOT_SUPPORTED, put, put_list, versioned};
use crate::layout::{EccCounts, Histogram, RemappedRowsV2, SRAM_ECC_V1, SramEcc};
use crate::machine::{Told, card};
use crate::names::{CAUSES, COUNTERS, ERROR_TYPES, LOCATIONS, by_number};

numbers! { NUMBERS:
    nvmlDeviceGetRetiredPagesPendingStatus: c_uint = "retired.pending";
    nvmlDeviceGetDefaultEccMode: c_uint = "ecc.default_mode";
}

pairs! { PAIRS:
    nvmlDeviceGetEccMode: c_uint = "ecc.mode", "ecc.pending_mode" or None;
}

library! { FUNCTIONS:
    nvmlDeviceGetTotalEccErrors(
        me, device: Handle, kind: c_uint, counter: c_uint, to: *mut c_ulonglong
    ) {
        let count = card(me, device)?.number(&ecc(kind, counter, "total")?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, count as c_ulonglong) }
    }

    nvmlDeviceGetMemoryErrorCounter(
        me, device: Handle, kind: c_uint, counter: c_uint, location: c_uint, to: *mut c_ulonglong
    ) {
        let path = ecc(kind, counter, by_number(LOCATIONS, location)?)?;
        let count = card(me, device)?.number(&path)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, count as c_ulonglong) }
    }

    nvmlDeviceGetDetailedEccErrors(
        me, device: Handle, kind: c_uint, counter: c_uint, to: *mut EccCounts
    ) {
        let card = card(me, device)?;
        let count = |place| Ok::<_, Code>(card.number(&ecc(kind, counter, place)?)? as c_ulonglong);
        let counts = EccCounts {
            l1Cache: count("l1")?,
            l2Cache: count("l2")?,
            deviceMemory: count("dram")?,
            registerFile: count("register")?,
        };
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, counts) }
    }

    nvmlDeviceGetSramEccErrorStatus(me, device: Handle, to: *mut SramEcc) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        let version = unsafe { versioned(to, &[SRAM_ECC_V1]) }?;
        let card = card(me, device)?;
        let count = |key: &str| card.number(&format!("sram_ecc.{key}")).map(|count| count as c_ulonglong);
        let part = |key: &str| count(key).or_else(|code| if code == NOT_SUPPORTED { Ok(0) } else { Err(code) });
        let status = SramEcc {
            version,
            aggregateUncParity: count("aggregate_parity")?,
            aggregateUncSecDed: part("aggregate_sec_ded")?,
            aggregateCor: part("aggregate_corrected")?,
            volatileUncParity: part("volatile_parity")?,
            volatileUncSecDed: part("volatile_sec_ded")?,
            volatileCor: part("volatile_corrected")?,
            aggregateUncBucketL2: part("bucket_l2")?,
            aggregateUncBucketSm: part("bucket_sm")?,
            aggregateUncBucketPcie: part("bucket_pcie")?,
            aggregateUncBucketMcu: part("bucket_mcu")?,
            aggregateUncBucketOther: part("bucket_other")?,
            bThresholdExceeded: part("threshold_exceeded")? as c_uint,
        };
        // SAFETY: the same.
        unsafe { put(to, status) }
    }

    nvmlDeviceGetRetiredPages(
        me, device: Handle, cause: c_uint, count: *mut c_uint, addresses: *mut c_ulonglong
    ) {
        let card = card(me, device)?;
        // SAFETY: the caller's pointers, as nvml.h asks for them.
        unsafe { pages(&card, cause, count, addresses, null_mut()) }
    }

    nvmlDeviceGetRetiredPages_v2(
        me, device: Handle, cause: c_uint, count: *mut c_uint, addresses: *mut c_ulonglong,
        times: *mut c_ulonglong
    ) {
        let card = card(me, device)?;
        // SAFETY: the caller's pointers, as nvml.h asks for them.
        unsafe { pages(&card, cause, count, addresses, times) }
    }

    nvmlDeviceGetRemappedRows(
        me, device: Handle, corrected: *mut c_uint, uncorrected: *mut c_uint, pending: *mut c_uint,
        failed: *mut c_uint
    ) {
        let rows = rows(&card(me, device)?)?;
        let all = [
            (corrected, rows.corrActiveRemaps),
            (uncorrected, rows.uncActiveRemaps),
            (pending, rows.bPending),
            (failed, rows.bFailureOccurred),
        ];
        for (to, value) in all {
            // SAFETY: the caller's pointers, as nvml.h asks for them.
            unsafe { put(to, value)? };
        }
        Ok(())
    }

    nvmlDeviceGetRemappedRows_v2(me, device: Handle, to: *mut RemappedRowsV2) {
        let rows = rows(&card(me, device)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, rows) }
    }

    nvmlDeviceGetRowRemapperHistogram(me, device: Handle, to: *mut Histogram) {
        let card = card(me, device)?;
        let banks = |key: &str| card.number(&format!("remapped.histogram.{key}")).map(|count| count as c_uint);
        let histogram = Histogram {
            max: banks("max")?,
            high: banks("high")?,
            partial: banks("partial")?,
            low: banks("low")?,
            none: banks("none")?,
        };
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, histogram) }
    }
}

/// Where the errors of that kind, counter and place stand: `ecc.corrected.volatile.dram`.
fn ecc(kind: c_uint, counter: c_uint, place: &str) -> Result<String, Code> {
    Ok(format!("ecc.{}.{}.{place}", by_number(ERROR_TYPES, kind)?, by_number(COUNTERS, counter)?))
}

/// Pages retired for that cause: as many as the scenario says, with addresses and times that are made up.
///
/// # Safety
/// `count` is null or may be read and written; the others are null or have room for `count`.
unsafe fn pages(
    card: &Told,
    cause: c_uint,
    count: *mut c_uint,
    addresses: *mut c_ulonglong,
    times: *mut c_ulonglong,
) -> Result<(), Code> {
    let pages = card.number(by_number(CAUSES, cause)?)? as c_ulonglong;
    let (list, dates): (Vec<_>, Vec<_>) = (0..pages).map(|page| (page << 16, 1_700_000_000 + page)).unzip();
    // SAFETY: by the contract of this function.
    unsafe { put_list(count, addresses, &list)? };
    if !times.is_null() {
        // SAFETY: the same; `count` now says how many there are.
        unsafe { put_list(count, times, &dates)? };
    }
    Ok(())
}

fn rows(card: &Told) -> Result<RemappedRowsV2, Code> {
    let number = |key: &str| card.number(&format!("remapped.{key}")).map(|count| count as c_uint);
    Ok(RemappedRowsV2 {
        corrActiveRemaps: number("corrected")?,
        corrInactiveRemaps: number("corrected_inactive").unwrap_or(0),
        uncActiveRemaps: number("uncorrected")?,
        uncInactiveRemaps: number("uncorrected_inactive").unwrap_or(0),
        bPending: number("pending")?,
        bFailureOccurred: number("failed")?,
    })
}
