//! The whole in a few words: what somebody reads who was just woken up. Pure.

use std::borrow::Cow;

use super::gpu;
use super::line::anchor;
use super::words::{Moment, moment};
use crate::gpus::words as told;
use crate::sample::{NoteLevel, ServerState};
use crate::view::{CanaryView, CardView, Health, TargetView, View, canary_words};

/// So many servers in trouble are named at the top; the table below has all.
const TROUBLES: usize = 8;

/// A server, card or host that somebody should look at, in a line.
#[derive(Debug)]
pub(super) struct Trouble<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) anchor: String,
    pub(super) tone: &'static str,
    pub(super) since: Option<Moment>,
    /// Goes after the name: `is down: connection refused`.
    pub(super) text: String,
}

/// How many are in which trouble.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    all: usize,
    down: usize,
    hung: usize,
    drifting: usize,
    unknown: usize,
    warning: usize,
}

/// The first line of the page.
pub(super) fn headline(view: &View) -> String {
    let mut tally = Tally { all: view.targets.len(), ..Tally::default() };
    for target in &view.targets {
        match (target.health(), target.state) {
            (_, Some(ServerState::Hung)) => tally.hung += 1,
            (_, Some(ServerState::Down)) => tally.down += 1,
            (Health::Critical, _) => tally.drifting += 1,
            (Health::Unknown, _) => tally.unknown += 1,
            (Health::Warning, _) => tally.warning += 1,
            (Health::Ok, _) => {}
        }
    }
    let servers = match &*view.targets {
        [] if view.discovery.enabled => "No server found yet".into(),
        [] => "There is nothing to watch".into(),
        [one] => single(one),
        _ => tally.say(),
    };
    let host = view.hosts.iter().any(|host| host.health() == Health::Warning);
    let blind = view.gpus.backends.iter().any(|backend| backend.health() != Health::Ok);
    // Cards that were read before say it themselves.
    let blind = blind && view.gpus.cards.iter().all(|card| card.told.fault.is_none());
    let parts = [
        Some(servers),
        silent_cards(view),
        warned_cards(view),
        blind.then(|| "GPUs cannot be read".into()),
        host.then(|| "the host needs a look".into()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The cards that give no readings, those expected and never seen among them.
fn silent_cards(view: &View) -> Option<String> {
    let gpus = &view.gpus;
    let silent: Vec<&CardView> = gpus.cards.iter().filter(|card| card.told.fault.is_some()).collect();
    let missing = gpus.missing.unwrap_or(0) as usize;
    match (&*silent, gpus.expected) {
        (_, Some(expected)) if missing > silent.len() => {
            Some(format!("{missing} of {expected} expected GPUs give no readings"))
        }
        ([], _) => None,
        ([one], _) => {
            let why = one.told.fault.as_ref().map(|fault| told::fault(fault).says);
            Some(format!("{} {}", told::called(&one.told), why.unwrap_or_default()))
        }
        (several, _) => Some(format!("{} of {} GPUs give no readings", several.len(), gpus.cards.len())),
    }
}

fn warned_cards(view: &View) -> Option<String> {
    let warned: Vec<&CardView> =
        view.gpus.cards.iter().filter(|card| card.health() == Health::Warning).collect();
    match &*warned {
        [] => None,
        [one] => Some(format!("{} needs a look", told::called(&one.told))),
        several => Some(format!("{} of {} GPUs need a look", several.len(), view.gpus.cards.len())),
    }
}

impl Tally {
    fn say(self) -> String {
        let all = self.all;
        let of = |n: usize| match n {
            _ if n != all => format!("{n} of {all} servers"),
            2 => "both servers".into(),
            _ => format!("all {all} servers"),
        };
        let is = |n: usize| if n == 1 { "is" } else { "are" };
        let mut parts: Vec<String> = Vec::new();
        let mut add = |n: usize, what: &str| {
            if n > 0 {
                let who = if parts.is_empty() { of(n) } else { n.to_string() };
                parts.push(format!("{who} {} {what}", is(n)));
            }
        };
        add(self.down, "down");
        add(self.hung, "hung");
        add(self.unknown, "not known");
        if self.down + self.hung + self.unknown == 0 {
            add(all, "up");
        }
        if self.drifting > 0 {
            let verb = if self.drifting == 1 { "answers" } else { "answer" };
            parts.push(format!("{} {verb} badly", self.drifting));
        }
        if self.warning > 0 {
            let verb = if self.warning == 1 { "needs" } else { "need" };
            parts.push(format!("{} {verb} a look", self.warning));
        }
        capital(&parts.join(", "))
    }
}

fn single(one: &TargetView) -> String {
    let name = &one.name;
    match (one.health(), one.state) {
        (_, Some(ServerState::Hung)) => format!("{name} is hung"),
        (_, Some(ServerState::Down)) => format!("{name} is down"),
        (Health::Critical, _) => format!("{name} is up and answers badly"),
        (Health::Unknown, _) => format!("{name} is not known"),
        (Health::Warning, _) => format!("{name} is up and needs a look"),
        (Health::Ok, _) => format!("{name} is up"),
    }
}

/// The servers that somebody should look at, `sorted` with the worst first, then the cards, and how many more
/// there are; then what is wrong with the host.
pub(super) fn troubles<'a>(view: &'a View, sorted: &[&'a TargetView]) -> (Vec<Trouble<'a>>, usize) {
    let servers = sorted.iter().filter(|target| target.health() != Health::Ok).map(|target| Trouble {
        name: Cow::Borrowed(&target.name),
        anchor: anchor(&target.name),
        tone: target.health().name(),
        since: target
            .state_since
            .filter(|_| matches!(target.state, Some(ServerState::Down | ServerState::Hung)))
            .or(target.drift().and_then(|worst| worst.report.since))
            .map(|at| moment(at, view.at)),
        text: trouble(target),
    });
    let mut cards: Vec<&CardView> =
        view.gpus.cards.iter().filter(|card| card.health() != Health::Ok).collect();
    cards.sort_by_key(|card| std::cmp::Reverse(card.health()));
    let hosts = view.hosts.iter().flat_map(|host| {
        let warnings = host.notes.iter().filter(|note| note.level == NoteLevel::Warning);
        warnings.map(|note| Trouble {
            name: Cow::Borrowed("the host"),
            anchor: "host".into(),
            tone: Health::Warning.name(),
            since: None,
            text: format!("needs a look: {}", note.text),
        })
    });
    let backends = view.gpus.backends.iter().filter(|backend| backend.health() != Health::Ok);
    let backends = backends.map(|backend| Trouble {
        name: Cow::Owned(format!("GPUs by {}", backend.name)),
        anchor: "gpus".into(),
        tone: backend.health().name(),
        since: None,
        text: format!("cannot be read: {}", backend.error.as_deref().unwrap_or("no reason told")),
    });
    let more = servers.clone().count().saturating_sub(TROUBLES) + cards.len().saturating_sub(TROUBLES);
    let cards = cards.into_iter().take(TROUBLES).map(ill_card);
    (servers.take(TROUBLES).chain(cards).chain(backends).chain(hosts).collect(), more)
}

fn ill_card(card: &CardView) -> Trouble<'_> {
    let warning = card.notes.iter().find(|note| note.level == NoteLevel::Warning);
    Trouble {
        name: Cow::Owned(told::called(&card.told)),
        anchor: gpu::anchor(&card.told),
        tone: card.health().name(),
        since: None,
        text: match (&card.told.fault, warning) {
            (Some(fault), _) => told::fault(fault).says.into(),
            (None, Some(note)) => format!("needs a look: {}", note.text),
            (None, None) => "needs a look".into(),
        },
    }
}

fn trouble(target: &TargetView) -> String {
    let because = |what: &str| match &target.error {
        Some(error) => format!("{what}: {error}"),
        None => what.to_owned(),
    };
    let warning = target.notes.iter().find(|note| note.level == NoteLevel::Warning);
    match (target.state, warning) {
        (Some(ServerState::Down), _) => because("is down"),
        (Some(ServerState::Hung), Some(note)) if target.error.is_none() => format!("is hung: {}", note.text),
        (Some(ServerState::Hung), _) => because("is hung"),
        (None, _) if target.last_poll_at.is_none() => "was not polled yet".into(),
        (None, _) => "is not known: its last poll is too old".into(),
        (Some(_), noted) => match (target.drift(), noted) {
            (Some(worst), _) if worst.report.health() == Health::Critical => drift("answers badly", worst),
            (_, Some(note)) => format!("needs a look: {}", note.text),
            (Some(worst), None) => drift("needs a look", worst),
            (None, None) => "needs a look".into(),
        },
    }
}

fn drift(what: &str, worst: &CanaryView) -> String {
    let cause = worst.report.cause.map(|cause| format!(", most likely {}", canary_words::cause(cause)));
    format!("{what}: {} is {}{}", worst.model, worst.report.verdict.name(), cause.unwrap_or_default())
}

/// The first letter large.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(down: usize, hung: usize, unknown: usize, warning: usize, all: usize) -> String {
        Tally { all, down, hung, drifting: 0, unknown, warning }.say()
    }

    #[test]
    fn the_headline_counts_in_words() {
        assert_eq!(say(0, 0, 0, 0, 3), "All 3 servers are up");
        assert_eq!(say(1, 0, 0, 0, 3), "1 of 3 servers is down");
        assert_eq!(say(3, 0, 0, 0, 3), "All 3 servers are down");
        assert_eq!(say(1, 2, 0, 1, 9), "1 of 9 servers is down, 2 are hung, 1 needs a look");
        assert_eq!(say(0, 0, 2, 0, 2), "Both servers are not known");
        assert_eq!(say(0, 0, 0, 2, 5), "All 5 servers are up, 2 need a look");
        let drifting = Tally { all: 3, drifting: 1, ..Tally::default() };
        assert_eq!(drifting.say(), "All 3 servers are up, 1 answers badly");
    }
}
