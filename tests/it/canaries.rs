//! Canaries on a beat, by a whole agent at a server that answers and tells no log probabilities.

use std::path::Path;
use std::time::Duration;

use opsagent::app::Options;
use opsagent::canary::{Budget, Plan, Quiet};
use opsagent::config::{Config, StorePlan, Tap};
use opsagent::store::{Db, Key, Wanted};
use opsagent::view::{CanaryView, View};

use crate::support::agent::{Agent, config, target, value};
use crate::support::process::free_port;
use crate::support::stub::{Stub, request};

/// An agent's config that asks the stub's model every half second.
fn asking(stub: &Stub, folder: &Path, plan: Plan) -> Config {
    let url = format!("http://{}/", stub.address).parse().unwrap();
    Config {
        canaries: Plan { enabled: true, ..plan },
        store: StorePlan { path: Some(folder.join("opsagent.db")), ..StorePlan::default() },
        ..config(vec![target("stub", "openai", url)])
    }
}

/// A plan that lets a server be asked that does not tell what is loaded.
fn allowed() -> Plan {
    let every = Duration::from_millis(500);
    Plan { every, may_load: vec!["stub".into()], budget: Budget::of(every), ..Plan::default() }
}

fn canary(view: &View) -> Option<&CanaryView> {
    view.targets.first()?.canaries.first()
}

fn runs(view: &View, result: &str) -> u64 {
    let runs = canary(view).map(|canary| canary.runs.as_slice()).unwrap_or_default();
    runs.iter().find(|(name, _)| name == result).map_or(0, |(_, runs)| *runs)
}

/// Starts it and waits for a beat that asked nothing, for this reason; the words with which it is told.
async fn skipped(config: Config, reason: &str) -> String {
    let agent = Agent::start(config).await;
    let is = |view: &View| canary(view).is_some_and(|canary| canary.skipped.as_deref() == Some(reason));
    let view = agent.until(reason, is).await;
    let samples = agent.samples().await;
    let labels = [("target", "stub"), ("model", "stub"), ("reason", reason)];
    assert!(value(&samples, "opsagent_canary_skips_total", &labels) >= Some(1.0));
    canary(&view).unwrap().skipped_words.clone().unwrap()
}

#[tokio::test]
async fn runs_are_told_stored_and_never_taken_for_users_and_go_on_after_a_restart() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let config = asking(&stub, folder.path(), allowed());
    let agent = Agent::start(config.clone()).await;
    let view = agent.until("three runs", |view| runs(view, "ok") >= 3).await;
    let told = canary(&view).unwrap();
    let learned = told.report.learning.unwrap().runs;
    // One of them may be of the long prompts alone: no beat.
    assert!(learned >= 2 && told.tokens.1 > 0 && told.next_run_at.is_some(), "{told:?}");
    assert!(view.targets[0].traffic.is_none(), "nobody watches users here, and canaries are none");
    let store = view.store.clone().unwrap();
    assert!(store.up && store.error.is_none() && store.size_bytes > Some(0), "{store:?}");
    let samples = agent.samples().await;
    let asked = [("target", "stub"), ("model", "stub"), ("source", "canary")];
    assert!(value(&samples, "opsagent_requests_total", &asked) >= Some(10.0));
    assert!(!samples.iter().any(|sample| sample.labels.contains(&("source".into(), "tap".into()))));
    assert_eq!(agent.stop().await, 0);

    let key = Key::new("stub", "stub");
    let db = Db::open_existing(&folder.path().join("opsagent.db")).unwrap();
    let stored = db.runs(&Wanted::of(&key)).unwrap();
    assert!(stored.len() >= 3 && stored.iter().all(|run| run.run.result == "ok"), "{stored:?}");
    assert!(stored.iter().all(|run| db.answers(run.id).unwrap().is_empty()), "no text is stored unasked");
    let watch = db.watch(&key).unwrap().unwrap().json;
    assert!(!watch.contains("tok1") && !watch.contains("tok2"), "nor in what is watched");
    drop(db);

    let agent = Agent::start(config).await;
    let view = agent.until("a run", |view| runs(view, "ok") >= 1).await;
    let goes_on = canary(&view).unwrap().report.learning.unwrap().runs;
    assert!(goes_on > learned, "{goes_on} after {learned}");
}

