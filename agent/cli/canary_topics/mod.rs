//! What `opsagent explain` says of canaries and drift: the matters, and every closed word of them.

use super::topics::Topic;

mod beats;
mod matters;
mod models;

pub(super) use beats::{FACTS, SKIPS, STREAMS};
pub(super) use matters::MATTERS;
pub(super) use models::{CAUSES, SEVERITIES, VERDICTS};

/// A closed word of canaries and drift.
#[derive(Debug)]
pub(super) struct Said {
    /// What it is asked for by: its sort, and its name.
    pub(super) topic: &'static str,
    /// What it is.
    pub(super) is: &'static str,
    /// What to do.
    pub(super) does: &'static str,
    /// The metric that it stands in, and its label there.
    series: (&'static str, &'static str),
}

const fn said(
    topic: &'static str,
    series: (&'static str, &'static str),
    is: &'static str,
    does: &'static str,
) -> Said {
    Said { topic, is, does, series }
}

fn groups_of() -> [(&'static str, &'static [Said]); 6] {
    [
        ("What holds of a model (verdict)", &VERDICTS),
        ("How bad a drift is (severity)", &SEVERITIES),
        ("What most likely caused it (cause)", &CAUSES),
        ("What is watched apart (stream)", &STREAMS),
        ("Why a canary was not asked (skip)", &SKIPS),
        ("What a server tells of a model (fact)", &FACTS),
    ]
}

/// The groups, with their titles.
pub(super) fn groups() -> Vec<(&'static str, Vec<Topic>)> {
    let mut groups = vec![("Canaries and drift", MATTERS.iter().map(Topic::Matter).collect())];
    groups.extend(groups_of().map(|(title, all)| (title, all.iter().map(Topic::Said).collect())));
    groups
}

/// The topic of that name: a matter, `cause weights`, or, where nothing else is called so, `weights`.
pub(super) fn find(word: &str) -> Option<Topic> {
    let spaced = word.replace('_', " ");
    let name = match spaced.as_str() {
        "canaries" | "known prompt" => "canary",
        "kl" | "kld equivalent" | "distance" => "kld",
        "baselines" => "baseline",
        "confident flip" | "flips" => "confident flips",
        other => other,
    };
    let matter = MATTERS.iter().find(|matter| matter.name == name).map(Topic::Matter);
    let all = || groups_of().into_iter().flat_map(|(_, all)| all);
    let whole = || all().find(|said| said.topic.replace('_', " ") == spaced);
    let alone = || all().find(|said| said.name().replace('_', " ") == spaced);
    matter.or_else(|| whole().or_else(alone).map(Topic::Said))
}

/// The group that a word alone asks for, such as `verdict` or `skip`.
pub(super) fn group(word: &str) -> Option<(&'static str, Vec<Topic>)> {
    let word = word.trim().to_lowercase();
    let singular = word.strip_suffix('s').filter(|rest| !rest.is_empty()).unwrap_or(&word);
    let singular = match singular {
        "severitie" => "severity",
        other => other,
    };
    let is_it = |all: &[Said]| all.iter().any(|said| said.sort() == singular);
    let (title, all) = groups_of().into_iter().find(|(_, all)| is_it(all))?;
    Some((title, all.iter().map(Topic::Said).collect()))
}

impl Said {
    /// `cause` of `cause weights`.
    fn sort(&self) -> &'static str {
        self.topic.split_once(' ').map_or(self.topic, |(sort, _)| sort)
    }

    /// `weights` of `cause weights`.
    fn name(&self) -> &'static str {
        self.topic.split_once(' ').map_or(self.topic, |(_, name)| name)
    }

    /// All there is to say of it.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let (metric, label) = self.series;
        let series = if label.is_empty() {
            metric.to_owned()
        } else {
            format!("{metric}{{{label}=\"{}\"}}", self.name())
        };
        let series = if self.sort() == "verdict" { metric.to_owned() } else { series };
        vec![("is", self.is.to_owned()), ("do", self.does.to_owned()), ("series", series)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{Cause, Severity, Stream, Verdict};
    use crate::metrics;
    use crate::sample::Fact;
    use crate::view::Skip;

    #[test]
    fn every_closed_word_is_explained_in_its_order() {
        fn names(all: &[Said]) -> Vec<&'static str> {
            all.iter().map(Said::name).collect()
        }
        assert_eq!(names(&VERDICTS), Verdict::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&SEVERITIES), Severity::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&CAUSES), Cause::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&STREAMS), Stream::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&SKIPS), Skip::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&FACTS), Fact::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_word_names_as_its_series_has_that_label() {
        for said in groups_of().into_iter().flat_map(|(_, all)| all) {
            let (metric, label) = said.series;
            let spec = metrics::spec(metric).unwrap_or_else(|| panic!("{metric} of {}", said.topic));
            assert!(label.is_empty() || spec.labels.contains(&label), "{metric} has no {label}");
        }
    }

    #[test]
    fn words_are_found_alone_and_by_their_sort() {
        let name = |typed: &str| find(typed).map(|topic| topic.name());
        assert_eq!(name("cause_weights"), Some("cause weights"));
        assert_eq!(name("weights"), Some("cause weights"));
        assert_eq!(name("fingerprint_slow"), Some("stream fingerprint_slow"));
        assert_eq!(name("skip busy"), Some("skip busy"));
        assert_eq!(name("canaries"), Some("canary"));
        assert_eq!(group("causes").map(|(_, all)| all.len()), Some(8));
        assert_eq!(group("verdict").map(|(_, all)| all.len()), Some(5));
        assert!(group("").is_none() && group("s").is_none());
    }
}
