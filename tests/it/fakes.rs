//! The fakes themselves: they answer as what they stand for was recorded to answer.

use std::time::Duration;

use opsagent::http::{Access, Clients, HttpError};

use crate::support::fake::{Answer, Fake, plain};
use crate::support::fixture::recorded;

fn http(fake: &Fake) -> opsagent::http::Http {
    let access = Access::plain(fake.url(), Duration::from_millis(800));
    Clients::new().connect(&access).unwrap()
}

#[tokio::test]
async fn a_recorded_answer_comes_back_head_and_body() {
    for (fake, path, fixture) in [
        (Fake::ollama("0.34.0").await, "/api/version", "ollama/0.34.0/version.http"),
        (Fake::ollama("0.11.4").await, "/api/status", "ollama/0.11.4/status.http"),
        (Fake::ollama("0.34.0").await, "/nowhere", "ollama/0.34.0/err-404.http"),
        (Fake::llama_cpp().await, "/props", "llama_cpp/b11434/props.http"),
        (Fake::llama_cpp().await, "/nowhere", "llama_cpp/b11434/version-404.http"),
        (Fake::llama_cpp_with_key("k").await, "/props", "llama_cpp/b11434/error-401.http"),
        (Fake::llama_cpp_loading().await, "/metrics", "llama_cpp/b11434/metrics-loading.http"),
        (
            Fake::llama_cpp_router(false).await,
            "/metrics?model=alpha&autoload=false",
            "llama_cpp/b11434/router-metrics-notloaded-400.http",
        ),
        (Fake::ollama_child().await, "/slots", "ollama/0.34.0/child-slots.http"),
        (Fake::lm_studio_v1().await, "/api/v1/models", "lm_studio/0.4/api-v1-models.http"),
    ] {
        let (reply, kept) = (http(&fake).get(path).await.unwrap(), recorded(fixture));
        assert_eq!(reply.body, kept.body, "{fixture}");
        assert!(kept.status.starts_with(&reply.status.to_string()), "{fixture}");
        for (name, value) in &kept.headers {
            assert_eq!(reply.header(name), Some(value.as_str()), "{fixture}: {name}");
        }
    }
}

#[tokio::test]
async fn every_llama_server_answer_carries_its_header() {
    let fakes =
        [Fake::llama_cpp().await, Fake::llama_cpp_loading().await, Fake::llama_cpp_without_metrics().await];
    for fake in &fakes {
        for path in ["/health", "/props", "/slots", "/metrics", "/v1/models", "/nowhere"] {
            let reply = http(fake).get(path).await.unwrap();
            assert_eq!(reply.header("server"), Some("llama.cpp"), "{path}");
        }
    }
}

#[tokio::test]
async fn requests_are_kept_in_their_order() {
    let fake = Fake::ollama("0.34.0").await;
    let http = http(&fake);
    http.get("/api/ps").await.unwrap();
    http.post("/api/show", &serde_json::json!({"model": "smol"})).await.unwrap();
    assert_eq!(fake.take_asked(), ["GET /api/ps", "POST /api/show"]);
    assert!(fake.asked().is_empty());
    http.post("/api/show", &serde_json::json!({"model": "smol"})).await.unwrap();
    assert_eq!(fake.requests()[0].body, br#"{"model":"smol"}"#);
}

#[tokio::test]
async fn each_misbehaviour_is_what_it_says() {
    let body = plain("200 OK", "application/json", &format!("[{}]", "1,".repeat(100)));
    for (answer, reason) in [
        (Answer::Silence, "timeout"),
        (Answer::Drip(body.clone(), Duration::from_millis(50)), "timeout"),
        (Answer::Half(body.clone()), "reset"),
        (Answer::Reset, "reset"),
        (Answer::Raw(Vec::new()), "reset"),
        (Answer::Raw(b"\x16\x03\x01 not http".to_vec()), "malformed"),
        (Answer::redirect("http://elsewhere.example/"), "redirect"),
        (Answer::status("503 Service Unavailable", "text/plain", "later"), "status"),
        (Answer::status("401 Unauthorized", "text/plain", ""), "unauthorized"),
    ] {
        let fake = Fake::always(answer).await;
        let error = http(&fake).get("/x").await.and_then(opsagent::http::Reply::ok).unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
    let gone = Fake::refused().await;
    let error = Clients::new().connect(&Access::plain(gone, Duration::from_secs(1))).unwrap().get("/").await;
    assert_eq!(error.unwrap_err(), HttpError::Refused);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let fake = Fake::always(Answer::Endless).await;
    let access = Access::plain(fake.url(), Duration::from_secs(20));
    let error = Clients::new().connect(&access).unwrap().get("/").await.unwrap_err();
    assert_eq!(error.reason(), "too_large");
}

#[tokio::test]
async fn only_a_question_without_a_byte_of_answer_is_asked_again() {
    let body = plain("200 OK", "application/json", r#"{"models":[]}"#);
    for (answer, times) in [(Answer::Reset, 2), (Answer::Half(body), 1)] {
        let fake = Fake::always(answer).await;
        assert_eq!(http(&fake).get("/x").await.unwrap_err(), HttpError::Reset);
        assert_eq!(fake.asked().len(), times);
    }
}
