//! What is known of the host: its last look, and what only several looks tell together.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::label::{label, line};
use super::warning_keys;
use crate::sample::{CpuSeconds, HostSample, Note};
use crate::view::{EnergyView, HostView};

mod meter;
mod warnings;

use meter::Meter;

/// A look older than this many beats is not shown as current.
const STALE_BEATS: u32 = 3;

/// For so long after a process was killed for want of memory somebody is asked to look.
const KILLED_LATELY: Duration = Duration::from_secs(600);

/// Energy meters kept; a host has fewer.
const MAX_METERS: usize = 128;

/// What is known of the host.
#[derive(Debug, Default)]
pub(super) struct Host {
    last: Option<Looked>,
    cpu_seconds: CpuSeconds,
    cpu_use_ratio: Option<f64>,
    meters: BTreeMap<String, Meter>,
    kills: Option<Kills>,
    kills_by_group: BTreeMap<String, u64>,
    killed: Option<Killed>,
}

#[derive(Debug)]
struct Looked {
    at: Timestamp,
    when: Instant,
    took: Duration,
    every: Duration,
    result: Result<HostSample, String>,
}

/// A count of the kernel's of processes killed for want of memory.
#[derive(Debug, Clone, Copy)]
struct Kills {
    count: u64,
    /// That of the agent's own container, not of the whole machine.
    own: bool,
}

/// Processes that were killed for want of memory: how many, with no long quiet between.
#[derive(Debug, Clone)]
struct Killed {
    count: u64,
    /// The group with a limit that the last of them was in.
    group: Option<String>,
    when: Instant,
    at: Timestamp,
}

impl Host {
    /// Takes what came of a look; gives the warnings that the look before did not give.
    pub(super) fn record(
        &mut self,
        result: Result<HostSample, String>,
        took: Duration,
        every: Duration,
        now: Instant,
        at: Timestamp,
    ) -> Vec<Note> {
        let warned = warning_keys(&self.notes(now));
        let result = result.map(tidy);
        if let Ok(sample) = &result {
            self.remember(sample, now, at);
        }
        self.last = Some(Looked { at, when: now, took, every, result });
        let new = warning_keys(&self.notes(now)).into_iter().filter(|(key, _)| !warned.contains_key(key));
        new.map(|(_, note)| note).collect()
    }

    /// What is shown of it. `None`: it was not looked at.
    pub(super) fn view(&self, now: Instant) -> Option<HostView> {
        let last = self.last.as_ref()?;
        let sample = match self.current(now) {
            Ok(sample) => sample,
            Err(error) => return Some(HostView { error: Some(error), ..HostView::default() }),
        };
        let energy = sample.energy.iter().filter_map(|energy| {
            let meter = self.meters.get(&energy.domain)?;
            Some(EnergyView { domain: energy.domain.clone(), joules: meter.joules(), watts: meter.watts() })
        });
        Some(HostView {
            name: sample.name.clone(),
            read_at: Some(last.at),
            read_duration_seconds: Some(last.took.as_secs_f64()),
            error: None,
            booted_at: sample.booted_at,
            cpus: sample.cpus,
            cpu_seconds: self.cpu_seconds,
            cpu_use_ratio: self.cpu_use_ratio,
            memory: sample.memory,
            oom_killed_at: self.killed.as_ref().map(|killed| killed.at),
            pressure: sample.pressure.clone(),
            cgroups: sample.cgroups.clone(),
            folders: sample.folders.clone(),
            energy: energy.collect(),
            notes: self.notes(now),
        })
    }

    /// The last look, if it is not too old; else why there is none.
    fn current(&self, now: Instant) -> Result<&HostSample, String> {
        let Some(last) = &self.last else { return Err("not looked at yet".into()) };
        if now.saturating_duration_since(last.when) > last.every * STALE_BEATS + last.took {
            return Err("the last look is too old to be shown as current".into());
        }
        last.result.as_ref().map_err(Clone::clone)
    }

    fn notes(&self, now: Instant) -> Vec<Note> {
        let Ok(sample) = self.current(now) else { return Vec::new() };
        let lately = self.killed_lately(now).map(|killed| (killed.count, killed.group.as_deref()));
        let mut notes = warnings::of(sample, lately);
        notes.extend(sample.notes.iter().cloned());
        notes
    }

