//! Events of cards.

use std::mem::zeroed;
use std::sync::Arc;

use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings as ffi;

use super::symbol;

/// What stands for a card in its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Handle(usize);

impl Handle {
    pub(in super::super) fn of(device: &Device<'_>) -> Handle {
        // SAFETY: it is compared and never used.
        Handle(unsafe { device.handle() }.addr())
    }
}

/// Events of cards. Unlike the wrapper's it keeps the library open by itself, and a card that cannot be
/// registered leaves it as it was.
#[derive(Debug)]
pub(in super::super) struct EventSet {
    nvml: Arc<Nvml>,
    set: ffi::nvmlEventSet_t,
}

// SAFETY: NVML may be called from any thread; the pointer is only ever handed back to it.
unsafe impl Send for EventSet {}

impl EventSet {
    pub(in super::super) fn new(nvml: Arc<Nvml>) -> Result<EventSet, NvmlError> {
        let create = symbol(&nvml.lib().nvmlEventSetCreate)?;
        // What cannot be freed is not made.
        symbol(&nvml.lib().nvmlEventSetFree)?;
        let mut set = std::ptr::null_mut();
        // SAFETY: it is written to a pointer of our own.
        nvml_try(unsafe { create(&raw mut set) })?;
        Ok(EventSet { nvml, set })
    }

    /// Listens for these types of events of that card, too.
    pub(in super::super) fn register(&self, device: &Device<'_>, types: u64) -> Result<(), NvmlError> {
        let register = symbol(&self.nvml.lib().nvmlDeviceRegisterEvents)?;
        // SAFETY: the set lives as long as this.
        nvml_try(unsafe { register(device.handle(), types, self.set) })
    }

    /// The card, the type and the data of the next event. `Timeout`: there was none.
    pub(in super::super) fn wait(&self, milliseconds: u32) -> Result<(Handle, u64, u64), NvmlError> {
        let wait = symbol(&self.nvml.lib().nvmlEventSetWait_v2)?;
        // SAFETY: the structure is plain numbers and a pointer, for which zero is a value.
        let mut event: ffi::nvmlEventData_t = unsafe { zeroed() };
        // SAFETY: it is written to a structure of our own; the set lives as long as this.
        nvml_try(unsafe { wait(self.set, &raw mut event, milliseconds) })?;
        Ok((Handle(event.device.addr()), event.eventType, event.eventData))
    }
}

impl Drop for EventSet {
    fn drop(&mut self) {
        if let Ok(free) = symbol(&self.nvml.lib().nvmlEventSetFree) {
            // SAFETY: it is freed here and nowhere else. What it answers changes nothing.
            unsafe { free(self.set) };
        }
    }
}
