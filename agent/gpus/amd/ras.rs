//! Errors of a card's memory and units, as amdgpu counts them (RAS: reliability, availability, serviceability).

use std::path::Path;

use crate::gpus::drm::files;
use crate::sample::{EccErrors, GpuSample};

/// Files of the folder that are looked at; the driver knows some twenty units.
const MOST_FILES: usize = 64;

/// Tells the card's errors. A card without the folder has no such counters, as those for players.
pub(super) fn tell(device: &Path, card: &mut GpuSample) {
    let folder = device.join("ras");
    for name in files::names(&folder, MOST_FILES) {
        let unit = name.strip_suffix("_err_count").filter(|unit| is_unit(unit));
        let Some(unit) = unit else { continue };
        let Ok(text) = files::text(&folder.join(&name)) else { continue };
        for (kind, key) in [("corrected", "ce:"), ("uncorrected", "ue:")] {
            let count = text.lines().find_map(|line| line.trim().strip_prefix(key)?.trim().parse().ok());
            if let Some(count) = count {
                // The memory's controller counts only where the memory is checked.
                card.ecc_enabled = card.ecc_enabled.or((unit == "umc").then_some(true));
                card.ecc_errors.push(EccErrors { kind: kind.into(), memory: unit.to_owned(), count });
            }
        }
    }
    if let Ok(text) = files::text(&folder.join("gpu_vram_bad_pages")) {
        let state = |wanted: &str| {
            text.lines()
                .filter(|line| line.rsplit(':').next().is_some_and(|state| state.trim() == wanted))
                .count()
        };
        card.retired_pages.insert("uncorrectable".into(), state("R") as f64);
        card.retired_pages_pending = Some(state("P") > 0);
    }
}

/// Whether it is fit for a label: a unit's name, such as `umc` or `xgmi_wafl`.
fn is_unit(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
