//! Readings by number: `nvmlDeviceGetFieldValues`.

use std::ffi::{c_int, c_uint};

use crate::abi::{Code, Handle, INVALID_ARGUMENT, NOT_SUPPORTED, OK, get, put};
use crate::clocks::microseconds;
use crate::field_table::{FIELDS, Field, Kind, Of};
use crate::layout::FieldValue;
use crate::links::{links, of_link};
use crate::machine::{Told, card};

/// One more than the greatest number that drivers know (`NVML_FI_MAX`), from that driver on.
const KNOWN: &[((u32, u32), c_uint)] = &[
    ((0, 0), 161),
    ((525, 0), 170),
    ((535, 0), 197),
    ((550, 0), 200),
    ((555, 0), 223),
    ((560, 0), 230),
    ((570, 0), 269),
    ((575, 0), 274),
    ((580, 126), 289),
    ((595, 0), 296),
    ((610, 0), 303),
    ((615, 0), END),
];

/// `NVML_FI_MAX` of the newest.
pub const END: c_uint = 310;

/// In the place of an NVLink: all of them.
const ALL_LINKS: c_uint = c_uint::MAX;

/// The first driver with today's numbers. Before it, those of the reasons of clocks events were where the
/// smoothing of power is now, which came after them.
const RENUMBERED: (u32, u32) = (580, 82);

library! { FUNCTIONS:
    nvmlDeviceGetFieldValues(me, device: Handle, count: c_int, values: *mut FieldValue) {
        let card = card(me, device)?;
        let driver = version(&card.driver());
        for at in 0..usize::try_from(count).map_err(|_| INVALID_ARGUMENT)? {
            let to = values.wrapping_add(at);
            // SAFETY: a place in the caller's list, as long as it says.
            let asked = unsafe { get(to) }?;
            let (valueType, nvmlReturn, value) = match answer(&card, asked.fieldId, asked.scopeId, driver) {
                Ok((kind, value)) => (kind, OK, value),
                Err(code) => (0, code, [0; 8]),
            };
            let timestamp = microseconds().cast_signed();
            let answer = FieldValue { timestamp, latencyUsec: 0, valueType, nvmlReturn, value, ..asked };
            // SAFETY: the same.
            unsafe { put(to, answer)? };
        }
        Ok(())
    }
}

/// The type of the value, and the value.
fn answer(card: &Told, id: c_uint, scope: c_uint, driver: (u32, u32)) -> Result<(c_uint, [u8; 8]), Code> {
    let own = format!("fields.{id}");
    let new = if driver < RENUMBERED { renumbered(id) } else { id };
    let field = FIELDS.iter().find(|field| field.id == new);
    let kind = field.map_or(Kind::Long, |field| field.kind);
    if !card.at(&own).is_null() {
        return Ok(in_union(kind, card.number(&own)?));
    }
    let known = KNOWN.iter().take_while(|(since, _)| *since <= driver).last();
    if known.is_none_or(|(_, end)| id >= *end) {
        return Err(INVALID_ARGUMENT);
    }
    let field = field.ok_or(NOT_SUPPORTED)?;
    Ok(in_union(kind, reading(card, field, scope)?))
}

fn reading(card: &Told, field: &Field, scope: c_uint) -> Result<f64, Code> {
    match field.of {
        Of::Card => card.number(field.path),
        Of::Link if scope != ALL_LINKS => of_link(card, scope, field.path),
        Of::Link | Of::Sum => {
            let links = links(card)?;
            (0..links).map(|link| of_link(card, link, field.path)).sum()
        }
    }
}

fn in_union(kind: Kind, value: f64) -> (c_uint, [u8; 8]) {
    let half = |half: [u8; 4]| [half, [0; 4]].concat().try_into().unwrap_or_default();
    match kind {
        Kind::Unsigned => (1, half((value as u32).to_ne_bytes())),
        Kind::Long => (3, (value as u64).to_ne_bytes()),
        Kind::Signed => (5, half((value as i32).to_ne_bytes())),
    }
}

/// What today's number of a field is that an old driver has under that number.
fn renumbered(id: c_uint) -> c_uint {
    match id {
        251..=255 => id + 18,
        256..=273 => id - 5,
        same => same,
    }
}

/// The first two numbers of a driver's version.
fn version(driver: &str) -> (u32, u32) {
    let mut parts = driver.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
