//! Boards that succeed with zeros where they know nothing, as some Jetsons do.
//!
//! One zero alone is a reading: an idle card computes nothing. But a card that knows neither its memory nor its
//! heat nor its power knows no more of the rest, and its zeros there are not believed.

use super::answers::{Answers, IMPLAUSIBLE};
use crate::sample::GpuSample;

/// Takes back what is not believed.
pub(super) fn weigh(answers: &mut Answers, card: &mut GpuSample) {
    let knows_itself = card.memory_total_bytes.is_some()
        || !card.temperatures_celsius.is_empty()
        || card.power_watts.is_some();
    if knows_itself {
        return;
    }
    for (field, ratio) in [
        ("utilization_ratio", &mut card.utilization_ratio),
        ("memory_utilization_ratio", &mut card.memory_utilization_ratio),
        ("encoder_utilization_ratio", &mut card.encoder_utilization_ratio),
        ("decoder_utilization_ratio", &mut card.decoder_utilization_ratio),
        ("temperature_margin_celsius", &mut card.temperature_margin_celsius),
    ] {
        if ratio.take_if(|ratio| *ratio == 0.0).is_some() {
            answers.missing(field, &IMPLAUSIBLE);
        }
    }
    if card.performance_state.take_if(|state| *state == 0).is_some() {
        answers.missing("performance_state", &IMPLAUSIBLE);
    }
    if !card.throttled.is_empty() && card.throttled.values().all(|holds| !holds) {
        card.throttled.clear();
        answers.missing("throttled", &IMPLAUSIBLE);
    }
    if !card.throttled_seconds.is_empty() && card.throttled_seconds.values().all(|seconds| *seconds == 0.0) {
        card.throttled_seconds.clear();
        answers.missing("throttled_seconds", &IMPLAUSIBLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros() -> GpuSample {
        GpuSample {
            utilization_ratio: Some(0.0),
            decoder_utilization_ratio: Some(0.17),
            performance_state: Some(0),
            throttled: [("idle".to_owned(), false)].into(),
            ..GpuSample::default()
        }
    }

    #[test]
    fn zeros_are_believed_of_a_card_that_knows_something_of_itself() {
        let mut card = GpuSample { power_watts: Some(11.0), ..zeros() };
        let before = card.clone();
        weigh(&mut Answers::default(), &mut card);
        assert_eq!(card, before);
    }

    #[test]
    fn zeros_of_a_card_that_knows_nothing_are_no_readings_and_the_rest_is() {
        let (mut answers, mut card) = (Answers::default(), zeros());
        weigh(&mut answers, &mut card);
        let told = GpuSample { decoder_utilization_ratio: Some(0.17), ..GpuSample::default() };
        assert_eq!(card, told);
        let untold: Vec<_> = answers.untold.keys().map(String::as_str).collect();
        assert_eq!(untold, ["performance_state", "throttled", "utilization_ratio"]);
    }
}
