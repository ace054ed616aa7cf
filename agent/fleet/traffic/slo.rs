//! What is promised of a request, and whether it was kept. Pure.

use std::time::Duration;

use crate::sample::{End, Generation, Truncation};

/// The most objectives that a config may have: each request is judged by each, and each makes two series of a
/// model.
pub const MAX_SLOS: usize = 50;

/// What is promised of each request: all limits that are set hold, and it does not fail.
///
/// Judged are the requests of a tap, or of a log where there is no tap: what users got. What a request does not
/// have (a time to first token where the answer is no stream) is no miss; the other limits judge it. Where there is
/// no other, it is not judged, be it whole or failed: nothing was promised of it.
/// - An answer that could not be read to its end ([`Generation::fault`]) is a miss if what was seen of it is one.
///   Else it is not judged: nobody knows how it was.
/// - A failure is a miss, unless it is the client's own ([`crate::sample::Failure::is_clients`]): that is not
///   judged, since the server did what it should.
/// - An answer that the context cut is a miss. One that ends by the limit that the request sets itself is not: the
///   client asked for no more, and the server gave all of it. In benchmarks (goodput of DistServe, AIPerf) the tool
///   sets that limit, and the full length is what it wants; here it would tell of how clients ask.
/// - A client that left before a limit had passed is not judged: nobody knows how it would have gone on. One that
///   left after it is a miss.
/// - A cold start is judged like any other: the client waited.
/// - Embeddings have no tokens to time: only an objective with a limit on the whole judges them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slo {
    /// Its name: a label's value.
    pub name: String,
    /// The targets that it is promised of, by name. Empty: all.
    pub targets: Vec<String>,
    /// The models, as the target's inventory spells them. Empty: all.
    pub models: Vec<String>,
    /// The longest time to first token. Streams alone have one.
    pub time_to_first_token: Option<Duration>,
    /// The longest time per output token. Streams alone have one.
    pub time_per_output_token: Option<Duration>,
    /// The longest time to the last byte.
    pub duration: Option<Duration>,
}

impl Slo {
    /// Whether anything is promised of this model on this target.
    pub(super) fn is_for(&self, target: &str, model: &str) -> bool {
        let has = |list: &[String], name: &str| list.is_empty() || list.iter().any(|one| one == name);
        has(&self.targets, target) && has(&self.models, model)
    }

    /// Whether it was missed. `None`: it is not judged on this one.
    pub(super) fn missed(&self, one: &Generation) -> Option<bool> {
        if !self.holds_for(one) {
            return None;
        }
        let over = |limit: Option<Duration>, took: Option<Duration>| matches!((limit, took), (Some(limit), Some(took)) if took > limit);
        let slow = over(self.time_to_first_token, one.time_to_first_token)
            || over(self.time_per_output_token, one.time_per_output_token)
            || over(self.duration, Some(one.duration));
        match one.end {
            End::Complete if slow || one.truncated == Some(Truncation::Context) => Some(true),
            End::Complete => (one.fault.is_none() && self.has_measured(one)).then_some(false),
            End::Failed(reason) if reason.is_clients() || reason.is_ours() => None,
            End::Failed(_) => Some(true),
            End::Cancelled(_) => {
                // Tokens may have come of an answer that was not read.
                let waits = one.time_to_first_token.is_none() && one.fault.is_none();
                let waited = Some(one.duration).filter(|_| waits && one.streamed == Some(true));
                (slow || over(self.time_to_first_token, waited)).then_some(true)
            }
        }
    }

    /// Whether it has a limit that such a request can keep or pass.
    fn holds_for(&self, one: &Generation) -> bool {
        let of_streams = self.time_to_first_token.is_some() || self.time_per_output_token.is_some();
        self.duration.is_some() || (of_streams && one.streamed == Some(true) && !one.dialect.embeds())
    }

