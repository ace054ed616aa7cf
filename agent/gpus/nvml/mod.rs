//! NVIDIA's cards, by the driver's own library. It is opened at run time, so one build serves
//! machines with and without a driver.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{Backend, CardError, GpuError, Gpus, Options};
use crate::sample::{CardFault, GpuSample};

/// The row of the table.
pub(super) const BACKEND: Backend =
    Backend { name: "nvml", about: "NVIDIA cards, by the driver's library libnvidia-ml", open };

/// The versioned name: the one without a version belongs to the development package.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Is there where the kernel's part of the driver is loaded, inside a container too.
const KERNEL_PART: &str = "/proc/driver/nvidia/version";

struct NvmlGpus {
    nvml: Nvml,
}

fn open(options: &Options) -> Result<Arc<dyn Gpus>, GpuError> {
    let named = options.nvml_library.as_deref();
    let path = named.map_or(OsStr::new(LIBRARY), |path| path.as_os_str());
    match Nvml::builder().lib_path(path).init() {
        Ok(nvml) => Ok(Arc::new(NvmlGpus { nvml })),
        Err(NvmlError::LibloadingError(cause)) => {
            Err(missing(named.is_some(), Path::new(KERNEL_PART).exists(), &cause.to_string()))
        }
        Err(error) => Err(translate(&error)),
    }
}

/// Why the library cannot be loaded. On most machines there is no NVIDIA driver at all, and the
/// loader's own words for that read like a fault.
fn missing(named: bool, driver_loaded: bool, cause: &str) -> GpuError {
    // In the words of glibc, and of musl.
    let not_found = cause.contains(LIBRARY) && cause.contains("No such file");
    match (named, driver_loaded) {
        (false, false) if not_found => GpuError::NoDriver("NVIDIA"),
        (false, true) if not_found => GpuError::LibraryMissing(format!(
            "the NVIDIA driver is loaded, but its library {LIBRARY} is not found: \
             name it as nvml_library under [gpu] in the config, or give this container the GPU"
        )),
        _ => GpuError::LibraryMissing(format!("the driver's library cannot be loaded: {cause}")),
    }
}

impl Gpus for NvmlGpus {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn places(&self) -> Result<u32, GpuError> {
        self.nvml.device_count().map_err(|error| translate(&error))
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        let driver = self.nvml.sys_driver_version().ok();
        // Handles are asked anew each time: after a reset an old one may be another card's. A card that fell
        // off the bus is still counted but gives no handle.
        let device = self.nvml.device_by_index(place);
        device.and_then(|device| look(place, &device, driver)).map_err(|error| match &error {
            NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch => {
                CardError::Driver(translate(&error))
            }
            NvmlError::GpuLost => CardError::Card(CardFault::new("lost", "it fell off the bus")),
            _ => CardError::Card(CardFault::new("other", error.to_string())),
        })
    }
}

/// One card. Each question may fail alone: cards and drivers differ in what they tell.
///
/// # Errors
/// The card does not say who it is, as one that is lost.
fn look(index: u32, device: &Device<'_>, driver: Option<String>) -> Result<GpuSample, NvmlError> {
    let pci = device.pci_info().ok().map(|pci| pci.bus_id).filter(|bus_id| !bus_id.is_empty());
    let uuid = match device.uuid() {
        Ok(uuid) => uuid,
        Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => String::new(),
        Err(error) => return Err(error),
    };
    let nameless = || pci.clone().unwrap_or_else(|| format!("index-{index}"));
    // Boards that share the system's memory refuse, or say that they have none: both are "not told".
    let memory = device.memory_info().ok().filter(|memory| memory.total > 0);
    let mut card = GpuSample {
        uuid: if uuid.is_empty() { nameless() } else { uuid },
        index: Some(index),
        name: device.name().ok(),
        vendor: "nvidia".into(),
        driver,
        vbios: device.vbios_version().ok(),
        utilization_ratio: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_free_bytes: memory.as_ref().map(|memory| memory.free),
        temperatures_celsius: told(device.temperature(TemperatureSensor::Gpu))
            .map(|celsius| ("die".to_owned(), f64::from(celsius)))
            .into_iter()
            .collect(),
        power_watts: told(device.power_usage()).map(from_milli),
        power_limit_watts: told(device.enforced_power_limit()).map(from_milli),
        energy_joules: told(device.total_energy_consumption()).map(|millijoules| millijoules as f64 / 1000.0),
        pci,
        ..GpuSample::default()
    };
    // Idle is believed of a card that tells something else, too.
    if card.memory_total_bytes.is_none() && card.temperatures_celsius.is_empty() && card.power_watts.is_none()
    {
        card.utilization_ratio = card.utilization_ratio.filter(|ratio| *ratio > 0.0);
    }
    Ok(card)
}

/// A reading that no card in operation has as zero. Some Jetsons succeed with zeros where they know nothing.
fn told<T: Default + PartialEq>(reading: Result<T, NvmlError>) -> Option<T> {
    reading.ok().filter(|value| *value != T::default())
}

fn from_milli(value: u32) -> f64 {
    f64::from(value) / 1000.0
}

fn translate(error: &NvmlError) -> GpuError {
    match error {
        NvmlError::LibraryNotFound => {
            GpuError::LibraryMissing("the driver says that its library is gone".into())
        }
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
        let options =
            Options { nvml_library: Some("/nonexistent/libnvidia-ml.so.1".into()), ..Options::default() };
        let error = open(&options).err().unwrap();
        assert_eq!(error.reason(), "library_missing");
        assert!(error.to_string().contains("/nonexistent/libnvidia-ml.so.1"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_has_a_reason_too() {
        let options = Options { nvml_library: Some("/etc/passwd".into()), ..Options::default() };
        assert_eq!(open(&options).err().unwrap().reason(), "library_missing");
    }

    #[test]
    fn a_machine_without_a_driver_is_told_calmly_and_one_whose_library_is_lost_is_told_what_to_do() {
        let glibc = "libnvidia-ml.so.1: cannot open shared object file: No such file or directory";
        let musl = "Error loading shared library libnvidia-ml.so.1: No such file or directory";
        for cause in [glibc, musl] {
            let error = missing(false, false, cause);
            assert_eq!(
                (error.reason(), &*error.to_string()),
                ("no_driver", "no NVIDIA driver on this machine")
            );
            let error = missing(false, true, cause);
            assert_eq!(error.reason(), "library_missing");
            assert!(error.to_string().contains("name it as nvml_library"), "{error}");
            assert_eq!(missing(true, false, cause).reason(), "library_missing", "the config names it");
        }
        let error = missing(false, false, "libnvidia-ml.so.1: wrong ELF class: ELFCLASS32");
        assert_eq!(error.reason(), "library_missing");
        assert!(error.to_string().ends_with("wrong ELF class: ELFCLASS32"), "{error}");
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
