//! NVIDIA's cards, by the driver's own library. It is opened at run time, so one build serves
//! machines with and without a driver.

use std::ffi::OsStr;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{Backend, GpuError, Gpus, Options};
use crate::sample::GpuSample;

/// The row of the table.
pub(super) const BACKEND: Backend =
    Backend { name: "nvml", about: "NVIDIA cards, by the driver's library libnvidia-ml", open };

/// The versioned name: the one without a version belongs to the development package.
const LIBRARY: &str = "libnvidia-ml.so.1";

struct NvmlGpus(Nvml);

fn open(options: &Options) -> Result<Box<dyn Gpus>, GpuError> {
    let path = options.nvml_library.as_deref().map_or(OsStr::new(LIBRARY), |path| path.as_os_str());
    match Nvml::builder().lib_path(path).init() {
        Ok(nvml) => Ok(Box::new(NvmlGpus(nvml))),
        Err(error) => Err(translate(&error)),
    }
}

impl Gpus for NvmlGpus {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn read(&mut self) -> Result<Vec<GpuSample>, GpuError> {
        let count = self.0.device_count().map_err(|error| translate(&error))?;
        let driver = self.0.sys_driver_version().ok();
        // Handles are asked anew each time: after a reset an old one may be another card's. A card
        // that fell off the bus is still counted but gives no handle.
        let cards = (0..count).filter_map(|index| Some((index, self.0.device_by_index(index).ok()?)));
        Ok(cards.map(|(index, device)| look(index, &device, driver.clone())).collect())
    }
}

/// One card. Each question may fail alone: cards and drivers differ in what they tell.
fn look(index: u32, device: &Device<'_>, driver: Option<String>) -> GpuSample {
    let pci = device.pci_info().ok().map(|pci| pci.bus_id);
    let nameless = || pci.clone().unwrap_or_else(|| format!("index-{index}"));
    // Boards that share the system's memory refuse, or say that they have none: both are "not told".
    let memory = device.memory_info().ok().filter(|memory| memory.total > 0);
    GpuSample {
        uuid: device.uuid().ok().filter(|uuid| !uuid.is_empty()).unwrap_or_else(nameless),
        index: Some(index),
        name: device.name().ok(),
        vendor: "nvidia".into(),
        driver,
        vbios: device.vbios_version().ok(),
        utilization_ratio: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_free_bytes: memory.as_ref().map(|memory| memory.free),
        temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
        power_watts: device.power_usage().ok().map(from_milli),
        power_limit_watts: device.enforced_power_limit().ok().map(from_milli),
        energy_joules: device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1000.0),
        pci,
    }
}

fn from_milli(value: u32) -> f64 {
    f64::from(value) / 1000.0
}

fn translate(error: &NvmlError) -> GpuError {
    match error {
        NvmlError::LibloadingError(cause) => GpuError::LibraryMissing(cause.to_string()),
        NvmlError::LibraryNotFound => GpuError::LibraryMissing(error.to_string()),
        NvmlError::DriverNotLoaded => GpuError::DriverNotLoaded,
        NvmlError::LibRmVersionMismatch => GpuError::DriverMismatch,
        NvmlError::NoPermission => GpuError::NoPermission,
        other => GpuError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_has_its_reason() {
        let options = Options { nvml_library: Some("/nonexistent/libnvidia-ml.so.1".into()) };
        let error = open(&options).err().unwrap();
        assert_eq!(error.reason(), "library_missing");
        assert!(error.to_string().contains("/nonexistent/libnvidia-ml.so.1"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_has_a_reason_too() {
        let options = Options { nvml_library: Some("/etc/passwd".into()) };
        assert_eq!(open(&options).err().unwrap().reason(), "library_missing");
    }

    #[test]
    fn the_drivers_errors_become_reasons() {
        for (error, reason) in [
            (NvmlError::DriverNotLoaded, "driver_not_loaded"),
            (NvmlError::LibRmVersionMismatch, "driver_mismatch"),
            (NvmlError::NoPermission, "no_permission"),
            (NvmlError::GpuLost, "other"),
        ] {
            assert_eq!(translate(&error).reason(), reason);
        }
    }
}