#[tokio::test]
async fn a_model_that_may_not_be_in_memory_is_not_asked() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let plan = Plan { may_load: Vec::new(), ..allowed() };
    let words = skipped(asking(&stub, folder.path(), plan), "not_loaded").await;
    assert!(words.contains("may_load"), "{words}");
    assert_eq!(stub.requests(), 0, "not one question");
}

#[tokio::test]
async fn in_quiet_hours_nothing_is_asked() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let quiet = ["00:00-12:00", "12:00-24:00"].map(|part| Quiet::parse(part).unwrap()).into();
    let words = skipped(asking(&stub, folder.path(), Plan { quiet, ..allowed() }), "quiet_hours").await;
    assert!(words.contains("quiet_hours"), "{words}");
    assert_eq!(stub.requests(), 0);
}

#[tokio::test]
async fn what_the_hour_allows_is_not_passed() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let budget = Budget { prompt_tokens_per_hour: 700, ..allowed().budget };
    let words = skipped(asking(&stub, folder.path(), Plan { budget, ..allowed() }), "budget").await;
    assert!(words.contains("max_prompt_tokens_per_hour"), "{words}");
}

#[tokio::test]
async fn long_prompts_that_the_hour_has_no_room_for_stay_due_are_counted_and_told_while_beats_go_on() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let budget = Budget { prompt_tokens_per_hour: 3000, ..allowed().budget };
    let agent = Agent::start(asking(&stub, folder.path(), Plan { budget, ..allowed() })).await;
    let skips = |view: &View| {
        let skips = canary(view).map(|canary| canary.skips.as_slice()).unwrap_or_default();
        skips.iter().find(|(reason, _)| reason == "budget").map_or(0, |(_, skips)| *skips)
    };
    let view = agent.until("three tries", |view| skips(view) >= 3).await;
    let told = canary(&view).unwrap();
    assert!(runs(&view, "ok") >= 3 && told.skipped.is_none(), "the beats ask: {told:?}");
    let words = told.left_out_words.join("\n");
    assert!(words.contains("The long prompts wait: the tokens of this hour are spent"), "{words}");
    assert!(
        words.contains("Never compared: lc1, lc2, lc3, p2, p3, since an hour has 3000 tokens"),
        "{words}"
    );
    assert!(told.left_out.as_ref().unwrap().contains(&"p3".to_owned()));
    let samples = agent.samples().await;
    let labels = [("target", "stub"), ("model", "stub"), ("reason", "budget")];
    assert!(value(&samples, "opsagent_canary_skips_total", &labels) >= Some(3.0));
    let labels = [("target", "stub"), ("model", "stub")];
    assert_eq!(value(&samples, "opsagent_canary_left_out", &labels), Some(5.0));
}

#[tokio::test]
async fn long_prompts_that_waited_are_asked_at_the_next_beat_once_there_is_room() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("opsagent.toml");
    let text = |tokens: u32| {
        format!(
            "listen = \"127.0.0.1:0\"\n[canaries]\nevery = \"1s\"\nmay_load = \"stub\"\n\
             max_prompt_tokens_per_hour = {tokens}\n[store]\npath = \"o.db\"\n[[target]]\nname = \"stub\"\n\
             kind = \"openai\"\nevery = \"1s\"\nurl = \"http://{}\"\n",
            stub.address
        )
    };
    std::fs::write(&file, text(100_000)).unwrap();
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let mut config = Config::load(Some(&file)).unwrap();
    config.canaries.budget.prompt_tokens_per_hour = 3000;
    let agent = Agent::with(config, options).await;
    let waits = |view: &View| {
        let words = canary(view).map(|canary| canary.left_out_words.join(" ")).unwrap_or_default();
        words.contains("The long prompts wait")
    };
    agent.until("they wait", waits).await;
    let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    let done = |view: &View| canary(view).is_some_and(|canary| canary.left_out_words.is_empty());
    agent.until("they are asked within the hour", done).await;
}

