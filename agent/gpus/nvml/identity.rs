//! Who a card is, and what of it does not change while the driver is loaded: learned once and remembered by
//! the card's UUID, so that a poll asks only for what moves.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use super::super::{CardError, pci};
use super::answers::{Answers, IMPLAUSIBLE, Refusal};
use super::{clocks, fans, heat, link};
use crate::sample::GpuSample;

/// Cards that are remembered. No machine has as many; a driver that makes up UUIDs fills no memory.
const MOST_CARDS: usize = 256;

/// Reads between two tries to learn what a card did not tell at first, though it may.
const READS_BETWEEN_TRIES: u32 = 20;

/// What the driver says of itself, which holds until it is opened anew.
#[derive(Debug)]
pub(super) struct Driver {
    version: Option<String>,
    cuda: Option<String>,
    untold: BTreeMap<String, String>,
}

impl Driver {
    pub(super) fn ask(nvml: &Nvml) -> Driver {
        let mut answers = Answers::default();
        let cuda = nvml.sys_cuda_driver_version();
        // An error that is fatal comes again with the first card.
        let version = answers.told("driver", nvml.sys_driver_version()).ok().flatten();
        let cuda = answers.believed("cuda", cuda, |cuda| *cuda > 0).ok().flatten().map(|version| {
            format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version))
        });
        Driver { version, cuda, untold: answers.untold }
    }
}

/// What of a card does not change.
#[derive(Debug)]
pub(super) struct Still {
    /// As much of the story as is known once and for all, with what is missing in it.
    pub(super) card: GpuSample,
    /// Its fans.
    pub(super) fans: u32,
    /// Its NVLinks.
    pub(super) links: u32,
    /// All that is missing is missing for good.
    settled: bool,
    /// Reads since it was learned.
    reads: AtomicU32,
    /// Up to when the use of its processes was read, by the driver's clock.
    uses_seen: AtomicU64,
}

/// What is remembered of the cards. The lock is never held over a call to the driver.
#[derive(Debug, Default)]
pub(super) struct Known {
    cards: Mutex<HashMap<String, Arc<Still>>>,
}

impl Known {
    /// What does not change of the card behind this handle. Who it is, is asked each time: after a reset a
    /// handle may be another card's.
    ///
    /// # Errors
    /// The card does not say who it is, as one that is lost.
    pub(super) fn still(
        &self,
        device: &Device<'_>,
        index: u32,
        driver: &Driver,
    ) -> Result<Arc<Still>, CardError> {
        let uuid = match device.uuid() {
            Ok(uuid) => Ok(uuid).map(|uuid| uuid.trim().to_owned()),
            Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => Ok(String::new()),
            Err(error) => Err(Refusal::from(error).of_all()),
        }?;
        let known = self.lock().get(&uuid).filter(|_| !uuid.is_empty()).cloned();
        if let Some(known) = &known
            && (known.settled || known.reads.fetch_add(1, Ordering::Relaxed) < READS_BETWEEN_TRIES)
        {
            return Ok(known.clone());
        }
        let still = Arc::new(learn(device, &uuid, index, driver)?);
        if let Some(known) = &known {
            still.seen_up_to(known.uses_seen());
        }
        if !uuid.is_empty() {
            let mut cards = self.lock();
            if cards.len() >= MOST_CARDS {
                cards.clear();
            }
            cards.insert(uuid, still.clone());
        }
        Ok(still)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Still>>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Still {
    /// Up to when the use of processes was read, by the driver's clock, in microseconds.
    pub(super) fn uses_seen(&self) -> u64 {
        self.uses_seen.load(Ordering::Relaxed)
    }

    /// It was read up to then.
    pub(super) fn seen_up_to(&self, then: u64) {
        self.uses_seen.fetch_max(then, Ordering::Relaxed);
    }
}

fn learn(device: &Device<'_>, uuid: &str, index: u32, driver: &Driver) -> Result<Still, CardError> {
    let mut answers = Answers::default();
    let address = device.pci_info().map_err(Refusal::from);
    let address = address.and_then(|info| pci::address(&info.bus_id).ok_or(IMPLAUSIBLE));
    let pci = answers.told("pci", address)?;
    let nameless = || pci.as_ref().map_or_else(|| format!("index-{index}"), |pci| format!("pci-{pci}"));
    if uuid.is_empty() {
        answers.missing("uuid", &IMPLAUSIBLE);
    }
    let mut card = GpuSample {
        uuid: if uuid.is_empty() { nameless() } else { uuid.to_owned() },
        name: answers.believed("name", device.name(), |name| !name.trim().is_empty())?,
        vendor: "nvidia".into(),
        driver: driver.version.clone(),
        cuda: driver.cuda.clone(),
        vbios: answers.believed("vbios", device.vbios_version(), |version| !version.trim().is_empty())?,
        pci,
        ..GpuSample::default()
    };
    heat::learn(device, &mut answers, &mut card)?;
    clocks::learn(device, &mut answers, &mut card)?;
    link::learn(device, &mut answers, &mut card)?;
    let fans = fans::count(device, &mut answers)?;
    let links = link::count(device, &mut answers)?;
    let settled = !answers.may_change;
    card.untold = driver.untold.clone();
    card.untold.append(&mut answers.untold);
    Ok(Still { card, fans, links, settled, reads: AtomicU32::new(0), uses_seen: AtomicU64::new(0) })
}
