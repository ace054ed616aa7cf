//! The machine that a scenario describes: initialised or not, its cards by handle, and what each tells.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::abi::{Code, GPU_IS_LOST, Handle, INVALID_ARGUMENT, UNINITIALIZED};
use crate::calls::{pass, trace};
use crate::clocks::seconds;
use crate::names::code;
use crate::scenario::lock;
use crate::value;

/// Each card has as many addresses for handles: the first for itself and one for each of its MIG devices.
const ROOM: usize = 0x100;

static INITIALISED: AtomicU32 = AtomicU32::new(0);

/// The order of the cards since the last initialisation, if the scenario gives one.
static ORDER: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Answers `nvmlInit_v2`.
pub fn init(function: &str) -> Result<(), Code> {
    trace(function);
    seconds();
    let scenario = pass(function, None)?;
    if let Some(error) = scenario["init"].as_str() {
        return Err(code(error));
    }
    let order = scenario["order"].as_array().into_iter().flatten();
    let order = order.take_while(|step| step[0].as_f64().is_some_and(|from| from <= seconds())).last();
    let order = order.and_then(|step| step[1].as_array()).into_iter().flatten();
    *lock(&ORDER) = order.filter_map(|card| card.as_u64().map(|card| card as usize)).collect();
    INITIALISED.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Answers `nvmlShutdown`.
pub fn shutdown(function: &str) -> Result<(), Code> {
    trace(function);
    pass(function, None)?;
    let one_less = |count: u32| count.checked_sub(1);
    INITIALISED
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .map(|_| ())
        .map_err(|_| UNINITIALIZED)
}

/// What is asked of the whole machine.
pub fn system(function: &str) -> Result<Told, Code> {
    trace(function);
    let scenario = pass(function, None)?;
    initialised()?;
    Ok(Told { scenario, place: None, seconds: seconds() })
}

/// What is asked of a card, or of one of its MIG devices.
pub fn card(function: &str, device: Handle) -> Result<Told, Code> {
    trace(function);
    there(function, device)
}

/// The same, of a call that was already written down: one that gives a handle.
pub fn there(function: &str, device: Handle) -> Result<Told, Code> {
    let place = Place::of(device).ok_or(INVALID_ARGUMENT)?;
    let scenario = pass(function, Some(place))?;
    initialised()?;
    let told = Told { scenario, place: Some(place), seconds: seconds() };
    if told.object().is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if told.lost() { Err(GPU_IS_LOST) } else { Ok(told) }
}

fn initialised() -> Result<(), Code> {
    if INITIALISED.load(Ordering::SeqCst) == 0 { Err(UNINITIALIZED) } else { Ok(()) }
}

/// A card by its index, and a MIG device in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub index: usize,
    pub mig: Option<usize>,
}

impl Place {
    fn of(device: Handle) -> Option<Place> {
        let (card, part) = (device.addr() / ROOM, device.addr() % ROOM);
        Some(Place { index: card.checked_sub(1)?, mig: part.checked_sub(1) })
    }

    pub fn handle(self) -> Handle {
        let part = self.mig.map_or(0, |mig| mig + 1);
        std::ptr::without_provenance_mut((self.index + 1) * ROOM + part)
    }

    /// What the scenario says of the MIG device and of the card. After a reset, the card at an index may be
    /// another one, and so what an old handle means.
    pub fn levels(self, scenario: &Value) -> [&Value; 2] {
        let order = lock(&ORDER);
        let card = if order.is_empty() { Some(self.index) } else { order.get(self.index).copied() };
        let card = card.and_then(|card| scenario["cards"].get(card)).unwrap_or(&Value::Null);
        [self.mig.map_or(&Value::Null, |mig| &card["mig"][mig]), card]
    }
}

/// What the scenario tells of a place at one moment.
pub struct Told {
    scenario: Arc<Value>,
    place: Option<Place>,
    pub seconds: f64,
}

impl Told {
    /// How many cards there are.
    pub fn cards(&self) -> usize {
        match lock(&ORDER).len() {
            0 => self.scenario["cards"].as_array().map_or(0, Vec::len),
            ordered => ordered,
        }
    }

    /// Where it is; the machine itself is nowhere.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    pub fn text(&self, path: &str) -> Result<String, Code> {
        value::text(self.at(path), self.seconds)
    }

    pub fn number(&self, path: &str) -> Result<f64, Code> {
        value::number(self.at(path), self.seconds)
    }

    /// What stands at a path. An error that stands for an object on the way is that of all in it.
    pub fn at(&self, path: &str) -> &Value {
        let mut at = self.object();
        for key in path.split('.') {
            if !value::changes(at) && !at.is_string() {
                at = at.get(key).unwrap_or(&Value::Null);
            }
        }
        at
    }

    fn object(&self) -> &Value {
        match self.place {
            None => &self.scenario,
            Some(place @ Place { mig: None, .. }) => place.levels(&self.scenario)[1],
            Some(place) => place.levels(&self.scenario)[0],
        }
    }

    /// The version of the driver.
    pub fn driver(&self) -> String {
        value::text(&self.scenario["driver"], self.seconds).unwrap_or_default()
    }

    /// The same moment, of that place.
    pub fn of(&self, place: Place) -> Told {
        Told { scenario: self.scenario.clone(), place: Some(place), seconds: self.seconds }
    }

    /// The card of a MIG device; a card is its own.
    pub fn parent(&self) -> Told {
        let place = self.place.map(|place| Place { mig: None, ..place });
        Told { scenario: self.scenario.clone(), place, seconds: self.seconds }
    }

    /// The MIG devices of a card.
    pub fn children(&self) -> Vec<Told> {
        let Some(place @ Place { mig: None, .. }) = self.place else { return Vec::new() };
        let devices = self.object()["mig"].as_array().map_or(0, Vec::len);
        let devices = (0..devices).map(|mig| self.of(Place { mig: Some(mig), ..place }));
        devices.filter(|told| !told.object().is_null()).collect()
    }

    fn lost(&self) -> bool {
        let card = self.parent();
        let past = |key: &str| card.object()[key].as_f64().is_some_and(|at| at <= self.seconds);
        past("lost_at") && !past("back_at")
    }
}
