//! Intel's cards and the graphics inside its processors, as the kernel's drivers i915 and xe tell of them in
//! sysfs. Neither tells how busy a card is or how much of its memory is used: that is summed up over the
//! processes that use it, where all of them may be seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::drm::files::{self, Reading, Told, Untold};
use super::drm::hwmon::Hwmon;
use super::drm::sleep::{self, Kept, Sleep};
use super::drm::users::Users;
use super::drm::{Cards, Found, link};
use super::{Backend, CardError, GpuError, Gpus, Options};
use crate::sample::{CardFault, GpuSample, Readings};

mod engine;

/// The row of the table.
pub(super) const BACKEND: Backend =
    Backend { name: "intel", about: "Intel cards and graphics, by what i915 and xe tell in sysfs", open };

/// Where the graphics inside a processor always are.
const INSIDE: &str = "0000:00:02.0";

/// Tiles of one card that are looked at. The largest have two.
const MOST_TILES: u32 = 8;

/// Between two reads that are further apart than this, the counter may have wrapped unseen.
const LONGEST_STEP: Duration = Duration::from_secs(120);

/// What a sleeping card would have to be woken for.
const ASLEEP: [&str; 5] =
    ["utilization_ratio", "memory_used_bytes", "temperatures_celsius", "power_watts", "clocks"];

/// xe's label of a temperature, our word for it, and the limits that are told of it. i915 has one sensor, without
/// a label.
const TEMPERATURES: [(&str, &str, &str, Option<&str>); 2] =
    [("pkg", "die", "slowdown", Some("shutdown")), ("vram", "memory", "memory_slowdown", None)];

struct Intel {
    cards: Cards,
    users: Users,
    kept: Kept,
    /// The energy counter at the last read, by card. Held only to copy in and out.
    energy: Mutex<BTreeMap<String, (Instant, f64)>>,
}

fn open(options: &Options) -> Result<Arc<dyn Gpus>, GpuError> {
    let cards = Cards::open("Intel GPU", &["i915", "xe"], options)?;
    let users = Users::among(&options.procfs);
    Ok(Arc::new(Intel { cards, users, kept: Kept::default(), energy: Mutex::default() }))
}

impl Gpus for Intel {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(self.cards.places())
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        let found = self.cards.at(place)?;
        let sleep = sleep::sleep(&found.device());
        // What somebody holds is read: there is something to see, and it is awake more often than not.
        if let Some(card) = self.kept.rest(&found.pci, sleep).filter(|_| !self.users.is_held(&found)) {
            return Ok(card);
        }
        let mut card = self.identity(place, &found);
        if sleep == Sleep::Asleep {
            let untold = ASLEEP.map(|field| (field.to_owned(), Untold::Suspended.to_string()));
            card.untold = untold.into();
            return Ok(card);
        }
        let card = self.look(card, &found)?;
        self.kept.keep(&found.pci, &card);
        Ok(card)
    }
}

impl Intel {
    /// What the card is. All of it is known to the kernel and wakes nothing.
    fn identity(&self, place: u32, found: &Found) -> GpuSample {
        GpuSample {
            uuid: format!("pci-{}", found.pci),
            index: Some(place),
            name: Some(format!("Intel GPU {}", found.model)),
            vendor: "intel".into(),
            driver: Some(self.cards.driver(found)),
            pci: Some(found.pci.clone()),
            shared_memory: Some(found.pci == INSIDE),
            memory_total_bytes: local_memory(found),
            ..GpuSample::default()
        }
    }

    /// # Errors
    /// It answers nothing at all.
    fn look(&self, mut card: GpuSample, found: &Found) -> Result<GpuSample, CardError> {
        let (device, shared) = (found.device(), card.shared_memory == Some(true));
        let hwmon = Hwmon::of(&device, &found.driver);
        let mut told = Told::default();
        engine::tell(found, &mut card, &mut told);
        temperatures(&hwmon, &mut card, &mut told);
        self.power(&hwmon, &found.pci, &mut card, &mut told);
        card.fans = hwmon.fans().unwrap_or_default();
        if let Some(words) = told.silence() {
            let words = format!("it answers nothing: {words}");
            return Err(CardError::Card(CardFault::new("other", words)));
        }
        let regions: &[&str] = if shared { &["system", "gtt"] } else { &["local", "vram"] };
        let users = self.users.of(found, regions);
        card.utilization_ratio = told.keep("utilization_ratio", users.utilization());
        // What several hold together counts for each of them.
        let used = users.memory().and_then(|used| match card.memory_total_bytes {
            Some(total) if used > total => Err(Untold::Implausible),
            _ => Ok(used),
        });
        card.memory_used_bytes = told.keep("memory_used_bytes", used);
        card.processes = told.keep("processes", users.list());
        match (card.memory_total_bytes, card.memory_used_bytes) {
            (Some(total), Some(used)) => card.memory_free_bytes = total.checked_sub(used),
            (None, _) => {
                told.keep::<u64>("memory_total_bytes", Err(Untold::NotSupported));
            }
            _ => {}
        }
        // What is no card has no slot that could be slow.
        if !shared {
            card.pcie = link::link(&device);
        }
        card.untold = told.untold;
        Ok(card)
    }

