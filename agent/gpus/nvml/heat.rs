//! Heat and power.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::sys_exports::field_id as id;

use super::super::CardError;
use super::answers::{Answers, Refusal};
use super::fields::Fields;
use super::raw;
use crate::sample::GpuSample;

/// Degrees Celsius that a card in operation has. Zero stands for "not known" on some boards, and a negative
/// number reads as a huge one.
const PLAUSIBLE: std::ops::RangeInclusive<u64> = 1..=150;

/// No card draws more: 10 kW, in milliwatts.
const MOST_MILLIWATTS: u32 = 10_000_000;

const LIMITS: [(&str, TemperatureThreshold); 4] = [
    ("shutdown", TemperatureThreshold::Shutdown),
    ("slowdown", TemperatureThreshold::Slowdown),
    ("memory_slowdown", TemperatureThreshold::MemoryMax),
    ("operation", TemperatureThreshold::GpuMax),
];

/// The limits, which belong to the board.
pub(super) fn learn(
    device: &Device<'_>,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    for (limit, threshold) in LIMITS {
        let field = format!("temperature_limits_celsius.{limit}");
        let celsius = device.temperature_threshold(threshold);
        if let Some(celsius) = answers.believed(&field, celsius, |celsius| plausible(*celsius))? {
            card.temperature_limits_celsius.insert(limit.to_owned(), celsius.into());
        }
    }
    let watts = answers.believed(
        "power_limit_default_watts",
        device.power_management_limit_default(),
        |milliwatts| power(*milliwatts),
    )?;
    card.power_limit_default_watts = watts.map(from_milli);
    Ok(())
}

/// What is felt now.
///
/// `power_watts` is nvmlDeviceGetPowerUsage: of Ampere and later cards (but the GA100) the average of a second, of
/// others the moment. The field for the moment (`NVML_FI_DEV_POWER_INSTANT`) would show spikes that no poll every few
/// seconds can follow. NVIDIA states an error, 5 % of what is drawn, for Fermi and Kepler alone (nvml.h).
pub(super) fn read(
    device: &Device<'_>,
    fields: &Fields,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let die = device.temperature(TemperatureSensor::Gpu);
    let die = answers.believed("temperatures_celsius.die", die, |celsius| plausible(*celsius))?;
    card.temperatures_celsius.extend(die.map(|celsius| ("die".to_owned(), f64::from(celsius))));
    let memory = fields.get(id::NVML_FI_DEV_MEMORY_TEMP);
    let memory =
        answers.believed("temperatures_celsius.memory", memory, |celsius| PLAUSIBLE.contains(celsius))?;
    card.temperatures_celsius.extend(memory.map(|celsius| ("memory".to_owned(), celsius as f64)));
    card.temperature_margin_celsius = answers
        .believed("temperature_margin_celsius", raw::margin(device), |margin| margin.unsigned_abs() <= 150)?
        .map(f64::from);

    let watts = answers.believed("power_watts", device.power_usage(), |milliwatts| power(*milliwatts))?;
    card.power_watts = watts.map(from_milli);
    let limit = device.enforced_power_limit();
    let limit = answers.believed("power_limit_watts", limit, |milliwatts| power(*milliwatts))?;
    card.power_limit_watts = limit.map(from_milli);
    let energy = device.total_energy_consumption().map_err(Refusal::from);
    let energy =
        answers.believed("energy_joules", energy, |millijoules| ![0, u64::MAX].contains(millijoules))?;
    card.energy_joules = energy.map(|millijoules| millijoules as f64 / 1000.0);
    Ok(())
}

fn plausible(celsius: u32) -> bool {
    PLAUSIBLE.contains(&u64::from(celsius))
}

fn power(milliwatts: u32) -> bool {
    (1..=MOST_MILLIWATTS).contains(&milliwatts)
}

fn from_milli(value: u32) -> f64 {
    f64::from(value) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_numbers_that_no_card_has_are_no_readings() {
        assert!(plausible(1) && plausible(105));
        assert!(!plausible(0) && !plausible(151) && !plausible(u32::MAX));
        assert!(power(1) && power(700_000));
        assert!(!power(0) && !power(u32::MAX));
    }
}
