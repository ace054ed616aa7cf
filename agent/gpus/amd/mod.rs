//! AMD's cards and the graphics inside its processors, as the kernel's driver amdgpu tells of them in sysfs.
//! Nothing of ROCm is needed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::drm::files::{self, Reading, Told, Untold};
use super::drm::hwmon::Hwmon;
use super::drm::sleep::{self, Kept, Sleep};
use super::drm::users::Users;
use super::drm::{Cards, Found, link};
use super::{Backend, CardError, GpuError, Gpus, Options};
use crate::sample::{CardFault, GpuProcess, GpuSample, ProcessKind};

mod kfd;
mod memory;
mod metrics;
mod ras;
mod sensors;

use metrics::Metrics;

/// The row of the table.
pub(super) const BACKEND: Backend =
    Backend { name: "amdgpu", about: "AMD cards and APUs, by what the driver amdgpu tells in sysfs", open };

/// The sensors' chip, and the driver.
const DRIVER: &str = "amdgpu";

/// What a sleeping card would have to be woken for.
const ASLEEP: [&str; 6] = [
    "utilization_ratio",
    "memory_utilization_ratio",
    "temperatures_celsius",
    "power_watts",
    "clocks",
    "fans",
];

struct Amd {
    cards: Cards,
    users: Users,
    kept: Kept,
    options: Options,
    /// The UUIDs by PCI address, as they were told last. Held only to copy in and out.
    uuids: Mutex<BTreeMap<String, String>>,
}

fn open(options: &Options) -> Result<Arc<dyn Gpus>, GpuError> {
    let cards = Cards::open("AMD", &[DRIVER], options)?;
    let users = Users::among(&options.procfs);
    Ok(Arc::new(Amd {
        cards,
        users,
        kept: Kept::default(),
        options: options.clone(),
        uuids: Mutex::default(),
    }))
}

impl Gpus for Amd {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(self.cards.places())
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        let found = self.cards.at(place)?;
        let sleep = sleep::sleep(&found.device());
        let mut told = Told::default();
        let mut card = self.identity(place, &found);
        // ROCm keeps a card awake for as long as a program uses it.
        let rest = self.kept.rest(&found.pci, sleep).filter(|_| !self.computes(&found));
        if sleep == Sleep::Asleep {
            card.shared_memory = Some(is_apu(&Hwmon::of(&found.device(), DRIVER)));
            told.untold = ASLEEP.map(|field| (field.to_owned(), Untold::Suspended.to_string())).into();
        } else if let Some(last) = rest {
            told.untold.clone_from(&last.untold);
            card = last;
        } else {
            look(&mut card, &found, &mut told)?;
            card.untold.clone_from(&told.untold);
            self.kept.keep(&found.pci, &card);
        }
        self.books(&mut card, &found, &mut told);
        card.untold = told.untold;
        Ok(card)
    }
}

impl Amd {
    /// What the card is. All of it is known to the kernel and wakes nothing.
    fn identity(&self, place: u32, found: &Found) -> GpuSample {
        let device = found.device();
        let nodes = kfd::nodes(&self.cards.sysfs, &found.pci);
        let target = nodes.target.map(|target| format!(" ({target})")).unwrap_or_default();
        let name = files::line(&device.join("product_name"));
        GpuSample {
            uuid: self.uuid(found),
            index: Some(place),
            name: Some(name.unwrap_or_else(|_| format!("AMD GPU {}{target}", found.model))),
            vendor: "amd".into(),
            driver: Some(self.cards.driver(found)),
            pci: Some(found.pci.clone()),
            vbios: files::line(&device.join("vbios_version")).ok(),
            ..GpuSample::default()
        }
    }

