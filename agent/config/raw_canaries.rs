//! What is typed of canaries: `[canaries]`. Pure.

use super::read::{At, Section};

/// `[canaries]`.
pub(super) struct RawCanaries {
    pub(super) enabled: Option<At<bool>>,
    pub(super) every: Option<At<String>>,
    pub(super) quiet_hours: Vec<At<String>>,
    pub(super) targets: Vec<At<String>>,
    pub(super) models: Vec<At<String>>,
    pub(super) may_load: Vec<At<String>>,
    pub(super) options: Vec<(String, At<String>)>,
    pub(super) max_completion_tokens_per_run: Option<At<u64>>,
    pub(super) max_completion_tokens_per_hour: Option<At<u64>>,
    pub(super) max_prompt_tokens_per_hour: Option<At<u64>>,
    pub(super) false_alarms_per_year: Option<At<f64>>,
    pub(super) store_answers: Option<At<String>>,
    pub(super) builtin: Option<At<bool>>,
}

impl RawCanaries {
    pub(super) fn read(section: &mut Section<'_>) -> RawCanaries {
        RawCanaries {
            enabled: section.boolean("enabled"),
            every: section.duration("every"),
            quiet_hours: section.strings("quiet_hours").unwrap_or_default(),
            targets: section.strings("targets").unwrap_or_default(),
            models: section.strings("models").unwrap_or_default(),
            may_load: section.strings("may_load").unwrap_or_default(),
            options: section.map("options"),
            max_completion_tokens_per_run: section.number("max_completion_tokens_per_run"),
            max_completion_tokens_per_hour: section.number("max_completion_tokens_per_hour"),
            max_prompt_tokens_per_hour: section.number("max_prompt_tokens_per_hour"),
            false_alarms_per_year: section.fraction("false_alarms_per_year"),
            store_answers: section.duration("store_answers"),
            builtin: section.boolean("builtin"),
        }
    }
}