    /// Of the two meters that a card may have, the first sees all of it, the second its chip alone. There is a
    /// counter of energy and no power: that is the average since the last read.
    fn power(&self, hwmon: &Hwmon, pci: &str, card: &mut GpuSample, told: &mut Told) {
        let joules = |meter: u32| hwmon.joules(&format!("energy{meter}_input"));
        // A first one that fails for a moment is no reason to count by the other.
        let (meter, counted) = match (joules(1), joules(2)) {
            (Err(Untold::NotSupported), Ok(second)) => (2, Ok(second)),
            (first, _) => (1, first),
        };
        card.energy_joules = told.keep("energy_joules", counted);
        let watts = card.energy_joules.and_then(|joules| self.average(pci, joules));
        let none = if card.energy_joules.is_some() { Untold::NotYet } else { Untold::NotSupported };
        card.power_watts = told.keep("power_watts", watts.ok_or(none));
        let limit = hwmon.limit_watts(&format!("power{meter}_max"));
        card.power_limit_watts = told.keep("power_limit_watts", limit);
        card.power_limit_default_watts = hwmon.limit_watts(&format!("power{meter}_rated_max")).ok();
    }

    fn average(&self, pci: &str, joules: f64) -> Option<f64> {
        let now = Instant::now();
        let mut all = self.energy.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, before) = all.insert(pci.to_owned(), (now, joules))?;
        let step = now.saturating_duration_since(at);
        let sound = joules >= before && step <= LONGEST_STEP && step >= Duration::from_millis(100);
        sound.then(|| (joules - before) / step.as_secs_f64())
    }
}

fn temperatures(hwmon: &Hwmon, card: &mut GpuSample, told: &mut Told) {
    let mut first: Reading<()> = Err(Untold::NotSupported);
    for (label, sensor, slowdown, shutdown) in TEMPERATURES {
        let Some(number) = hwmon.temperature_of(label, sensor == "die") else { continue };
        for (limit, file) in [(Some(slowdown), "crit"), (shutdown, "emergency")] {
            let celsius = hwmon.celsius(&format!("temp{number}_{file}")).ok();
            if let Some((limit, celsius)) = limit.zip(celsius) {
                card.temperature_limits_celsius.insert(limit.to_owned(), celsius);
            }
        }
        match hwmon.celsius(&format!("temp{number}_input")) {
            Ok(celsius) => {
                card.temperatures_celsius.insert(sensor.to_owned(), celsius);
                first = Ok(());
            }
            Err(why) => first = first.or(Err(why)),
        }
    }
    told.keep("temperatures_celsius", first);
    let of = |readings: &Readings, name: &str| readings.get(name).copied();
    let limit = of(&card.temperature_limits_celsius, "slowdown");
    card.temperature_margin_celsius =
        limit.zip(of(&card.temperatures_celsius, "die")).map(|(limit, celsius)| limit - celsius);
}

/// The memory on the card, where the driver tells it: xe by tile, i915 as Intel ships it. Others tell it only
/// by a call that a look at files cannot make.
fn local_memory(found: &Found) -> Option<u64> {
    let device = found.device();
    let tiles = (0..MOST_TILES).map_while(|tile| {
        files::number::<u64>(&device.join(format!("tile{tile}/physical_vram_size_bytes"))).ok()
    });
    let tiles = tiles.fold(0, u64::saturating_add);
    let whole = files::number::<u64>(&found.card.join("lmem_total_bytes")).unwrap_or(0);
    Some(tiles.max(whole)).filter(|bytes| (1..=1 << 46).contains(bytes))
}