    /// Whether anything was measured that a limit speaks of: a stream of one token has no time per token.
    fn has_measured(&self, one: &Generation) -> bool {
        self.duration.is_some()
            || (self.time_to_first_token.is_some() && one.time_to_first_token.is_some())
            || (self.time_per_output_token.is_some() && one.time_per_output_token.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Dialect, Failure, MeterFault, Phase};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// First token within 500 ms, 50 ms a token, 10 s in all.
    fn slo() -> Slo {
        Slo {
            name: "chat".into(),
            time_to_first_token: Some(ms(500)),
            time_per_output_token: Some(ms(50)),
            duration: Some(ms(10_000)),
            ..Slo::default()
        }
    }

    fn stream(first: u64, each: u64, all: u64) -> Generation {
        Generation {
            streamed: Some(true),
            time_to_first_token: Some(ms(first)),
            time_per_output_token: Some(ms(each)),
            ..Generation::new(Dialect::OllamaChat, End::Complete, ms(all))
        }
    }

    fn first_token_only() -> Slo {
        Slo { time_per_output_token: None, duration: None, ..slo() }
    }

    fn ended(end: End, one: Generation) -> Generation {
        Generation { end, ..one }
    }

    #[test]
    fn all_limits_must_hold_and_a_limit_itself_is_kept() {
        for (first, each, all, missed) in [
            (500, 50, 10_000, false),
            (501, 50, 10_000, true),
            (500, 51, 10_000, true),
            (500, 50, 10_001, true),
        ] {
            assert_eq!(slo().missed(&stream(first, each, all)), Some(missed), "{first} {each} {all}");
        }
    }

    #[test]
    fn what_is_no_stream_is_judged_by_the_rest() {
        for streamed in [Some(false), None] {
            let plain =
                |all| Generation { streamed, ..Generation::new(Dialect::OpenaiChat, End::Complete, ms(all)) };
            assert_eq!(slo().missed(&plain(9000)), Some(false));
            assert_eq!(slo().missed(&plain(11_000)), Some(true));
            let failed = ended(End::Failed(Failure::ServerError), plain(1));
            assert_eq!(slo().missed(&failed), Some(true));
            for one in [plain(60_000), failed] {
                assert_eq!(first_token_only().missed(&one), None, "nothing is promised of it: {one:?}");
            }
        }
    }

    #[test]
    fn a_stream_is_judged_only_by_what_it_has() {
        let per_token_only = Slo { time_to_first_token: None, duration: None, ..slo() };
        let one_token = Generation { time_per_output_token: None, ..stream(100, 0, 100) };
        assert_eq!(per_token_only.missed(&one_token), None);
        assert_eq!(first_token_only().missed(&one_token), Some(false));
        let no_token = Generation { time_to_first_token: None, ..one_token };
        assert_eq!(first_token_only().missed(&no_token), None);
        assert_eq!(slo().missed(&no_token), Some(false), "by its whole");
        let failed = ended(End::Failed(Failure::Reset), no_token);
        assert_eq!(
            first_token_only().missed(&failed),
            Some(true),
            "a stream was promised, and there is none"
        );
    }

    #[test]
    fn an_answer_that_could_not_be_read_is_a_miss_by_what_was_seen_or_not_judged() {
        for fault in MeterFault::ALL {
            let unread = |one| Generation { fault: Some(fault), ..one };
            let blind = |all| Generation {
                time_to_first_token: None,
                time_per_output_token: None,
                ..stream(0, 0, all)
            };
            for (one, missed) in [
                (stream(100, 10, 1000), None),
                (blind(1000), None),
                (blind(10_001), Some(true)),
                (stream(501, 10, 1000), Some(true)),
                (Generation { truncated: Some(Truncation::Context), ..blind(1) }, Some(true)),
                (ended(End::Failed(Failure::Reset), blind(1)), Some(true)),
                (ended(End::Cancelled(Phase::Decode), blind(600)), None),
            ] {
                assert_eq!(slo().missed(&unread(one.clone())), missed, "{fault:?} {one:?}");
            }
        }
    }

    #[test]
    fn embeddings_are_judged_on_the_whole_alone() {
        let embed = Generation::new(Dialect::OllamaEmbed, End::Failed(Failure::ServerError), ms(1));
        assert_eq!(Slo { duration: None, ..slo() }.missed(&embed), None);
        assert_eq!(slo().missed(&embed), Some(true));
    }

    #[test]
    fn a_failure_is_a_miss_unless_it_is_the_clients_own() {
        for reason in Failure::ALL {
            let missed = slo().missed(&ended(End::Failed(reason), stream(1, 1, 1)));
            let own = matches!(
                reason,
                Failure::Unauthorized | Failure::NotFound | Failure::ContextExceeded | Failure::ClientError
            );
            let wanted = if own || reason == Failure::AgentStopped { None } else { Some(true) };
            assert_eq!(missed, wanted, "{reason:?}");
        }
    }

    #[test]
    fn the_context_cuts_and_the_clients_own_limit_does_not() {
        for (cause, missed) in [(Truncation::Context, true), (Truncation::Length, false)] {
            let one = Generation { truncated: Some(cause), ..stream(1, 1, 1) };
            assert_eq!(slo().missed(&one), Some(missed), "{cause:?}");
        }
    }

    #[test]
    fn a_client_that_left_counts_once_a_limit_had_passed() {
        let left = |phase, one| ended(End::Cancelled(phase), one);
        let waiting =
            |all| Generation { time_to_first_token: None, time_per_output_token: None, ..stream(0, 0, all) };
        assert_eq!(slo().missed(&left(Phase::Prefill, waiting(400))), None);
        assert_eq!(slo().missed(&left(Phase::Prefill, waiting(600))), Some(true));
        let unknown = Generation { streamed: None, ..waiting(600) };
        assert_eq!(slo().missed(&left(Phase::Prefill, unknown)), None, "it may have been no stream");
        assert_eq!(slo().missed(&left(Phase::Decode, stream(400, 40, 900))), None);
        assert_eq!(slo().missed(&left(Phase::Decode, stream(600, 40, 900))), Some(true));
        assert_eq!(slo().missed(&left(Phase::Decode, stream(400, 60, 900))), Some(true));
    }

    #[test]
    fn it_is_for_the_targets_and_models_that_it_names() {
        let named = Slo { targets: vec!["box".into()], models: vec!["m:1b".into()], ..slo() };
        assert!(named.is_for("box", "m:1b") && slo().is_for("any", "other"));
        assert!(!named.is_for("box", "m:3b") && !named.is_for("nas", "m:1b"));
    }
}
