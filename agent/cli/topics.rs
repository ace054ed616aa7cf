//! All that can be explained: the tables of the program itself, and a sentence a state and a reason.

use super::canary_topics::{self, Said};
use super::failed_topics::{self, Failed};
use super::gpu_topics::{self, Matter};
use super::target_topics::{of_reason, of_state};
use super::traffic_topics;
use crate::checks;
use crate::gpus::words::Word;
use crate::gpus::xid::{self, Severity, Xid};
use crate::http::HttpError;
use crate::metrics::{self, SPECS, Spec};
use crate::sample::ServerState;
use crate::servers::{self, KINDS, Kind};

/// One thing that can be explained.
#[derive(Debug, Clone, Copy)]
pub(super) enum Topic {
    /// A metric.
    Metric(&'static Spec),
    /// A kind of server.
    Kind(&'static Kind),
    /// What a target is doing.
    State(ServerState),
    /// Why a target is not up.
    Reason(&'static str),
    /// What NVIDIA's driver reports of a card.
    Xid(&'static Xid),
    /// What the agent makes of what GPUs tell, or of what passes through a tap.
    Matter(&'static Matter),
    /// What a canary asks of an answer.
    Check(&'static checks::Row),
    /// Why a request failed.
    Failed(&'static Failed),
    /// Why a GPU's clocks are held down.
    Throttle(&'static Word),
    /// Why a GPU gives no readings.
    Fault(&'static Word),
    /// A closed word of canaries and drift.
    Said(&'static Said),
}

/// Everything, in groups with a title.
pub(super) fn all() -> Vec<(&'static str, Vec<Topic>)> {
    let mut groups = vec![
        ("Kinds of server", KINDS.iter().copied().map(Topic::Kind).collect()),
        ("States of a target", ServerState::ALL.into_iter().map(Topic::State).collect()),
        ("Reasons why a target is not up", HttpError::REASONS.into_iter().map(Topic::Reason).collect()),
    ];
    groups.extend(traffic_topics::groups());
    groups.extend(canary_topics::groups());
    groups.push(("Checks of canaries", checks::TABLE.iter().map(Topic::Check).collect()));
    groups.extend(gpu_topics::groups());
    groups.push(("Metrics", SPECS.iter().map(Topic::Metric).collect()));
    groups
}

/// The XIDs, which are too many to stand among everything.
pub(super) fn xids() -> Vec<Topic> {
    xid::all().into_iter().map(Topic::Xid).collect()
}

/// Whether it asks for the list of the XIDs.
pub(super) fn is_xids(name: &str) -> bool {
    matches!(name.trim().to_lowercase().as_str(), "xid" | "xids")
}

/// The thing of that name, as people write it.
pub(super) fn find(name: &str) -> Option<Topic> {
    let word = name.trim().to_lowercase().replace('-', "_");
    let kind = || servers::kind(&word).map(Topic::Kind);
    let state = || ServerState::ALL.into_iter().find(|state| state.name() == word).map(Topic::State);
    let reason = || HttpError::REASONS.into_iter().find(|reason| *reason == word).map(Topic::Reason);
    let metric = || metrics::spec(name.trim()).map(Topic::Metric);
    let gpu = || gpu_topics::find(&word);
    let traffic = || traffic_topics::find(&word);
    let bare = word.strip_prefix("check ").or_else(|| word.strip_prefix("check_")).unwrap_or(&word);
    let check = || checks::row(bare).map(Topic::Check);
    let canary = || canary_topics::find(&word);
    let known =
        kind().or_else(state).or_else(reason).or_else(gpu).or_else(traffic).or_else(check).or_else(metric);
    known.or_else(canary).or_else(|| find_xid(&word))
}

/// `xid 79`, `xid79` or the bare number.
fn find_xid(word: &str) -> Option<Topic> {
    let number = word.trim_start_matches("xid").trim_start_matches([' ', '_']);
    number.parse().ok().and_then(xid::xid).map(Topic::Xid)
}

impl Topic {
    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Metric(spec) => spec.name,
            Self::Kind(kind) => kind.name,
            Self::State(state) => state.name(),
            Self::Reason(reason) => reason,
            Self::Xid(xid) => xid.topic,
            Self::Matter(matter) => matter.name,
            Self::Failed(failed) => failed.topic,
            Self::Check(row) => row.name,
            Self::Throttle(word) | Self::Fault(word) => word.topic,
            Self::Said(said) => said.topic,
        }
    }

    /// What it is, in a sentence.
    pub(super) fn about(&self) -> String {
        match self {
            Self::Metric(spec) => spec.help.to_owned(),
            Self::Kind(kind) => kind.about.to_owned(),
            Self::State(state) => of_state(*state).0.to_owned(),
            Self::Reason(reason) => of_reason(reason).0.to_owned(),
            Self::Xid(xid) => xid.meaning.to_owned(),
            Self::Matter(matter) => matter.is.to_owned(),
            Self::Failed(failed) => failed.is.to_owned(),
            Self::Check(row) => row.is.to_owned(),
            Self::Throttle(word) | Self::Fault(word) => word.says.to_owned(),
            Self::Said(said) => said.is.to_owned(),
        }
    }

    /// The same for a list: of a metric, whose name says much and leaves little room, its type
    /// and labels.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Metric(spec) if spec.labels.is_empty() => spec.kind.name().to_owned(),
            Self::Metric(spec) => format!("{} {{{}}}", spec.kind.name(), spec.labels.join(", ")),
            Self::Kind(_)
            | Self::State(_)
            | Self::Reason(_)
            | Self::Matter(_)
            | Self::Failed(_)
            | Self::Check(_)
            | Self::Throttle(_)
            | Self::Fault(_)
            | Self::Said(_) => self.about(),
            Self::Xid(xid) => format!("{}: {}", xid.severity.name(), xid.name),
        }
    }

    /// All there is to say, by its heads.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Metric(spec) => of_metric(spec),
            Self::Kind(kind) => {
                let ports: Vec<String> = kind.default_ports.iter().map(ToString::to_string).collect();
                vec![
                    ("is", self.about()),
                    ("ports", format!("{} when nobody says otherwise", ports.join(", "))),
                    ("processes", kind.processes.join(", ")),
                    ("contract", kind.contract.to_owned()),
                ]
            }
            Self::State(state) => {
                let series = format!("opsagent_target_state{{state=\"{}\"}}", state.name());
                vec![("is", self.about()), ("do", of_state(*state).1.to_owned()), ("series", series)]
            }
            Self::Reason(reason) => {
                let series = format!("opsagent_poll_errors_total{{reason=\"{reason}\"}}");
                let mut facts =
                    vec![("is", self.about()), ("do", of_reason(reason).1.to_owned()), ("series", series)];
                let same = failed_topics::of_reason(reason);
                facts.extend(
                    same.map(|failed| ("requests", format!("also why one fails: explain {}", failed.topic))),
                );
                facts
            }
            Self::Xid(xid) => {
                let series = format!("opsagent_gpu_xid_errors_total{{xid=\"{}\"}}", xid.label());
                vec![
                    ("is", xid.name.to_owned()),
                    ("matters", of_severity(xid.severity).to_owned()),
                    ("means", self.about()),
                    ("do", xid.remedy.to_owned()),
                    ("series", series),
                ]
            }
            Self::Matter(matter) => gpu_topics::of_matter(matter),
            Self::Failed(failed) => failed_topics::of_failed(failed),
            Self::Check(row) => of_check(row),
            Self::Throttle(word) => gpu_topics::of_word(word, "opsagent_gpu_throttled"),
            Self::Fault(word) => gpu_topics::of_word(word, "opsagent_gpu_fault_info"),
            Self::Said(said) => said.facts(),
        }
    }
}

fn of_check(row: &checks::Row) -> Vec<(&'static str, String)> {
    let mut facts = vec![("is", row.is.to_owned()), ("how", row.how.to_owned())];
    let written = row.config.iter().enumerate();
    facts.extend(
        written.map(|(nth, one)| (if nth == 0 { "config" } else { "or" }, format!("checks = [{one}]"))),
    );
    facts.push(("passes", row.passes.replace('\n', " ").trim().to_owned()));
    facts.push(("fails", row.fails.replace('\n', " ").trim().to_owned()));
    facts
}

fn of_metric(spec: &Spec) -> Vec<(&'static str, String)> {
    let labels = if spec.labels.is_empty() { "none".to_owned() } else { spec.labels.join(", ") };
    let mut facts =
        vec![("is", spec.help.to_owned()), ("type", spec.kind.name().to_owned()), ("labels", labels)];
    if let Some(unit) = spec.unit {
        facts.push(("unit", unit.to_owned()));
    }
    facts
}

fn of_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical: the card or a link of it is of no use until somebody acts",
        Severity::Warning => "warning: a fault that was survived; look at it in working hours",
        Severity::Information => "information: something to know of; nothing is broken now",
        Severity::Application => "application: the program on the card is at fault, or only its victim",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_things_share_a_name() {
        let names: Vec<&str> = all()
            .into_iter()
            .flat_map(|(_, topics)| topics)
            .chain(xids())
            .map(|topic| topic.name())
            .collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn what_a_matter_names_as_its_series_is_there() {
        for topic in all().into_iter().flat_map(|(_, topics)| topics) {
            let Topic::Matter(matter) = topic else { continue };
            let names = matter.series.split(", ").map(|series| series.split('{').next().unwrap());
            for name in names {
                let histogram = format!("{name}_count");
                assert!(metrics::spec(name).or_else(|| metrics::spec(&histogram)).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        let name = |typed| find(typed).map(|topic| topic.name());
        assert_eq!(name("Ollama"), Some("ollama"));
        assert_eq!(name("llama-cpp"), Some("llama_cpp"));
        assert_eq!(name("target_up"), Some("opsagent_target_up"));
        assert_eq!(name("opsagent_target_up{target=\"box\"}"), Some("opsagent_target_up"));
        for typed in ["xid 79", "XID 79", "xid79", "xid-79", "79"] {
            assert_eq!(name(typed), Some("xid 79"));
        }
        for (typed, found) in [
            ("lost", "gpu lost"),
            ("GPU lost", "gpu lost"),
            ("gpu_timeout", "gpu timeout"),
            ("timeout", "timeout"),
            ("hw-thermal", "hw_thermal"),
            ("MIG", "mig"),
            ("vram users", "vram users"),
        ] {
            assert_eq!(name(typed), Some(found), "{typed}");
        }
        for typed in ["", "xid 0", "xid -1", "xid 99999999999", "xid"] {
            assert_eq!(name(typed), None, "{typed:?}");
        }
    }
}
