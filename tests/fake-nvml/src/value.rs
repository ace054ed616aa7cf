//! What a reading of the scenario is at a moment.

use serde_json::Value;

use crate::abi::{Code, NOT_SUPPORTED};
use crate::names::code;

/// The number that a reading is at that second.
pub fn number(reading: &Value, seconds: f64) -> Result<f64, Code> {
    if let Some(points) = reading["ramp"].as_array() {
        return ramp(points, seconds);
    }
    match at(reading, seconds) {
        Value::Number(number) => number.as_f64().ok_or(NOT_SUPPORTED),
        Value::Bool(is) => Ok(f64::from(u8::from(*is))),
        Value::String(error) => Err(code(error)),
        Value::Null => Err(NOT_SUPPORTED),
        other => panic!("{other} is no reading: expected a number, an error, steps, a ramp or null"),
    }
}

/// The text that a reading is at that second. An error stands as `{"error": "NAME"}` there.
pub fn text(reading: &Value, seconds: f64) -> Result<String, Code> {
    match at(reading, seconds) {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(NOT_SUPPORTED),
        other => match other["error"].as_str() {
            Some(error) => Err(code(error)),
            None => panic!("{other} is no text: expected a string, an error, steps or null"),
        },
    }
}

/// What a reading with steps is at that second; any other reading is itself at all times.
pub fn at(reading: &Value, seconds: f64) -> &Value {
    let Some(steps) = reading["steps"].as_array() else { return reading };
    let past = steps.iter().take_while(|step| second(step) <= seconds);
    past.last().map_or(&Value::Null, |step| &step[1])
}

/// Whether the reading changes with time, and so is one thing and not an object of several.
pub fn changes(reading: &Value) -> bool {
    reading.get("steps").or_else(|| reading.get("ramp")).is_some()
}

/// On the straight line between two points; before the first and after the last it stands still.
fn ramp(points: &[Value], seconds: f64) -> Result<f64, Code> {
    let value = |point: &Value| point[1].as_f64().ok_or(NOT_SUPPORTED);
    let next = points.iter().position(|point| second(point) > seconds);
    match next {
        Some(0) => value(&points[0]),
        Some(next) => {
            let (from, to) = (&points[next - 1], &points[next]);
            let share = (seconds - second(from)) / (second(to) - second(from));
            Ok(value(from)? + (value(to)? - value(from)?) * share)
        }
        None => points.last().map_or(Err(NOT_SUPPORTED), value),
    }
}

fn second(point: &Value) -> f64 {
    point[0].as_f64().unwrap_or_else(|| panic!("{point} does not begin with a second"))
}
