//! A real llama-server, polled: plain, with a key, without metrics, asleep, as a router, hung.

use std::time::Duration;

use opsagent::sample::ServerState;
use opsagent::wire::exposition;
use serde_json::{Value, json};

use crate::support::eye::{Eye, has_note, model};
use crate::support::real::{LlamaServer, smollm2};
use crate::support::tiny_model::TinyModel;

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn tokens_slots_and_context_are_told_and_go_on_over_a_restart() {
    let (_folder, path) = TinyModel::new().saved();
    let mut server = LlamaServer::start(&path, &["--metrics", "--alias", "tiny", "-np", "2", "-c", "1024"]);
    let mut eye = Eye::on("auto", &server.url());
    server.complete("the capital o", 9);
    let view = eye.look().await;
    assert_eq!((view.kind.as_str(), view.state), ("llama_cpp", Some(ServerState::Ready)));
    let seen = model(&view, "tiny");
    assert_eq!(
        (seen.loaded, seen.slots, seen.slots_busy, seen.queue_depth),
        (Some(true), Some(2), Some(0), Some(0))
    );
    assert_eq!(seen.totals.output_tokens, Some(9.0));
    assert_eq!(seen.context_tokens, Some(512), "of one slot");
    assert!(seen.context_trained_tokens.is_some() && seen.size_bytes.is_some() && seen.parameters.is_some());
    assert!(view.notes.is_empty(), "{:#?}", view.notes);
    server.kill();
    assert_eq!(eye.look().await.reason.as_deref(), Some("refused"));
    server.start_again();
    server.complete("the capital o", 20);
    assert_eq!(model(&eye.look().await, "tiny").totals.output_tokens, Some(29.0));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn drafted_and_accepted_tokens_are_told_and_go_on_over_a_restart() {
    let (_folder, path) = TinyModel::new().saved();
    let draft = path.to_str().unwrap();
    let args = ["--metrics", "--alias", "tiny", "--spec-type", "draft-simple", "--model-draft", draft];
    let mut server = LlamaServer::start(&path, &args);
    let mut eye = Eye::on("auto", &server.url());
    server.complete("the capital o", 40);
    let own = |server: &LlamaServer, name: &str| {
        let page = exposition::parse(&server.get("/metrics"));
        page.iter().find(|sample| sample.name == format!("llamacpp:{name}")).map(|sample| sample.value)
    };
    let drafted = own(&server, "spec_decode_num_draft_tokens_total");
    let accepted = own(&server, "spec_decode_num_accepted_tokens_total");
    assert!(accepted > Some(0.0) && drafted >= accepted, "the bench: {accepted:?} of {drafted:?}");
    let totals = model(&eye.look().await, "tiny").totals;
    assert_eq!((totals.draft_tokens, totals.draft_accepted_tokens), (drafted, accepted));
    server.kill();
    eye.look().await;
    server.start_again();
    server.complete("the capital o", 40);
    eye.look().await;
    let totals = model(&eye.look().await, "tiny").totals;
    assert!(totals.draft_accepted_tokens > accepted && totals.draft_tokens > drafted, "{totals:?}");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn with_a_key_it_is_recognised_and_says_unauthorized_until_it_gets_it() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--metrics", "--api-key", "secret", "--alias", "tiny"]);
    let view = Eye::on("auto", &server.url()).look().await;
    assert_eq!((view.up, view.reason.as_deref()), (Some(false), Some("unauthorized")), "{view:#?}");
    let with_key = |target: &mut opsagent::servers::Target| target.token = Some("secret".to_owned().into());
    let view = Eye::with("auto", &server.url(), with_key).look().await;
    assert_eq!((view.up, model(&view, "tiny").slots_busy), (Some(true), Some(0)), "{view:#?}");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn without_metrics_slots_are_told_and_the_remedy() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--alias", "tiny"]);
    let view = Eye::on("auto", &server.url()).look().await;
    assert_eq!((view.up, view.state), (Some(true), Some(ServerState::Ready)));
    let seen = model(&view, "tiny");
    assert_eq!((seen.slots_busy, seen.totals.output_tokens, seen.queue_depth), (Some(0), None, None));
    assert!(has_note(&view, "metrics_off"));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_sleeping_model_stays_asleep_and_a_waking_one_falls_asleep_under_polls() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--metrics", "--alias", "tiny", "--sleep-idle-seconds", "2"]);
    server.complete("the capital o", 4);
    let mut eye = Eye::on("auto", &server.url());
    let view = eye.until("asleep", |view| view.state == Some(ServerState::Sleeping)).await;
    assert_eq!(model(&view, "tiny").loaded, Some(false));
    let asleep = |server: &LlamaServer| {
        let props: Value = serde_json::from_str(&server.get("/props")).unwrap();
        props["is_sleeping"] == true
    };
    for _ in 0..50 {
        assert_eq!(eye.look().await.state, Some(ServerState::Sleeping));
        assert!(asleep(&server));
    }
    server.complete("the capital o", 4);
    assert!(!asleep(&server));
    eye.until("asleep again", |view| view.state == Some(ServerState::Sleeping)).await;
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_router_with_no_model_loaded_loads_none_and_tells_of_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        TinyModel::new().write(&folder.path().join(name).with_extension("gguf"));
    }
    let router = LlamaServer::router(folder.path(), &["--models-max", "1", "--metrics"]);
    let mut eye = Eye::on("auto", &router.url());
    for _ in 0..20 {
        let view = eye.look().await;
        assert_eq!((view.up, view.models_installed), (Some(true), Some(2)), "{view:#?}");
        assert!(view.models.iter().all(|model| model.loaded == Some(false)));
    }
    assert!(router.children().is_empty(), "no model was loaded by a poll");
    router.post("/v1/completions", &json!({ "model": "two", "prompt": "a", "max_tokens": 4 }));
    let view = eye.until("two is loaded", |view| model(view, "two").loaded == Some(true)).await;
    let two = model(&view, "two");
    assert_eq!((two.totals.output_tokens, two.loads, two.slots_busy), (Some(4.0), 1, Some(0)), "{two:#?}");
    assert_eq!(model(&view, "one").loaded, Some(false));
    let child = router.children();
    for _ in 0..20 {
        eye.look().await;
    }
    assert_eq!(router.children(), child);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_server_stopped_in_mid_work_is_hung_and_comes_back() {
    let (_folder, path) = TinyModel::new().saved();
    let server = LlamaServer::start(&path, &["--metrics", "--alias", "tiny"]);
    let mut eye = Eye::with("auto", &server.url(), |target| target.timeout = Duration::from_millis(500));
    let address = server.address();
    let client = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let body =
            json!({ "prompt": "the ", "n_predict": 400_000, "stream": true, "temperature": 0 }).to_string();
        write!(stream, "POST /completion HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let (mut some, mut bytes) = (vec![0; 65536], 0);
        while bytes < 40_000_000 {
            match stream.read(&mut some) {
                Ok(0) | Err(_) => break,
                Ok(more) => bytes += more,
            }
        }
    });
    eye.until("busy", |view| view.state == Some(ServerState::Busy)).await;
    server.pause();
    let view = eye.until("hung", |view| view.state == Some(ServerState::Hung)).await;
    assert_eq!((view.up, view.reason.as_deref()), (Some(false), Some("timeout")));
    assert!(view.models.is_empty());
    server.resume();
    eye.until("answers again", |view| view.up == Some(true)).await;
    drop(server);
    client.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_server_whose_work_stands_still_for_long_enough_is_hung_while_it_answers() {
    // One batch of 1,900 tokens takes seconds, and no counter moves within it: for a limit of half a
    // second that is what a decode that never ends is for one of minutes.
    let args = ["--metrics", "--alias", "smol", "-np", "1", "-c", "4096", "-b", "2048", "-ub", "2048"];
    let server = LlamaServer::start(&smollm2(), &args);
    let mut eye = Eye::with("auto", &server.url(), |target| target.hung_after = Duration::from_millis(500));
    assert_eq!(eye.look().await.state, Some(ServerState::Ready));
    let ask = || {
        server.complete(&"lighthouse ".repeat(1000), 1);
    };
    let view = std::thread::scope(|threads| {
        let client = threads.spawn(ask);
        let view = tokio::task::block_in_place(|| {
            let hung = eye.until("hung", |view| view.state == Some(ServerState::Hung));
            tokio::runtime::Handle::current().block_on(hung)
        });
        client.join().unwrap();
        view
    });
    assert_eq!(view.up, Some(true), "it answers all the while");
    assert!(has_note(&view, "no_progress"), "{:#?}", view.notes);
    let view = eye.until("well again", |view| view.state == Some(ServerState::Ready)).await;
    assert!(!has_note(&view, "no_progress"));
}
