//! Whether a model may be asked so that all is left as it was found: nothing loaded, nothing woken, nothing kept
//! alive. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::asker::{Presence, Stay};
use crate::sample::ServerState;

mod why;

pub use why::Why;

/// What our last run left behind. As long as the server tells the same, nobody else used the model since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// Ollama's `expires_at`, which moves with the end of each request.
    pub expires_at: Option<Timestamp>,
    /// Tokens that the process counted, in and out.
    pub work: Option<f64>,
    /// The process that runs the model.
    pub process: Option<String>,
    /// The weights that the next request gets, where the server names them (Ollama's digest).
    pub digest: Option<String>,
    /// It was not in memory by then.
    pub gone: bool,
}

/// What else is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// What our last run left behind. `None`: there was none.
    pub left: Option<&'a Mark>,
    /// Whether the tap or a log saw a user's request since our last run. `None`: neither looks.
    pub used: Option<bool>,
    /// The config says that this model may be loaded for canaries, and so kept, too.
    pub may_load: bool,
}

/// Whether a model may be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// It may.
    pub may_run: bool,
    /// Why, or why not.
    pub why: Why,
}

/// Whether a model that is like this now may be asked.
pub fn decide(now: &Presence, known: Known<'_>) -> Left {
    let why = hindrance(now, known.may_load).unwrap_or_else(|| licence(now, known));
    Left { may_run: why.may_run(), why }
}

/// What forbids it, whoever used it.
fn hindrance(now: &Presence, may_load: bool) -> Option<Why> {
    match now.state {
        Some(ServerState::Loading) => return Some(Why::Loading),
        Some(ServerState::Sleeping) if !may_load => return Some(Why::Asleep),
        Some(ServerState::Down | ServerState::Hung) => return Some(Why::Away),
        _ => {}
    }
    match (now.remote, now.listed, now.loaded) {
        (true, ..) => Some(Why::Remote),
        (_, false, _) => Some(Why::Unlisted),
        _ if now.replaced && !may_load => Some(Why::Replaced),
        (_, _, Some(false)) if !may_load => Some(Why::NotLoaded),
        (_, _, None) if !may_load => Some(Why::NotTold),
        _ => None,
    }
}

/// Whether it would keep alive what nobody else needs.
fn licence(now: &Presence, known: Known<'_>) -> Why {
    if now.stay == Stay::ForEver {
        return Why::Stays;
    }
    if known.may_load {
        return Why::MayLoad;
    }
    let Some(left) = known.left else { return Why::First };
    if known.used == Some(true) {
        return Why::Used;
    }
    match used_since(left, &now.mark).or(known.used) {
        Some(true) => Why::Used,
        Some(false) => Why::Unused,
        None => Why::UseUnseen,
    }
}

