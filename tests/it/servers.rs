//! Each kind against its fakes: what a poll asks, what it never asks, and what comes of each
//! recorded answer.

use std::collections::BTreeSet;
use std::time::Duration;

use opsagent::http::HttpError;
use opsagent::procs::Machine;
use opsagent::sample::{ModelSample, ServerSample, ServerState};
use opsagent::servers::{Server, Target, kind};

use crate::support::clock::later;
use crate::support::fake::{Answer, Fake, plain};
use crate::support::presets::of;

mod llama_cpp;
mod lm_studio;
mod ollama;
mod ollama_children;
mod openai;

/// A server of that kind at the fake, as a target without more settings has it.
fn server(fake: &Fake, name: &str) -> Box<dyn Server> {
    server_with(fake, name, |_| ())
}

fn server_with(fake: &Fake, name: &str, change: impl FnOnce(&mut Target)) -> Box<dyn Server> {
    let mut target = Target::new("fake", fake.url());
    target.kind = kind(name);
    target.timeout = Duration::from_millis(800);
    change(&mut target);
    // A machine without processes: what runs beside the test is not the fake's.
    target.connect(&opsagent::http::Clients::new(), Machine::at("/nonexistent")).unwrap()
}

async fn poll(fake: &Fake, name: &str) -> Result<ServerSample, HttpError> {
    server(fake, name).poll().await
}

fn model<'a>(sample: &'a ServerSample, name: &str) -> &'a ModelSample {
    sample.models.iter().find(|model| model.name == name).unwrap()
}

fn notes(sample: &ServerSample) -> Vec<&str> {
    sample.notes.iter().map(|note| note.code.as_str()).collect()
}

/// Ways not to answer that every kind must tell alike: the answer to every question, and the reason.
fn bad_days() -> Vec<(Answer, &'static str)> {
    let other = plain("200 OK", "application/json", r#"{"weather":{"today":"rain"}}"#);
    vec![
        (Answer::Silence, "timeout"),
        (Answer::Drip(other.clone(), Duration::from_millis(100)), "timeout"),
        (Answer::Reset, "reset"),
        (Answer::Half(other.clone()), "reset"),
        (Answer::Whole(other), "malformed"),
        (Answer::Raw(b"\x00\xff\x00 garbage".to_vec()), "malformed"),
        (Answer::html("<html>It works!</html>"), "malformed"),
        (Answer::status("204 No Content", "text/plain", ""), "malformed"),
        (Answer::json(format!("{}1{}", "[".repeat(9000), "]".repeat(9000))), "malformed"),
        (Answer::json(r#"["list",[["m"]]]"#), "malformed"),
        (Answer::redirect("http://elsewhere.example/"), "redirect"),
        (Answer::status("401 Unauthorized", "text/plain", ""), "unauthorized"),
        (Answer::status("503 Service Unavailable", "text/html", "<h1>Service Unavailable</h1>"), "status"),
    ]
}

#[tokio::test]
async fn a_bad_answer_is_told_as_what_it_is_by_every_kind() {
    for name in ["llama_cpp", "lm_studio", "ollama", "openai"] {
        for (answer, reason) in bad_days() {
            let fake = Fake::always(answer).await;
            let error = poll(&fake, name).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{name}: {error}");
        }
        let gone = Target { kind: kind(name), ..Target::new("gone", Fake::refused().await) };
        let mut server = gone.connect(&opsagent::http::Clients::new(), Machine::at("/nonexistent")).unwrap();
        assert_eq!(server.poll().await, Err(HttpError::Refused));
    }
}

#[tokio::test]
async fn every_reason_there_is_can_come_about() {
    let mut fakes: Vec<Fake> = Vec::new();
    for (answer, _) in bad_days() {
        fakes.push(Fake::always(answer).await);
    }
    fakes.push(Fake::always(Answer::Endless).await);
    let mut urls: Vec<url::Url> = fakes.iter().map(Fake::url).collect();
    let address = |text: &str| text.parse::<url::Url>().unwrap();
    urls.extend([
        Fake::refused().await,
        // Plain HTTP is no TLS; nobody connects to everybody; a part of a name has 63 letters at most.
        address(&format!("https://{}/", plain_http().await)),
        address("http://255.255.255.255:1/"),
        address(&format!("http://{}.example/", "a".repeat(64))),
    ]);
    let mut reached = BTreeSet::new();
    for url in urls {
        let mut target = Target { kind: kind("openai"), ..Target::new("odd", url) };
        target.timeout = Duration::from_secs(3);
        let mut server =
            target.connect(&opsagent::http::Clients::new(), Machine::at("/nonexistent")).unwrap();
        reached.insert(server.poll().await.unwrap_err().reason());
    }
    assert_eq!(reached, BTreeSet::from(HttpError::REASONS));
}

/// A server that answers whatever it gets in plain HTTP.
async fn plain_http() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _hello = stream.read_buf(&mut Vec::new()).await;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.ok();
        }
    });
    address
}
