//! Two cards that play a table of values in a loop, for the demo and for machines without a GPU.
//! The values are made up, in the shape that real cards show: no recording of anybody's machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Backend, CardError, GpuError, Gpus};
use crate::sample::{Clock, Fan, GpuProcess, GpuSample, PcieLink, ProcessKind, THROTTLE_REASONS};

mod frames;
#[cfg(test)]
mod tests;

use frames::FRAMES;

/// The demo's backend. Not in the table of the real ones.
pub const BACKEND: Backend = Backend {
    name: "demo",
    about: "cards that play made-up values in a loop",
    open: |_| Ok(Arc::new(Replay::new())),
};

const MIB: u64 = 1 << 20;

/// From one frame to the next, in seconds.
const STEP: f64 = 4.0;

/// Joules "since the driver was loaded" at the start.
const ENERGY_BEFORE: f64 = 8.6e6;

/// Degrees Celsius from which on the driver slows the card down.
const HOT: f64 = 70.0;

/// Memory that the demo's servers and the desktop hold of the first card, in MiB. With the larger models loaded
/// they make the memory of the frames.
const DESKTOP: u64 = 1100;
const OLLAMA: u64 = 6912;
const LLAMA_CPP: u64 = 3900;

/// What llama.cpp holds of the second card, beside another program.
const LLAMA_CPP_SECOND: u64 = 5920;
const NOTEBOOK: u64 = 9216;

/// Ids that no process has: the kernel's end at 4194304.
const FIRST_PID: u32 = 5_000_000;

/// One of the cards.
#[derive(Debug, Clone, Copy)]
struct Card {
    uuid: &'static str,
    name: &'static str,
    memory_mib: u64,
    limit_watts: f64,
    /// Its frames are those of the table, so many steps later.
    later: usize,
    /// What it takes when nothing runs, and how much of the table's load it gets.
    idle_watts: f64,
    load: f64,
}

const CARDS: [Card; 2] = [
    Card {
        uuid: "GPU-demo-0",
        name: "24 GB card (demo)",
        memory_mib: 24 * 1024,
        limit_watts: 300.0,
        later: 0,
        idle_watts: 28.0,
        load: 1.0,
    },
    Card {
        uuid: "GPU-demo-1",
        name: "48 GB card (demo)",
        memory_mib: 48 * 1024,
        limit_watts: 300.0,
        later: 30,
        idle_watts: 22.0,
        load: 0.6,
    },
];

/// Cards that are not there.
#[derive(Debug)]
pub struct Replay {
    start: Instant,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// The cards, at the first frame now.
    pub fn new() -> Replay {
        Replay { start: Instant::now() }
    }

    /// What the card in that place shows that long after the start. `None`: there is none. Pure.
    pub fn at(place: u32, elapsed: Duration) -> Option<GpuSample> {
        let card = CARDS.get(place as usize)?;
        let seconds = elapsed.as_secs_f64();
        let round = STEP * FRAMES.len() as f64;
        let (rounds, rest) = ((seconds / round).floor(), seconds % round);
        let step = ((rest / STEP) as usize).min(FRAMES.len() - 1);
        let joules = |steps: usize| (0..steps).map(|step| card.watts(step) * STEP).sum::<f64>();
        let inside = card.watts(step) * (rest - step as f64 * STEP).clamp(0.0, STEP);
        let energy = ENERGY_BEFORE + rounds * joules(FRAMES.len()) + joules(step) + inside;
        Some(GpuSample { index: Some(place), energy_joules: Some(energy), ..card.show(place, step) })
    }
}

impl Card {
    /// Watts in a step of the table: its own idle power, and its share of the load.
    fn watts(&self, step: usize) -> f64 {
        let table = FRAMES[(step + self.later) % FRAMES.len()].3;
        self.idle_watts + self.load * (f64::from(table) - CARDS[0].idle_watts)
    }

