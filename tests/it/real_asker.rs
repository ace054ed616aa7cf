//! Questions to real servers: the same answer bit for bit, and all left as it was found.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use opsagent::canary::asker::{Asker, Stay};
use opsagent::canary::left::{Known, Why, decide};
use opsagent::sample::{AskError, Fact, Reply, ServerState};
use serde_json::{Value, json};

use crate::cli::running::eventually;
use crate::support::asked::{asker, chat, elsewhere, error, raw, reply, sampler, streamed};
use crate::support::process::arguments;
use crate::support::real::{LlamaServer, Ollama, smollm2};
use crate::support::stopwatch::Timed;
use crate::support::tapped::Setup;
use crate::support::tiny_model::TinyModel;

/// Within which a server must have stopped what nobody waits for.
const FREED: Duration = Duration::from_secs(2);

/// The name that a server of one model gives it.
fn only_model(server: &LlamaServer) -> String {
    let models: Value = serde_json::from_str(&server.get("/v1/models")).unwrap();
    models["data"][0]["id"].as_str().unwrap().to_owned()
}

fn llama_asker(server: &LlamaServer) -> Asker {
    asker("llama_cpp", &server.url(), &only_model(server))
}

fn busy(slots: &str) -> bool {
    let slots: Value = serde_json::from_str(slots).unwrap();
    slots.as_array().unwrap().iter().any(|slot| slot["is_processing"] == true)
}

