//! Fans.

use nvml_wrapper::Device;

use super::super::CardError;
use super::answers::{Answers, NOT_SUPPORTED, Refusal};
use crate::sample::{Fan, GpuSample};

/// No card has more.
const MOST_FANS: u32 = 16;

/// A fan may turn faster than its nominal speed, in percent; what is far beyond is garbage (255 stands for
/// "not known").
const MOST_PERCENT: u32 = 130;

/// No fan turns faster.
const MOST_RPM: u32 = 50_000;

/// How many fans it has.
pub(super) fn count(device: &Device<'_>, answers: &mut Answers) -> Result<u32, CardError> {
    let count = device.num_fans().map_err(Refusal::from);
    let count = count.and_then(|fans| if fans == 0 { Err(NOT_SUPPORTED) } else { Ok(fans) });
    Ok(answers.believed("fans", count, |fans| *fans <= MOST_FANS)?.unwrap_or(0))
}

/// How fast each turns.
pub(super) fn read(
    device: &Device<'_>,
    fans: u32,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    for fan in 0..fans {
        let percent = device.fan_speed(fan);
        let percent =
            answers.believed(&format!("fans.{fan}.ratio"), percent, |percent| *percent <= MOST_PERCENT)?;
        let rpm = answers
            .believed(&format!("fans.{fan}.rpm"), device.fan_speed_rpm(fan), |rpm| *rpm <= MOST_RPM)?;
        if percent.is_some() || rpm.is_some() {
            card.fans.push(Fan { fan, ratio: percent.map(|percent| f64::from(percent) / 100.0), rpm });
        }
    }
    Ok(())
}
