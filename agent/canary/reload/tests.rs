use super::*;
use crate::canary::asker::{Options, Stay};
use crate::sample::{ModelSample, ServerSample};

type Change = fn(&mut Seen<'_>);

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn first() -> Waits {
    Waits { first: true, ..Waits::default() }
}

/// A model in memory by that process, with those weights, loaded with that context.
fn loaded(process: &str, digest: &str, context: u64) -> Presence {
    let model = ModelSample { loaded: Some(true), ..ModelSample::default() };
    let mut now = Presence::of(&ServerSample::default(), Some(&model), Stay::Unknown);
    (now.mark.process, now.mark.digest) = (Some(process.into()), Some(digest.into()));
    now.loaded_with = Some(Options::loaded(Some(context), None, &serde_json::Map::new()));
    now
}

/// The same of a server whose processes are not seen.
fn elsewhere() -> Presence {
    let mut now = loaded("", "a", 1);
    (now.mark.process, now.loaded_with) = (None, None);
    now
}

fn gone() -> Presence {
    let mut now = elsewhere();
    (now.loaded, now.mark.gone) = (Some(false), true);
    now
}

fn judged(waits: Waits, before: &Presence, after: &Presence) -> Load {
    judge(Seen { kind: "ollama", at: AT, waits, before, after: Some(after), others: false })
}

#[test]
fn only_a_load_that_our_own_answer_waited_for_in_a_server_that_loads_by_itself_is_ours() {
    let (before, after) = (loaded("7:1", "a", 1), loaded("8:2", "a", 2));
    let base =
        Seen { kind: "ollama", at: AT, waits: first(), before: &before, after: Some(&after), others: false };
    assert_eq!(judge(base), Load::Ours);
    let cases: [(Change, Load); 5] = [
        (|run| run.kind = "llama_cpp", Load::NotOurs),
        (|run| run.kind = "openai", Load::NotOurs),
        (|run| run.waits = Waits::default(), Load::NotOurs),
        (|run| run.after = None, Load::NotOurs),
        (|run| run.others = true, Load::Doubtful),
    ];
    for (nth, (change, load)) in cases.into_iter().enumerate() {
        let mut run = base;
        change(&mut run);
        assert_eq!(judge(run), load, "{nth}");
    }
}

#[test]
fn a_load_that_may_be_a_users_is_ours_when_it_comes_twice_in_a_row() {
    let (before, after) = (loaded("7:1", "a", 1), loaded("8:2", "a", 2));
    let others =
        Seen { kind: "ollama", at: AT, waits: first(), before: &before, after: Some(&after), others: true };
    let none = Seen { waits: Waits { warm: true, ..Waits::default() }, ..others };
    let mut loads = Loads::default();
    let told = [others, none, others, others].map(|run| loads.ours(run));
    assert_eq!(told, [None, None, None, Some(Cause::Twice)]);
    assert!(words(Cause::Options, "m", "").contains("was sent no options"));
    for cause in [Cause::Options, Cause::Twice] {
        let words = words(cause, "m", "num_ctx=1");
        assert!(words.contains("sent num_ctx=1") && words.contains("options of [canaries]"), "{words}");
    }
}

#[test]
fn another_model_under_the_name_a_first_load_and_the_same_process_are_not_ours() {
    let before = loaded("7:1", "a", 1);
    assert_eq!(judged(first(), &before, &loaded("8:2", "b", 2)), Load::NotOurs);
    assert_eq!(judged(first(), &before, &loaded("7:1", "a", 1)), Load::NotOurs);
    let mut over = before.clone();
    over.mark.expires_at = Some(AT);
    assert_eq!(judged(first(), &over, &loaded("8:2", "a", 2)), Load::NotOurs);
    assert_eq!(judged(first(), &elsewhere(), &loaded("8:2", "a", 2)), Load::Ours, "of another machine");
}

#[test]
fn a_load_after_an_answer_that_came_at_once_is_somebody_elses_doing() {
    let later = Waits { warm: true, later: true, ..Waits::default() };
    assert_eq!(judged(later, &loaded("7:1", "a", 1), &loaded("8:2", "a", 1)), Load::NotOurs);
    assert_eq!(judged(later, &elsewhere(), &elsewhere()), Load::NotOurs);
}

#[test]
fn a_model_that_was_loaded_with_the_options_it_had_was_not_loaded_for_other_ones() {
    let before = loaded("7:1", "a", 1);
    assert_eq!(judged(first(), &before, &loaded("8:2", "a", 1)), Load::Doubtful);
    assert_eq!(judged(first(), &before, &loaded("8:2", "a", 2)), Load::Ours);
}

#[test]
fn a_load_that_never_ended_is_ours_and_a_process_that_ended_is_at_the_second_time() {
    let before = loaded("7:1", "a", 1);
    let given_up = Waits { failed: true, ..first() };
    assert_eq!(judged(given_up, &before, &gone()), Load::Ours);
    assert_eq!(judged(given_up, &elsewhere(), &gone()), Load::Ours);
    let failed = Waits { failed: true, ..Waits::default() };
    for waits in [failed, Waits { warm: true, ..failed }] {
        assert_eq!(judged(waits, &before, &gone()), Load::Doubtful);
        assert_eq!(judged(waits, &before, &loaded("8:2", "a", 1)), Load::Doubtful);
        assert_eq!(judged(waits, &before, &before), Load::NotOurs, "a server that is slow");
    }
}

#[test]
fn a_short_wait_at_a_server_whose_processes_are_not_seen_is_ours_at_the_second_time() {
    let short = Waits { short: true, ..first() };
    assert_eq!(judged(short, &elsewhere(), &elsewhere()), Load::Doubtful);
    assert_eq!(judged(first(), &elsewhere(), &elsewhere()), Load::Ours);
    assert_eq!(judged(short, &loaded("7:1", "a", 1), &loaded("8:2", "a", 2)), Load::Ours, "a process tells");
}
