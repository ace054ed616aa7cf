use super::*;
use crate::canary::Quiet;
use crate::view::TrafficView;

/// What makes a server that could be asked another one.
type Change = fn(&mut TargetView);

fn ready() -> TargetView {
    let model =
        |name: &str, loaded| ModelView { name: name.into(), loaded: Some(loaded), ..ModelView::default() };
    TargetView {
        state: Some(ServerState::Ready),
        models: vec![model("m", true), model("other", false)],
        ..TargetView::default()
    }
}

fn plan() -> Plan {
    Plan { enabled: true, ..Plan::default() }
}

/// What is decided of that target by that plan, after so much was spent.
fn decided(target: &TargetView, plan: &Plan, spent: Spent) -> Decision {
    let time = Time::constant(12, 0, 0, 0);
    let needs = Spent { prompt: 500, completion: 77 };
    decide(&Ground { target: Some(target), model: "m", plan, time, spent, needs, reload: None })
}

fn skip(decision: &Decision) -> Option<Skip> {
    match decision {
        Decision::Ask => None,
        Decision::Wait(reason, words) | Decision::Skip(reason, words) => {
            assert!(!words.is_empty());
            Some(*reason)
        }
    }
}

#[test]
fn an_idle_server_with_the_model_in_memory_is_asked() {
    assert_eq!(decided(&ready(), &plan(), Spent::default()), Decision::Ask);
    let mut untold = ready();
    untold.models[0].loaded = None;
    assert_eq!(decided(&untold, &plan(), Spent::default()), Decision::Ask, "a fresh look decides");
}

#[test]
fn a_server_that_works_is_waited_for_and_one_that_does_not_answer_is_not() {
    let with = |change: Change| {
        let mut target = ready();
        change(&mut target);
        decided(&target, &plan(), Spent::default())
    };
    let tapped = |in_flight| Some(TrafficView { in_flight: Some(in_flight), ..TrafficView::default() });
    let waits: [Change; 5] = [
        |target| target.state = Some(ServerState::Loading),
        |target| target.models[0].state = Some(ServerState::Loading),
        |target| target.models[0].slots_busy = Some(1),
        |target| target.models[1].slots_busy = Some(1),
        |target| target.models[0].queue_depth = Some(2),
    ];
    for (nth, change) in waits.into_iter().enumerate() {
        let decision = with(change);
        assert!(matches!(decision, Decision::Wait(Skip::Busy, _)), "{nth}: {decision:?}");
    }
    let mut target = ready();
    target.traffic = tapped(1);
    assert!(matches!(decided(&target, &plan(), Spent::default()), Decision::Wait(Skip::Busy, _)));
    target.traffic = tapped(0);
    assert_eq!(decided(&target, &plan(), Spent::default()), Decision::Ask);
    let skips: [(Change, Skip); 6] = [
        (|target| target.state = None, Skip::Unreachable),
        (|target| target.state = Some(ServerState::Down), Skip::Unreachable),
        (|target| target.state = Some(ServerState::Hung), Skip::Unreachable),
        (|target| target.state = Some(ServerState::Sleeping), Skip::Asleep),
        (|target| target.models[0].loaded = Some(false), Skip::NotLoaded),
        (|target| target.models.clear(), Skip::NotLoaded),
    ];
    for (nth, (change, reason)) in skips.into_iter().enumerate() {
        let decision = with(change);
        assert!(matches!(&decision, Decision::Skip(found, _) if *found == reason), "{nth}: {decision:?}");
    }
}

#[test]
fn a_model_that_may_be_loaded_is_asked_though_it_is_not_in_memory_or_sleeps() {
    let plan = Plan { may_load: vec!["m".into()], ..plan() };
    let mut target = ready();
    target.models[0].loaded = Some(false);
    assert_eq!(decided(&target, &plan, Spent::default()), Decision::Ask);
    target.state = Some(ServerState::Sleeping);
    assert_eq!(decided(&target, &plan, Spent::default()), Decision::Ask);
}

#[test]
fn what_would_pass_the_hours_tokens_is_not_asked() {
    let plan = plan();
    let Budget { completion_tokens_per_hour, prompt_tokens_per_hour, .. } = plan.budget;
    let spent = |prompt, completion| Spent { prompt, completion };
    let room = spent(prompt_tokens_per_hour - 500, completion_tokens_per_hour - 77);
    assert_eq!(decided(&ready(), &plan, room), Decision::Ask, "the last one that fits");
    for over in [spent(room.prompt + 1, 0), spent(0, room.completion + 1)] {
        assert_eq!(skip(&decided(&ready(), &plan, over)), Some(Skip::Budget));
    }
}

#[test]
fn quiet_hours_and_a_reload_that_was_caused_hold_before_all_else() {
    let plan = Plan { quiet: vec![Quiet::parse("11:00-13:00").unwrap()], ..plan() };
    assert_eq!(skip(&decided(&ready(), &plan, Spent::default())), Some(Skip::QuietHours));
    let target = ready();
    let ground = |target, time, reload| {
        decide(&Ground {
            target,
            model: "m",
            plan: &plan,
            time,
            spent: Spent::default(),
            needs: Spent::default(),
            reload,
        })
    };
    let (noon, evening) = (Time::constant(12, 0, 0, 0), Time::constant(18, 0, 0, 0));
    assert_eq!(ground(Some(&target), evening, None), Decision::Ask);
    let reloaded = ground(Some(&target), noon, Some("set options"));
    assert_eq!(reloaded, Decision::Skip(Skip::ReloadCaused, "set options".into()));
    assert_eq!(skip(&ground(None, evening, None)), Some(Skip::Unreachable));
}

#[test]
fn each_reason_of_a_fresh_look_is_one_that_is_counted() {
    for (why, skip) in [
        (Why::Unused, Skip::Unused),
        (Why::UseUnseen, Skip::Unused),
        (Why::NotTold, Skip::NotLoaded),
        (Why::Remote, Skip::Unsupported),
        (Why::Away, Skip::Unreachable),
        (Why::Asleep, Skip::Asleep),
    ] {
        assert_eq!(reason(why), skip, "{why:?}");
    }
}
