//! Work that hung on GPUs, as the page shows it. Pure.

use jiff::Timestamp;

use super::words::{Moment, moment};
use crate::gpus::words as told;
use crate::view::{GpusView, HangCount};

/// Work that hung on a card whose driver has no XIDs.
#[derive(Debug)]
pub(super) struct Hang<'a> {
    pub(super) count: &'a HangCount,
    /// `GPU 0 (Radeon RX 7900 XTX)`, or where it is if nobody lists it.
    pub(super) name: String,
    pub(super) last: Option<Moment>,
}

/// All that happened since boot.
pub(super) fn hangs(gpus: &GpusView, now: Timestamp) -> Vec<Hang<'_>> {
    let counts = gpus.kernel_log.iter().flat_map(|log| &log.hangs).filter(|hang| hang.count > 0);
    let name = |hang: &HangCount| {
        let card = gpus.cards.iter().find(|card| card.told.uuid == hang.card);
        card.map_or_else(|| hang.card.clone(), |card| told::called(&card.told))
    };
    counts
        .map(|count| Hang { count, name: name(count), last: count.last_at.map(|at| moment(at, now)) })
        .collect()
}
