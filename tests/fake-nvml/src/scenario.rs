//! What the fake is to answer. The file is read anew for each question, so that a test may replace it.
//!
//! At its top: `init` (the name of the error that initialisation ends with), `driver`, `calls` and `cards`. In a
//! card: `uuid`, `name`, `pci`, `vbios`, readings, `calls`, and `lost_at`, the second from which the card has
//! fallen off the bus. A reading is a number, the name of an error, or `{"steps": [[second, reading], ...]}`. What
//! is absent or null is not supported. `calls` is by function: `{"nvmlX": {"error": "NAME"}}` or
//! `{"nvmlX": {"hang": true}}`, which never answers.
//!
//! Seconds count from the first initialisation, or are those that the file `OPSAGENT_FAKE_NVML_CLOCK` holds.
//! The file `OPSAGENT_FAKE_NVML_TRACE` gets a line for each question, the name of its function.

use std::ffi::c_uint;
use std::fs::{File, read_to_string};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::Value;

/// `nvmlReturn_t`.
pub type Code = c_uint;
pub const OK: Code = 0;
const UNINITIALIZED: Code = 1;
pub const INVALID_ARGUMENT: Code = 2;
const NOT_SUPPORTED: Code = 3;
pub const INSUFFICIENT_SIZE: Code = 7;
const GPU_IS_LOST: Code = 15;
pub const ARGUMENT_VERSION_MISMATCH: Code = 25;

static INITIALISED: AtomicU32 = AtomicU32::new(0);
static START: OnceLock<Instant> = OnceLock::new();

/// Answers `nvmlInit_v2`.
pub fn init(function: &str) -> Result<(), Code> {
    trace(function);
    if let Some(error) = Scenario::read().0["init"].as_str() {
        return Err(code(error));
    }
    start();
    INITIALISED.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Answers `nvmlShutdown`.
pub fn shutdown(function: &str) -> Result<(), Code> {
    trace(function);
    let one_less = |count: u32| count.checked_sub(1);
    INITIALISED
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .map(|_| ())
        .map_err(|_| UNINITIALIZED)
}

/// What is asked of the whole machine.
pub fn system(function: &str) -> Result<Scenario, Code> {
    trace(function);
    let scenario = Scenario::read();
    pass(&scenario.0, function)?;
    Ok(scenario)
}

/// What is asked of the card at that place, from 1.
pub fn card(function: &str, place: usize) -> Result<Card, Code> {
    let Scenario(scenario) = system(function)?;
    let card = place.checked_sub(1).and_then(|at| scenario["cards"].get(at)).ok_or(INVALID_ARGUMENT)?;
    pass(card, function)?;
    let seconds = seconds();
    if card["lost_at"].as_f64().is_some_and(|lost| lost <= seconds) {
        return Err(GPU_IS_LOST);
    }
    Ok(Card { told: card.clone(), seconds })
}

pub struct Scenario(Value);

impl Scenario {
    fn read() -> Scenario {
        let path = file("SCENARIO").expect("OPSAGENT_FAKE_NVML_SCENARIO names a file");
        let text = read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Scenario(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    pub fn cards(&self) -> usize {
        self.0["cards"].as_array().map_or(0, Vec::len)
    }

    pub fn text(&self, key: &str) -> Result<String, Code> {
        text(&self.0[key])
    }
}

pub struct Card {
    told: Value,
    seconds: f64,
}

impl Card {
    pub fn text(&self, key: &str) -> Result<String, Code> {
        text(&self.told[key])
    }

    pub fn number(&self, key: &str) -> Result<f64, Code> {
        let mut reading = &self.told[key];
        if let Some(steps) = reading["steps"].as_array() {
            let past = steps.iter().take_while(|step| step[0].as_f64().is_some_and(|at| at <= self.seconds));
            reading = past.last().map_or(&Value::Null, |step| &step[1]);
        }
        match reading {
            Value::Number(number) => number.as_f64().ok_or(NOT_SUPPORTED),
            Value::String(error) => Err(code(error)),
            Value::Null => Err(NOT_SUPPORTED),
            other => panic!("{key} is {other}: expected a number, an error, steps or null"),
        }
    }
}

fn text(value: &Value) -> Result<String, Code> {
    value.as_str().map(str::to_owned).ok_or(NOT_SUPPORTED)
}

/// What befalls every call, of a machine or a card: it hangs, it fails, the library is not initialised.
fn pass(of: &Value, function: &str) -> Result<(), Code> {
    let fate = &of["calls"][function];
    if fate["hang"] == true {
        loop {
            std::thread::park();
        }
    }
    match fate["error"].as_str() {
        Some(error) => Err(code(error)),
        None if INITIALISED.load(Ordering::SeqCst) == 0 => Err(UNINITIALIZED),
        None => Ok(()),
    }
}

/// The number of an error by its name in nvml.h, without `NVML_ERROR_`.
fn code(error: &str) -> Code {
    match error {
        "UNINITIALIZED" => UNINITIALIZED,
        "NOT_SUPPORTED" => NOT_SUPPORTED,
        "NO_PERMISSION" => 4,
        "DRIVER_NOT_LOADED" => 9,
        "GPU_IS_LOST" => GPU_IS_LOST,
        "RESET_REQUIRED" => 16,
        "LIB_RM_VERSION_MISMATCH" => 18,
        "UNKNOWN" => 999,
        other => panic!("{other} is no error that the fake knows"),
    }
}

fn seconds() -> f64 {
    let Some(path) = file("CLOCK") else { return start().elapsed().as_secs_f64() };
    let text = read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.trim().parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "this is no part of the agent, and keeps the real time")]
fn start() -> Instant {
    *START.get_or_init(Instant::now)
}

fn trace(function: &str) {
    let Some(path) = file("TRACE") else { return };
    let written = File::options().append(true).create(true).open(&path);
    let written = written.and_then(|mut file| file.write_all(format!("{function}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn file(what: &str) -> Option<PathBuf> {
    std::env::var_os(format!("OPSAGENT_FAKE_NVML_{what}")).map(PathBuf::from)
}