    fn remember(&mut self, sample: &HostSample, now: Instant, at: Timestamp) {
        let before = self.cpu_seconds;
        self.cpu_seconds = held(before, sample.cpu_seconds);
        self.cpu_use_ratio = use_ratio(before, self.cpu_seconds);
        for energy in &sample.energy {
            let room = self.meters.len() < MAX_METERS;
            match self.meters.get_mut(&energy.domain) {
                Some(meter) => meter.observe(energy, now),
                None if room => {
                    self.meters.insert(energy.domain.clone(), Meter::new(energy, now));
                }
                None => {}
            }
        }
        self.count_kills(sample, now, at);
    }

    fn count_kills(&mut self, sample: &HostSample, now: Instant, at: Timestamp) {
        let groups = sample.cgroups.iter().filter_map(|group| Some((group.cgroup.clone(), group.oom_kills?)));
        let before = std::mem::replace(&mut self.kills_by_group, groups.collect());
        let is_new =
            |(group, kills): &(&String, &u64)| before.get(*group).is_some_and(|before| before < *kills);
        let group = self.kills_by_group.iter().find(is_new).map(|(group, _)| group.clone());
        let kills = kills(sample);
        // A limit that comes or goes changes whose kills are told: nobody was killed by that.
        if let (Some(before), Some(all)) = (self.kills, kills)
            && all.own == before.own
            && all.count > before.count
        {
            let lately = self.killed_lately(now);
            let count = lately.map_or(0, |killed| killed.count).saturating_add(all.count - before.count);
            // Of several, only a group that all were in is named.
            let group =
                group.filter(|group| lately.is_none_or(|killed| killed.group.as_ref() == Some(group)));
            self.killed = Some(Killed { count, group, when: now, at });
        }
        self.kills = kills.or(self.kills);
    }

    fn killed_lately(&self, now: Instant) -> Option<&Killed> {
        self.killed.as_ref().filter(|killed| now.saturating_duration_since(killed.when) < KILLED_LATELY)
    }
}

/// Kills that concern whoever runs this agent: in a container its own, not those of its neighbours.
fn kills(sample: &HostSample) -> Option<Kills> {
    let own = sample.cgroups.iter().find(|group| group.cgroup == "/");
    let count = own.map_or(sample.memory.oom_kills, |group| group.oom_kills)?;
    Some(Kills { count, own: own.is_some() })
}

/// The counts as they are, but none that falls by little: the kernel's are estimates, and a step back
/// would read as a new start and count all of it again. One that fell to less than half did start anew.
fn held(before: CpuSeconds, now: CpuSeconds) -> CpuSeconds {
    let mut seconds = now.by_mode();
    for (now, before) in seconds.iter_mut().zip(before.by_mode()) {
        if let (Some(value), Some(before)) = (*now, before)
            && value < before
            && value >= before / 2.0
        {
            *now = Some(before);
        }
    }
    CpuSeconds::of_modes(seconds)
}

/// The part of the time between two looks that was work, 0..1.
fn use_ratio(before: CpuSeconds, now: CpuSeconds) -> Option<f64> {
    let grown = |now: Option<f64>, before: Option<f64>| Some((now? - before?).max(0.0));
    let modes = now.by_mode().into_iter().zip(before.by_mode());
    let all: f64 = modes.filter_map(|(now, before)| grown(now, before)).sum();
    let idle = grown(now.idle, before.idle)? + grown(now.iowait, before.iowait).unwrap_or(0.0);
    (all > 0.0).then(|| (1.0 - idle / all).clamp(0.0, 1.0))
}

/// Names made fit for labels.
fn tidy(mut sample: HostSample) -> HostSample {
    sample.name = sample.name.as_deref().map(label);
    for group in &mut sample.cgroups {
        group.cgroup = label(&group.cgroup);
    }
    for folder in &mut sample.folders {
        folder.folder = label(&folder.folder);
        folder.why = line(&folder.why);
    }
    for energy in &mut sample.energy {
        energy.domain = label(&energy.domain);
    }
    for note in &mut sample.notes {
        note.text = line(&note.text);
    }
    sample
}

#[cfg(test)]
mod tests;
