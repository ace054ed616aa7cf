//! Clocks of Intel's cards and why they are held down. The two drivers name the same things differently.

use std::path::{Path, PathBuf};

use crate::gpus::drm::Found;
use crate::gpus::drm::files::{self, Reading, Told};
use crate::sample::{Clock, GpuSample};

/// No clock is faster, in MHz.
const MOST_MHZ: u64 = 20_000;

/// Intel's reasons, and our words for them. Limits of power and of current are one budget to whoever asks why a
/// card is slow.
const REASONS: [(&str, &[&str]); 4] = [
    ("sw_power_cap", &["pl1", "pl2", "pl4", "vr_tdc", "iccmax", "fastvmode", "psys_pl1", "psys_pl2"]),
    ("sw_thermal", &["thermal", "soc_thermal", "soc_avg_thermal", "mem_thermal", "ratl"]),
    ("hw_thermal", &["prochot", "vr_thermalert", "vr_thermal"]),
    ("hw_power_brake", &["psys_crit"]),
];

/// Where a driver tells of the first tile's engine that computes and draws.
struct Files {
    now: PathBuf,
    /// The hardware's own most, and the limit that somebody may have set.
    most: [PathBuf; 2],
    reasons: PathBuf,
    reason: &'static str,
}

/// Tells the clock, and what holds it down.
pub(super) fn tell(found: &Found, card: &mut GpuSample, told: &mut Told) {
    let files = match found.driver.as_str() {
        "xe" => {
            let clock = found.device().join("tile0/gt0/freq0");
            Files {
                now: clock.join("act_freq"),
                most: [clock.join("rp0_freq"), clock.join("max_freq")],
                reasons: clock.join("throttle"),
                reason: "reason_",
            }
        }
        _ => Files {
            now: found.card.join("gt_act_freq_mhz"),
            most: [found.card.join("gt_RP0_freq_mhz"), found.card.join("gt_max_freq_mhz")],
            reasons: found.card.join("gt/gt0"),
            reason: "throttle_reason_",
        },
    };
    let hertz = told.keep("clocks", mhz(&files.now));
    let max_hertz = mhz(&files.most[0]).or_else(|_| mhz(&files.most[1])).ok();
    if hertz.is_some() || max_hertz.is_some() {
        card.clocks.insert("graphics".to_owned(), Clock { hertz, max_hertz });
    }
    for (word, reasons) in REASONS {
        let flags: Vec<bool> = reasons
            .iter()
            .filter_map(|reason| flag(&files.reasons.join(format!("{}{reason}", files.reason))))
            .collect();
        if !flags.is_empty() {
            card.throttled.insert(word.to_owned(), flags.contains(&true));
        }
    }
}

/// A clock in hertz. It stands still, at zero, while nothing is done.
fn mhz(path: &Path) -> Reading<f64> {
    Ok(files::number_in(path, 0, MOST_MHZ)? as f64 * 1e6)
}

fn flag(path: &Path) -> Option<bool> {
    Some(files::number_in::<u8>(path, 0, 1).ok()? == 1)
}
