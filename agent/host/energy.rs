//! The processor's energy meters: RAPL, by the kernel's powercap (`class/powercap/intel-rapl:*`), on
//! Intel and, since Zen, on AMD. Virtual machines and most ARM machines have none.
//!
//! Since 2020 the counts may be read by root alone: how much a processor takes tells others what it
//! computes (CVE-2020-8694). So a meter that is there and cannot be read is the usual case.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::files;
use crate::sample::{EnergySample, Note};

/// The meters that most machines have, in the order of preference: where the same are also reached
/// another way, they are not counted twice.
const FAMILIES: [&str; 2] = ["intel-rapl:", "intel-rapl-mmio:"];

/// Meters kept. A machine of eight sockets with four each has 32.
const MAX_ZONES: usize = 64;

/// One meter as its files tell it.
#[derive(Debug)]
struct Zone {
    /// The folder, such as `intel-rapl:0:1`: the second part of the first package.
    id: String,
    name: Option<String>,
    microjoules: io::Result<Option<u64>>,
    wraps_at: Option<u64>,
}

/// Every meter that can be read, and why the others cannot.
pub(super) fn energy(sysfs: &Path) -> (Vec<EnergySample>, Option<Note>) {
    let powercap = sysfs.join("class/powercap");
    let entries = std::fs::read_dir(&powercap).into_iter().flatten().flatten();
    let ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let of = |family: &str| {
        let own = |id: &&String| id.strip_prefix(family).is_some_and(|rest| !rest.is_empty());
        let mut ids: Vec<String> = ids.iter().filter(own).cloned().collect();
        ids.sort();
        ids.truncate(MAX_ZONES);
        ids
    };
    let ids = FAMILIES.into_iter().map(of).find(|ids| !ids.is_empty()).unwrap_or_default();
    let zone = |id: String| {
        let folder = powercap.join(&id);
        let name = files::text(&folder.join("name")).ok().map(|name| name.trim().to_owned());
        let joules = files::text(&folder.join("energy_uj")).map(|text| text.trim().parse().ok());
        let wraps_at = files::number(&folder.join("max_energy_range_uj")).filter(|range| *range > 0);
        Zone { id, name, microjoules: joules, wraps_at }
    };
    told(&ids.into_iter().map(zone).collect::<Vec<_>>())
}

fn told(zones: &[Zone]) -> (Vec<EnergySample>, Option<Note>) {
    let mut samples: Vec<EnergySample> = Vec::new();
    let mut refused = false;
    for zone in zones {
        match zone.microjoules {
            Ok(Some(count)) => {
                let mut domain = domain(zone, zones);
                if samples.iter().any(|sample| sample.domain == domain) {
                    domain = format!("{domain}-{}", zone.id);
                }
                let wraps_at_joules = zone.wraps_at.map(|range| range as f64 / 1e6);
                samples.push(EnergySample { domain, joules: count as f64 / 1e6, wraps_at_joules });
            }
            Ok(None) => {}
            Err(ref error) => refused |= error.kind() == ErrorKind::PermissionDenied,
        }
    }
    let note = if refused {
        Some(Note::info(
            "energy_no_permission",
            "the processor's energy meters (RAPL) are there, and only root may read them",
            Some(
                "give the agent's group the right to read energy_uj by a udev rule (README, \"Energy of \
                 the processor\"); not everybody: it tells what others compute",
            ),
        ))
    } else if samples.is_empty() {
        Some(Note::info(
            "energy_absent",
            "no energy meter of the processor (RAPL): as in virtual machines and on most ARM machines",
            None,
        ))
    } else {
        None
    };
    (samples, note)
}

/// The meter's name, with that of the meter it is a part of before it: every package has a `dram`.
fn domain(zone: &Zone, all: &[Zone]) -> String {
    let own = zone.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&zone.id);
    let parent = zone.id.rsplit_once(':').and_then(|(parent, _)| all.iter().find(|zone| zone.id == parent));
    match parent {
        Some(parent) => format!("{}-{own}", domain(parent, all)),
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(id: &str, name: &str, count: u64) -> Zone {
        Zone {
            id: id.into(),
            name: Some(name.into()),
            microjoules: Ok(Some(count)),
            wraps_at: Some(1_000_000),
        }
    }

    #[test]
    fn parts_are_named_by_their_package_and_no_name_comes_twice() {
        let zones = [
            zone("intel-rapl:0", "package-0", 1_500_000),
            zone("intel-rapl:0:0", "core", 1),
            zone("intel-rapl:0:1", "dram", 2),
            zone("intel-rapl:1", "package-1", 3),
            zone("intel-rapl:1:0", "dram", 4),
            zone("intel-rapl:2", "package-1", 5),
            Zone { name: None, ..zone("intel-rapl:3", "", 6) },
        ];
        let (samples, note) = told(&zones);
        let domains: Vec<&str> = samples.iter().map(|sample| sample.domain.as_str()).collect();
        let wanted = [
            "package-0",
            "package-0-core",
            "package-0-dram",
            "package-1",
            "package-1-dram",
            "package-1-intel-rapl:2",
            "intel-rapl:3",
        ];
        assert_eq!(domains, wanted);
        assert_eq!((samples[0].joules, samples[0].wraps_at_joules), (1.5, Some(1.0)));
        assert_eq!(note, None);
    }

    #[test]
    fn a_meter_for_root_alone_is_told_with_the_way_out_and_is_no_warning() {
        let refused = || Err(io::Error::from(ErrorKind::PermissionDenied));
        let zones = [Zone { microjoules: refused(), ..zone("intel-rapl:0", "package-0", 0) }];
        let (samples, note) = told(&zones);
        let note = note.unwrap();
        assert!(samples.is_empty() && note.level == crate::sample::NoteLevel::Info);
        assert!(note.code == "energy_no_permission" && note.remedy.unwrap().contains("udev"));
    }

    #[test]
    fn what_is_no_number_is_no_reading() {
        let zones = [
            Zone { microjoules: Ok(None), ..zone("intel-rapl:0", "package-0", 0) },
            Zone { wraps_at: None, ..zone("intel-rapl:1", "package-1", u64::MAX) },
        ];
        let (samples, _) = told(&zones);
        assert_eq!((samples.len(), samples[0].wraps_at_joules), (1, None));
        assert!(samples[0].joules > 1e13);
    }
}
