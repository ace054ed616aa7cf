//! What a person should know of a card: what is odd, why, and what to do. Pure.
//!
//! What the card or its driver itself calls a fault is one; a number that is high is none: a card that works is
//! busy, hot and full, and knows its own limits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::gpus::xid::{self, Severity};
use crate::sample::{GpuSample, Note, NoteLevel};
use crate::view::XidCount;

mod momentary;
#[cfg(test)]
mod tests;

pub(super) use momentary::momentary;

/// For so long after an XID somebody is asked to look.
const XID_LATELY: SignedDuration = SignedDuration::from_secs(600);

/// The driver holds clocks down for heat now and then on small and densely packed machines; for so long it does
/// only where too little air comes in.
const LONG_HOT: Duration = Duration::from_secs(1800);

/// Limits are set in whole watts, and told in thousandths.
const SAME_WATTS: f64 = 1.0;

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What the card tells; of a silent one only what it is.
    pub(super) told: &'a GpuSample,
    /// Its XIDs.
    pub(super) xids: &'a [XidCount],
    /// For how long the driver has held its clocks down for heat. `None`: it does not.
    pub(super) sw_thermal: Option<Duration>,
    /// The most NVLinks that were up at once.
    pub(super) most_links: u32,
    /// Now.
    pub(super) at: Timestamp,
}

