//! What is odd of a card at one read, and may be over at the next. Pure.

use crate::sample::{GpuSample, Note};

/// A card that does nothing lets its link sleep. One that computes for more than this part of the time does not.
const UNDER_LOAD: f64 = 0.5;

/// The slowest state (P2) in which a card that computes keeps its link at full speed.
const FAST_STATE: u32 = 2;

/// What is odd at this read and may be over at the next. `most_lanes`: those of its link to the machine at its
/// widest.
pub(in crate::fleet::gpus) fn momentary(told: &GpuSample, most_lanes: u32) -> Vec<Note> {
    let mut notes = slowdowns(told);
    notes.extend(temperature(told));
    notes.extend(pcie(told, most_lanes));
    notes
}

/// Clocks that the hardware holds down for heat or want of power. What holds them at rest or at a limit that was set
/// is how a card works.
fn slowdowns(told: &GpuSample) -> Vec<Note> {
    let set = |reason: &str| told.throttled.get(reason) == Some(&true);
    let mut notes = Vec::new();
    if set("hw_thermal") {
        let text = "it is so hot that it halves its clocks, or worse";
        let remedy = "look at fans, dust and the air that comes in";
        notes.push(Note::warning("throttled_hw_thermal", text, Some(remedy)));
    }
    if set("hw_power_brake") {
        let text = "the machine's power supply makes it hold its clocks down";
        let remedy = "look at the power supplies: one may be out, or too weak for all cards";
        notes.push(Note::warning("throttled_hw_power_brake", text, Some(remedy)));
    }
    if set("hw_slowdown") && notes.is_empty() {
        let text = "it holds its clocks down by half or more, for heat or want of power";
        let remedy = "look at its temperature, its power cables and the power supply";
        notes.push(Note::warning("throttled_hw_slowdown", text, Some(remedy)));
    }
    notes
}

/// A die that is hotter than its own limit.
fn temperature(told: &GpuSample) -> Vec<Note> {
    let over = told.temperature_margin_celsius.filter(|margin| margin.is_finite() && *margin < 0.0);
    let Some(over) = over else { return Vec::new() };
    let text = format!("it is {:.0} °C above the temperature at which it slows down", -over);
    vec![Note::warning("too_hot", text, Some("look at fans, dust and the air that comes in"))]
}

/// A link to the machine that is worse than it could be, while it is needed.
///
/// Many boards give a long slot fewer lanes than it is long, and no driver knows of it: lanes that were never there
/// are no fault for sure, and lanes that were are.
fn pcie(told: &GpuSample, most_lanes: u32) -> Vec<Note> {
    let pcie = told.pcie;
    // What is part of the processor shows a link that is not there.
    if told.shared_memory == Some(true) || told.utilization_ratio.is_none_or(|busy| busy <= UNDER_LOAD) {
        return Vec::new();
    }
    let mut notes = Vec::new();
    let less =
        |now: Option<u32>, most: Option<u32>| now.zip(most).filter(|(now, most)| *now > 0 && now < most);
    let remedy = "seat the card anew, look at the riser or cable, and at the slot's settings in the firmware";
    if let Some((now, most)) = less(pcie.width, pcie.width_max) {
        notes.push(if now < most_lanes {
            let text =
                format!("its PCI Express link has {now} lanes, and had {most_lanes}: models load slower");
            Note::warning("pcie_narrow", text, Some(remedy))
        } else {
            let text = format!("its PCI Express link has {now} of {most} lanes: models load slower");
            let remedy = format!("nothing if the slot has no more; else {remedy}");
            Note::info("pcie_narrow", text, Some(&remedy))
        });
    }
    // At low clocks a small load takes much of the time, and the link rests with the clocks.
    let rests = told.performance_state.is_some_and(|state| state > FAST_STATE);
    if !rests && let Some((now, most)) = less(pcie.generation, pcie.generation_max) {
        let text =
            format!("its PCI Express link runs at generation {now} of {most} under load: models load slower");
        notes.push(Note::warning("pcie_slow", text, Some(remedy)));
    }
    notes
}
