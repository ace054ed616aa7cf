//! Canaries at an Ollama that has room for one model: what they load, and what they make it break off.

use std::sync::Arc;
use std::time::Duration;

use opsagent::canary::asker::{Asker, Broken, Limits, Terms};
use opsagent::canary::{Asked, Beat, Beats, Budget, Memory, Plan, ask_all};
use opsagent::fleet::Fleet;
use opsagent::http::Clients;
use opsagent::jobs::Job as _;
use opsagent::procs::Machine;
use opsagent::sample::Question;
use opsagent::servers::{Target, kind};
use opsagent::view::CanaryView;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::cli::running::eventually;
use crate::support::agent::target;
use crate::support::asked::{chat, error, reply};
use crate::support::one_place::{Did, OnePlace};

/// What a model takes to load here, and what a question may take: much less.
const LOAD: Duration = Duration::from_millis(1200);
const QUESTION: Duration = Duration::from_millis(300);
const QUICK: Duration = Duration::from_millis(20);

fn limits() -> Limits {
    Limits {
        answer: QUESTION,
        long_answer: QUESTION,
        probe: QUESTION,
        look_every: Duration::from_millis(50),
        held: Duration::from_millis(1500),
        ..Limits::default()
    }
}

/// An asker of `mine`, which a user loaded, and that was looked at.
async fn looked_at(server: &OnePlace, limits: Limits) -> Asker {
    looked_at_by(server, limits, Terms::default()).await
}

async fn looked_at_by(server: &OnePlace, limits: Limits, terms: Terms) -> Asker {
    server.user("mine");
    server.take();
    let kind = kind("ollama").unwrap();
    let target = Target::new("box", server.url().parse().unwrap());
    let asker = Asker::connect(&target, kind, "mine", terms, &Clients::new(), Machine::here());
    let asker = asker.unwrap().within(limits);
    let now = asker.presence().await.unwrap();
    assert_eq!((now.loaded, now.context_tokens), (Some(true), Some(4096)));
    asker
}

fn short() -> Question {
    Question { timeout: QUESTION, ..chat("Say blue", 1) }
}

fn answered(did: &[Did], model: &str) -> usize {
    did.iter().filter(|did| **did == Did::Answer(model.into())).count()
}

/// Answers that began while somebody waited for the place of the model.
fn overtaken(did: &[Did]) -> usize {
    let (mut waits, mut answers) = (false, 0);
    for did in did {
        match did {
            Did::Wait(_) => waits = true,
            Did::Answer(_) if waits => answers += 1,
            Did::Load(_) | Did::Abort(_) => waits = false,
            Did::Answer(_) => {}
        }
    }
    answers
}

#[tokio::test]
async fn a_load_that_takes_longer_than_its_question_is_waited_for_and_not_broken_off() {
    let server = OnePlace::start(&["mine", "theirs"], LOAD, QUICK);
    let asker = looked_at(&server, limits()).await;
    server.user("theirs");
    server.take();
    let answer = reply(asker.ask(&short()).await);
    assert!(answer.waited_for_a_load());
    assert_eq!(server.take(), [Did::Load("mine".into()), Did::Answer("mine".into())]);
    let waits = asker.take_waits();
    assert!(waits.first && !waits.warm && !waits.failed, "{waits:?}");

    server.user("theirs");
    server.take();
    asker.abilities().await.unwrap();
    assert_eq!(server.take(), [Did::Load("mine".into()), Did::Answer("mine".into())], "nor a probe's");
}

#[tokio::test]
async fn a_question_to_a_model_in_memory_that_has_no_answer_in_its_time_is_given_up() {
    let server = OnePlace::start(&["mine"], QUICK, LOAD * 5);
    let asker = looked_at(&server, limits()).await;
    reply(asker.ask(&Question { timeout: LOAD * 10, ..short() }).await);
    let began = Instant::now();
    assert_eq!(error(asker.ask(&short()).await).name(), "timeout");
    assert!(began.elapsed() < LOAD * 4, "{:?}", began.elapsed());
    assert!(asker.take_waits().failed);
}

