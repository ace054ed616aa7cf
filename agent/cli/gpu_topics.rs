//! What `opsagent explain` says of GPUs beyond metrics and XIDs: why clocks are held down, why a card gives no
//! readings, and what the agent makes of what cards tell.

use super::topics::Topic;
use crate::gpus::words::{FAULTS, THROTTLES, Word};

/// A thing about GPUs that needs more than a metric's line.
#[derive(Debug)]
pub(super) struct Matter {
    /// What it is asked for by.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) is: &'static str,
    /// How the agent comes to it.
    pub(super) how: &'static str,
    /// What to do with it.
    pub(super) does: &'static str,
    /// Where it is told.
    pub(super) series: &'static str,
}

/// All of them.
pub(super) static MATTERS: [Matter; 6] = [
    Matter {
        name: "throttling",
        is: "Clocks of a card that are held down: it works, but slower than it could.",
        how: "Each reason is told by the driver at each read. Seconds are the driver's own counters where it has \
              them; else each read that sees a reason counts the time since the one before, so what begins and ends \
              between two reads is not seen.",
        does: "At the power limit (sw_power_cap) most cards work under full load. Heat (sw_thermal, hw_thermal) and \
               the power brake (hw_power_brake) want a person: opsagent explain hw_thermal.",
        series: "opsagent_gpu_throttled, opsagent_gpu_throttled_seconds_total",
    },
    Matter {
        name: "energy",
        is: "Joules that a card took: a counter, of which rate() is the mean power and increase() what to pay for.",
        how: "The card's own counter where it has one (NVIDIA from Volta on). Else the agent adds up power at each \
              read times the time between, and opsagent_gpu_energy_info says integrated. NVIDIA states 5 % for its \
              power readings, and both ways rest on the same sensor; of Ampere and later cards power is the mean of \
              the last second. Integrated energy also misses what changes between two reads. A target's energy is \
              its processes' share of each card's; what belongs to none is other.",
        does: "Compare machines by it, and hours with hours. For a bill put a meter before the power supply: \
               the machine's own fans, memory and losses are in no card's energy.",
        series: "opsagent_gpu_energy_joules_total, opsagent_energy_joules_total",
    },
    Matter {
        name: "headroom",
        is: "Memory of a card that a new process could take for a model.",
        how: "What the driver says is free, less what it takes itself for every process that opens the card. \
              Whether a next model fits is told of one card, of several with the layers split over them, and of what \
              Ollama would unload for it; the context's memory belongs to the size that you ask for.",
        does: "Ask before you load: opsagent fits 20GiB. Or name the model to come as [gpu] next_model, and alert on \
               opsagent_next_model_fits.",
        series: "opsagent_gpu_memory_headroom_bytes, opsagent_next_model_fits",
    },
    Matter {
        name: "expected",
        is: "The GPUs that should be in the machine, by number or by UUID ([gpu] expected in the config).",
        how: "A card that is expected and gives no readings is missing: the driver does not list it, or cannot read \
              it. Without this a card that is not there at the start is not known to be one too few.",
        does: "Write it into the config of every machine with more than one card, and alert on \
               opsagent_gpus_missing > 0.",
        series: "opsagent_gpus_expected, opsagent_gpus_found, opsagent_gpus_missing",
    },
    Matter {
        name: "mig",
        is: "Multi-Instance GPU: a data-centre card that is divided into parts with memory and cores of their own.",
        how: "Each part is told by its UUID with its profile and memory. The driver tells no utilisation of a \
              divided card, nor of its parts, so those series are absent.",
        does: "Look at the parts' memory: a model must fit into one. A change of the mode waits for a reset.",
        series: "opsagent_gpu_mig_enabled, opsagent_gpu_mig_info, opsagent_gpu_mig_memory_used_bytes",
    },
    Matter {
        name: "vram users",
        is: "Who holds memory of a card: the targets by their processes, and other for all that belong to none.",
        how: "The driver lists processes; each is joined to the server that listens in it or in a parent of it, \
              Ollama's model processes and workers of others included. Where the list cannot be read (a container \
              without the host's processes, WSL2), nothing is told.",
        does: "Compare with what a server says of itself (opsagent_model_vram_bytes): the rest is contexts and \
               buffers, or something that outlived its server.",
        series: "opsagent_gpu_processes_memory_bytes, opsagent_gpu_processes",
    },
];

/// The groups, with their titles.
pub(super) fn groups() -> Vec<(&'static str, Vec<Topic>)> {
    vec![
        ("GPUs", MATTERS.iter().map(Topic::Matter).collect()),
        ("What holds a GPU's clocks down", THROTTLES.iter().map(Topic::Throttle).collect()),
        ("Why a GPU gives no readings", FAULTS.iter().map(Topic::Fault).collect()),
    ]
}

/// The topic of that name: a matter, a reason for throttling, `gpu lost` or, where nothing else is called so, `lost`.
pub(super) fn find(word: &str) -> Option<Topic> {
    let spaced = word.replace('_', " ");
    let matter = MATTERS.iter().find(|matter| matter.name == spaced).map(Topic::Matter);
    let throttle = || THROTTLES.iter().find(|reason| reason.name == word).map(Topic::Throttle);
    let name = word.strip_prefix("gpu ").or_else(|| word.strip_prefix("gpu_")).unwrap_or(word);
    let fault = || FAULTS.iter().find(|fault| fault.name == name).map(Topic::Fault);
    matter.or_else(throttle).or_else(fault)
}

/// All there is to say of a matter.
pub(super) fn of_matter(matter: &Matter) -> Vec<(&'static str, String)> {
    vec![
        ("is", matter.is.to_owned()),
        ("how", matter.how.to_owned()),
        ("do", matter.does.to_owned()),
        ("series", matter.series.to_owned()),
    ]
}

/// All there is to say of a closed word; `metric`: the metric and label that it stands in.
pub(super) fn of_word(word: &Word, metric: &str) -> Vec<(&'static str, String)> {
    vec![
        ("is", word.says.to_owned()),
        ("means", word.means.to_owned()),
        ("do", word.remedy.to_owned()),
        ("series", format!("{metric}{{reason=\"{}\"}}", word.name)),
    ]
}
