//! Clocks, the performance state, and what holds the clocks down.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock as Domain, PerformancePolicy};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::sys_exports::field_id as id;

use super::super::CardError;
use super::answers::{Answers, IMPLAUSIBLE, Refusal};
use super::fields::Fields;
use super::raw;
use crate::sample::{GpuSample, THROTTLE_REASONS};

const DOMAINS: [(&str, Domain); 4] = [
    ("graphics", Domain::Graphics),
    ("sm", Domain::SM),
    ("memory", Domain::Memory),
    ("video", Domain::Video),
];

/// No clock is faster: 100 GHz, in megahertz.
const MOST_MEGAHERTZ: u32 = 100_000;

const NANOSECONDS: f64 = 1e9;

/// The most that each clock can be.
pub(super) fn learn(
    device: &Device<'_>,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    for (name, domain) in DOMAINS {
        let field = format!("clocks.{name}.max_hertz");
        let most = device.max_clock_info(domain);
        let most = answers.believed(&field, most, |most| (1..=MOST_MEGAHERTZ).contains(most))?;
        if let Some(most) = most {
            card.clocks.entry(name.to_owned()).or_default().max_hertz = Some(from_mega(most));
        }
    }
    Ok(())
}

/// What is so now.
pub(super) fn read(
    device: &Device<'_>,
    fields: &Fields,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    for (name, domain) in DOMAINS {
        // A clock that is switched off is believed of a card that knows how fast it could be.
        let least = u32::from(card.clocks.get(name).is_none_or(|clock| clock.max_hertz.is_none()));
        let now = device.clock_info(domain);
        let field = format!("clocks.{name}.hertz");
        if let Some(now) = answers.believed(&field, now, |now| (least..=MOST_MEGAHERTZ).contains(now))? {
            card.clocks.entry(name.to_owned()).or_default().hertz = Some(from_mega(now));
        }
    }
    let state = device.performance_state().map(|state| state.as_c());
    // 32 stands for "unknown".
    card.performance_state = answers.believed("performance_state", state, |state| *state <= 15)?;
    let reasons = raw::clocks_event_reasons(device);
    if let Some(bits) = answers.told("throttled", reasons)? {
        card.throttled = reasons_of(bits).map(|(reason, holds)| (reason.to_owned(), holds)).collect();
    }
    for (reason, seconds) in seconds_of(device, fields) {
        let field = format!("throttled_seconds.{reason}");
        if let Some(nanoseconds) = answers.told(&field, seconds)? {
            card.throttled_seconds.insert(reason.to_owned(), nanoseconds as f64 / NANOSECONDS);
        }
    }
    Ok(())
}

/// Which reasons those bits are. The order of the words is that of the bits, from the lowest.
fn reasons_of(bits: u64) -> impl Iterator<Item = (&'static str, bool)> {
    THROTTLE_REASONS.into_iter().enumerate().map(move |(bit, reason)| (reason, bits >> bit & 1 == 1))
}

/// How long each reason held, in nanoseconds. Older drivers count only by policy; NVIDIA's own table of what
/// became what says which reason a policy is.
fn seconds_of(device: &Device<'_>, fields: &Fields) -> [(&'static str, Result<u64, Refusal>); 5] {
    let by_policy = |field, policy| {
        fields.get(field).or_else(|refusal| {
            let status = device.violation_status(policy).map(|status| status.violation_time);
            match status {
                Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => Err(refusal),
                Ok(u64::MAX) => Err(IMPLAUSIBLE),
                other => other.map_err(Refusal::from),
            }
        })
    };
    [
        ("sw_power_cap", by_policy(id::NVML_FI_DEV_PERF_POLICY_POWER, PerformancePolicy::Power)),
        ("sync_boost", by_policy(id::NVML_FI_DEV_PERF_POLICY_SYNC_BOOST, PerformancePolicy::SyncBoost)),
        (
            "sw_thermal",
            by_policy(id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, PerformancePolicy::Thermal),
        ),
        ("hw_thermal", fields.get(id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN)),
        ("hw_power_brake", fields.get(id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN)),
    ]
}

fn from_mega(value: u32) -> f64 {
    f64::from(value) * 1e6
}

#[cfg(test)]
mod tests {
    use nvml_wrapper::bitmasks::device::ThrottleReasons;

    use super::*;

    #[test]
    fn each_bit_has_the_word_of_nvidias_constant() {
        let words = [
            (ThrottleReasons::GPU_IDLE, "idle"),
            (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "applications_clocks"),
            (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
            (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
            (ThrottleReasons::SYNC_BOOST, "sync_boost"),
            (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal"),
            (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal"),
            (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake"),
            (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clocks"),
        ];
        for (bit, word) in words {
            let held: Vec<_> = reasons_of(bit.bits()).filter(|reason| reason.1).collect();
            assert_eq!(held, [(word, true)]);
        }
        assert_eq!(reasons_of(0).filter(|reason| !reason.1).count(), THROTTLE_REASONS.len());
    }
}
