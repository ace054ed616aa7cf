//! A GPU as the page shows it. Pure.

use jiff::Timestamp;

use super::badge::Badge;
use super::line::hash;
use super::row::Part;
use super::words::{self, Moment, moment};
use crate::gpus::words as told;
use crate::sample::{Clock, GpuSample, MigInstance, Note, NoteLevel, PcieLink};
use crate::view::{CardUser, CardView, EnergySource, Health, XidCount};

/// Joules of a kilowatt-hour.
const KWH: f64 = 3.6e6;

/// Programs named of those that are of no target.
const SHOWN_PROGRAMS: usize = 3;

/// A card's block.
#[derive(Debug)]
pub(super) struct Gpu<'a> {
    pub(super) card: &'a GpuSample,
    /// `GPU 3 (H200)`.
    pub(super) name: String,
    pub(super) anchor: String,
    pub(super) badge: Badge,
    /// UUID, PCI address and driver.
    pub(super) about: Vec<String>,
    /// Why it gives no readings, in a sentence.
    pub(super) error: Option<String>,
    /// When a silent one last told something.
    pub(super) seen: Option<Moment>,
    pub(super) memory: Option<String>,
    pub(super) memory_part: Option<Part>,
    pub(super) busy: Option<Part>,
    /// What else it tells, by its title.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) users: Vec<User<'a>>,
    /// What a model could take.
    pub(super) room: Option<String>,
    pub(super) parts: Vec<MigPart<'a>>,
    /// What slows it down, a clause each, and whether that is trouble.
    pub(super) held: Vec<(&'static str, bool)>,
    /// Warnings first.
    pub(super) notes: Vec<&'a Note>,
    pub(super) xids: Vec<Xid<'a>>,
}

/// Who holds memory of a card.
#[derive(Debug)]
pub(super) struct User<'a> {
    pub(super) target: &'a str,
    pub(super) memory: Option<String>,
    /// The programs of those that are of no target.
    pub(super) programs: String,
}

/// A part of a divided card.
#[derive(Debug)]
pub(super) struct MigPart<'a> {
    pub(super) part: &'a MigInstance,
    pub(super) memory: Option<String>,
    pub(super) used: Option<Part>,
}

/// What the driver reported.
#[derive(Debug)]
pub(super) struct Xid<'a> {
    pub(super) count: &'a XidCount,
    pub(super) last: Option<Moment>,
}