    fn show(&self, place: u32, step: usize) -> GpuSample {
        let (busy, _, celsius, _) = FRAMES[(step + self.later) % FRAMES.len()];
        let busy = (f64::from(busy) * self.load / 100.0 * 1000.0).round() / 1000.0;
        let celsius = (30.0 + (f64::from(celsius) - 30.0) * self.load.sqrt()).round();
        let watts = self.watts(step);
        let holding: &[&str] = match (busy, celsius, watts) {
            (0.0, ..) => &["idle"],
            (_, HOT.., _) => &["sw_thermal"],
            (_, _, watts) if watts > self.limit_watts * 0.97 => &["sw_power_cap"],
            _ => &[],
        };
        let processes = processes(place, u64::from(FRAMES[step].1));
        let used: u64 = processes.iter().filter_map(|process| process.memory_bytes).sum();
        let total = self.memory_mib * MIB;
        let readings =
            |all: &[(&str, f64)]| all.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        GpuSample {
            uuid: self.uuid.into(),
            name: Some(self.name.into()),
            vendor: "demo".into(),
            driver: Some("demo".into()),
            shared_memory: Some(false),
            utilization_ratio: Some(busy),
            memory_utilization_ratio: Some((busy * 700.0).round() / 1000.0),
            memory_total_bytes: Some(total),
            memory_used_bytes: Some(used),
            memory_free_bytes: Some(total - used),
            temperatures_celsius: readings(&[("die", celsius)]),
            temperature_limits_celsius: readings(&[("slowdown", 90.0), ("shutdown", 95.0)]),
            power_watts: Some(watts),
            power_limit_watts: Some(self.limit_watts),
            power_limit_default_watts: Some(self.limit_watts),
            clocks: clocks(busy, holding.contains(&"sw_thermal")),
            performance_state: Some(if busy > 0.0 { 2 } else { 8 }),
            throttled: THROTTLE_REASONS
                .iter()
                .map(|why| ((*why).to_owned(), holding.contains(why)))
                .collect(),
            pcie: PcieLink {
                generation: Some(if busy > 0.0 { 4 } else { 1 }),
                generation_max: Some(4),
                width: Some(16),
                width_max: Some(16),
                ..PcieLink::default()
            },
            fans: vec![Fan {
                fan: 0,
                ratio: Some(((celsius - 25.0) / 50.0 * 100.0).round() / 100.0),
                rpm: None,
            }],
            persistence: Some(true),
            processes: Some(processes),
            ..GpuSample::default()
        }
    }
}

fn clocks(busy: f64, hot: bool) -> BTreeMap<String, Clock> {
    let graphics = match (busy > 0.0, hot) {
        (false, _) => 210.0,
        (true, true) => 1515.0,
        (true, false) => 1905.0,
    };
    let memory = if busy > 0.0 { 9751.0 } else { 405.0 };
    [("graphics", graphics, 2100.0), ("memory", memory, 9751.0)]
        .map(|(name, now, most)| {
            let clock = Clock { hertz: Some(now * 1e6), max_hertz: Some(most * 1e6) };
            (name.to_owned(), clock)
        })
        .into()
}

/// Who holds the card's memory while the first card's is so much, in MiB.
fn processes(place: u32, first_card: u64) -> Vec<GpuProcess> {
    // The model of llama.cpp is unloaded at night; a large one of Ollama comes and goes.
    let llama_cpp = first_card >= DESKTOP + OLLAMA + LLAMA_CPP;
    let process = |nth: u32, name: &str, target: Option<&str>, mib: u64| GpuProcess {
        pid: FIRST_PID + 10 * place + nth,
        kind: if target.is_some() || place > 0 { ProcessKind::Compute } else { ProcessKind::Graphics },
        memory_bytes: Some(mib * MIB),
        utilization_ratio: None,
        gpu_instance: None,
        name: Some(name.to_owned()),
        target: target.map(str::to_owned),
    };
    let mut all = if place == 0 {
        let large = first_card.saturating_sub(DESKTOP + OLLAMA + LLAMA_CPP);
        vec![process(0, "Xorg", None, DESKTOP), process(1, "ollama", Some("demo-ollama"), OLLAMA + large)]
    } else {
        vec![process(0, "python3", None, NOTEBOOK)]
    };
    if llama_cpp {
        let mib = if place == 0 { LLAMA_CPP } else { LLAMA_CPP_SECOND };
        all.push(process(2, "llama-server", Some("demo-llama-cpp"), mib));
    }
    all
}

impl Gpus for Replay {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(CARDS.len() as u32)
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        let gone = || CardError::Driver(GpuError::Other("the demo has no such card".into()));
        Replay::at(place, self.start.elapsed()).ok_or_else(gone)
    }
}
