//! NVIDIA's cards, by the driver's own library. It is opened at run time, so one build serves
//! machines with and without a driver.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

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

/// Is there where the kernel's part of the driver is loaded, inside a container too.
const KERNEL_PART: &str = "/proc/driver/nvidia/version";

struct NvmlGpus {
    nvml: Nvml,
    /// What the card at an index is, as far as it was told: a card that is lost no longer says it. NVML counts
    /// its cards when it is initialised, so an index means the same card for as long as this lives.
    known: HashMap<u32, GpuSample>,
}

fn open(options: &Options) -> Result<Box<dyn Gpus>, GpuError> {
    let named = options.nvml_library.as_deref();
    let path = named.map_or(OsStr::new(LIBRARY), |path| path.as_os_str());
    match Nvml::builder().lib_path(path).init() {
        Ok(nvml) => Ok(Box::new(NvmlGpus { nvml, known: HashMap::new() })),
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

    fn read(&mut self) -> Result<Vec<GpuSample>, GpuError> {
        let count = self.nvml.device_count().map_err(|error| translate(&error))?;
        let driver = self.nvml.sys_driver_version().ok();
        let (mut cards, mut lost, mut fault) = (Vec::new(), Vec::new(), None);
        for index in 0..count {
            // Handles are asked anew each time: after a reset an old one may be another card's. A card
            // that fell off the bus is still counted but gives no handle.
            let device = self.nvml.device_by_index(index);
            match device.and_then(|device| look(index, &device, driver.clone())) {
                Ok(card) => {
                    self.known.insert(index, silent(&card));
                    cards.push(card);
                }
                Err(error) => {
                    fault.get_or_insert(error);
                    lost.extend(self.known.get(&index).cloned());
                }
            }
        }
        match fault {
            // Every card at once is the driver's fault, or needs it to be opened anew.
            Some(error) if cards.is_empty() => Err(translate(&error)),
            _ => Ok(cards.into_iter().chain(lost).collect()),
        }
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
        temperature_celsius: told(device.temperature(TemperatureSensor::Gpu)).map(f64::from),
        power_watts: told(device.power_usage()).map(from_milli),
        power_limit_watts: told(device.enforced_power_limit()).map(from_milli),
        energy_joules: told(device.total_energy_consumption()).map(|millijoules| millijoules as f64 / 1000.0),
        pci,
    };
    // Idle is believed of a card that tells something else, too.
    let other = GpuSample { utilization_ratio: None, ..card.clone() };
    if other == silent(&card) {
        card.utilization_ratio = card.utilization_ratio.filter(|ratio| *ratio > 0.0);
    }
    Ok(card)
}

/// The card without its readings: what it is.
fn silent(card: &GpuSample) -> GpuSample {
    GpuSample {
        utilization_ratio: None,
        memory_total_bytes: None,
        memory_used_bytes: None,
        memory_free_bytes: None,
        temperature_celsius: None,
        power_watts: None,
        power_limit_watts: None,
        energy_joules: None,
        ..card.clone()
    }
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
