//! Several looks at a host, and what they tell together.

use super::*;
use crate::sample::{CgroupSample, EnergySample, HostMemory};

const EVERY: Duration = Duration::from_secs(15);

fn look(host: &mut Host, sample: HostSample, now: Instant) -> Vec<Note> {
    host.record(Ok(sample), Duration::from_millis(3), EVERY, now, Timestamp::UNIX_EPOCH)
}

fn cpu(user: f64, idle: f64, iowait: f64) -> HostSample {
    let cpu_seconds =
        CpuSeconds { user: Some(user), idle: Some(idle), iowait: Some(iowait), ..CpuSeconds::default() };
    HostSample { cpu_seconds, ..HostSample::default() }
}

fn killed(count: u64) -> HostSample {
    let memory = HostMemory { oom_kills: Some(count), ..HostMemory::default() };
    HostSample { memory, ..HostSample::default() }
}

#[test]
fn the_use_of_the_processors_is_that_between_two_looks() {
    let (mut host, start) = (Host::default(), Instant::now());
    look(&mut host, cpu(1000.0, 5000.0, 10.0), start);
    assert_eq!(host.view(start).unwrap().cpu_use_ratio, None, "one look tells none");
    look(&mut host, cpu(1010.0, 5025.0, 15.0), start + EVERY);
    assert_eq!(host.view(start + EVERY).unwrap().cpu_use_ratio, Some(0.25));
}

#[test]
fn a_count_that_falls_by_little_is_held_and_one_that_starts_anew_is_not() {
    let (mut host, start) = (Host::default(), Instant::now());
    look(&mut host, cpu(1000.0, 5000.0, 10.0), start);
    look(&mut host, cpu(1010.0, 5004.0, 9.5), start);
    let seconds = host.view(start).unwrap().cpu_seconds;
    assert_eq!((seconds.user, seconds.iowait), (Some(1010.0), Some(10.0)));
    look(&mut host, cpu(1.0, 4.0, 0.5), start);
    assert_eq!(host.view(start).unwrap().cpu_seconds.user, Some(1.0), "the kernel started anew");
    // A count that a look does not tell is not the one before.
    look(&mut host, HostSample::default(), start);
    assert_eq!(host.view(start).unwrap().cpu_seconds, CpuSeconds::default());
}

#[test]
fn a_kill_is_a_warning_for_ten_minutes_and_news_once() {
    let (mut host, start) = (Host::default(), Instant::now());
    assert!(look(&mut host, killed(7), start).is_empty(), "what was before the agent is history");
    let news = look(&mut host, killed(8), start + EVERY);
    assert_eq!(news[0].code, "oom_kill");
    assert_eq!(look(&mut host, killed(9), start + EVERY).len(), 1, "one is not several");
    assert!(look(&mut host, killed(10), start + EVERY * 2).is_empty(), "told already");
    let view = host.view(start + EVERY * 2).unwrap();
    assert!(view.notes[0].text.ends_with(": 3 processes"), "{:?}", view.notes);
    assert!(view.oom_killed_at.is_some());
    let later = start + Duration::from_secs(900);
    look(&mut host, killed(10), later);
    let view = host.view(later).unwrap();
    assert!(view.notes.is_empty() && view.oom_killed_at.is_some());
}

#[test]
fn in_a_container_the_kills_of_neighbours_are_not_its_own() {
    let group = |kills| CgroupSample { cgroup: "/".into(), oom_kills: kills, ..CgroupSample::default() };
    let sample = |all, own| HostSample { cgroups: vec![group(own)], ..killed(all) };
    let (mut host, start) = (Host::default(), Instant::now());
    look(&mut host, sample(1, Some(0)), start);
    assert!(look(&mut host, sample(5, Some(0)), start).is_empty());
    let news = look(&mut host, sample(5, Some(1)), start);
    assert!(news[0].text.ends_with(": 1 process, within this container"), "{news:?}");
}

#[test]
fn a_containers_limit_that_is_lifted_and_set_kills_nobody() {
    let group =
        |kills| CgroupSample { cgroup: "/".into(), oom_kills: Some(kills), ..CgroupSample::default() };
    let limited = |all, own| HostSample { cgroups: vec![group(own)], ..killed(all) };
    let (mut host, start) = (Host::default(), Instant::now());
    look(&mut host, limited(50, 0), start);
    assert!(look(&mut host, killed(50), start).is_empty(), "the neighbours' fifty are of long ago");
    let news = look(&mut host, killed(51), start);
    assert!(news[0].text.ends_with(": 1 process"), "{news:?}");
    assert!(look(&mut host, limited(51, 60), start).is_empty());
    look(&mut host, limited(51, 61), start);
    let notes = host.view(start).unwrap().notes;
    assert!(notes[0].text.ends_with(": 2 processes"), "{notes:?}");
}

#[test]
fn an_old_look_and_a_failed_one_show_nothing_and_say_why() {
    let (mut host, start) = (Host::default(), Instant::now());
    assert_eq!(host.view(start), None);
    look(&mut host, cpu(1.0, 1.0, 1.0), start);
    let old = host.view(start + EVERY * 4).unwrap();
    assert!(old.error.is_some() && old.cpu_seconds == CpuSeconds::default() && old.read_at.is_none());
    host.record(Err("no answer".into()), EVERY, EVERY, start, Timestamp::UNIX_EPOCH);
    assert_eq!(host.view(start).unwrap().error.as_deref(), Some("no answer"));
}

#[test]
fn energy_goes_on_over_a_look_that_failed() {
    let (mut host, start) = (Host::default(), Instant::now());
    let energy = |joules| HostSample {
        energy: vec![EnergySample { domain: "package-0".into(), joules, wraps_at_joules: Some(262_143.0) }],
        ..HostSample::default()
    };
    look(&mut host, energy(262_000.0), start);
    host.record(Err("no answer".into()), EVERY, EVERY, start + EVERY, Timestamp::UNIX_EPOCH);
    look(&mut host, energy(1000.0), start + EVERY * 2);
    let view = host.view(start + EVERY * 2).unwrap();
    assert_eq!((view.energy[0].joules, view.energy[0].watts), (263_143.0, Some(1143.0 / 30.0)));
}

#[test]
fn a_kill_names_the_service_whose_limit_it_was() {
    let group = |name: &str, kills| CgroupSample {
        cgroup: name.into(),
        oom_kills: Some(kills),
        ..CgroupSample::default()
    };
    let sample = |all, a, b| HostSample { cgroups: vec![group("/a", a), group("/b", b)], ..killed(all) };
    let (mut host, start) = (Host::default(), Instant::now());
    look(&mut host, sample(4, 1, 3), start);
    let news = look(&mut host, sample(5, 1, 4), start);
    assert!(news[0].text.ends_with(": 1 process, within /b"), "{news:?}");
    look(&mut host, sample(6, 2, 4), start);
    let notes = host.view(start).unwrap().notes;
    assert!(notes[0].text.ends_with(": 2 processes"), "they were in two: {notes:?}");
}
