//! An Ollama and the processes of its models, on a machine on paper: what is joined to what.

use std::time::Duration;

use opsagent::sample::ServerState;

use crate::support::eye::{Eye, has_note, model};
use crate::support::fake::{Answer, Fake};
use crate::support::machine::Paper;

const BLOBS: &str = "/usr/share/ollama/.ollama/models/blobs";
const SMOL: &str = "sha256-941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5";

async fn ollama() -> (Fake, Paper) {
    let fake = Fake::ollama("0.34.0").await;
    let mut paper = Paper::new();
    paper.process(812, 1, "/usr/bin/ollama|serve");
    paper.listen(Some(812), &fake.address().to_string());
    (fake, paper)
}

fn child(paper: &mut Paper, pid: u32, blob: &str, port: u16) {
    paper.process(
        pid,
        812,
        &format!("/usr/lib/llama-server|--model|{BLOBS}/{blob}|--port|{port}|--no-webui|--offline"),
    );
}

/// A child with its metrics on: it did eight tokens.
async fn counting_child() -> Fake {
    let props = format!(r#"{{"model_path":"{BLOBS}/{SMOL}","endpoint_metrics":true}}"#);
    Fake::ollama_child().await.with("/props", Answer::json(props))
}

fn eye(paper: &Paper, fake: &Fake) -> Eye {
    Eye::at(paper.machine(), "ollama", fake.url().as_str(), |target| {
        target.timeout = Duration::from_millis(500);
    })
}

#[tokio::test]
async fn a_child_in_another_network_namespace_is_neither_hung_nor_dead() {
    let (fake, mut paper) = ollama().await;
    child(&mut paper, 900, SMOL, Fake::refused().await.port().unwrap());
    let mut eye = eye(&paper, &fake);
    for _ in 0..3 {
        let view = eye.look().await;
        assert_eq!(view.state, Some(ServerState::Ready), "{view:#?}");
        assert!(has_note(&view, "child_elsewhere"), "{:#?}", view.notes);
        assert!(!has_note(&view, "child_dead") && !has_note(&view, "child_hangs"), "{:#?}", view.notes);
        assert_eq!(model(&view, "smol:latest").child, None, "nothing is known of it");
    }
}

#[tokio::test]
async fn two_processes_of_one_model_are_counted_once() {
    let (fake, mut paper) = ollama().await;
    let (old, new) = (counting_child().await, Fake::llama_cpp_loading().await);
    child(&mut paper, 900, SMOL, old.address().port());
    let mut eye = eye(&paper, &fake);
    let output = |view: &opsagent::view::TargetView| model(view, "smol:latest").totals.output_tokens;
    assert_eq!(output(&eye.look().await), Some(8.0));
    child(&mut paper, 901, SMOL, new.address().port());
    assert_eq!(output(&eye.look().await), Some(8.0), "the new one has done nothing yet");
    paper.end(900);
    let view = eye.look().await;
    assert_eq!((output(&view), model(&view, "smol:latest").loads), (Some(8.0), 1));
    let well = counting_child().await;
    new.set_all(Answer::by(move |request| well.answer_to(request)));
    assert_eq!(output(&eye.look().await), Some(16.0), "both did eight");
}

#[tokio::test]
async fn of_two_models_on_one_blob_the_one_that_ran_keeps_its_child_while_the_list_hangs() {
    let (fake, mut paper) = ollama().await;
    let runs = counting_child().await;
    child(&mut paper, 900, SMOL, runs.address().port());
    fake.set("/api/tags", Answer::json(r#"{"models":[{"name":"a"},{"name":"b"}]}"#));
    let loaded = |name: &str| Answer::json(format!(r#"{{"models":[{{"name":"{name}"}}]}}"#));
    let mut eye = eye(&paper, &fake);
    fake.set("/api/ps", loaded("a"));
    eye.look().await;
    paper.end(900);
    child(&mut paper, 901, SMOL, runs.address().port());
    fake.set("/api/ps", loaded("b"));
    assert!(model(&eye.look().await, "b").child.is_some());
    fake.set("/api/ps", Answer::Silence);
    let view = eye.look().await;
    assert!(model(&view, "a").child.is_none() && model(&view, "b").child.is_some(), "{view:#?}");
    assert_eq!(model(&view, "a").totals.output_tokens, Some(8.0), "nothing of b's");
}

#[tokio::test]
async fn a_load_that_holds_up_the_list_is_a_load_also_beside_another_model() {
    let (fake, mut paper) = ollama().await;
    let (runs, loads) = (counting_child().await, Fake::llama_cpp_loading().await);
    child(&mut paper, 900, SMOL, runs.address().port());
    let mut eye = eye(&paper, &fake);
    assert_eq!(eye.look().await.state, Some(ServerState::Ready));
    child(&mut paper, 901, "sha256-0707", loads.address().port());
    fake.set("/api/ps", Answer::Silence);
    for _ in 0..3 {
        assert_eq!(eye.look().await.state, Some(ServerState::Loading));
    }
    runs.set_all(Answer::Silence);
    eye.until("hung", |view| view.state == Some(ServerState::Hung)).await;
}
