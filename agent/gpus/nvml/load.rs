//! How busy a card is and how full its memory.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::super::CardError;
use super::answers::{Answers, IMPLAUSIBLE, NOT_SUPPORTED, OLD_DRIVER, Refusal};
use super::raw;
use crate::sample::GpuSample;

/// Utilisation and memory. On a card with MIG the driver gives no utilisation.
pub(super) fn read(
    device: &Device<'_>,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let rates = device.utilization_rates().map_err(Refusal::from);
    let (gpu, memory) = match rates {
        Ok(rates) => (ratio(rates.gpu), ratio(rates.memory)),
        Err(refusal) => (Err(refusal.clone()), Err(refusal)),
    };
    card.utilization_ratio = answers.told("utilization_ratio", gpu)?;
    card.memory_utilization_ratio = answers.told("memory_utilization_ratio", memory)?;
    let codec = |info: Result<nvml_wrapper::structs::device::UtilizationInfo, NvmlError>| {
        info.map_err(Refusal::from).and_then(|info| ratio(info.utilization))
    };
    card.encoder_utilization_ratio =
        answers.told("encoder_utilization_ratio", codec(device.encoder_utilization()))?;
    card.decoder_utilization_ratio =
        answers.told("decoder_utilization_ratio", codec(device.decoder_utilization()))?;
    memory_of(device, answers, card)?;
    let bar1 = answers.believed("bar1_total_bytes", device.bar1_memory_info(), |bar1| bar1.total > 0)?;
    if let Some(bar1) = bar1 {
        card.bar1_total_bytes = Some(bar1.total);
        card.bar1_used_bytes =
            answers.believed("bar1_used_bytes", Ok::<_, Refusal>(bar1.used), |used| *used <= bar1.total)?;
    }
    Ok(())
}

/// A percentage as a part of one.
fn ratio(percent: u32) -> Result<f64, Refusal> {
    if percent <= 100 { Ok(f64::from(percent) / 100.0) } else { Err(IMPLAUSIBLE) }
}

fn memory_of(device: &Device<'_>, answers: &mut Answers, card: &mut GpuSample) -> Result<(), CardError> {
    let answer = memory(device);
    // Boards that take the machine's memory refuse, or say that they have none.
    card.shared_memory = match &answer {
        Ok(_) => Some(false),
        Err(refusal) if [NOT_SUPPORTED, IMPLAUSIBLE].contains(refusal) => Some(true),
        Err(_) => None,
    };
    let parts = match answer {
        Ok(memory) => memory,
        Err(refusal) => Memory {
            total: Err(refusal.clone()),
            free: Err(refusal.clone()),
            used: Err(refusal.clone()),
            reserved: Err(refusal),
        },
    };
    card.memory_total_bytes = answers.told("memory_total_bytes", parts.total)?;
    card.memory_free_bytes = answers.told("memory_free_bytes", parts.free)?;
    card.memory_used_bytes = answers.told("memory_used_bytes", parts.used)?;
    card.memory_reserved_bytes = answers.told("memory_reserved_bytes", parts.reserved)?;
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Memory {
    total: Result<u64, Refusal>,
    free: Result<u64, Refusal>,
    used: Result<u64, Refusal>,
    reserved: Result<u64, Refusal>,
}

/// Of drivers before 510, which do not tell it apart, `used` contains what the driver reserves.
fn memory(device: &Device<'_>) -> Result<Memory, Refusal> {
    match device.memory_info().map_err(Refusal::from) {
        Ok(told) => judge(told.total, told.free, told.used, Ok(told.reserved)),
        Err(refusal) if refusal == OLD_DRIVER => {
            let [total, free, used] = raw::memory(device)?;
            judge(total, free, used, Err(OLD_DRIVER))
        }
        Err(refusal) => Err(refusal),
    }
}

fn judge(total: u64, free: u64, used: u64, reserved: Result<u64, Refusal>) -> Result<Memory, Refusal> {
    if total == 0 {
        return Err(IMPLAUSIBLE);
    }
    let within = |part: u64| if part <= total { Ok(part) } else { Err(IMPLAUSIBLE) };
    Ok(Memory {
        total: Ok(total),
        free: within(free),
        used: within(used),
        reserved: reserved.and_then(within),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_without_memory_tells_none_and_a_part_is_never_more_than_the_whole() {
        assert_eq!(judge(0, 0, 0, Ok(0)), Err(IMPLAUSIBLE));
        let told = judge(100, 40, u64::MAX, Ok(10)).unwrap();
        assert_eq!(
            (told.total, told.free, told.used, told.reserved),
            (Ok(100), Ok(40), Err(IMPLAUSIBLE), Ok(10))
        );
        assert_eq!(judge(100, 40, 60, Err(OLD_DRIVER)).unwrap().reserved, Err(OLD_DRIVER));
    }

    #[test]
    fn more_than_all_of_the_time_is_no_reading() {
        assert_eq!(ratio(0), Ok(0.0));
        assert_eq!(ratio(100), Ok(1.0));
        assert_eq!(ratio(101), Err(IMPLAUSIBLE));
        assert_eq!(ratio(u32::MAX), Err(IMPLAUSIBLE));
    }
}
