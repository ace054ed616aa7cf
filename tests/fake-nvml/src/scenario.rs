//! What the fake is to answer. The file is read anew whenever it changes, so that a test may replace it; replace
//! it by renaming another over it, for the library may read at any moment.
//!
//! # The machine
//!
//! | key | what it is |
//! |---|---|
//! | `init` | the name of the error that initialisation ends with |
//! | `driver`, `nvml`, `cuda` | versions: two texts, and a number such as 13000 for 13.0 |
//! | `delay_us` | how long each call takes where `calls` says nothing of it |
//! | `calls` | what befalls the calls of a function, see below |
//! | `order` | `[[second, [1, 0]], ...]`: which card stands at index 0, 1, ... from the first initialisation after that second |
//! | `without` | functions that the driver does not have: whoever puts the library in place spoils their names |
//! | `long_processes` | `true`: entries of lists of processes are longer than nvml.h says, as of the first drivers 535 |
//! | `each` | what every card has that does not say otherwise |
//! | `cards` | the cards |
//!
//! # A card
//!
//! Its readings. Which function gives which of them stands with the function: `"ecc.mode"` is `mode` in the
//! object `ecc`. Numbers have NVML's own units. A reading is
//!
//! - a number, `true` (1) or `false` (0),
//! - `null` or absent: not supported,
//! - the name of an error, without `NVML_ERROR_`; one that stands for an object counts for all in it,
//! - `{"steps": [[second, reading], ...]}`, each from its second on; none of them before the first,
//! - `{"ramp": [[second, number], ...]}`, on the straight line between them.
//!
//! A text is a string; its error would be `{"error": "NAME"}`. Besides readings, a card may have
//!
//! | key | what it is |
//! |---|---|
//! | `lost_at`, `back_at` | from that second on it has fallen off the bus; from that one it is there again |
//! | `xid` | `[[second, code], ...]`, events; a third and fourth number are the GPU and compute instance |
//! | `processes` | see `processes.rs` |
//! | `mig` | its MIG devices, by index; `null` where there is none. Each has readings of its own, see `mig.rs` |
//! | `nvlink` | `{"links": 18, "each": {...}, "3": {...}}`, see `links.rs` |
//! | `fields` | `{"123": reading}`: answers by number of the field instead of what `fields.rs` says |
//! | `calls` | as that of the machine, before it |
//!
//! # Calls
//!
//! `{"nvmlX": {...}}` with `error` (a name, or steps of names and `null`), `delay_us`, `hang` (`true`, or steps of
//! booleans) or `hang_until` (a second). A call that hangs goes on when the clock or a new scenario says so.
//!
//! # Time
//!
//! Seconds count from the first initialisation, or are those that the file `OPSAGENT_FAKE_NVML_CLOCK` holds.
//! The file `OPSAGENT_FAKE_NVML_TRACE` gets a line for each call, the name of its function.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::value;

static SCENARIO: LazyLock<Option<PathBuf>> = LazyLock::new(|| variable("SCENARIO"));
static CLOCK: LazyLock<Option<PathBuf>> = LazyLock::new(|| variable("CLOCK"));
static TRACE: LazyLock<Option<PathBuf>> = LazyLock::new(|| variable("TRACE"));

/// The scenario as it was last read, and of which state of the file.
static LAST: Mutex<Option<(State, Arc<Value>)>> = Mutex::new(None);

/// A file that was renamed over another differs in its number, one that was written to in time or size.
type State = (u64, i64, i64, u64);

/// The scenario as it is now.
pub fn read() -> Arc<Value> {
    let path = SCENARIO.as_deref().expect("OPSAGENT_FAKE_NVML_SCENARIO names a file");
    let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", path.display()) };
    let state = std::fs::metadata(path).unwrap_or_else(|error| fail(&error));
    let state = (state.ino(), state.mtime(), state.mtime_nsec(), state.size());
    let mut last = lock(&LAST);
    if let Some((of, scenario)) = &*last
        && *of == state
    {
        return scenario.clone();
    }
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| fail(&error));
    let mut scenario: Value = serde_json::from_str(&text).unwrap_or_else(|error| fail(&error));
    let each = scenario["each"].take();
    for card in scenario["cards"].as_array_mut().into_iter().flatten() {
        fill(card, &each);
    }
    let scenario = Arc::new(scenario);
    *last = Some((state, scenario.clone()));
    scenario
}

/// The file that holds the second, if there is one.
pub fn clock() -> Option<&'static Path> {
    CLOCK.as_deref()
}

/// The file that gets the names of the functions, if there is one.
pub fn trace() -> Option<&'static Path> {
    TRACE.as_deref()
}

/// A thread that panicked inside ends the process anyway.
pub fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `card` does not say is as in `each`; objects are filled key by key.
fn fill(card: &mut Value, each: &Value) {
    let Some(each) = each.as_object() else { return };
    let Some(own) = card.as_object_mut() else { return };
    for (key, value) in each {
        match own.get_mut(key) {
            None => drop(own.insert(key.clone(), value.clone())),
            Some(told) if value::changes(told) || value::changes(value) => {}
            Some(told) => fill(told, value),
        }
    }
}

/// Nobody changes these variables of the process while the library is in it.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(format!("OPSAGENT_FAKE_NVML_{name}")).map(PathBuf::from)
}