#[tokio::test]
async fn while_a_user_is_served_through_the_tap_a_canary_waits_and_then_gives_way() {
    use tokio::io::AsyncWriteExt as _;

    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let mut config = asking(&stub, folder.path(), allowed());
    let tap = ([127, 0, 0, 1], free_port()).into();
    config.taps = vec![Tap { target: "stub".into(), listen: vec![tap] }];
    let agent = Agent::start(config).await;
    agent.until("a run", |view| runs(view, "ok") >= 1).await;
    let mut user = tokio::net::TcpStream::connect(tap).await.unwrap();
    user.write_all(&request("/v1/chat/completions", true, r#"{"then":"hold"}"#)).await.unwrap();
    let busy = |view: &View| canary(view).is_some_and(|canary| canary.skipped.as_deref() == Some("busy"));
    agent.until("it gives way", busy).await;
    let (asked, ran) = (stub.requests(), runs(&agent.view().await, "ok"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((stub.requests(), runs(&agent.view().await, "ok")), (asked, ran), "nothing meanwhile");
    stub.release();
    agent.until("it goes on", |view| runs(view, "ok") > ran).await;
}

#[tokio::test]
async fn without_a_store_models_are_asked_all_the_same_and_it_is_said() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let config = asking(&stub, folder.path(), allowed());
    std::fs::write(folder.path().join("opsagent.db"), "this is no store of anybody's").unwrap();
    let agent = Agent::start(config).await;
    let view = agent.until("two runs", |view| runs(view, "ok") >= 2).await;
    let store = view.store.clone().unwrap();
    assert!(!store.up && store.error.is_some_and(|error| error.contains("SQLite")), "{:?}", view.store);
    assert_eq!(view.health(), opsagent::view::Health::Warning);
    assert_eq!(value(&agent.samples().await, "opsagent_store_up", &[]), Some(0.0));
    let kept = std::fs::read_to_string(folder.path().join("opsagent.db")).unwrap();
    assert_eq!(kept, "this is no store of anybody's", "it is never overwritten");
}

#[tokio::test]
async fn a_reload_changes_the_plan_and_keeps_what_is_known_and_ends_it_when_nobody_wants_it() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("opsagent.toml");
    let text = |canaries: &str| {
        format!(
            "listen = \"127.0.0.1:0\"\nevery = \"1s\"\n{canaries}\n[store]\npath = \"o.db\"\n[[target]]\nname = \"stub\"\n\
             kind = \"openai\"\nurl = \"http://{}\"\n",
            stub.address
        )
    };
    std::fs::write(&file, text("[canaries]\nevery = \"1s\"\nmay_load = \"stub\"")).unwrap();
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let agent = Agent::with(Config::load(Some(&file)).unwrap(), options).await;
    let reload = async || {
        let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200, "{}", reply.text().await.unwrap());
    };
    // Of the runs one may be of the long prompts alone, from which no beat is learned.
    let learned = |view: &View| {
        canary(view).and_then(|canary| canary.report.learning).map_or(0, |learning| learning.runs)
    };
    agent.until("two runs", |view| runs(view, "ok") >= 2 && learned(view) >= 2).await;

    std::fs::write(&file, text("[canaries]\nevery = \"2s\"\nmay_load = \"stub\"")).unwrap();
    reload().await;
    let other = |view: &View| canary(view).is_some_and(|canary| (canary.every_seconds - 2.0).abs() < 0.1);
    let view = agent.until("the other beat", other).await;
    let (before, known) = (runs(&view, "ok"), learned(&view));
    assert!(before >= 2 && known >= 2, "counts and what was learned stay");
    let view = agent.until("a run by it", |view| runs(view, "ok") > before).await;
    assert!(learned(&view) >= known, "also after it");

    std::fs::write(&file, text("")).unwrap();
    reload().await;
    agent.until("none is asked", |view| canary(view).is_none()).await;
    assert!(!agent.page().await.contains("opsagent_canary_"), "the series end");
}

#[tokio::test]
async fn a_reload_with_an_edited_canary_forgets_nothing_of_the_others_and_tells_which_it_was() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let file = folder.path().join("opsagent.toml");
    let write = |pattern: &str| {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nevery = \"1s\"\n[canaries]\nevery = \"1s\"\nmay_load = \"stub\"\n[store]\n\
             path = \"o.db\"\n[[target]]\nname = \"stub\"\nkind = \"openai\"\nurl = \"http://{}\"\n[[canary]]\n\
             name = \"geo\"\nprompt = \"The capital of France?\"\nchecks = [{{ regex = \"{pattern}\" }}]\n",
            stub.address
        );
        std::fs::write(&file, text).unwrap();
    };
    write("Paris");
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let agent = Agent::with(Config::load(Some(&file)).unwrap(), options).await;
    let view = agent.until("three runs", |view| runs(view, "ok") >= 3).await;
    let learned = canary(&view).unwrap().report.learning.unwrap().runs;
    write("(?i)paris");
    let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    let more = runs(&agent.view().await, "ok") + 1;
    let view = agent.until("runs by it", |view| runs(view, "ok") > more).await;
    let now = canary(&view).unwrap().report.learning.unwrap().runs;
    assert!(now > learned, "{now} after {learned}: it goes on");
    assert_eq!(agent.stop().await, 0);
    let (key, db) = (Key::new("stub", "stub"), Db::open_existing(&folder.path().join("o.db")).unwrap());
    let events = db.events(&Wanted::of(&key)).unwrap();
    let told: Vec<&str> =
        events.iter().map(|one| &*one.event.words).filter(|words| words.contains("edited")).collect();
    assert!(told.len() == 1 && told[0].contains("(edited: geo)"), "{events:?}");
}

