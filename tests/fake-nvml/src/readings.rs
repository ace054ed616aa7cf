//! Use, heat, power, clocks and fans.

use std::ffi::{c_int, c_uint, c_ulonglong};

use crate::abi::{Handle, get, put, versioned};
use crate::layout::{FAN_SPEED_V1, FanSpeed, MARGIN_V1, Margin, TEMPERATURE_V1, Temperature};
use crate::layout::{Utilization, Violation};
use crate::machine::card;
use crate::names::{CLOCKS, POLICIES, SENSORS, THRESHOLDS, by_number};

/// What the driver takes as the period of a reading of the encoder and the decoder, in microseconds.
const SAMPLING_US: f64 = 167_000.0;

numbers! { NUMBERS:
    nvmlDeviceGetPowerUsage: c_uint = "power_mw";
    nvmlDeviceGetEnforcedPowerLimit: c_uint = "power_limit_mw";
    nvmlDeviceGetPowerManagementLimit: c_uint = "power_limit.management_mw";
    nvmlDeviceGetPowerManagementDefaultLimit: c_uint = "power_limit.default_mw";
    nvmlDeviceGetPowerManagementMode: c_uint = "power_limit.mode";
    nvmlDeviceGetTotalEnergyConsumption: c_ulonglong = "energy_mj";
    nvmlDeviceGetPowerSource: c_uint = "power_source";
    nvmlDeviceGetPerformanceState: c_uint = "performance_state";
    nvmlDeviceGetPowerState: c_uint = "performance_state";
    nvmlDeviceGetCurrentClocksEventReasons: c_ulonglong = "clocks_event_reasons";
    nvmlDeviceGetCurrentClocksThrottleReasons: c_ulonglong = "clocks_event_reasons";
    nvmlDeviceGetSupportedClocksEventReasons: c_ulonglong = "clocks_event_reasons_supported";
    nvmlDeviceGetSupportedClocksThrottleReasons: c_ulonglong = "clocks_event_reasons_supported";
    nvmlDeviceGetNumFans: c_uint = "fans.count";
    nvmlDeviceGetFanSpeed: c_uint = "fans.0.percent";
}

pairs! { PAIRS:
    nvmlDeviceGetEncoderUtilization: c_uint = "encoder_utilization", "sampling_us" or Some(SAMPLING_US);
    nvmlDeviceGetDecoderUtilization: c_uint = "decoder_utilization", "sampling_us" or Some(SAMPLING_US);
    nvmlDeviceGetJpgUtilization: c_uint = "jpeg_utilization", "sampling_us" or Some(SAMPLING_US);
    nvmlDeviceGetOfaUtilization: c_uint = "ofa_utilization", "sampling_us" or Some(SAMPLING_US);
    nvmlDeviceGetPowerManagementLimitConstraints: c_uint =
        "power_limit.min_mw", "power_limit.max_mw" or None;
    nvmlDeviceGetMinMaxFanSpeed: c_uint = "fans.min_percent", "fans.max_percent" or None;
}

library! { FUNCTIONS:
    nvmlDeviceGetUtilizationRates(me, device: Handle, to: *mut Utilization) {
        let card = card(me, device)?;
        let gpu = card.number("utilization")? as c_uint;
        let memory = card.number("memory_utilization").unwrap_or(0.0) as c_uint;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, Utilization { gpu, memory }) }
    }

    nvmlDeviceGetTemperature(me, device: Handle, sensor: c_uint, to: *mut c_uint) {
        let celsius = card(me, device)?.number(by_number(SENSORS, sensor)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, celsius as c_uint) }
    }

    nvmlDeviceGetTemperatureV(me, device: Handle, to: *mut Temperature) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { versioned(to, &[TEMPERATURE_V1])? };
        // SAFETY: the same.
        let asked = unsafe { get(to) }?;
        let celsius = card(me, device)?.number(by_number(SENSORS, asked.sensorType)?)?;
        // SAFETY: the same.
        unsafe { put(to, Temperature { temperature: celsius as c_int, ..asked }) }
    }

    nvmlDeviceGetMarginTemperature(me, device: Handle, to: *mut Margin) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        let version = unsafe { versioned(to, &[MARGIN_V1]) }?;
        let celsius = card(me, device)?.number("margin_temperature")?;
        // SAFETY: the same.
        unsafe { put(to, Margin { version, marginTemperature: celsius as c_int }) }
    }

    nvmlDeviceGetTemperatureThreshold(me, device: Handle, kind: c_uint, to: *mut c_uint) {
        let celsius = card(me, device)?.number(by_number(THRESHOLDS, kind)?)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, celsius as c_uint) }
    }

    nvmlDeviceGetClockInfo(me, device: Handle, kind: c_uint, to: *mut c_uint) {
        let path = format!("clock_mhz.{}", by_number(CLOCKS, kind)?);
        let megahertz = card(me, device)?.number(&path)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, megahertz as c_uint) }
    }

    nvmlDeviceGetMaxClockInfo(me, device: Handle, kind: c_uint, to: *mut c_uint) {
        let path = format!("clock_max_mhz.{}", by_number(CLOCKS, kind)?);
        let megahertz = card(me, device)?.number(&path)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, megahertz as c_uint) }
    }

    nvmlDeviceGetApplicationsClock(me, device: Handle, kind: c_uint, to: *mut c_uint) {
        let path = format!("clock_applications_mhz.{}", by_number(CLOCKS, kind)?);
        let megahertz = card(me, device)?.number(&path)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, megahertz as c_uint) }
    }

    nvmlDeviceGetViolationStatus(me, device: Handle, policy: c_uint, to: *mut Violation) {
        let card = card(me, device)?;
        let nanoseconds = card.number(by_number(POLICIES, policy)?)?;
        let referenceTime = (card.seconds * 1e6) as c_ulonglong;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, Violation { referenceTime, violationTime: nanoseconds as c_ulonglong }) }
    }

    nvmlDeviceGetFanSpeed_v2(me, device: Handle, fan: c_uint, to: *mut c_uint) {
        let percent = card(me, device)?.number(&format!("fans.{fan}.percent"))?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, percent as c_uint) }
    }

    nvmlDeviceGetTargetFanSpeed(me, device: Handle, fan: c_uint, to: *mut c_uint) {
        let percent = card(me, device)?.number(&format!("fans.{fan}.target_percent"))?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, percent as c_uint) }
    }

    nvmlDeviceGetFanSpeedRPM(me, device: Handle, to: *mut FanSpeed) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        let version = unsafe { versioned(to, &[FAN_SPEED_V1]) }?;
        // SAFETY: the same.
        let fan = unsafe { get(to) }?.fan;
        let rpm = card(me, device)?.number(&format!("fans.{fan}.rpm"))?;
        // SAFETY: the same.
        unsafe { put(to, FanSpeed { version, fan, speed: rpm as c_uint }) }
    }
}
