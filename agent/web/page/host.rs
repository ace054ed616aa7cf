//! The host as the page shows it. Pure.

use std::borrow::Cow;

use jiff::Timestamp;

use super::row::Part;
use super::words::{self, Moment, moment};
use crate::sample::{Note, NoteLevel};
use crate::view::{CgroupSample, EnergyView, FolderSample, HostView, PressureSample, Resource};

/// A host's card.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) told: &'a HostView,
    /// `ok`, `warning`.
    pub(super) tone: &'static str,
    pub(super) processors: Option<String>,
    pub(super) busy: Option<Part>,
    pub(super) memory: Option<String>,
    pub(super) memory_part: Option<Part>,
    pub(super) page_cache: Option<String>,
    pub(super) swap: Option<String>,
    pub(super) oom_kills: Option<String>,
    pub(super) oom_killed: Option<Moment>,
    pub(super) booted: Option<Moment>,
    pub(super) pressure: Vec<Pressure>,
    pub(super) energy: Vec<Energy<'a>>,
    pub(super) rows: Vec<Row<'a>>,
    /// Notes that ask for a person, and those that only explain.
    pub(super) warnings: Vec<&'a Note>,
    pub(super) reasons: Vec<&'a Note>,
}

/// How long work waited for a resource.
#[derive(Debug)]
pub(super) struct Pressure {
    pub(super) resource: &'static str,
    pub(super) waiting: Option<String>,
}

/// The energy of a part of the processor.
#[derive(Debug)]
pub(super) struct Energy<'a> {
    pub(super) domain: &'a str,
    pub(super) watts: Option<String>,
}

/// A disk of models, or a limit of memory.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) what: &'static str,
    pub(super) name: &'a str,
    pub(super) why: Cow<'a, str>,
    pub(super) used: Option<String>,
    pub(super) part: Option<Part>,
    pub(super) left: Option<String>,
    pub(super) error: Option<&'a str>,
}

impl<'a> Host<'a> {
    pub(super) fn new(host: &'a HostView, now: Timestamp) -> Host<'a> {
        let memory = &host.memory;
        let notes = |level: NoteLevel| host.notes.iter().filter(move |note| note.level == level).collect();
        let swap_used = memory.swap_total_bytes.zip(memory.swap_free_bytes);
        let swap_used = swap_used.map(|(all, free)| all.saturating_sub(free));
        let warnings: Vec<_> = notes(NoteLevel::Warning);
        Host {
            told: host,
            tone: host.health().name(),
            processors: host.cpus.map(|cpus| cpus.to_string()),
            busy: host.cpu_use_ratio.map(part),
            memory: of(host.memory_used_bytes(), memory.total_bytes),
            memory_part: host.memory_used_bytes().zip(memory.total_bytes).and_then(ratio).map(part),
            page_cache: memory.page_cache_bytes.map(words::bytes),
            swap: match memory.swap_total_bytes {
                Some(0) => Some("none".into()),
                all => of(swap_used, all),
            },
            oom_kills: memory.oom_kills.map(|kills| words::count(kills as f64)),
            oom_killed: host.oom_killed_at.map(|at| moment(at, now)),
            booted: host.booted_at.map(|at| moment(at, now)),
            pressure: host.pressure.iter().map(Pressure::of).collect(),
            energy: host.energy.iter().map(Energy::of).collect(),
            rows: host.folders.iter().map(Row::disk).chain(host.cgroups.iter().map(Row::limit)).collect(),
            warnings,
            reasons: notes(NoteLevel::Info),
        }
    }
}

impl Pressure {
    fn of(pressure: &PressureSample) -> Pressure {
        Pressure {
            resource: match pressure.resource {
                Resource::Cpu => "CPU",
                Resource::Memory => "memory",
                Resource::Io => "disk",
            },
            waiting: pressure.waiting_ratio.map(words::percent),
        }
    }
}

impl<'a> Energy<'a> {
    fn of(energy: &'a EnergyView) -> Energy<'a> {
        Energy { domain: &energy.domain, watts: energy.watts.map(|watts| format!("{watts:.0} W")) }
    }
}

impl<'a> Row<'a> {
    fn disk(folder: &'a FolderSample) -> Row<'a> {
        let disk = folder.disk;
        Row {
            what: "Disk",
            name: &folder.folder,
            why: folder.why.as_str().into(),
            used: disk.and_then(|disk| of(Some(disk.used_bytes), Some(disk.size_bytes))),
            part: disk.and_then(|disk| ratio((disk.used_bytes, disk.size_bytes))).map(part),
            left: disk.map(|disk| words::bytes(disk.available_bytes)),
            error: folder.error.as_deref(),
        }
    }

    fn limit(group: &'a CgroupSample) -> Row<'a> {
        let limit = group.limit_bytes.or(group.high_bytes);
        let own = group.cgroup == "/";
        let beyond = if group.limit_bytes.is_some() { "kills" } else { "slows" };
        let held = group.used_bytes.map(|used| used.saturating_sub(group.page_cache_bytes.unwrap_or(0)));
        Row {
            what: "Memory limit",
            name: if own { "this container" } else { &group.cgroup },
            why: match group.page_cache_bytes {
                Some(files) => {
                    format!("{beyond} beyond it; {} are files, given up first", words::bytes(files)).into()
                }
                None => format!("{beyond} beyond it").into(),
            },
            used: of(group.used_bytes, limit),
            part: group.used_bytes.zip(limit).and_then(ratio).map(part),
            left: limit.zip(held).map(|(limit, held)| words::bytes(limit.saturating_sub(held))),
            error: None,
        }
    }
}

fn part(ratio: f64) -> Part {
    Part { text: words::percent(ratio), width: words::width(ratio) }
}

fn ratio((some, all): (u64, u64)) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

fn of(used: Option<u64>, all: Option<u64>) -> Option<String> {
    match (used, all) {
        (Some(used), Some(all)) => Some(format!("{} of {}", words::bytes(used), words::bytes(all))),
        (None, Some(all)) => Some(format!("{} in all", words::bytes(all))),
        (used, None) => used.map(words::bytes),
    }
}
