//! Canaries at a real Ollama that has room for one model: whose loads there are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opsagent::canary::asker::Broken;
use opsagent::canary::left::{Known, Why, decide};
use opsagent::canary::{Budget, Plan, ask_all};
use opsagent::config::{Config, StorePlan};
use opsagent::view::{CanaryView, View};
use serde_json::{Value, json};

use crate::cli::running::eventually;
use crate::support::agent::{Agent, config, target};
use crate::support::asked::{asker, chat, reply};
use crate::support::process::alive;
use crate::support::real::{Ollama, smollm2};
use crate::support::tiny_model::TinyModel;

/// One that has room for one model, and two of them on its disk.
fn one_place() -> (tempfile::TempDir, Ollama) {
    let ollama = Ollama::start(&[("OLLAMA_MAX_LOADED_MODELS", "1")]);
    let (folder, tiny) = TinyModel::new().saved();
    ollama.create("smol", &smollm2(), &[]);
    ollama.create("tiny", &tiny, &["TEMPLATE {{ .Prompt }}"]);
    (folder, ollama)
}

/// A user's request.
fn use_it(ollama: &Ollama, model: &str) -> Value {
    let options = json!({ "num_ctx": 2048, "num_predict": 4 });
    let body = json!({ "model": model, "prompt": "the", "stream": false, "options": options });
    ollama.post("/api/generate", &body)
}

/// Loads so far, by its own word.
fn loads(ollama: &Ollama) -> usize {
    ollama.log().matches("msg=\"starting llama-server\"").count()
}

fn asking(ollama: &Ollama, folder: &Path) -> Config {
    let every = Duration::from_secs(2);
    let url = ollama.url().parse().unwrap();
    Config {
        canaries: Plan {
            enabled: true,
            every,
            budget: Budget::of(Duration::from_secs(1)),
            ..Plan::default()
        },
        store: StorePlan { path: Some(folder.join("opsagent.db")), ..StorePlan::default() },
        ..config(vec![target("box", "ollama", url)])
    }
}

fn canaries(view: &View) -> &[CanaryView] {
    view.targets.first().map_or(&[], |target| &target.canaries)
}

fn count(counts: &[(String, u64)], name: &str) -> u64 {
    counts.iter().find(|(one, _)| one == name).map_or(0, |(_, count)| *count)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn users_who_take_turns_with_two_models_have_no_load_more_than_without_canaries() {
    let (folder, ollama) = one_place();
    let ollama = Arc::new(ollama);
    let agent = Agent::start(asking(&ollama, folder.path())).await;
    let before = loads(&ollama);
    let mut turns = 0;
    // Some stay for a whole run, others come in the midst of one, or between two of its questions.
    for pause in [6000, 900, 2500, 400, 5000, 1700, 3100, 700, 5500, 1300, 2100, 4200] {
        for model in ["smol", "tiny"] {
            let user = ollama.clone();
            tokio::task::spawn_blocking(move || use_it(&user, model)).await.unwrap();
            turns += 1;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
    let (view, made) = (agent.view().await, loads(&ollama) - before);
    println!("{turns} turns, {made} loads");
    for canary in canaries(&view) {
        println!("{}: runs {:?}, skips {:?}", canary.model, canary.runs, canary.skips);
    }
    assert_eq!(made, turns, "one for each turn of a user");
    for canary in canaries(&view) {
        assert_eq!(count(&canary.skips, "reload_caused"), 0, "{canary:#?}");
        assert_eq!(count(&canary.runs, "error") + count(&canary.runs, "exceed"), 0, "{canary:#?}");
    }
    assert!(canaries(&view).iter().any(|canary| count(&canary.runs, "ok") > 0), "{view:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_user_who_wants_another_model_waits_for_one_question_and_no_run_goes_on_over_it() {
    let (_folder, ollama) = one_place();
    let ollama = Arc::new(ollama);
    use_it(&ollama, "smol");
    let asker = asker("ollama", &ollama.url(), "smol");
    asker.presence().await.unwrap();
    let before = loads(&ollama);
    let user = ollama.clone();
    let user = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(700));
        use_it(&user, "tiny")
    });
    let questions = vec![chat("Count from 1 to 1000, every number.", 24); 60];
    let asked = ask_all(&asker, &questions, 1, |_, _| {}).await;
    let theirs = user.await.unwrap();
    assert!(matches!(asked.broken, Some(Broken::Gone | Broken::Held)), "{:?}", asked.broken);
    assert!((1..60).contains(&asked.answers.len()), "{}", asked.answers.len());
    assert_eq!(loads(&ollama) - before, 1, "theirs: {theirs}");
    assert_eq!(decide(&asker.presence().await.unwrap(), Known::default()).why, Why::NotLoaded);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_run_of_a_model_that_stays_or_goes_is_not_broken_off_and_a_look_between_questions_costs_little() {
    let (_folder, ollama) = one_place();
    for keep_alive in [json!("10m"), json!(-1), json!("3s")] {
        let options = json!({ "num_ctx": 2048, "num_predict": 1 });
        let body = json!({ "model": "tiny", "prompt": "the", "stream": false, "options": options,
            "keep_alive": keep_alive });
        ollama.post("/api/generate", &body);
        let asker = asker("ollama", &ollama.url(), "tiny");
        asker.presence().await.unwrap();
        let question = chat("the", 2);
        let mut looked = Duration::ZERO;
        for _ in 0..40 {
            reply(asker.ask(&question).await);
            let began = tokio::time::Instant::now();
            asker.still().await.unwrap();
            looked += began.elapsed();
        }
        println!("keep_alive {keep_alive}: {:?} a look", looked / 40);
        assert!(looked / 40 < Duration::from_millis(250), "{looked:?}");
        for at_once in [1, 4] {
            let asked = ask_all(&asker, &vec![question.clone(); 20], at_once, |_, _| {}).await;
            assert_eq!((asked.answers.len(), asked.broken), (20, None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_model_whose_process_ended_is_not_loaded_again_though_it_is_listed() {
    let (_folder, ollama) = one_place();
    use_it(&ollama, "smol");
    let before = loads(&ollama);
    let asker = asker("ollama", &ollama.url(), "smol");
    asker.presence().await.unwrap();
    let child = ollama.children()[0];
    let kill = || {
        let status = std::process::Command::new("kill").args(["-KILL", &child.to_string()]).status();
        assert!(status.unwrap().success());
        eventually(Duration::from_secs(10), || !alive(child));
    };
    let mut answers = 0;
    let told = |_: &_, _: &_| {
        answers += 1;
        if answers == 3 {
            kill();
        }
    };
    let asked = ask_all(&asker, &vec![chat("Say blue", 1); 10], 1, told).await;
    assert_eq!((asked.answers.len(), asked.broken), (3, Some(Broken::Gone)));
    let now = asker.presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::NotLoaded, "{now:#?}");
    assert_eq!(loads(&ollama), before, "its users' next request does that");
}
