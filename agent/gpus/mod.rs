//! How GPUs are read. An open set: a trait and a table; one more vendor is one more file and row.
//!
//! A driver may block a call for seconds or for ever, so nothing here runs on the async threads:
//! `poll::GpuPoller` keeps a thread of its own for it, and another where one is held up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::sample::{CardFault, GpuSample, XidEvent};

mod amd;
mod devices;
mod drm;
mod intel;
pub mod kernel_log;
mod nvml;
pub mod pci;
pub mod replay;
pub mod words;
pub mod xid;

pub use devices::{any_device, without_driver};

/// A way to the GPUs that is open. Several threads may use it at once: a call that never returns holds up
/// its own thread alone, so no lock may be held over a call to the driver.
pub trait Gpus: Send + Sync {
    /// The backend's name: a row of [`BACKENDS`], or `demo`.
    fn name(&self) -> &'static str;

    /// How many cards the driver lists; they stand in places from 0. May block.
    ///
    /// # Errors
    /// Nothing at all can be read; the way must be opened anew.
    fn places(&self) -> Result<u32, GpuError>;

    /// Looks once at the card in that place. A value that it does not tell is `None`, with its reason. May
    /// block.
    ///
    /// # Errors
    /// This card cannot be reached, or nothing at all can be.
    fn read(&self, place: u32) -> Result<GpuSample, CardError>;

    /// A listener for what the driver reports by itself. `None`: it reports nothing.
    fn events(&self) -> Option<Box<dyn Events>> {
        None
    }
}

/// Listens for what a driver reports by itself. One thread owns it.
pub trait Events: Send {
    /// What was reported since the last call; waits for it no longer than that.
    ///
    /// # Errors
    /// Nothing more will be reported here; another listener is needed.
    fn wait(&mut self, at_most: Duration) -> Result<Vec<XidEvent>, GpuError>;
}

/// Why one card could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardError {
    /// It is this card; the others may be well.
    Card(CardFault),
    /// It is the driver: nothing at all can be read, the way must be opened anew.
    Driver(GpuError),
}

/// Why the GPUs could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// Nothing of the driver is there: as on every machine without such a GPU.
    #[error("no {0} driver on this machine")]
    NoDriver(&'static str),
    /// The driver's library is not found although it should be, or cannot be loaded: why, and what
    /// to do.
    #[error("{0}")]
    LibraryMissing(String),
    /// The library is there, the kernel's part of the driver is not.
    #[error("the driver is not loaded: load its kernel module, or restart if it was just updated")]
    DriverNotLoaded,
    /// Library and kernel module are of two versions: an update without a restart.
    #[error("the driver's library and kernel module differ in version: restart the machine")]
    DriverMismatch,
    /// This user may not open the driver.
    #[error("no permission to open the driver: may this user read and write /dev/nvidia*?")]
    NoPermission,
    /// The driver did not answer in time.
    #[error("the driver gave no answer for {} s", .0.as_secs().max(1))]
    Timeout(Duration),
    /// No card can be reached any more: why.
    #[error("no GPU can be reached: {0}")]
    Lost(String),
    /// Anything else, in the driver's own words.
    #[error("{0}")]
    Other(String),
}

impl GpuError {
    /// Every reason, for labels that are initialised.
    pub const REASONS: [&'static str; 8] = [
        "no_driver",
        "library_missing",
        "driver_not_loaded",
        "driver_mismatch",
        "no_permission",
        "timeout",
        "gpu_lost",
        "other",
    ];

    /// The reason as a label: one of [`GpuError::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoDriver(_) => "no_driver",
            Self::LibraryMissing(_) => "library_missing",
            Self::DriverNotLoaded => "driver_not_loaded",
            Self::DriverMismatch => "driver_mismatch",
            Self::NoPermission => "no_permission",
            Self::Timeout(_) => "timeout",
            Self::Lost(_) => "gpu_lost",
            Self::Other(_) => "other",
        }
    }
}

/// What a backend may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// NVIDIA's library, where it is not where the loader finds it.
    pub nvml_library: Option<PathBuf>,
    /// Where sysfs is: usually `/sys`.
    pub sysfs: PathBuf,
    /// Where the process table is: usually `/proc`.
    pub procfs: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        Options { nvml_library: None, sysfs: "/sys".into(), procfs: "/proc".into() }
    }
}

/// Opens a way to the GPUs; asked again after an error. May block.
pub type Open = Arc<dyn Fn() -> Result<Arc<dyn Gpus>, GpuError> + Send + Sync>;

/// A way to read GPUs: a row of [`BACKENDS`].
#[derive(Debug)]
pub struct Backend {
    /// Its name in labels, JSON and tables.
    pub name: &'static str,
    /// What it reads, in a line.
    pub about: &'static str,
    /// Opens it.
    pub open: fn(&Options) -> Result<Arc<dyn Gpus>, GpuError>,
}

impl Backend {
    /// What opens this backend with these options.
    pub fn opener(&'static self, options: Options) -> Open {
        Arc::new(move || (self.open)(&options))
    }
}

/// Every backend that looks at real cards.
pub const BACKENDS: &[Backend] = &[nvml::BACKEND, amd::BACKEND, intel::BACKEND];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once() {
        let errors = [
            GpuError::NoDriver(""),
            GpuError::LibraryMissing(String::new()),
            GpuError::DriverNotLoaded,
            GpuError::DriverMismatch,
            GpuError::NoPermission,
            GpuError::Timeout(Duration::ZERO),
            GpuError::Lost(String::new()),
            GpuError::Other(String::new()),
        ];
        assert_eq!(errors.each_ref().map(GpuError::reason), GpuError::REASONS);
    }
}
