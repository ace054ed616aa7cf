//! How a card is divided (multi-instance GPU).

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::super::CardError;
use super::answers::{Answers, Refusal};
use super::raw;
use crate::sample::{GpuSample, Mig, MigInstance};

/// No card is divided into more.
const MOST_INSTANCES: u32 = 64;

/// The division, with the devices of the instances in the same order.
pub(super) fn read<'nvml>(
    device: &Device<'nvml>,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<Vec<Device<'nvml>>, CardError> {
    let Some(mode) = answers.told("mig", device.mig_mode())? else { return Ok(Vec::new()) };
    let mut mig = Mig { enabled: mode.current == 1, pending: Some(mode.pending == 1), instances: Vec::new() };
    let mut devices = Vec::new();
    if mig.enabled {
        let places = answers.told("mig.instances", device.mig_device_count())?.unwrap_or(0);
        for place in 0..places.min(MOST_INSTANCES) {
            let part = match device.mig_device_by_index(place) {
                // A place without an instance.
                Err(NvmlError::NotFound | NvmlError::InvalidArg) => continue,
                part => answers.told("mig.instances", part)?,
            };
            if let Some(part) = part
                && let Some(instance) = instance(&part, answers)?
            {
                mig.instances.push(instance);
                devices.push(part);
            }
        }
    }
    card.mig = Some(mig);
    Ok(devices)
}

/// One instance. `None`: it does not say which it is.
fn instance(device: &Device<'_>, answers: &mut Answers) -> Result<Option<MigInstance>, CardError> {
    let Some(uuid) = answers.told("mig.instances.uuid", device.uuid())? else { return Ok(None) };
    let memory = device.memory_info().map_err(Refusal::from);
    let memory = answers.believed("mig.instances.memory_total_bytes", memory, |memory| {
        memory.total > 0 && memory.used <= memory.total
    })?;
    let name = answers.told("mig.instances.profile", device.name())?;
    Ok(Some(MigInstance {
        uuid,
        gpu_instance: answers.told("mig.instances.gpu_instance", raw::gpu_instance(device))?,
        compute_instance: answers.told("mig.instances.compute_instance", raw::compute_instance(device))?,
        profile: name.as_deref().and_then(profile),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_free_bytes: memory.as_ref().map(|memory| memory.free),
    }))
}

/// The profile, which stands at the end of an instance's name: `NVIDIA A100-SXM4-80GB MIG 3g.40gb`, and
/// `… MIG 1c.3g.40gb` for a part of one.
fn profile(name: &str) -> Option<String> {
    let profile = name.rsplit_once("MIG ")?.1.trim();
    (!profile.is_empty()).then(|| profile.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_the_end_of_the_name() {
        assert_eq!(profile("NVIDIA A100-SXM4-80GB MIG 3g.40gb").as_deref(), Some("3g.40gb"));
        assert_eq!(profile("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb").as_deref(), Some("1c.3g.40gb"));
        assert_eq!(profile("NVIDIA B200 MIG 1g.23gb+me").as_deref(), Some("1g.23gb+me"));
        assert_eq!(profile("NVIDIA H100 80GB HBM3"), None);
        assert_eq!(profile("NVIDIA A100 MIG "), None);
    }
}
