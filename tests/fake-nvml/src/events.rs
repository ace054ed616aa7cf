//! What the driver tells of its own accord: XIDs.
//!
//! An event set gets those of the scenario's that come after its registration, each once. A wait blocks until
//! one is there or its time is over.

use std::ffi::{c_uint, c_ulonglong, c_void};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::abi::{Code, EventSet, Handle, INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT, put};
use crate::layout::EventData;
use crate::machine::{Place, card, system};
use crate::scenario::lock;

/// From one look for an event to the next while a call waits. A driver waits without looking; a look costs what a
/// bench of the agent would take for the agent's own.
const STEP: Duration = Duration::from_millis(200);

/// `nvmlEventTypeXidCriticalError`.
pub const XID: c_ulonglong = 8;

/// Stands for no instance.
const NONE: c_uint = c_uint::MAX;

/// By handle, from 1. A set that was freed is empty and stays, so that a handle means one set only.
static SETS: Mutex<Vec<Option<Set>>> = Mutex::new(Vec::new());

#[derive(Default)]
struct Set {
    /// The card, since when, and which events.
    registered: Vec<(Place, f64, c_ulonglong)>,
    /// The card, and which of its list.
    delivered: Vec<(Place, usize, Value)>,
}

numbers! { NUMBERS:
    nvmlDeviceGetSupportedEventTypes: c_ulonglong = "event_types";
}

library! { FUNCTIONS:
    nvmlEventSetCreate(me, to: *mut EventSet) {
        system(me)?;
        let mut sets = lock(&SETS);
        sets.push(Some(Set::default()));
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, std::ptr::without_provenance_mut::<c_void>(sets.len())) }
    }

    nvmlEventSetFree(me, set: EventSet) {
        system(me)?;
        *lock(&SETS).get_mut(set.addr().wrapping_sub(1)).ok_or(INVALID_ARGUMENT)? = None;
        Ok(())
    }

    nvmlDeviceRegisterEvents(me, device: Handle, types: c_ulonglong, set: EventSet) {
        let card = card(me, device)?;
        let supported = card.number("event_types")? as c_ulonglong;
        if types & !supported != 0 {
            return Err(NOT_SUPPORTED);
        }
        let place = card.place().ok_or(INVALID_ARGUMENT)?;
        with(set, |set| set.registered.push((place, card.seconds, types)))
    }

    nvmlEventSetWait(me, set: EventSet, to: *mut EventData, milliseconds: c_uint) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { wait(me, set, to, milliseconds) }
    }

    nvmlEventSetWait_v2(me, set: EventSet, to: *mut EventData, milliseconds: c_uint) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { wait(me, set, to, milliseconds) }
    }
}

/// # Safety
/// `to` is null, or may be written to.
unsafe fn wait(me: &str, set: EventSet, to: *mut EventData, milliseconds: c_uint) -> Result<(), Code> {
    system(me)?;
    let mut left = Duration::from_millis(milliseconds.into());
    loop {
        if let Some(event) = with(set, Set::next)? {
            // SAFETY: by the contract of this function.
            return unsafe { put(to, event) };
        }
        if left.is_zero() {
            return Err(TIMEOUT);
        }
        let pause = left.min(STEP);
        std::thread::sleep(pause);
        left -= pause;
    }
}

fn with<T>(set: EventSet, act: impl FnOnce(&mut Set) -> T) -> Result<T, Code> {
    let mut sets = lock(&SETS);
    let set = sets.get_mut(set.addr().wrapping_sub(1)).and_then(Option::as_mut);
    set.map(act).ok_or(INVALID_ARGUMENT)
}

impl Set {
    /// The first event that is due and was not delivered.
    fn next(&mut self) -> Option<EventData> {
        let (scenario, seconds) = (crate::scenario::read(), crate::clocks::seconds());
        let mut due: Option<(f64, Place, usize, Value)> = None;
        for (place, since, types) in &self.registered {
            let list = place.levels(&scenario)[1]["xid"].as_array().into_iter().flatten();
            for (at, event) in list.enumerate() {
                let second = event[0].as_f64().unwrap_or(f64::MAX);
                let new = || {
                    !self.delivered.iter().any(|past| past.0 == *place && past.1 == at && past.2 == *event)
                };
                let earlier = due.as_ref().is_none_or(|due| second < due.0);
                if types & XID != 0 && second > *since && second <= seconds && earlier && new() {
                    due = Some((second, *place, at, event.clone()));
                }
            }
        }
        let (_, place, at, event) = due?;
        let instance = |at: usize| event[at].as_u64().map_or(NONE, |id| id as c_uint);
        let data = EventData {
            device: place.handle(),
            eventType: XID,
            eventData: event[1].as_u64().unwrap_or(0),
            gpuInstanceId: instance(2),
            computeInstanceId: instance(3),
        };
        self.delivered.push((place, at, event));
        Some(data)
    }
}
