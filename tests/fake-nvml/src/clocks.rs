//! The second at which a scenario stands, and the time of the machine.

use std::fs::read_to_string;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::scenario::clock;

static START: OnceLock<Instant> = OnceLock::new();

/// Seconds since the first initialisation, or those that the file `OPSAGENT_FAKE_NVML_CLOCK` holds.
#[expect(clippy::disallowed_methods, reason = "this is no part of the agent, and keeps the real time")]
pub fn seconds() -> f64 {
    let Some(path) = clock() else { return START.get_or_init(Instant::now).elapsed().as_secs_f64() };
    let text = read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.trim().parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Microseconds since 1970, as NVML stamps what it measured.
#[expect(clippy::disallowed_methods, reason = "see above")]
pub fn microseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