fn same(a: &Reply, b: &Reply) {
    assert_eq!(a.text, b.text);
    assert_eq!(a.positions, b.positions, "bit for bit");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_question_asked_again_or_as_a_stream_has_the_same_answer_bit_for_bit() {
    let server = LlamaServer::start(&smollm2(), &["-c", "4096", "-np", "2"]);
    let asker = llama_asker(&server);
    for question in [chat("What is the capital of France?", 8), raw("The", 4)] {
        let first = reply(asker.ask(&question).await);
        assert!(first.positions.iter().all(|position| position.top.len() == 20), "{first:#?}");
        same(&first, &reply(asker.ask(&question).await));
        let stream = reply(asker.ask(&streamed(question.clone())).await);
        same(&first, &stream);
        assert!(stream.generation.time_to_first_token.is_some());
        let mut cold = question.clone();
        cold.cache = Some(false);
        same(&first, &reply(asker.ask(&cold).await));
        let (a, b) = tokio::join!(asker.ask(&question), asker.ask(&question));
        same(&first, &reply(a));
        same(&first, &reply(b));
    }
    let abilities = asker.abilities().await.unwrap();
    assert!(abilities.logprobs && abilities.raw && abilities.sampler);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_sampler_probe_repeats_and_shows_temperature_and_penalty_which_greedy_probes_do_not() {
    let (_folder, path) = TinyModel::new().saved();
    let text = "the the the the the the";
    let mut seen = Vec::new();
    for args in [&[][..], &["--temp", "1.5"], &["--repeat-penalty", "1.3"]] {
        let server = LlamaServer::start(&path, args);
        let asker = llama_asker(&server);
        let probe = reply(asker.ask(&sampler(text)).await).sampler;
        assert_eq!(probe, reply(asker.ask(&sampler(text)).await).sampler, "chance is not in it");
        let sum: f32 = probe.iter().map(|(_, probability)| probability).sum();
        assert!((0.9..=1.001).contains(&sum), "{probe:?}");
        let greedy = reply(asker.ask(&raw(text, 1)).await).positions;
        let sampling = asker.facts().await.unwrap().of[&Fact::Sampling].clone();
        seen.push((probe, greedy, sampling));
    }
    let [usual, hot, penalty] = seen.try_into().unwrap();
    assert_ne!(usual.0, hot.0);
    assert_ne!(usual.0, penalty.0);
    assert_eq!((&usual.1, &usual.1), (&hot.1, &penalty.1), "log probabilities are the model's own");
    assert!(usual.2.contains("temperature=0.8 ") && hot.2.contains("temperature=1.5 "), "{}", hot.2);
    assert!(penalty.2.contains("repeat_penalty=1.3 "), "{}", penalty.2);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_prompt_that_does_not_fit_is_told_as_that_and_facts_say_what_runs() {
    let server = LlamaServer::start(&smollm2(), &["-c", "512", "-np", "2", "-ctk", "q8_0", "--metrics"]);
    let asker = llama_asker(&server);
    let long = "word ".repeat(600);
    for question in [chat(&long, 1), raw(&long, 1), streamed(chat(&long, 1))] {
        assert!(matches!(error(asker.ask(&question).await), AskError::TooLong { .. }));
    }
    let facts = asker.facts().await.unwrap();
    assert_eq!(facts, asker.facts().await.unwrap(), "nothing in it changes by itself");
    assert_eq!(facts.of[&Fact::Context], "256");
    assert_eq!(facts.of[&Fact::Quantization], "Q4_1");
    assert_eq!(facts.of[&Fact::Adapter], "none");
    assert!(facts.of[&Fact::Template].starts_with("sha256:"));
    let digest = &facts.of[&Fact::Digest];
    assert!(digest.starts_with("smollm2.gguf, ") && digest.contains("134515008 parameters"), "{digest}");
    assert!(facts.of[&Fact::Version].starts_with("llama_cpp "));
    assert!(facts.notes["arguments"].contains("--cache-type-k q8_0"), "{:?}", facts.notes);
    let now = asker.presence().await.unwrap();
    assert_eq!((now.loaded, now.is_busy(), now.stay), (Some(true), Some(false), Stay::ForEver));
    assert_eq!(decide(&now, Known::default()).why, Why::Stays);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn an_answer_that_nobody_waits_for_any_more_frees_its_slot() {
    let server = LlamaServer::start(&smollm2(), &["-c", "4096", "-np", "1"]);
    let asker = llama_asker(&server);
    for stream in [true, false] {
        let mut question = raw("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 4000);
        question.stream = stream;
        let slots = || server.get("/slots");
        {
            let ask = asker.ask(&question);
            tokio::pin!(ask);
            let ended = tokio::time::timeout(Duration::from_secs(2), &mut ask).await;
            assert!(ended.is_err(), "it was to be long: {ended:?}");
            assert!(busy(&slots()));
        }
        // A server looks for a client that left once a second, and not while it is asked for its slots.
        tokio::time::sleep(FREED).await;
        assert!(!busy(&slots()), "stream: {stream}");
        question.timeout = Duration::from_secs(2);
        assert_eq!(error(asker.ask(&question).await).name(), "timeout");
        tokio::time::sleep(FREED).await;
        assert!(!busy(&slots()), "out of time, stream: {stream}");
    }
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_router_is_asked_for_what_it_has_loaded_and_loads_nothing_for_a_canary() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        TinyModel::new().write(&folder.path().join(format!("{name}.gguf")));
    }
    let server = LlamaServer::router(folder.path(), &["--models-max", "1"]);
    server.post("/completion", &json!({ "model": "one", "prompt": "the", "n_predict": 1 }));
    let (one, two) = (asker("llama_cpp", &server.url(), "one"), asker("llama_cpp", &server.url(), "two"));
    assert!(decide(&one.presence().await.unwrap(), Known::default()).may_run);
    assert_eq!(decide(&two.presence().await.unwrap(), Known::default()).why, Why::NotLoaded);
    for question in [raw("the", 1), chat("the", 1)] {
        assert_eq!(reply(one.ask(&question).await).positions.len(), 1);
        let refused = error(two.ask(&question).await);
        assert!(matches!(refused, AskError::Status { status: 400, .. }), "{refused:?}");
    }
    assert_eq!(one.facts().await.unwrap().of.len(), Fact::ALL.len());
    let now = two.presence().await.unwrap();
    assert_eq!(now.loaded, Some(false), "asked all the same, it was not loaded");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_model_that_went_to_sleep_is_left_asleep() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--sleep-idle-seconds", "1", "--metrics"]);
    let asker = llama_asker(&server);
    let asleep = || server.get("/props").contains(r#""is_sleeping":true"#);
    assert_eq!(asker.presence().await.unwrap().stay, Stay::Unknown);
    eventually(Duration::from_secs(20), asleep);
    let now = asker.presence().await.unwrap();
    assert_eq!((now.state, decide(&now, Known::default()).why), (Some(ServerState::Sleeping), Why::Asleep));
    asker.facts().await.unwrap();
    assert!(asleep(), "neither look woke it");
}

/// An Ollama with the small language model, not loaded.
fn ollama() -> Ollama {
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &[]);
    ollama
}

/// A user's request, with options of their own and a keep-alive of ten minutes.
fn users_request(ollama: &Ollama, keep_alive: &Value) -> Value {
    let options = json!({ "num_ctx": 2048, "num_batch": 64, "num_predict": 2 });
    ollama.post(
        "/api/generate",
        &json!({ "model": "smol", "prompt": "Hi", "stream": false, "keep_alive": keep_alive, "options": options }),
    )
}

fn loaded(ollama: &Ollama) -> Value {
    let ps: Value = serde_json::from_str(&ollama.get("/api/ps")).unwrap();
    ps["models"][0].clone()
}

/// Seconds until the model goes.
fn remains(ollama: &Ollama) -> i64 {
    let at: jiff::Timestamp = loaded(ollama)["expires_at"].as_str().unwrap().parse().unwrap();
    at.as_second() - jiff::Timestamp::now().as_second()
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn on_ollama_a_users_model_is_asked_with_its_own_options_and_stays_as_it_was() {
    let ollama = ollama();
    users_request(&ollama, &json!("10m"));
    let (child, before) = (ollama.children(), loaded(&ollama));
    let asker = asker("ollama", &ollama.url(), "smol:latest");
    let now = asker.presence().await.unwrap();
    assert_eq!(now.options.words(), "num_batch=64 num_ctx=2048 num_gpu=-1 num_thread=1 use_mmap=false");
    assert_eq!(decide(&now, Known::default()).why, Why::First);
    let abilities = asker.abilities().await.unwrap();
    assert_eq!((abilities.logprobs, abilities.raw, abilities.sampler), (true, true, false));
    let mut first = None;
    for question in [chat("Say blue", 4), raw("The", 1), streamed(chat("Say blue", 4)), chat("Say blue", 4)] {
        let answer = reply(asker.ask(&question).await);
        let load = answer.generation.told.load.unwrap();
        assert!(!answer.waited_for_a_load() && load < Duration::from_millis(200), "{load:?}");
        assert!(!answer.positions.is_empty());
        if answer.positions.len() == 4 {
            same(first.get_or_insert_with(|| answer.clone()), &answer);
        }
    }
    assert_eq!(ollama.children(), child, "the same process");
    let after = loaded(&ollama);
    for key in ["digest", "context_length", "size"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert!((590..=600).contains(&remains(&ollama)), "the length that the user gave: {}", remains(&ollama));
    // Their next request finds what they left.
    let theirs = users_request(&ollama, &json!("10m"));
    assert!(theirs["load_duration"].as_u64().unwrap() < 200_000_000, "{theirs}");
    assert_eq!(ollama.children(), child);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn on_ollama_a_model_that_nobody_else_uses_is_not_asked_again() {
    let ollama = ollama();
    users_request(&ollama, &json!("10m"));
    let asker = asker("ollama", &ollama.url(), "smol");
    asker.presence().await.unwrap();
    reply(asker.ask(&chat("Say blue", 1)).await);
    let mark = asker.left_behind().await.unwrap().mark;
    let left = |now| decide(&now, Known { left: Some(&mark), ..Known::default() }).why;
    assert_eq!(left(asker.presence().await.unwrap()), Why::Unused);
    assert_eq!(left(asker.presence().await.unwrap()), Why::Unused, "looking is no use");
    users_request(&ollama, &json!("10m"));
    assert_eq!(left(asker.presence().await.unwrap()), Why::Used);
    users_request(&ollama, &json!(-1));
    assert_eq!(left(asker.presence().await.unwrap()), Why::Stays);
    reply(asker.ask(&chat("Say blue", 1)).await);
    assert_eq!(asker.presence().await.unwrap().stay, Stay::ForEver, "and it still does");
    users_request(&ollama, &json!(0));
    let now = asker.presence().await.unwrap();
    assert_eq!(left(now), Why::NotLoaded);
    assert!(ollama.children().is_empty(), "looking loads nothing");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn on_ollama_a_reload_that_a_question_causes_is_told_in_its_reply() {
    let ollama = ollama();
    users_request(&ollama, &json!("10m"));
    // The child's arguments are not seen.
    let asker = elsewhere("ollama", &ollama.url(), "smol");
    let now = asker.presence().await.unwrap();
    assert_eq!(now.options.words(), "num_ctx=2048", "its batch cannot be seen");
    let answer = reply(asker.ask(&chat("Say blue", 1)).await);
    assert!(answer.waited_for_a_load(), "{:?}", answer.generation.told.load);
    let after = asker.presence().await.unwrap();
    assert_ne!(after.context_tokens, None);
    assert!(asker.ask(&chat("Say blue", 1)).await.result.is_ok_and(|reply| !reply.waited_for_a_load()));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn on_ollama_facts_tell_what_was_made_of_the_model_and_a_long_prompt_is_not_asked_of_a_small_context() {
    let ollama = Ollama::start(&[]);
    let lines = ["SYSTEM \"Answer like a pirate.\"", "PARAMETER temperature 0.3", "PARAMETER num_ctx 256"];
    ollama.create("smol", &smollm2(), &lines);
    ollama.generate("smol", "Hi", 1);
    let asker = asker("ollama", &ollama.url(), "smol");
    asker.presence().await.unwrap();
    let facts = asker.facts().await.unwrap();
    assert_eq!(facts, asker.facts().await.unwrap());
    assert_eq!(facts.of[&Fact::Context], "256");
    assert!(facts.of[&Fact::Sampling].contains("temperature 0.3"), "{facts:#?}");
    assert!(facts.notes["arguments"].contains("--batch-size"), "{:?}", facts.notes);
    let long = error(asker.ask(&chat(&"word ".repeat(600), 1)).await);
    assert!(matches!(&long, AskError::Unsupported { text } if text.contains("256")), "{long:?}");
    // Another context, as another client of the same model asks for it, is no other model.
    ollama.post(
        "/api/generate",
        &json!({ "model": "smol", "prompt": "Hi", "stream": false,
        "options": { "num_ctx": 1024, "num_predict": 1 } }),
    );
    asker.presence().await.unwrap();
    let loaded = asker.facts().await.unwrap();
    assert_eq!((&loaded.of, loaded.notes["context"].as_str()), (&facts.of, "1024"));
    let template = facts.of[&Fact::Template].clone();
    ollama.create("smol", &smollm2(), &["SYSTEM \"Answer like a sailor.\"", lines[1], lines[2]]);
    let other = asker.facts().await.unwrap();
    assert_ne!(other.of[&Fact::Digest], facts.of[&Fact::Digest], "at once, though the old one is loaded");
    assert_ne!(other.of[&Fact::Template], template);
    assert_eq!(other.of[&Fact::Sampling], facts.of[&Fact::Sampling]);
    // The same weights run it: asking it loads nothing.
    let child = ollama.children();
    assert_eq!(decide(&asker.presence().await.unwrap(), Known::default()).why, Why::First);
    assert!(!reply(asker.ask(&chat("Say blue", 1)).await).waited_for_a_load());
    assert_eq!(ollama.children(), child);
    // Other weights under the name are loaded by whoever asks next, and that is no canary.
    let (_folder, tiny) = TinyModel::new().saved();
    ollama.create("smol", &tiny, &["TEMPLATE {{ .Prompt }}"]);
    assert_eq!(decide(&asker.presence().await.unwrap(), Known::default()).why, Why::Replaced);
    ollama.generate("smol", "the", 1);
    let now = asker.presence().await.unwrap();
    assert!(decide(&now, Known::default()).may_run, "{now:#?}");
    assert!(!reply(asker.ask(&chat("the", 1)).await).waited_for_a_load());
}

/// Where the child of this Ollama listens.
fn child_of(ollama: &Ollama) -> SocketAddr {
    let args = arguments(ollama.children()[0]);
    let port = args.iter().position(|arg| arg == "--port").unwrap() + 1;
    SocketAddr::from(([127, 0, 0, 1], args[port].parse().unwrap()))
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn on_ollama_an_answer_that_nobody_waits_for_any_more_frees_its_slot() {
    let ollama = ollama();
    users_request(&ollama, &json!("10m"));
    let child = child_of(&ollama);
    let asker = asker("ollama", &ollama.url(), "smol");
    asker.presence().await.unwrap();
    let question = streamed(raw("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 1900));
    let ended = tokio::time::timeout(Duration::from_secs(2), asker.ask(&question)).await;
    assert!(ended.is_err(), "it was to be long: {ended:?}");
    tokio::time::sleep(FREED).await;
    assert!(!busy(&Timed::get(child, "/slots").unwrap()));
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_stream_that_a_client_of_the_tap_gives_up_leaves_no_slot_of_ollamas_child_at_work() {
    let ollama = ollama();
    users_request(&ollama, &json!("10m"));
    let mut setup = Setup::new("");
    setup.tap("box", "ollama", ollama.address());
    let tapped = setup.start();
    let body = json!({ "model": "smol", "stream": true, "max_tokens": 1900,
        "messages": [{ "role": "user", "content": "Count from 1 to 1000, every number." }] });
    // The child that ran for the user may be replaced by one with the context that this path has.
    let slots = || Timed::get(child_of(&ollama), "/slots").unwrap();
    for round in 0..5 {
        let mut client = TcpStream::connect(tapped.tap("box")).unwrap();
        let body = body.to_string();
        write!(
            client,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut some = [0; 2048];
        let read = client.read(&mut some).unwrap();
        assert!(read > 0 && busy(&slots()), "round {round}");
        drop(client);
        std::thread::sleep(FREED);
        assert!(!busy(&slots()), "round {round}");
    }
}
