//! What the cards of AMD and Intel share: both are told of by the kernel's DRM, under `class/drm/card*`.
//!
//! Reads can block as a library's calls can (a card in the midst of a reset), so no lock is held over one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{CardError, GpuError, Options, pci};
use crate::sample::CardFault;

mod client;
pub(super) mod files;
mod holders;
pub(super) mod hwmon;
pub(super) mod link;
pub(super) mod sleep;
pub(super) mod users;

/// Entries under `class/drm` that are looked at: cards, their render nodes and all their connectors.
const MOST_ENTRIES: usize = 4096;

/// Files of one card under `/dev/dri`: one that draws, one that computes, and connectors beside them.
const MOST_NODES: usize = 64;

/// Cards of one vendor. The largest machines have 16.
const MOST_CARDS: usize = 64;

/// A card, by where the kernel tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its folder in `class/drm`.
    pub(super) card: PathBuf,
    /// Its PCI address.
    pub(super) pci: String,
    /// Its driver's name.
    pub(super) driver: String,
    /// What the chip is, in the vendor's numbering, in hexadecimal.
    pub(super) model: String,
}

impl Found {
    /// The PCI device's folder.
    pub(super) fn device(&self) -> PathBuf {
        self.card.join("device")
    }

    /// The names of its files under `/dev/dri`, such as `card1` and `renderD128`.
    fn nodes(&self) -> Vec<String> {
        files::names(&self.device().join("drm"), MOST_NODES)
    }
}

/// The cards of some drivers. A place means the same card for as long as this lives; one that comes later
/// takes the next place.
#[derive(Debug)]
pub(super) struct Cards {
    /// Where sysfs is.
    pub(super) sysfs: PathBuf,
    procfs: PathBuf,
    drivers: &'static [&'static str],
    /// Held only to copy in and out, never while something is read.
    places: Mutex<Arc<Vec<Found>>>,
}

impl Cards {
    /// The cards of these drivers.
    ///
    /// # Errors
    /// There are none, as on most machines.
    pub(super) fn open(
        vendor: &'static str,
        drivers: &'static [&'static str],
        options: &Options,
    ) -> Result<Cards, GpuError> {
        let cards = Cards {
            sysfs: options.sysfs.clone(),
            procfs: options.procfs.clone(),
            drivers,
            places: Mutex::default(),
        };
        if cards.places() == 0 { Err(GpuError::NoDriver(vendor)) } else { Ok(cards) }
    }

    /// How many places there are: lists the cards anew.
    pub(super) fn places(&self) -> u32 {
        let now = list(&self.sysfs, self.drivers);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for found in now {
            let room = places.len() < MOST_CARDS;
            let list = Arc::make_mut(&mut places);
            match list.iter_mut().find(|known| known.pci == found.pci) {
                Some(known) => *known = found,
                None if room => list.push(found),
                None => {}
            }
        }
        u32::try_from(places.len()).unwrap_or(0)
    }

    /// The card in this place.
    ///
    /// # Errors
    /// It is gone: unplugged, or taken from its driver.
    pub(super) fn at(&self, place: u32) -> Result<Found, CardError> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = usize::try_from(place).ok().and_then(|place| places.get(place));
        match found {
            Some(found) if identify(&found.card, self.drivers).as_ref() == Some(found) => Ok(found.clone()),
            _ => Err(CardError::Card(CardFault::new("gone", "the kernel no longer lists it"))),
        }
    }

    /// The driver and its version: the module's own, or the kernel's that it came with.
    pub(super) fn driver(&self, found: &Found) -> String {
        let own = files::line(&self.sysfs.join("module").join(&found.driver).join("version"));
        let version = own.or_else(|_| files::line(&self.procfs.join("sys/kernel/osrelease")));
        version.map_or_else(|_| found.driver.clone(), |version| format!("{} {version}", found.driver))
    }
}

/// The cards of these drivers, in the order of their PCI addresses.
fn list(sysfs: &Path, drivers: &[&str]) -> Vec<Found> {
    let folder = sysfs.join("class/drm");
    let is_card = |name: &String| {
        let number = name.strip_prefix("card");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names = files::names(&folder, MOST_ENTRIES).into_iter().filter(is_card);
    let mut cards: Vec<Found> = names.filter_map(|name| identify(&folder.join(name), drivers)).collect();
    cards.sort_unstable_by(|one, other| one.pci.cmp(&other.pci));
    cards
}

/// Which card it is, by its `uevent`, which wakes nothing. `None`: it is none of these drivers, or no PCI
/// device (a partition of a card, a display without a GPU).
fn identify(card: &Path, drivers: &[&str]) -> Option<Found> {
    let text = files::text(&card.join("device/uevent")).ok()?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.split_once('=').filter(|(found, _)| *found == key))
            .map(|(_, value)| value)
    };
    let driver = value("DRIVER").filter(|driver| drivers.contains(driver))?;
    let model = value("PCI_ID").and_then(|id| id.split_once(':'))?.1;
    let model = u16::from_str_radix(model, 16).ok()?;
    Some(Found {
        card: card.to_path_buf(),
        pci: pci::address(value("PCI_SLOT_NAME")?)?,
        driver: driver.to_owned(),
        model: format!("{model:04x}"),
    })
}
