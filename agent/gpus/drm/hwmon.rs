//! A card's sensors, as the kernel's hwmon interface names them: `temp1_input` in thousandths of a degree,
//! `power1_average` in millionths of a watt, and so on.

use std::path::{Path, PathBuf};

use super::files::{self, Reading, Untold};
use crate::sample::Fan;

/// Sensors of one sort that are looked at. amdgpu has three temperatures, xe two that are wanted.
const MOST_SENSORS: u32 = 4;

/// A reading above these is none: no card is that hot, hungry or fast. A fan that is not there turns 65535 times.
const MOST_CELSIUS: f64 = 250.0;
const MOST_WATTS: f64 = 10_000.0;
const MOST_HERTZ: u64 = 20_000_000_000;
const MOST_RPM: u32 = 60_000;

/// The folder of a card's sensors. None: the card has no sensors.
#[derive(Debug)]
pub(in crate::gpus) struct Hwmon(Option<PathBuf>);

impl Hwmon {
    /// The sensors of this device whose chip has this name: i915 has more than one.
    pub(in crate::gpus) fn of(device: &Path, chip: &str) -> Hwmon {
        let folder = device.join("hwmon");
        let chips = files::names(&folder, 16).into_iter().map(|name| folder.join(name));
        Hwmon(
            chips
                .into_iter()
                .find(|chip_folder| files::line(&chip_folder.join("name")).is_ok_and(|name| name == chip)),
        )
    }

    fn file(&self, name: &str) -> Reading<PathBuf> {
        self.0.as_ref().map(|folder| folder.join(name)).ok_or(Untold::NotSupported)
    }

    /// A label, such as `edge`.
    pub(in crate::gpus) fn label(&self, name: &str) -> Option<String> {
        files::line(&self.file(name).ok()?).ok()
    }

    /// The number of the temperature sensor with this label. One without a label counts as `unlabelled`.
    pub(in crate::gpus) fn temperature_of(&self, label: &str, unlabelled: bool) -> Option<u32> {
        (1..=MOST_SENSORS).find(|number| match self.label(&format!("temp{number}_label")) {
            Some(found) => found == label,
            None => unlabelled && self.celsius(&format!("temp{number}_input")).is_ok(),
        })
    }

    /// A temperature in degrees Celsius.
    pub(in crate::gpus) fn celsius(&self, name: &str) -> Reading<f64> {
        let celsius = files::number::<f64>(&self.file(name)?)? / 1e3;
        // Some sensors answer zero or all ones while their part of the chip is off.
        if celsius != 0.0 && (-60.0..=MOST_CELSIUS).contains(&celsius) {
            Ok(celsius)
        } else {
            Err(Untold::Implausible)
        }
    }

    /// A power in watts.
    pub(in crate::gpus) fn watts(&self, name: &str) -> Reading<f64> {
        Ok(files::number_in(&self.file(name)?, 0.0, MOST_WATTS * 1e6)? / 1e6)
    }

    /// A limit in watts; none at all is written as 0.
    pub(in crate::gpus) fn limit_watts(&self, name: &str) -> Reading<f64> {
        self.watts(name).and_then(|watts| if watts > 0.0 { Ok(watts) } else { Err(Untold::NotSupported) })
    }

    /// An energy counter in joules.
    pub(in crate::gpus) fn joules(&self, name: &str) -> Reading<f64> {
        Ok(files::number::<u64>(&self.file(name)?)? as f64 / 1e6)
    }

    /// A clock in hertz.
    pub(in crate::gpus) fn hertz(&self, name: &str) -> Reading<f64> {
        Ok(files::number_in(&self.file(name)?, 0, MOST_HERTZ)? as f64)
    }

    /// The fans: `fan1_input` and so on; the part of the most by `pwm1` of 255, or by `fan1_max`.
    pub(in crate::gpus) fn fans(&self) -> Reading<Vec<Fan>> {
        let mut fans = Vec::new();
        let mut why = Untold::NotSupported;
        for number in 1..=MOST_SENSORS {
            let rpm = self
                .file(&format!("fan{number}_input"))
                .and_then(|file| files::number_in(&file, 0, MOST_RPM));
            let ratio = self.fan_ratio(number, rpm.as_ref().ok().copied());
            match rpm {
                Err(error) if ratio.is_none() => {
                    if number == 1 {
                        why = error;
                    }
                }
                rpm => fans.push(Fan { fan: number - 1, ratio, rpm: rpm.ok() }),
            }
        }
        if fans.is_empty() { Err(why) } else { Ok(fans) }
    }

    fn fan_ratio(&self, number: u32, rpm: Option<u32>) -> Option<f64> {
        let file = |name: String| self.file(&name).ok();
        if let Ok(level) = files::number_in(&file(format!("pwm{number}"))?, 0.0, 255.0) {
            return Some(level / 255.0);
        }
        let most = files::number_in(&file(format!("fan{number}_max"))?, 1, MOST_RPM).ok()?;
        // A fan at its most turns a little faster than it was rated.
        rpm.map(|rpm| (f64::from(rpm) / f64::from(most)).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fan_never_turns_more_than_wholly_and_one_that_is_not_there_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("fan1_input", "3400\n");
        write("fan1_max", "3300\n");
        write("fan2_input", "65535\n");
        let fans = Hwmon(Some(folder.path().to_path_buf())).fans();
        assert_eq!(fans, Ok(vec![Fan { fan: 0, ratio: Some(1.0), rpm: Some(3400) }]));
    }
}