#[tokio::test]
async fn what_holds_of_a_model_is_told_after_a_restart_also_while_its_server_is_down() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let mut config = asking(&stub, folder.path(), allowed());
    config.targets[0].kind = None;
    let agent = Agent::start(config.clone()).await;
    let view = agent.until("three runs", |view| runs(view, "ok") >= 3).await;
    let learned = canary(&view).unwrap().report.learning.unwrap().runs;
    assert_eq!(agent.stop().await, 0);
    let key = Key::new("stub", "stub");
    let known = || {
        let db = Db::open_existing(&folder.path().join("opsagent.db")).unwrap();
        opsagent::canary::remembered::Remembered::of_json(&db.beat(&key).unwrap().unwrap().json).unwrap()
    };
    let before = known();
    assert!(before.runs >= 3 && before.left.is_some() && before.ended.is_some(), "{before:?}");
    let address = stub.address;
    drop(stub);

    let agent = Agent::start(config.clone()).await;
    let view = agent.until("what was known", |view| canary(view).is_some()).await;
    assert!(canary(&view).unwrap().report.learning.unwrap().runs >= learned);
    let samples = agent.samples().await;
    let labels = [("target", "stub"), ("model", "stub"), ("result", "ok")];
    assert_eq!(value(&samples, "opsagent_canary_runs_total", &labels), Some(0.0), "the series are there");
    assert_eq!(agent.stop().await, 0);
    let after = known();
    assert_eq!(
        (after.runs, &after.rotation),
        (before.runs, &before.rotation),
        "nothing was asked of {address}"
    );

    let stub = Stub::start();
    let url = format!("http://{}/", stub.address).parse().unwrap();
    config.targets[0].url = url;
    let agent = Agent::start(config).await;
    agent.until("a run", |view| runs(view, "ok") >= 1).await;
    assert_eq!(agent.stop().await, 0);
    let after = known();
    assert!(after.runs > before.runs && after.rotation != before.rotation, "the turn goes on: {after:?}");
}

