//! What the driver reports by itself: XIDs, as NVML's events.
//!
//! The driver leaves out some of them, above all where a card is lost; the kernel's log has those.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::super::{Events, GpuError, pci};
use super::raw::{EventSet, Handle};
use super::translate;
use crate::sample::{CardRef, XidEvent, XidSource};

/// Events that one wait gives at most, so that a flood cannot hold it for ever.
const MOST_EVENTS: usize = 256;

/// Waits without an event between two looks for a card that came or went.
const WAITS_BETWEEN_LOOKS: u32 = 10;

/// Listens to every card that reports XIDs. Cards that come later need another listener, and [`Events::wait`]
/// says so by its error.
struct XidEvents {
    nvml: Arc<Nvml>,
    set: EventSet,
    /// Which card a handle is. Asked when it was well: a lost card no longer says.
    cards: HashMap<Handle, CardRef>,
    /// Which places had a card that answered.
    answered: Vec<bool>,
    quiet_waits: u32,
}

/// A listener. `None`: no card reports XIDs, or events are not known to the driver.
pub(super) fn listen(nvml: &Arc<Nvml>) -> Option<Box<dyn Events>> {
    let set = EventSet::new(nvml.clone()).ok()?;
    let mut cards = HashMap::new();
    let places = nvml.device_count().ok()?;
    for device in (0..places).filter_map(|place| nvml.device_by_index(place).ok()) {
        if let Some(card) = card(&device)
            && register(&set, &device)
        {
            cards.insert(Handle::of(&device), card);
        }
    }
    if cards.is_empty() {
        return None;
    }
    let nvml = nvml.clone();
    let answered = answering(&nvml);
    Some(Box::new(XidEvents { nvml, set, cards, answered, quiet_waits: 0 }))
}

/// A card that does not support the event is not asked: a refusal may spoil the set.
fn register(set: &EventSet, device: &Device<'_>) -> bool {
    let xid = EventTypes::CRITICAL_XID_ERROR;
    device.supported_event_types().is_ok_and(|supported| supported.contains(xid))
        && set.register(device, xid.bits()).is_ok()
}

fn card(device: &Device<'_>) -> Option<CardRef> {
    let uuid = device.uuid().ok().filter(|uuid| !uuid.trim().is_empty()).map(CardRef::Uuid);
    uuid.or_else(|| pci::address(&device.pci_info().ok()?.bus_id).map(CardRef::Pci))
}

/// Which places have a card that answers now.
fn answering(nvml: &Nvml) -> Vec<bool> {
    let places = nvml.device_count().unwrap_or(0);
    (0..places).map(|place| nvml.device_by_index(place).is_ok_and(|device| device.uuid().is_ok())).collect()
}

impl Events for XidEvents {
    fn wait(&mut self, at_most: Duration) -> Result<Vec<XidEvent>, GpuError> {
        let milliseconds = u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX);
        let mut events = Vec::new();
        // After the first, only what is already there is taken.
        let mut patience = milliseconds;
        while events.len() < MOST_EVENTS {
            match self.set.wait(patience) {
                Ok(event) => events.extend(self.xid(event)),
                Err(NvmlError::Timeout) => break,
                // What was heard before is told first; the error comes again.
                Err(_) if !events.is_empty() => break,
                Err(error) => return Err(translate(&error)),
            }
            patience = 0;
        }
        if events.is_empty() {
            self.look_around()?;
        }
        Ok(events)
    }
}

impl XidEvents {
    fn xid(&self, (handle, kind, data): (Handle, u64, u64)) -> Option<XidEvent> {
        let xid = u32::try_from(data).ok().filter(|xid| *xid != 0)?;
        let is_xid = EventTypes::from_bits_truncate(kind).contains(EventTypes::CRITICAL_XID_ERROR);
        let card = self.cards.get(&handle).filter(|_| is_xid)?.clone();
        let at = Timestamp::now();
        Some(XidEvent { card, xid, at, source: XidSource::Driver, before_start: false, text: None })
    }

    /// Now and then: whether the cards are still those.
    fn look_around(&mut self) -> Result<(), GpuError> {
        self.quiet_waits += 1;
        if self.quiet_waits < WAITS_BETWEEN_LOOKS {
            return Ok(());
        }
        self.quiet_waits = 0;
        if answering(&self.nvml) == self.answered {
            return Ok(());
        }
        Err(GpuError::Other("a card came or went: listen anew".into()))
    }
}
