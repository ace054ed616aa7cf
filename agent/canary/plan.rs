//! What the config says of canaries. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Time;
use serde_json::{Map, Value};

use crate::sample::is_called;

/// Tokens that a beat takes of answers, with room: where the server tells log probabilities, 35 of the fingerprint and
/// some 42 of two graded canaries, the longest of which takes 64; where texts are compared, 158 instead of those 35.
const COMPLETION_PER_BEAT: u64 = 240;

/// Tokens that a beat takes of prompts, with room: 394 of the fingerprint and some 100 of two graded canaries.
const PROMPT_PER_BEAT: u64 = 600;

/// Tokens of the long prompts, once an hour.
const PROMPT_OF_LONG: u64 = 4_100;

/// What is asked when, and how much it may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whether models are asked at all.
    pub enabled: bool,
    /// From one run of a model to the next.
    pub every: Duration,
    /// Times of the day in which nothing is asked.
    pub quiet: Vec<Quiet>,
    /// The targets whose models are asked. Empty: all.
    pub targets: Vec<String>,
    /// The models that are asked. Empty: all that are loaded.
    pub models: Vec<String>,
    /// Models that may be loaded for it, where they are not.
    pub may_load: Vec<String>,
    /// Options of Ollama's runner, by model: what its users send, where that cannot be seen.
    pub options: BTreeMap<String, Map<String, Value>>,
    /// What it may cost.
    pub budget: Budget,
    /// False alarms that are put up with, a year and model.
    pub false_alarms_per_year: f64,
    /// How long the text of answers is kept in the store. `None`: it is not stored at all.
    pub store_answers: Option<Duration>,
    /// Whether the built-in canaries are asked, beside the config's own.
    pub builtin: bool,
}

/// What canaries of one model may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens of the answers of one run.
    pub completion_tokens_per_run: u32,
    /// Tokens of answers in an hour.
    pub completion_tokens_per_hour: u64,
    /// Tokens of prompts in an hour.
    pub prompt_tokens_per_hour: u64,
}

impl Default for Plan {
    fn default() -> Plan {
        let every = Duration::from_secs(300);
        Plan {
            enabled: false,
            every,
            quiet: Vec::new(),
            targets: Vec::new(),
            models: Vec::new(),
            may_load: Vec::new(),
            options: BTreeMap::new(),
            budget: Budget::of(every),
            false_alarms_per_year: 0.1,
            store_answers: None,
            builtin: true,
        }
    }
}

impl Plan {
    /// Whether models of this target are asked.
    pub fn wants_target(&self, target: &str) -> bool {
        self.enabled && named(&self.targets, target)
    }

    /// Whether this model of a target is asked, if it is loaded.
    pub fn wants_model(&self, model: &str) -> bool {
        named(&self.models, model) || self.may_load(model)
    }

    /// Whether this model may be loaded for it.
    pub fn may_load(&self, model: &str) -> bool {
        self.may_load.iter().any(|name| is_called(model, name))
    }

    /// The options that the config gives for this model.
    pub fn options(&self, model: &str) -> Option<&Map<String, Value>> {
        self.options.iter().find(|(name, _)| is_called(model, name)).map(|(_, options)| options)
    }
}

fn named(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| is_called(name, one))
}

impl Budget {
    /// Twice what beats of that length need: enough to look again at what moved, not for more.
    pub fn of(every: Duration) -> Budget {
        let beats = 3600_u64.div_ceil(every.as_secs().max(1));
        Budget {
            completion_tokens_per_run: COMPLETION_PER_BEAT as u32,
            completion_tokens_per_hour: 2 * beats * COMPLETION_PER_BEAT,
            prompt_tokens_per_hour: 2 * (beats * PROMPT_PER_BEAT + PROMPT_OF_LONG),
        }
    }
}

/// A part of each day, by the machine's clock. It may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub to: Time,
}

impl Quiet {
    /// Reads `22:00-06:00`. `None`: that is no such text, or a part of no length.
    pub fn parse(text: &str) -> Option<Quiet> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (time(from.trim())?, time(to.trim())?);
        (from != to).then_some(Quiet { from, to })
    }

    /// Whether that time of the day is in it.
    pub fn has(&self, at: Time) -> bool {
        if self.from < self.to { self.from <= at && at < self.to } else { self.from <= at || at < self.to }
    }
}

/// Hours and minutes, `24:00` being midnight too.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let sound = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| digits.parse::<i8>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
    let hour = if (hour, minute) == (24, 0) { 0 } else { hour };
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let night = Quiet::parse("22:00-06:30").unwrap();
        let at = |text: &str| time(text).unwrap();
        for (text, quiet) in [
            ("21:59", false),
            ("22:00", true),
            ("23:59", true),
            ("0:00", true),
            ("06:29", true),
            ("06:30", false),
        ] {
            assert_eq!(night.has(at(text)), quiet, "{text}");
        }
        let noon = Quiet::parse("12:00 - 13:00").unwrap();
        assert!(noon.has(at("12:30")) && !noon.has(at("13:00")) && !noon.has(at("11:59")));
        let evening = Quiet::parse("18:00-24:00").unwrap();
        assert!(evening.has(at("23:59")) && !evening.has(at("00:00")));
    }

    #[test]
    fn a_name_without_a_tag_is_that_of_the_latest() {
        let options = BTreeMap::from([("qwen3".to_owned(), Map::default())]);
        let (models, may_load) = (vec!["llama3".to_owned()], vec!["phi4:latest".to_owned()]);
        let plan = Plan { models, may_load, options, ..Plan::default() };
        assert!(plan.wants_model("llama3:latest") && plan.wants_model("llama3"));
        assert!(!plan.wants_model("llama3:8b") && !plan.wants_model("llama"));
        assert!(
            plan.may_load("phi4:latest") && !plan.may_load("phi4"),
            "a server that lists it without has no tags"
        );
        assert!(plan.options("qwen3:latest").is_some() && plan.options("qwen3:8b").is_none());
    }

    #[test]
    fn what_is_no_part_of_a_day_is_refused() {
        for text in
            ["", "22-6", "22:00", "22:00-22:00", "25:00-26:00", "22:60-23:00", "22:0-23:00", "-1:00-2:00"]
        {
            assert_eq!(Quiet::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_budget_lets_a_faster_beat_do_its_work() {
        let usual = Budget::of(Duration::from_secs(300));
        assert_eq!((usual.completion_tokens_per_hour, usual.prompt_tokens_per_hour), (5760, 22_600));
        let fast = Budget::of(Duration::from_secs(60));
        assert!(fast.completion_tokens_per_hour > 60 * 77 && fast.prompt_tokens_per_hour > 60 * 494 + 4042);
        assert_eq!(Budget::of(Duration::ZERO), Budget::of(Duration::from_secs(1)), "no division by nothing");
    }

    #[test]
    fn a_plan_without_names_wants_all_and_one_that_may_be_loaded_is_wanted() {
        let plan = Plan { enabled: true, ..Plan::default() };
        assert!(plan.wants_target("box") && plan.wants_model("m") && !plan.may_load("m"));
        let plan = Plan { models: vec!["a".into()], may_load: vec!["b".into()], ..plan };
        assert!(plan.wants_model("a") && plan.wants_model("b") && !plan.wants_model("c"));
        assert!(!Plan::default().wants_target("box"), "nothing is asked of anyone who did not say so");
    }
}