/// Whether the server tells something else than what we left. `None`: it tells nothing that could.
fn used_since(left: &Mark, now: &Mark) -> Option<bool> {
    // Whoever has it in memory now loaded it: ours load nothing.
    if left.gone && !now.gone {
        return Some(true);
    }
    // Another process was started by somebody's request, too.
    if let (Some(was), Some(is)) = (&left.process, &now.process)
        && was != is
    {
        return Some(true);
    }
    if now.expires_at.is_some() && left.expires_at.is_some() {
        return Some(now.expires_at != left.expires_at);
    }
    match (left.work, now.work) {
        (Some(was), Some(is)) => Some(was.total_cmp(&is).is_ne()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{ModelSample, ServerSample};

    type Change = fn(&mut Presence);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ollama(expires: i64) -> Presence {
        let model =
            ModelSample { loaded: Some(true), expires_at: Some(at(expires)), ..ModelSample::default() };
        Presence::of(&ServerSample::default(), Some(&model), Stay::Unknown)
    }

    fn why(now: &Presence, left: Option<&Mark>, used: Option<bool>) -> Why {
        decide(now, Known { left, used, may_load: false }).why
    }

    #[test]
    fn a_model_with_a_keep_alive_is_asked_once_and_then_only_after_somebody_else() {
        let now = ollama(100);
        assert_eq!(why(&now, None, None), Why::First);
        let left = ollama(400).mark;
        assert_eq!(why(&ollama(400), Some(&left), None), Why::Unused);
        assert!(!decide(&ollama(400), Known { left: Some(&left), ..Known::default() }).may_run);
        assert_eq!(why(&ollama(401), Some(&left), None), Why::Used);
        assert_eq!(why(&ollama(400), Some(&left), Some(true)), Why::Used, "the tap saw one that still runs");
        assert_eq!(why(&ollama(400), Some(&left), Some(false)), Why::Unused);
        let mut for_ever = ollama(400);
        for_ever.stay = Stay::ForEver;
        assert_eq!(why(&for_ever, Some(&left), None), Why::Stays);
    }

    #[test]
    fn a_new_process_and_grown_counters_are_somebody_elses_use_too() {
        let mark = |process: &str, work: Option<f64>| Mark {
            process: Some(process.into()),
            work,
            ..Mark::default()
        };
        let mut now = ollama(0);
        (now.stay, now.mark) = (Stay::Unknown, mark("7:1", Some(100.0)));
        assert_eq!(why(&now, Some(&mark("7:1", Some(100.0))), None), Why::Unused);
        assert_eq!(why(&now, Some(&mark("7:1", Some(90.0))), None), Why::Used);
        assert_eq!(why(&now, Some(&mark("6:9", Some(100.0))), None), Why::Used);
        assert_eq!(why(&now, Some(&mark("7:1", None)), None), Why::UseUnseen);
        assert_eq!(why(&now, Some(&mark("7:1", None)), Some(false)), Why::Unused);
        assert!(decide(&now, Known { left: Some(&Mark::default()), used: None, may_load: true }).may_run);
    }

    #[test]
    fn a_model_that_was_gone_when_a_run_ended_was_loaded_by_somebody_else() {
        let gone = Mark { gone: true, digest: Some("1d3f".into()), ..Mark::default() };
        assert_eq!(why(&ollama(400), Some(&gone), None), Why::Used);
        assert_eq!(
            why(&ollama(400), Some(&gone), Some(false)),
            Why::Used,
            "the tap sees only who comes by it"
        );
    }

    #[test]
    fn what_was_asked_and_not_looked_at_afterwards_is_not_asked_again_unless_it_stays() {
        let unknown = Mark::default();
        assert_eq!(why(&ollama(400), Some(&unknown), None), Why::UseUnseen);
        assert_eq!(why(&ollama(400), Some(&unknown), Some(true)), Why::Used);
        let mut for_ever = ollama(400);
        for_ever.stay = Stay::ForEver;
        assert_eq!(why(&for_ever, Some(&unknown), None), Why::Stays);
    }

    #[test]
    fn what_is_not_there_is_not_asked_and_what_may_be_loaded_is_asked_unless_it_is_elsewhere_or_on_its_way() {
        let base = ollama(100);
        let cases: [(Change, Why, Why); 8] = [
            (|now| now.replaced = true, Why::Replaced, Why::MayLoad),
            (|now| now.loaded = Some(false), Why::NotLoaded, Why::MayLoad),
            (|now| now.state = Some(ServerState::Sleeping), Why::Asleep, Why::MayLoad),
            (|now| now.loaded = None, Why::NotTold, Why::MayLoad),
            (|now| now.state = Some(ServerState::Loading), Why::Loading, Why::Loading),
            (|now| now.state = Some(ServerState::Hung), Why::Away, Why::Away),
            (|now| now.remote = true, Why::Remote, Why::Remote),
            (|now| now.listed = false, Why::Unlisted, Why::Unlisted),
        ];
        for (change, why, allowed) in cases {
            let mut now = base.clone();
            change(&mut now);
            let known = Known { left: None, used: Some(true), may_load: false };
            assert_eq!(decide(&now, known), Left { may_run: false, why });
            let left = decide(&now, Known { may_load: true, ..known });
            assert_eq!(left, Left { may_run: allowed == Why::MayLoad, why: allowed });
            assert!(!why.words().is_empty() && !why.name().is_empty());
        }
    }
}
