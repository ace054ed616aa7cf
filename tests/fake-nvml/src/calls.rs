//! What befalls every call before it is answered: it is written down, takes its time, hangs, fails.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::abi::Code;
use crate::clocks::seconds;
use crate::machine::Place;
use crate::names::code;
use crate::scenario;
use crate::value;

/// How often a call that hangs, or waits for an event, looks at the clock and the scenario again.
pub const PAUSE: Duration = Duration::from_millis(20);

/// The scenario once the call may be answered, or the error it ends with: what `calls` says of the function, of
/// the MIG device, of its card, of the machine. The first that says something holds.
pub fn pass(function: &str, place: Option<Place>) -> Result<Arc<Value>, Code> {
    let mut scenario = scenario::read();
    let mut fate = Fate::of(function, place, &scenario);
    let mut pause = fate.delay;
    while fate.hangs || pause > Duration::ZERO {
        std::thread::sleep(pause);
        scenario = scenario::read();
        fate = Fate::of(function, place, &scenario);
        pause = if fate.hangs { PAUSE } else { Duration::ZERO };
    }
    fate.error.map_or(Ok(scenario), Err)
}

/// A line in the file `OPSAGENT_FAKE_NVML_TRACE`, if there is one.
pub fn trace(function: &str) {
    let Some(path) = scenario::trace() else { return };
    let written = File::options().append(true).create(true).open(path);
    let written = written.and_then(|mut file| file.write_all(format!("{function}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

struct Fate {
    delay: Duration,
    hangs: bool,
    error: Option<Code>,
}

impl Fate {
    fn of(function: &str, place: Option<Place>, scenario: &Value) -> Fate {
        let seconds = seconds();
        let levels = place.map_or([&Value::Null; 2], |place| place.levels(scenario));
        let [mig, card] = levels.map(|level| &level["calls"][function]);
        let says = [mig, card, &scenario["calls"][function]];
        let says = |key: &str| says.iter().map(|fate| &fate[key]).find(|said| !said.is_null());
        let micros = says("delay_us").unwrap_or(&scenario["delay_us"]).as_u64();
        let hangs = says("hang").is_some_and(|hang| value::at(hang, seconds) == true);
        let until = says("hang_until").and_then(Value::as_f64);
        let error = says("error").map_or(&Value::Null, |error| value::at(error, seconds));
        Fate {
            delay: Duration::from_micros(micros.unwrap_or(0)),
            hangs: hangs || until.is_some_and(|until| seconds < until),
            error: error.as_str().map(code),
        }
    }
}
