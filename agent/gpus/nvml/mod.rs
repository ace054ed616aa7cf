//! NVIDIA's cards, by the driver's own library (NVML). It is opened at run time, so one build serves machines
//! with and without a driver.
//!
//! A read asks a card about forty questions, each of which may fail alone: cards, drivers and permissions differ
//! in what they tell. Nothing here waits for another thread, so a call that never returns holds up its own
//! thread only.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::{Backend, CardError, Events, GpuError, Gpus, Options};
use crate::sample::{CardFault, GpuSample};

mod answers;
mod clocks;
mod doubt;
mod events;
mod fans;
mod fields;
mod health;
mod heat;
mod identity;
mod link;
mod load;
mod mig;
mod processes;
mod raw;

use answers::{Answers, Refusal};
use identity::{Driver, Known};

/// The row of the table.
pub(super) const BACKEND: Backend =
    Backend { name: "nvml", about: "NVIDIA cards, by the driver's library libnvidia-ml", open };

/// The versioned name: the one without a version belongs to the development package.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Is there where the kernel's part of the driver is loaded, inside a container too.
const KERNEL_PART: &str = "/proc/driver/nvidia/version";

/// The library as it is open. It is shut down when the last thread lets go of it; one that hangs in a call
/// never does, and then it stays open until the process ends.
struct NvmlGpus {
    nvml: Arc<Nvml>,
    driver: Driver,
    known: Known,
}

fn open(options: &Options) -> Result<Arc<dyn Gpus>, GpuError> {
    let named = options.nvml_library.as_deref();
    let path = named.map_or(OsStr::new(LIBRARY), |path| path.as_os_str());
    match Nvml::builder().lib_path(path).init() {
        Ok(nvml) => {
            let driver = Driver::ask(&nvml);
            Ok(Arc::new(NvmlGpus { nvml: Arc::new(nvml), driver, known: Known::default() }))
        }
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
        // Handles are asked anew each time: after a reset an old one may be another card's. A card that fell
        // off the bus is still counted but gives no handle.
        match self.nvml.device_by_index(place) {
            Ok(device) => self.look(place, &device),
            Err(NvmlError::InvalidArg) => {
                Err(CardError::Card(CardFault::new("gone", "the driver no longer lists it")))
            }
            Err(error) => Err(Refusal::from(error).of_all()),
        }
    }

    fn events(&self) -> Option<Box<dyn Events>> {
        events::listen(&self.nvml)
    }
}

impl NvmlGpus {
    /// The whole story of one card.
    ///
    /// # Errors
    /// The card does not say who it is, or is lost on the way: half a story is none.
    fn look(&self, place: u32, device: &Device<'_>) -> Result<GpuSample, CardError> {
        let still = self.known.still(device, place, &self.driver)?;
        let mut card = GpuSample { index: Some(place), ..still.card.clone() };
        let mut answers = Answers::default();
        let (told, card_now) = (&mut answers, &mut card);
        let fields = fields::Fields::of_card(device)?;
        load::read(device, told, card_now)?;
        heat::read(device, &fields, told, card_now)?;
        clocks::read(device, &fields, told, card_now)?;
        health::read(device, &fields, told, card_now)?;
        link::read(device, still.links, &fields, told, card_now)?;
        fans::read(device, still.fans, told, card_now)?;
        card_now.persistence = told.told("persistence", device.is_in_persistent_mode())?;
        let instances = mig::read(device, told, card_now)?;
        processes::read(device, &instances, &still, told, card_now)?;
        doubt::weigh(told, card_now);
        card.untold.append(&mut answers.untold);
        Ok(card)
    }
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