/// All that is odd, what asks for a person first. `moments`: what came of the [`momentary()`] notes.
pub(super) fn notes(facts: &Facts<'_>, moments: Vec<Note>) -> Vec<Note> {
    let rules: [fn(&Facts<'_>) -> Vec<Note>; 4] = [xids, recovery, rows, ecc];
    let mut notes: Vec<Note> = rules.iter().flat_map(|rule| rule(facts)).collect();
    notes.extend(moments);
    let rules: [fn(&Facts<'_>) -> Vec<Note>; 3] = [hot, nvlinks, settings];
    notes.extend(rules.iter().flat_map(|rule| rule(facts)));
    notes.sort_by_key(|note| note.level == NoteLevel::Info);
    notes
}

/// XIDs that happened lately.
fn xids(facts: &Facts<'_>) -> Vec<Note> {
    let lately =
        |count: &&XidCount| count.last_at.is_some_and(|last| facts.at.duration_since(last) <= XID_LATELY);
    let note = |count: &XidCount| {
        let known = count.xid.parse().ok().and_then(xid::xid);
        let Some(known) = known else {
            let remedy =
                "look it up in NVIDIA's catalogue of XIDs: https://docs.nvidia.com/deploy/xid-errors";
            return Note::info("xid", format!("the driver reported XID {}", count.xid), Some(remedy));
        };
        let text = format!("XID {} ({}): {}", count.xid, known.name, known.meaning);
        match known.severity {
            Severity::Critical | Severity::Warning => Note::warning("xid", text, Some(known.remedy)),
            Severity::Information | Severity::Application => Note::info("xid", text, Some(known.remedy)),
        }
    };
    facts.xids.iter().filter(lately).map(note).collect()
}

/// What the driver asks for.
fn recovery(facts: &Facts<'_>) -> Vec<Note> {
    let reset = reset(facts.told);
    let after_stop = format!("stop what uses the card, then: {reset}");
    let after_drain = format!("stop what uses it and its peers, then: {reset}");
    let (asks, remedy) = match facts.told.recovery_action.as_deref() {
        None | Some("none") => return Vec::new(),
        Some("reset") => ("a reset", &*after_stop),
        Some("reboot") => ("a reboot", "reboot the machine"),
        Some("drain_p2p") => {
            ("an end of the traffic between cards", "restart what uses this card together with others")
        }
        Some("drain_and_reset") => ("an end of its work and a reset", &*after_drain),
        Some("recover_imex_domain") => (
            "its IMEX domain to be set up anew",
            "restart nvidia-imex on the machines that share memory over NVLink",
        ),
        Some("bus_reset") => {
            ("a reset of its PCI Express bus", "reboot the machine, or reset the card's slot")
        }
        Some("system_reboot") => ("a restart of the whole system", "switch the machine off and on"),
        Some(other) => (other, "see NVIDIA's manual for this GPU recovery action"),
    };
    vec![Note::warning("recovery_action", format!("the driver asks for {asks}"), Some(remedy))]
}

/// The command that resets this card. Its number may be another card's after the next reset; its place is not, and
/// is found also where the card no longer says who it is.
fn reset(told: &GpuSample) -> String {
    format!("nvidia-smi --gpu-reset -i {}", told.pci.as_ref().unwrap_or(&told.uuid))
}

/// Rows and pages of memory that were, or must be, taken out of use.
fn rows(facts: &Facts<'_>) -> Vec<Note> {
    let told = facts.told;
    let mut notes = Vec::new();
    if told.row_remap_failed == Some(true) {
        let text = "a row of its memory is broken and could not be replaced by a spare one";
        notes.push(Note::warning("row_remap_failed", text, Some("replace the card")));
    }
    if told.row_remap_pending == Some(true) {
        let text = "a row of its memory is broken; the spare one is taken at the next reset";
        let remedy = format!("reset the card at the next chance: {}", reset(told));
        notes.push(Note::warning("row_remap_pending", text, Some(&remedy)));
    }
    if told.retired_pages_pending == Some(true) {
        let text = "a page of its memory is broken; it is taken out of use at the next start of the driver";
        let remedy = "reset the card or reboot at the next chance";
        notes.push(Note::warning("retired_pages_pending", text, Some(remedy)));
    }
    notes
}

/// Memory errors that could not be corrected. Of one memory's sum and its parts the largest number is told.
fn ecc(facts: &Facts<'_>) -> Vec<Note> {
    let uncorrected = facts.told.ecc_errors.iter().filter(|errors| errors.kind == "uncorrected");
    let most = uncorrected.map(|errors| errors.count).max().unwrap_or(0);
    if most == 0 {
        return Vec::new();
    }
    let text = format!("{most} memory errors that could not be corrected since the driver was loaded");
    let remedy =
        "what ran then may have failed or computed wrong; reset the card, and replace it if they come again";
    vec![Note::warning("ecc_uncorrected", text, Some(remedy))]
}

/// Clocks that the driver holds down for heat, before the hardware must.
fn hot(facts: &Facts<'_>) -> Vec<Note> {
    if facts.told.throttled.get("sw_thermal") != Some(&true) {
        return Vec::new();
    }
    let remedy = Some("look at fans, dust and the air that comes in");
    let note = match facts.sw_thermal.filter(|held| *held >= LONG_HOT) {
        Some(held) => {
            let minutes = held.as_secs() / 60;
            let text = format!("the driver has held its clocks down for {minutes} min, for heat");
            Note::warning("throttled_sw_thermal", text, remedy)
        }
        None => Note::info("throttled_sw_thermal", "the driver holds its clocks down, for heat", None),
    };
    vec![note]
}

/// Links to other cards that are down. Some boards leave links unused for ever; one that was up is another matter.
fn nvlinks(facts: &Facts<'_>) -> Vec<Note> {
    let Some(links) = &facts.told.nvlinks else { return Vec::new() };
    if links.active < facts.most_links {
        let text = format!("{} of {} NVLinks are up", links.active, facts.most_links);
        let remedy = "look for XID 74 in the kernel's log; reset the card at the next chance";
        return vec![Note::warning("nvlinks_down", text, Some(remedy))];
    }
    if links.active > 0 && links.inactive > 0 {
        let all = links.active.saturating_add(links.inactive);
        let text = format!("{} of {all} NVLinks are up, as since the agent started", links.active);
        return vec![Note::info("nvlinks_unused", text, None)];
    }
    Vec::new()
}

/// What somebody set, and may have forgotten.
fn settings(facts: &Facts<'_>) -> Vec<Note> {
    let told = facts.told;
    let mut notes = Vec::new();
    if let (Some(limit), Some(default)) = (told.power_limit_watts, told.power_limit_default_watts)
        && limit < default - SAME_WATTS
    {
        let text = format!("its power limit is {limit:.0} W, and was {default:.0} W when it was shipped");
        notes.push(Note::info("power_limit_lowered", text, None));
    }
    // Boards with memory that corrects itself and without fans of their own are those of data centres.
    let server_board = told.ecc_enabled.is_some() && told.fans.is_empty();
    if told.persistence == Some(false) && server_board {
        let text = "its driver is unloaded when nobody uses it: the next start takes seconds longer, and counters \
                    start anew";
        notes.push(Note::info("persistence_off", text, Some("run nvidia-persistenced")));
    }
    if let Some(mig) = &told.mig
        && mig.pending.is_some_and(|pending| pending != mig.enabled)
    {
        let will = if mig.enabled { "whole" } else { "divided (MIG)" };
        let text = format!("it will be {will} after its next reset");
        notes.push(Note::info("mig_pending", text, None));
    }
    notes
}