#[tokio::test]
async fn a_store_that_opens_only_at_a_reload_takes_in_what_was_learned_without_it() {
    let (stub, folder) = (Stub::start(), tempfile::tempdir().unwrap());
    let (file, store) = (folder.path().join("opsagent.toml"), folder.path().join("o.db"));
    let text = format!(
        "listen = \"127.0.0.1:0\"\nevery = \"1s\"\n[canaries]\nevery = \"1s\"\nmay_load = \"stub\"\n[store]\n\
         path = \"o.db\"\n[[target]]\nname = \"stub\"\nkind = \"openai\"\nurl = \"http://{}\"\n",
        stub.address
    );
    std::fs::write(&file, text).unwrap();
    std::fs::write(&store, "this is no store of anybody's").unwrap();
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let agent = Agent::with(Config::load(Some(&file)).unwrap(), options).await;
    let view = agent.until("two runs", |view| runs(view, "ok") >= 2).await;
    let learned = canary(&view).unwrap().report.learning.unwrap().runs;
    std::fs::remove_file(&store).unwrap();
    let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    let more = runs(&agent.view().await, "ok") + 1;
    agent.until("one more", |view| runs(view, "ok") > more).await;
    let view = agent.view().await;
    assert!(canary(&view).unwrap().report.learning.unwrap().runs > learned, "nothing is forgotten");
    assert_eq!(agent.stop().await, 0);
    let (key, db) = (Key::new("stub", "stub"), Db::open_existing(&store).unwrap());
    assert!(!db.runs(&Wanted::of(&key)).unwrap().is_empty());
    let watch = opsagent::drift::Watch::of_json(&db.watch(&key).unwrap().unwrap().json).unwrap();
    let stored = watch.report(jiff::Timestamp::now()).learning.unwrap().runs;
    assert!(stored > learned, "{stored} after {learned}");
}

#[tokio::test]
async fn who_waits_for_a_busy_server_keeps_nobody_from_asking_another() {
    use opsagent::canary::{Beat, Beats, Memory};
    use opsagent::jobs::Job as _;

    let stub = Stub::start();
    let fleet = opsagent::fleet::Fleet::new(crate::support::eye::agent(), 10);
    let (clients, machine) = (opsagent::http::Clients::new(), opsagent::procs::Machine::here());
    let target = target("stub", "openai", format!("http://{}/", stub.address).parse().unwrap());
    fleet.add(&target, false);
    let server = target.connect(&clients, machine.clone()).unwrap();
    let mut poll = opsagent::poll::PollServer::new("stub", server, Duration::from_secs(5), fleet.clone());
    poll.once().await;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            poll.once().await;
        }
    });
    fleet.record_tap("stub", &[stub.address], None);
    let live = fleet.live("stub", opsagent::sample::Source::Tap).unwrap();
    let user = live.begin();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let every = Duration::from_secs(2);
    let plan = Plan { enabled: true, every, budget: Budget::of(every), ..allowed() };
    let beats = Beats {
        target,
        plan: plan.into(),
        own: Vec::new().into(),
        fleet: fleet.clone(),
        clients,
        machine,
        store: None,
        writes: std::sync::Arc::default(),
        gate: gate.clone(),
        limits: opsagent::canary::asker::Limits::default(),
    };
    let mut beat = Beat::new(beats, Memory::default());
    tasks.spawn(async move {
        loop {
            beat.run().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let skipped = || canary(&fleet.view()).is_some_and(|canary| canary.skipped.as_deref() == Some("busy"));
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !skipped() && tokio::time::Instant::now() < until {
        assert_eq!(gate.available_permits(), 1, "it only waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(skipped(), "it gave way");
    drop(user);
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while runs(&fleet.view(), "ok") == 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(runs(&fleet.view(), "ok") > 0, "and asks once it may");
}
