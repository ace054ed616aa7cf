//! The PCI Express link of a card, as sysfs tells of it.
//!
//! Larger cards of AMD and Intel carry a switch of their own, and the link between that and the chip always
//! looks the same (Intel's as slow as the first generation). What counts is the link from the switch to the
//! machine, so it is asked at the outermost bridge that is on the card.

use std::path::{Path, PathBuf};

use super::files::{self, Reading, Untold};
use crate::sample::PcieLink;

/// PCI's class of a bridge to another bus.
const BRIDGE: &str = "0x0604";

/// Bridges in a row on one card: an inner and an outer one.
const MOST_BRIDGES: usize = 4;

/// The most lanes that a link has. A bus that answers nothing reads as 63 or 255.
const MOST_LANES: u32 = 32;

/// The link between the card and the machine.
pub(in crate::gpus) fn link(device: &Path) -> PcieLink {
    let Ok(device) = device.canonicalize() else { return PcieLink::default() };
    let (card, slot) = edge(device);
    let generation = |at: &Path, file: &str| speed(&at.join(file)).ok();
    let width = |at: &Path, file: &str| files::number_in(&at.join(file), 1, MOST_LANES).ok();
    let best =
        |card: Option<u32>, slot: Option<u32>| card.map(|card| slot.map_or(card, |slot| slot.min(card)));
    PcieLink {
        generation: generation(&card, "current_link_speed"),
        generation_max: best(
            generation(&card, "max_link_speed"),
            slot.as_deref().and_then(|slot| generation(slot, "max_link_speed")),
        ),
        width: width(&card, "current_link_width"),
        width_max: best(
            width(&card, "max_link_width"),
            slot.as_deref().and_then(|slot| width(slot, "max_link_width")),
        ),
        ..PcieLink::default()
    }
}

/// The outermost device that is on the card, and the port that it is plugged into.
fn edge(device: PathBuf) -> (PathBuf, Option<PathBuf>) {
    let vendor = files::text(&device.join("vendor")).ok();
    let mut card = device;
    for _ in 0..MOST_BRIDGES {
        let Some(above) = bridge_above(&card) else { return (card, None) };
        // A port of the machine itself hangs from no other bridge, whoever made it.
        if bridge_above(&above).is_none() || files::text(&above.join("vendor")).ok() != vendor {
            return (card, Some(above));
        }
        card = above;
    }
    (card, None)
}

fn bridge_above(device: &Path) -> Option<PathBuf> {
    let above = device.parent()?;
    let class = files::text(&above.join("class")).ok()?;
    class.starts_with(BRIDGE).then(|| above.to_path_buf())
}

/// The generation of a link by its speed, written as `16.0 GT/s PCIe`.
fn speed(path: &Path) -> Reading<u32> {
    let text = files::text(path)?;
    match text.split_whitespace().next() {
        Some("2.5") => Ok(1),
        Some("5.0" | "5") => Ok(2),
        Some("8.0" | "8") => Ok(3),
        Some("16.0" | "16") => Ok(4),
        Some("32.0" | "32") => Ok(5),
        Some("64.0" | "64") => Ok(6),
        _ => Err(Untold::Implausible),
    }
}
