//! What AMD's compute driver (KFD, beneath ROCm) tells: which of its nodes a card is, and how much of the card's
//! memory each process has. Everybody may read it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::gpus::drm::files;

/// Nodes that are looked at: each processor and each part of a card is one.
const MOST_NODES: usize = 256;

/// Processes that are looked at. A card serves some hundreds at most.
const MOST_PROCESSES: usize = 1024;

/// What KFD knows of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Nodes {
    /// KFD's numbers for it: one, or one for each part of a card that is divided.
    ids: Vec<u32>,
    /// What the chip's programs are compiled for, such as `gfx1100`.
    pub(super) target: Option<String>,
}

/// What KFD knows of the card at this PCI address.
pub(super) fn nodes(sysfs: &Path, pci: &str) -> Nodes {
    let folder = sysfs.join("class/kfd/kfd/topology/nodes");
    let mut nodes = Nodes::default();
    for name in files::names(&folder, MOST_NODES) {
        let node = folder.join(name);
        // A processor's is 0.
        let Ok(id) = files::number_in::<u32>(&node.join("gpu_id"), 1, u32::MAX) else { continue };
        let Ok(text) = files::text(&node.join("properties")) else { continue };
        let property = |name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
        };
        // The function's bits tell the part of a card that is divided.
        let slot = |address: &str| address.split('.').next().map(str::to_owned);
        let here = property("domain").zip(property("location_id")).map(|(domain, location)| {
            format!("{domain:04x}:{:02x}:{:02x}", location >> 8 & 0xff, location >> 3 & 0x1f)
        });
        if here.is_some() && here == slot(pci) {
            nodes.ids.push(id);
            nodes.target = property("gfx_target_version").and_then(target);
        }
    }
    nodes
}

/// `gfx1100` out of 110000, `gfx90a` out of 90010: major, minor and stepping, the last in hexadecimal.
fn target(version: u64) -> Option<String> {
    let (major, minor, stepping) = (version / 10_000, version / 100 % 100, version % 100);
    (major > 0).then(|| format!("gfx{major}{minor}{stepping:x}"))
}

/// The processes that have memory of the card by KFD, in bytes. `None`: it keeps no list (an older driver).
pub(super) fn processes(sysfs: &Path, nodes: &Nodes) -> Option<BTreeMap<u32, u64>> {
    if nodes.ids.is_empty() {
        return None;
    }
    let folder = sysfs.join("class/kfd/kfd/proc");
    let list = folder.is_dir().then(|| files::names(&folder, MOST_PROCESSES))?;
    let mut processes = BTreeMap::new();
    for (pid, name) in list.iter().filter_map(|name| Some((name.parse().ok()?, name))) {
        let each = nodes
            .ids
            .iter()
            .map(|id| files::number::<u64>(&folder.join(name).join(format!("vram_{id}"))).unwrap_or(0));
        // A process that uses one card is listed at all of them, with nothing.
        let bytes = each.fold(0, u64::saturating_add);
        if bytes > 0 {
            processes.insert(pid, bytes);
        }
    }
    Some(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_target_is_its_name() {
        for (version, name) in [
            (110_000, "gfx1100"),
            (90_010, "gfx90a"),
            (90_402, "gfx942"),
            (110_501, "gfx1151"),
            (100_301, "gfx1031"),
        ] {
            assert_eq!(target(version).as_deref(), Some(name));
        }
        assert_eq!(target(0), None);
    }
}
