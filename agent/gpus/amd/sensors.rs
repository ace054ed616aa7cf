//! Temperatures, power, clocks and fans of AMD's cards.

use std::path::Path;

use crate::gpus::drm::files::{self, Reading, Told, Untold};
use crate::gpus::drm::hwmon::Hwmon;
use crate::sample::{Clock, GpuSample, Readings};

/// amdgpu's label of a temperature, our word for it, and the limits that are told of it. The card slows down at
/// the first and turns itself off at the second.
const TEMPERATURES: [(&str, &str, &str, Option<&str>); 3] = [
    ("edge", "die", "slowdown", Some("shutdown")),
    ("junction", "hotspot", "hotspot_slowdown", None),
    ("mem", "memory", "memory_slowdown", None),
];

/// amdgpu's label of a clock, our word for it, and the file with the steps that it may take.
const CLOCKS: [(&str, &str, &str); 2] =
    [("sclk", "graphics", "pp_dpm_sclk"), ("mclk", "memory", "pp_dpm_mclk")];

/// No clock is faster, in MHz.
const MOST_MHZ: u64 = 20_000;

/// Tells what the sensors tell.
pub(super) fn tell(device: &Path, hwmon: &Hwmon, card: &mut GpuSample, told: &mut Told) {
    temperatures(hwmon, card, told);
    // The average is what tools show; newer chips have only the moment's.
    let power = hwmon.watts("power1_average").or_else(|why| hwmon.watts("power1_input").map_err(|_| why));
    card.power_watts = told.keep("power_watts", power);
    card.power_limit_watts = told.keep("power_limit_watts", hwmon.limit_watts("power1_cap"));
    card.power_limit_default_watts = hwmon.limit_watts("power1_cap_default").ok();
    clocks(device, hwmon, card, told);
    // Most cards of servers have none, and that is nothing to tell.
    card.fans = hwmon.fans().unwrap_or_default();
}

fn temperatures(hwmon: &Hwmon, card: &mut GpuSample, told: &mut Told) {
    let mut first = Err(Untold::NotSupported);
    let mut margins = Vec::new();
    for (label, sensor, slowdown, shutdown) in TEMPERATURES {
        let Some(number) = hwmon.temperature_of(label, sensor == "die") else { continue };
        let limits = &mut card.temperature_limits_celsius;
        let limit = keep_some(limits, slowdown, hwmon.celsius(&format!("temp{number}_crit")));
        if let Some(shutdown) = shutdown {
            keep_some(limits, shutdown, hwmon.celsius(&format!("temp{number}_emergency")));
        }
        match hwmon.celsius(&format!("temp{number}_input")) {
            Ok(celsius) => {
                card.temperatures_celsius.insert(sensor.to_owned(), celsius);
                // Memory has limits of its own that do not slow the chip.
                margins.extend(limit.filter(|_| sensor != "memory").map(|limit| limit - celsius));
                first = Ok(());
            }
            Err(why) => first = first.or(Err(why)),
        }
    }
    told.keep("temperatures_celsius", first);
    card.temperature_margin_celsius = margins.into_iter().reduce(f64::min);
}

fn keep_some(readings: &mut Readings, name: &str, reading: Reading<f64>) -> Option<f64> {
    let value = reading.ok()?;
    readings.insert(name.to_owned(), value);
    Some(value)
}

fn clocks(device: &Path, hwmon: &Hwmon, card: &mut GpuSample, told: &mut Told) {
    for (label, name, steps) in CLOCKS {
        let number = (1..=CLOCKS.len())
            .find(|number| hwmon.label(&format!("freq{number}_label")).as_deref() == Some(label));
        let hertz = number.and_then(|number| hwmon.hertz(&format!("freq{number}_input")).ok());
        let max_hertz = fastest(&device.join(steps)).ok();
        if hertz.is_some() || max_hertz.is_some() {
            card.clocks.insert(name.to_owned(), Clock { hertz, max_hertz });
        }
    }
    let any = if card.clocks.is_empty() { Err(Untold::NotSupported) } else { Ok(()) };
    told.keep("clocks", any);
}

/// The fastest step of a clock in hertz, out of lines such as `1: 2526Mhz *`.
fn fastest(path: &Path) -> Reading<f64> {
    let text = files::text(path)?;
    let step = |line: &str| -> Option<u64> {
        let (_, speed) = line.split_once(':')?;
        let digits = speed.trim().to_ascii_lowercase();
        digits.split_once("mhz")?.0.trim().parse().ok()
    };
    let fastest = text.lines().filter_map(step).max().filter(|mhz| (1..=MOST_MHZ).contains(mhz));
    fastest.map(|mhz| mhz as f64 * 1e6).ok_or(Untold::Implausible)
}