#[tokio::test]
async fn a_run_is_broken_off_before_it_would_take_back_the_place_that_a_user_took() {
    let server = OnePlace::start(&["mine", "theirs"], QUICK, QUICK);
    let asker = looked_at(&server, limits()).await;
    let mut asked = 0;
    let told = |_: &Question, _: &_| {
        asked += 1;
        if asked == 2 {
            server.user("theirs");
        }
    };
    let Asked { answers, broken } = ask_all(&asker, &vec![short(); 8], 1, told).await;
    assert_eq!((answers.len(), broken), (2, Some(Broken::Gone)));
    let did = server.take();
    assert_eq!((answered(&did, "mine"), answered(&did, "theirs")), (2, 1), "{did:?}");
    assert!(server.is_loaded("theirs") && !did.contains(&Did::Load("mine".into())), "{did:?}");
}

#[tokio::test]
async fn a_user_who_waits_for_the_place_of_the_model_gets_it_at_the_end_of_one_question() {
    for at_once in [1, 4] {
        let server = OnePlace::start(&["mine", "theirs"], QUICK, Duration::from_millis(100));
        let asker = looked_at(&server, limits()).await;
        server.visit_during_next_answer("theirs");
        let question = Question { timeout: LOAD * 10, ..short() };
        let asked = ask_all(&asker, &vec![question; 16], at_once, |_, _| {}).await;
        eventually(Duration::from_secs(20), || server.is_loaded("theirs"));
        assert!(matches!(asked.broken, Some(Broken::Gone | Broken::Held)), "{:?}", asked.broken);
        let did = server.take();
        assert_eq!(answered(&did, "mine"), usize::from(at_once), "{did:?}");
        assert!(overtaken(&did) < usize::from(at_once), "none came later before theirs: {did:?}");
        assert!(server.is_loaded("theirs"), "{did:?}");
    }
}

#[tokio::test]
async fn a_run_goes_through_where_nobody_comes_and_a_look_between_its_questions_costs_little() {
    let server = OnePlace::start(&["mine", "theirs"], QUICK, QUICK);
    let asker = looked_at(&server, limits()).await;
    for at_once in [1, 2, 4] {
        let asked = ask_all(&asker, &vec![short(); 20], at_once, |_, _| {}).await;
        assert_eq!((asked.answers.len(), asked.broken), (20, None));
    }
    assert!(asker.take_waits().warm);
}

#[tokio::test]
async fn an_answer_that_waited_for_a_load_ends_its_run() {
    let server = OnePlace::start(&["mine", "theirs"], LOAD, QUICK);
    let options = json!({ "num_ctx": 8192 }).as_object().cloned().unwrap();
    let asker = looked_at_by(&server, limits(), Terms { options, may_load: false }).await;
    let asked = ask_all(&asker, &vec![short(); 8], 1, |_, _| {}).await;
    assert_eq!((asked.answers.len(), asked.broken), (1, Some(Broken::Loaded)));
    assert!(asker.take_waits().first);
}

/// One beat of canaries of what that server has, by a plan that sends those options.
struct Asking {
    fleet: Fleet,
    _tasks: JoinSet<()>,
}