impl<'a> Gpu<'a> {
    pub(super) fn new(view: &'a CardView, now: Timestamp) -> Gpu<'a> {
        let card = &view.told;
        let mut notes: Vec<&Note> = view.notes.iter().collect();
        notes.sort_by_key(|note| note.level == NoteLevel::Info);
        let xids = view.xids.iter().filter(|xid| xid.count > 0);
        let trouble = |name: &str| name.starts_with("hw_") || name == "sw_thermal";
        let divided = card.mig.iter().filter(|mig| mig.enabled);
        Gpu {
            card,
            name: told::called(card),
            anchor: anchor(card),
            badge: badge(view),
            about: about(card),
            error: card.fault.as_ref().map(|fault| match told::fault(fault) {
                word if word.name == "other" => super::headline::capital(&fault.error),
                word => format!("It {}. {}", word.says, word.remedy),
            }),
            seen: view.last_seen_at.map(|at| moment(at, now)),
            memory: memory(card.memory_used_bytes, card.memory_total_bytes),
            memory_part: part_of(card.memory_used_bytes, card.memory_total_bytes),
            busy: card.utilization_ratio.map(part),
            facts: facts(view),
            users: view.users.iter().map(User::new).collect(),
            room: view.headroom_bytes.map(words::bytes),
            parts: divided.flat_map(|mig| &mig.instances).map(MigPart::new).collect(),
            held: told::holding(card, &view.notes)
                .into_iter()
                .map(|word| (word.says, trouble(word.name)))
                .collect(),
            notes,
            xids: xids.map(|count| Xid { count, last: count.last_at.map(|at| moment(at, now)) }).collect(),
        }
    }
}

/// A card's place on the page.
pub(super) fn anchor(card: &GpuSample) -> String {
    format!("g-{:x}", hash(card.uuid.as_bytes()))
}

fn badge(view: &CardView) -> Badge {
    match (view.health(), &view.told.fault) {
        (_, Some(fault)) => Badge { sign: "✕", word: told::fault(fault).name, tone: "critical" },
        (Health::Warning, None) => Badge { sign: "!", word: "up", tone: "warning" },
        (_, None) => Badge { sign: "✓", word: "up", tone: "ok" },
    }
}

fn about(card: &GpuSample) -> Vec<String> {
    let pci = card.pci.as_ref().map(|pci| format!("PCI {pci}"));
    let driver = card.driver.as_ref().map(|driver| format!("driver {driver}"));
    let cuda = card.cuda.as_ref().map(|cuda| format!("CUDA {cuda}"));
    pci.into_iter().chain(driver).chain(cuda).collect()
}

fn part(ratio: f64) -> Part {
    Part { text: words::percent(ratio), width: words::width(ratio) }
}

fn part_of(used: Option<u64>, all: Option<u64>) -> Option<Part> {
    used.zip(all).filter(|(_, all)| *all > 0).map(|(used, all)| part(used as f64 / all as f64))
}

fn memory(used: Option<u64>, all: Option<u64>) -> Option<String> {
    match (used, all) {
        (Some(used), Some(all)) => Some(format!("{} of {}", words::bytes(used), words::bytes(all))),
        (None, Some(all)) => Some(format!("{} in all", words::bytes(all))),
        (used, None) => used.map(words::bytes),
    }
}

fn facts(view: &CardView) -> Vec<(&'static str, String)> {
    let card = &view.told;
    let watts = |watts: f64| format!("{watts:.0} W");
    let power = match (card.power_watts, card.power_limit_watts) {
        (Some(now), Some(limit)) => Some(format!("{} of {}", watts(now), watts(limit))),
        (now, _) => now.map(watts),
    };
    let energy = view.energy_total_joules.map(|joules| {
        let source =
            if view.energy_source == Some(EnergySource::Integrated) { ", from its power" } else { "" };
        let kwh = joules / KWH;
        if kwh < 1.0 { format!("{:.0} Wh{source}", kwh * 1000.0) } else { format!("{kwh:.1} kWh{source}") }
    });
    let fans: Vec<String> = card.fans.iter().filter_map(|fan| fan.ratio).map(words::percent).collect();
    let links =
        card.nvlinks.as_ref().map(|links| format!("{} of {}", links.active, links.active + links.inactive));
    let all = [
        ("Temperature", temperature(card)),
        ("Power", power),
        ("Energy", energy),
        ("Clock", card.clocks.get("graphics").and_then(clock)),
        ("Fans", (!fans.is_empty()).then(|| fans.join(", "))),
        ("PCI Express", link(card.pcie)),
        ("NVLinks up", links),
    ];
    all.into_iter().filter_map(|(title, value)| Some((title, value?))).collect()
}

/// `61 °C, memory 70 °C, slows down at 89 °C`.
fn temperature(card: &GpuSample) -> Option<String> {
    let die = card.temperatures_celsius.get("die").map(|celsius| format!("{celsius:.0} °C"));
    let others = card.temperatures_celsius.iter().filter(|(sensor, _)| *sensor != "die");
    let others = others.map(|(sensor, celsius)| format!("{sensor} {celsius:.0} °C"));
    let limit = card.temperature_limits_celsius.get("slowdown");
    let limit = limit.map(|celsius| format!("slows down at {celsius:.0} °C"));
    let said: Vec<String> = die.into_iter().chain(others).chain(limit).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn clock(clock: &Clock) -> Option<String> {
    let now = clock.hertz.map(|hertz| format!("{:.0}", hertz / 1e6))?;
    Some(
        clock
            .max_hertz
            .map_or_else(|| format!("{now} MHz"), |most| format!("{now} of {:.0} MHz", most / 1e6)),
    )
}

/// `generation 4 ×8 of ×16`.
fn link(pcie: PcieLink) -> Option<String> {
    let width = match (pcie.width, pcie.width_max) {
        (Some(now), Some(most)) if now < most => format!(" ×{now} of ×{most}"),
        (now, most) => now.or(most).map(|lanes| format!(" ×{lanes}")).unwrap_or_default(),
    };
    Some(format!("generation {}{width}", pcie.generation?))
}

impl<'a> User<'a> {
    fn new(user: &'a CardUser) -> User<'a> {
        let named = user.programs.iter().filter(|_| user.target == "other").take(SHOWN_PROGRAMS);
        let named: Vec<&str> = named.map(String::as_str).collect();
        let at_least = |bytes| format!("at least {}", words::bytes(bytes));
        let memory = user.memory_bytes.map(words::bytes).or(user.memory_at_least_bytes.map(at_least));
        User { target: &user.target, memory, programs: named.join(", ") }
    }
}

impl<'a> MigPart<'a> {
    fn new(part: &'a MigInstance) -> MigPart<'a> {
        MigPart {
            part,
            memory: memory(part.memory_used_bytes, part.memory_total_bytes),
            used: part_of(part.memory_used_bytes, part.memory_total_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_narrower_than_it_could_be_says_so() {
        let told = |width, width_max| {
            link(PcieLink { generation: Some(4), width, width_max, ..PcieLink::default() })
        };
        assert_eq!(told(Some(16), Some(16)).as_deref(), Some("generation 4 ×16"));
        assert_eq!(told(Some(8), Some(16)).as_deref(), Some("generation 4 ×8 of ×16"));
        assert_eq!(told(None, None).as_deref(), Some("generation 4"));
        assert_eq!(link(PcieLink::default()), None);
    }

    #[test]
    fn each_temperature_has_its_sensor() {
        let mut card = GpuSample::default();
        assert_eq!(temperature(&card), None);
        card.temperatures_celsius = [("die".to_owned(), 61.0), ("memory".to_owned(), 70.4)].into();
        assert_eq!(temperature(&card).as_deref(), Some("61 °C, memory 70 °C"));
    }
}
