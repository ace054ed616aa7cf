//! A real Ollama, polled: what its children tell, what it survives, and that it feels nothing.

use std::time::Duration;

use opsagent::sample::ServerState;
use serde_json::json;

use crate::support::eye::{Eye, has_note, model};
use crate::support::process::alive;
use crate::support::real::Ollama;
use crate::support::tiny_model::TinyModel;

const NAME: &str = "tiny:latest";

fn started(env: &[(&str, &str)]) -> (tempfile::TempDir, Ollama) {
    let (folder, path) = TinyModel::new().saved();
    let ollama = Ollama::start(env);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    (folder, ollama)
}

fn unload(ollama: &Ollama) {
    ollama.post("/api/generate", &json!({ "model": "tiny", "keep_alive": 0 }));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_hundred_polls_leave_the_loaded_models_byte_for_byte_as_they_were() {
    let (_folder, ollama) = started(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    ollama.generate("tiny", "the capital o", 4);
    let before = ollama.get("/api/ps");
    assert!(before.contains(NAME), "{before}");
    let child = ollama.children();
    let mut eye = Eye::on("auto", &ollama.url());
    for _ in 0..100 {
        let view = eye.look().await;
        assert_eq!((view.up, view.kind.as_str()), (Some(true), "ollama"), "{view:#?}");
    }
    assert_eq!(ollama.get("/api/ps"), before);
    assert_eq!(ollama.children(), child, "no process came or went");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn polls_of_an_ollama_with_nothing_loaded_load_nothing() {
    let (_folder, ollama) = started(&[]);
    let mut eye = Eye::on("ollama", &ollama.url());
    for _ in 0..20 {
        let view = eye.look().await;
        assert_eq!(view.state, Some(ServerState::Ready));
        assert_eq!(view.models_installed, Some(1));
        assert_eq!(model(&view, NAME).loaded, Some(false));
    }
    assert_eq!(ollama.get("/api/ps"), r#"{"models":[]}"#);
    assert!(ollama.children().is_empty());
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_childs_counters_go_on_over_unload_reload_and_restart() {
    let (_folder, mut ollama) = started(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    let mut eye = Eye::on("ollama", &ollama.url());
    eye.look().await;
    ollama.generate("tiny", "the capital o", 7);
    let view = eye.look().await;
    let first = model(&view, NAME);
    assert_eq!(view.version.as_deref(), Some("0.34.0"));
    assert_eq!((first.loaded, first.loads, first.slots_busy), (Some(true), 1, Some(0)));
    assert_eq!(first.totals.output_tokens, Some(7.0), "{first:#?}");
    assert!(first.totals.prompt_tokens.unwrap() > 0.0 && first.totals.decode_seconds.is_some());
    assert_eq!(first.child.as_ref().map(|child| (child.up, child.metrics)), Some((true, Some(true))));
    assert_eq!(first.queue_depth, Some(0));
    assert!(first.expires_at.is_some() && first.context_tokens.is_some() && first.memory_bytes.is_some());
    assert!(!has_note(&view, "child_metrics_off"));

    unload(&ollama);
    let view = eye.until("unloaded", |view| model(view, NAME).loaded == Some(false)).await;
    assert_eq!(model(&view, NAME).totals.output_tokens, Some(7.0), "kept while it is not loaded");

    ollama.generate("tiny", "the capital o", 3);
    let view = eye.look().await;
    assert_eq!((model(&view, NAME).loads, model(&view, NAME).totals.output_tokens), (2, Some(10.0)));

    ollama.stop();
    let view = eye.look().await;
    assert_eq!(
        (view.up, view.state, view.reason.as_deref()),
        (Some(false), Some(ServerState::Down), Some("refused"))
    );
    assert!(view.models.is_empty(), "nothing of a server that is down is shown as current");
    ollama.start_again();
    ollama.generate("tiny", "the capital o", 5);
    let view = eye.look().await;
    assert_eq!((model(&view, NAME).loads, model(&view, NAME).totals.output_tokens), (3, Some(15.0)));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn clients_that_make_it_reload_back_and_forth_are_seen() {
    let (_folder, ollama) = started(&[]);
    let mut eye = Eye::on("ollama", &ollama.url());
    eye.look().await;
    for context in [512, 1024, 512, 1024] {
        let options = json!({ "num_ctx": context, "num_predict": 1 });
        ollama.post(
            "/api/generate",
            &json!({ "model": "tiny", "prompt": "a", "stream": false, "options": options }),
        );
        let view = eye.look().await;
        assert_eq!(model(&view, NAME).context_tokens, Some(context));
    }
    assert_eq!(model(&eye.look().await, NAME).loads, 4);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn without_the_variable_slots_are_known_and_the_remedy_is_told() {
    let (_folder, ollama) = started(&[]);
    ollama.generate("tiny", "the capital o", 4);
    let view = Eye::on("ollama", &ollama.url()).look().await;
    let seen = model(&view, NAME);
    assert_eq!((seen.slots, seen.slots_busy), (Some(1), Some(0)), "{seen:#?}");
    assert_eq!(seen.totals.output_tokens, None, "unknown is not zero");
    assert_eq!(seen.child.as_ref().map(|child| child.metrics), Some(Some(false)));
    let note = view.notes.iter().find(|note| note.code == "child_metrics_off").unwrap();
    assert!(note.remedy.as_ref().unwrap().contains("LLAMA_ARG_ENDPOINT_METRICS=1"));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_model_that_is_listed_while_its_process_is_dead_is_told_as_that() {
    let (_folder, ollama) = started(&[]);
    ollama.generate("tiny", "the capital o", 4);
    let mut eye = Eye::on("ollama", &ollama.url());
    assert!(!has_note(&eye.look().await, "child_dead"));
    let child = ollama.children()[0];
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &format!("kill -KILL {child}")])
            .status()
            .unwrap()
            .success()
    );
    let view = eye.until("dead", |view| has_note(view, "child_dead")).await;
    let seen = model(&view, NAME);
    assert_eq!(seen.loaded, Some(true), "/api/ps goes on listing it");
    assert_eq!(seen.child.as_ref().map(|child| (child.pid, child.up)), Some((None, false)));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_child_that_hangs_is_told_and_ollama_is_called_hung_not_down() {
    let (_folder, ollama) = started(&[]);
    ollama.generate("tiny", "the capital o", 4);
    let mut eye = Eye::with("ollama", &ollama.url(), |target| target.timeout = Duration::from_secs(1));
    assert_eq!(eye.look().await.state, Some(ServerState::Ready));
    let child = ollama.children()[0];
    let signal = |name: &str| {
        let kill = format!("kill -{name} {child}");
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    };
    signal("STOP");
    let view = eye.until("hung", |view| view.state == Some(ServerState::Hung)).await;
    assert_eq!(view.up, Some(true), "/api/version answers");
    assert!(has_note(&view, "child_hangs"), "{:#?}", view.notes);
    assert_eq!(model(&view, NAME).child.as_ref().map(|child| child.up), Some(false));
    signal("CONT");
    let view = eye.until("well again", |view| view.state == Some(ServerState::Ready)).await;
    assert!(!has_note(&view, "child_hangs"));
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_child_of_a_killed_ollama_is_counted_as_an_orphan() {
    let (_folder, mut ollama) = started(&[]);
    ollama.generate("tiny", "the capital o", 4);
    let mut eye = Eye::on("ollama", &ollama.url());
    assert_eq!(eye.look().await.orphans, Some(0));
    let child = ollama.children()[0];
    ollama.kill();
    assert_eq!(eye.look().await.state, Some(ServerState::Down));
    ollama.start_again();
    assert!(alive(child), "the bench: a killed Ollama leaves its child");
    let view = eye.until("up", |view| view.up == Some(true)).await;
    // Its folder of models is not known again before a model is loaded; other tests have other folders.
    ollama.generate("tiny", "the capital o", 4);
    let view = if view.orphans == Some(1) {
        view
    } else {
        eye.until("orphan", |view| view.orphans == Some(1)).await
    };
    let note = view.notes.iter().find(|note| note.code == "orphan").unwrap();
    assert!(note.text.contains(&child.to_string()), "{note:?}");
    assert_eq!(
        model(&eye.look().await, NAME).child.as_ref().and_then(|child| child.pid),
        Some(ollama.children()[0])
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real parts: run tests/run"]
async fn a_request_in_flight_makes_its_slot_busy() {
    let (_folder, ollama) = started(&[("LLAMA_ARG_ENDPOINT_METRICS", "1")]);
    ollama.generate("tiny", "the capital o", 1);
    let mut eye = Eye::on("ollama", &ollama.url());
    let address = ollama.address();
    let client = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let options = json!({ "num_predict": 100_000, "temperature": 0 });
        let body = json!({ "model": "tiny", "prompt": "the ", "options": options }).to_string();
        write!(stream, "POST /api/generate HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .unwrap();
        let mut some = [0; 4096];
        let until = std::time::Duration::from_secs(20);
        stream.set_read_timeout(Some(until)).unwrap();
        for _ in 0..2000 {
            if stream.read(&mut some).unwrap() == 0 {
                break;
            }
        }
    });
    let view = eye.until("busy", |view| view.state == Some(ServerState::Busy)).await;
    assert_eq!(model(&view, NAME).slots_busy, Some(1));
    client.join().unwrap();
    eye.until("ready", |view| view.state == Some(ServerState::Ready)).await;
}