impl Asking {
    async fn start(server: &OnePlace, options: serde_json::Value) -> Asking {
        let fleet = Fleet::new(crate::support::eye::agent(), 10);
        let (clients, machine) = (Clients::new(), Machine::here());
        let target = target("box", "ollama", server.url().parse().unwrap());
        fleet.add(&target, false);
        let polled = target.connect(&clients, machine.clone()).unwrap();
        let mut poll = opsagent::poll::PollServer::new("box", polled, Duration::from_secs(5), fleet.clone());
        poll.once().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                sleep(Duration::from_millis(100)).await;
                poll.once().await;
            }
        });
        let every = Duration::from_secs(1);
        let options = options.as_object().cloned().unwrap();
        let plan = Plan {
            enabled: true,
            every,
            models: vec!["mine".into()],
            options: [("mine".to_owned(), options)].into(),
            budget: Budget::of(every),
            ..Plan::default()
        };
        let beats = Beats {
            target,
            plan: plan.into(),
            own: Vec::new().into(),
            fleet: fleet.clone(),
            clients,
            machine,
            store: None,
            writes: Arc::default(),
            gate: Arc::new(tokio::sync::Semaphore::new(1)),
            limits: limits(),
        };
        let mut beat = Beat::new(beats, Memory::default());
        tasks.spawn(async move {
            loop {
                beat.run().await;
                sleep(Duration::from_millis(20)).await;
            }
        });
        Asking { fleet, _tasks: tasks }
    }

    fn canary(&self) -> Option<CanaryView> {
        self.fleet.view().targets.first()?.canaries.first().cloned()
    }

    async fn until(&self, what: &str, holds: impl Fn(&CanaryView) -> bool) -> CanaryView {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match self.canary() {
                Some(canary) if holds(&canary) => return canary,
                canary => assert!(Instant::now() < until, "never: {what}: {canary:#?}"),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn runs(canary: &CanaryView, result: &str) -> u64 {
    canary.runs.iter().find(|(name, _)| name == result).map_or(0, |(_, runs)| *runs)
}

#[tokio::test]
async fn a_load_that_options_of_ours_cause_and_that_takes_longer_than_all_limits_ends_and_is_the_only_one() {
    let server = OnePlace::start(&["mine", "theirs"], LOAD, QUICK);
    server.user("mine");
    server.take();
    let asking = Asking::start(&server, json!({ "num_ctx": 8192 })).await;
    let stopped = |canary: &CanaryView| canary.skipped.as_deref() == Some("reload_caused");
    let canary = asking.until("it stops on the model", stopped).await;
    let words = canary.skipped_words.unwrap();
    assert!(words.contains("num_ctx=8192") && words.contains("options of [canaries]"), "{words}");
    let did = server.take();
    assert_eq!(did.iter().filter(|did| **did == Did::Load("mine".into())).count(), 1, "{did:?}");
    assert!(!did.iter().any(|did| matches!(did, Did::Abort(_))), "{did:?}");
    server.user("mine");
    server.take();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.take(), [], "nor is it asked again when its users are back");
}

#[tokio::test]
async fn users_who_take_turns_with_two_models_are_never_made_to_load_one_for_a_canary() {
    let server = OnePlace::start(&["mine", "theirs"], Duration::from_millis(60), QUICK * 4);
    server.user("mine");
    server.take();
    let asking = Asking::start(&server, json!({})).await;
    asking.until("a run", |canary| runs(canary, "ok") >= 1).await;
    let loads = |did: &[Did]| did.iter().filter(|did| matches!(did, Did::Load(_))).count();
    server.take();
    let mut turns = 0;
    // Some stay for a whole run, others come in the midst of one.
    for pause in [2600, 500, 1200, 300, 3000, 800, 400] {
        for model in ["theirs", "mine"] {
            let server = server.clone();
            tokio::task::spawn_blocking(move || server.user(model)).await.unwrap();
            turns += 1;
            sleep(Duration::from_millis(pause)).await;
        }
    }
    let did = server.take();
    assert_eq!(loads(&did), turns, "{did:?}");
    let canary = asking.canary().unwrap();
    assert!(canary.skips.iter().all(|(reason, _)| reason != "reload_caused"), "{:?}", canary.skips);
    assert_eq!(runs(&canary, "exceed") + runs(&canary, "error"), 0, "{:?}", canary.runs);
    assert!(runs(&canary, "ok") >= 2, "it is asked in between: {canary:#?}");
    assert_eq!(overtaken(&did), 0, "no question comes before a user who waits for the place: {did:?}");
}