    /// Older drivers refuse it during a reset, and the card is still the one that it was.
    fn uuid(&self, found: &Found) -> String {
        let told = unique_id(&found.device());
        let mut known = self.uuids.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Ok(uuid) => {
                known.insert(found.pci.clone(), uuid.clone());
                return uuid;
            }
            Err(Untold::Failed(_)) => {}
            Err(_) => {
                known.remove(&found.pci);
            }
        }
        known.get(&found.pci).cloned().unwrap_or_else(|| format!("pci-{}", found.pci))
    }

    /// What the kernel keeps books of: memory and who has it. Reading that wakes nothing.
    fn books(&self, card: &mut GpuSample, found: &Found, told: &mut Told) {
        let shared = card.shared_memory == Some(true);
        memory::tell(&found.device(), &self.options.procfs, shared, card, told);
        card.processes = told.keep("processes", self.processes(found, shared));
    }

    /// Whether a program of ROCm uses it.
    fn computes(&self, found: &Found) -> bool {
        let nodes = kfd::nodes(&self.cards.sysfs, &found.pci);
        kfd::processes(&self.cards.sysfs, &nodes).is_some_and(|processes| !processes.is_empty())
    }

    /// Who has memory of the card: by KFD, which tells of ROCm's programs to everybody, and by the files that
    /// processes hold, which tell of the others too. What a program has by KFD is in both.
    fn processes(&self, found: &Found, shared: bool) -> Reading<Vec<GpuProcess>> {
        let regions: &[&str] = if shared { &["vram", "gtt"] } else { &["vram"] };
        let mut all = self.users.of(found, regions);
        let nodes = kfd::nodes(&self.cards.sysfs, &found.pci);
        let Some(computing) = kfd::processes(&self.cards.sysfs, &nodes) else { return all.list() };
        // What programs of ROCm compute bypasses the kernel, which counts the others' work alone. By that the
        // server would be idle and the desktop have all of the card.
        if !computing.is_empty() {
            all.processes.values_mut().for_each(|process| process.utilization_ratio = None);
        }
        for (pid, bytes) in computing {
            let process = all.processes.entry(pid).or_insert_with(|| self.users.process(pid));
            process.kind = ProcessKind::Compute;
            process.memory_bytes = process.memory_bytes.max(Some(bytes));
        }
        match all.list() {
            // Nobody computes, and that is known; who draws may be hidden.
            Err(Untold::NoPermission) => Ok(Vec::new()),
            list => list,
        }
    }
}

/// What is read of the card itself.
///
/// # Errors
/// It answers nothing at all.
fn look(card: &mut GpuSample, found: &Found, told: &mut Told) -> Result<(), CardError> {
    let device = found.device();
    let hwmon = Hwmon::of(&device, DRIVER);
    let table = files::bytes(&device.join("gpu_metrics")).unwrap_or_default();
    let Metrics { of_apu, energy_joules, throttled } = metrics::parse(&table);
    let shared = of_apu || is_apu(&hwmon);
    card.shared_memory = Some(shared);
    card.utilization_ratio = told.keep("utilization_ratio", percent(&device.join("gpu_busy_percent")));
    card.memory_utilization_ratio =
        told.keep("memory_utilization_ratio", percent(&device.join("mem_busy_percent")));
    sensors::tell(&device, &hwmon, card, told);
    card.energy_joules = told.keep("energy_joules", energy_joules.ok_or(Untold::NotSupported));
    card.throttled = throttled;
    if let Some(words) = told.silence() {
        let words = format!("it answers nothing: {words}");
        return Err(CardError::Card(CardFault::new("other", words)));
    }
    ras::tell(&device, card);
    // The link of what is no card is none that could be slow.
    if !shared {
        card.pcie = link::link(&device);
        card.pcie.replays = files::number(&device.join("pcie_replay_count")).ok();
    }
    Ok(())
}

/// Whether it is the graphics inside a processor: the kernel has that voltage's label for these alone.
fn is_apu(hwmon: &Hwmon) -> bool {
    hwmon.label("in1_label").as_deref() == Some("vddnb")
}

/// The UUID by which ROCm knows it. Not all cards have one.
fn unique_id(device: &Path) -> Reading<String> {
    let text = files::line(&device.join("unique_id"))?;
    let id = u64::from_str_radix(&text, 16).ok().filter(|id| ![0, u64::MAX].contains(id));
    id.map(|id| format!("GPU-{id:016x}")).ok_or(Untold::Implausible)
}

fn percent(path: &Path) -> Reading<f64> {
    Ok(files::number_in(path, 0.0, 100.0)? / 100.0)
}
