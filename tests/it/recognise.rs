//! Kinds are told by what servers say, and those who imitate others are told as what they are.

use std::time::Duration;

use opsagent::http::{Access, Clients, HttpError};
use opsagent::servers::{Probe, recognise};

use crate::support::fake::{Answer, Fake, plain};
use crate::support::fixture::recorded;
use crate::support::presets::{of, unexpected_endpoint};

async fn kind(fake: &Fake) -> Result<&'static str, HttpError> {
    let access = Access::plain(fake.url(), Duration::from_secs(2));
    let mut probe = Probe::new(Clients::new().connect(&access).unwrap());
    recognise(&mut probe).await.map(|kind| kind.name)
}

async fn refusal(fake: &Fake) -> HttpError {
    kind(fake).await.unwrap_err()
}

#[tokio::test]
async fn every_server_is_told_as_what_it_is() {
    for (fake, name) in [
        (Fake::ollama("0.34.0").await, "ollama"),
        (Fake::ollama("0.11.4").await, "ollama"),
        (Fake::llama_cpp().await, "llama_cpp"),
        (Fake::llama_cpp_without_metrics().await, "llama_cpp"),
        (Fake::llama_cpp_sleeping().await, "llama_cpp"),
        (Fake::llama_cpp_router(false).await, "llama_cpp"),
        (Fake::llama_cpp_router(true).await, "llama_cpp"),
        (Fake::lm_studio_v1().await, "lm_studio"),
        (Fake::lm_studio_v0().await, "lm_studio"),
        (Fake::vllm().await, "openai"),
        (Fake::sglang().await, "openai"),
    ] {
        assert_eq!(kind(&fake).await, Ok(name), "{:?}", fake.asked());
    }
}

#[tokio::test]
async fn a_llama_server_is_known_without_a_key_and_before_it_is_ready() {
    assert_eq!(kind(&Fake::llama_cpp_with_key("k").await).await, Ok("llama_cpp"));
    assert_eq!(kind(&Fake::llama_cpp_loading().await).await, Ok("llama_cpp"));
    assert_eq!(kind(&Fake::always(of("llama_cpp", "b11434", "version-404")).await).await, Ok("llama_cpp"));
}

#[tokio::test]
async fn a_llama_server_is_known_behind_a_proxy_that_hides_it() {
    let bare = |name: &str| {
        let mut answer = recorded(&format!("llama_cpp/b11434/{name}.http"));
        answer.headers.retain(|(header, _)| header != "Server");
        Answer::Whole(answer)
    };
    let fake = Fake::new().await.with("/v1/models", bare("models")).with("/props", bare("props"));
    assert_eq!(kind(&fake).await, Ok("llama_cpp"));
    let router = Fake::new().await.with("/v1/models", bare("router-models-unloaded"));
    router.set("/props", bare("router-props"));
    assert_eq!(kind(&router).await, Ok("llama_cpp"));
    assert_eq!(kind(&Fake::always(bare("models-loading")).await).await, Ok("llama_cpp"));
    // The list alone may come from something that passes it on.
    fake.unset("/props");
    assert_eq!(kind(&fake).await, Ok("openai"));
}

#[tokio::test]
async fn an_lm_studio_that_wants_a_token_is_known() {
    assert_eq!(kind(&Fake::lm_studio_with_token("k").await).await, Ok("lm_studio"));
}

#[tokio::test]
async fn lm_studio_is_asked_nothing_that_it_does_not_know() {
    let fake = Fake::lm_studio_v1().await;
    kind(&fake).await.unwrap();
    assert_eq!(fake.asked(), ["GET /v1/models", "GET /lmstudio-greeting"]);
}

#[tokio::test]
async fn an_lm_studio_that_denies_the_list_of_openai_is_known_by_its_own() {
    let fake = Fake::lm_studio_v1().await;
    fake.unset("/v1/models");
    assert_eq!(kind(&fake).await, Ok("lm_studio"));
    // The port of its windows greets, and has neither.
    fake.unset("/api/v1/models");
    assert_eq!(refusal(&fake).await.reason(), "malformed");
    assert_eq!(fake.take_asked().last().map(String::as_str), Some("GET /api/v1/models"));
}

#[tokio::test]
async fn no_server_is_asked_for_its_health() {
    for fake in [Fake::sglang().await, Fake::vllm().await, Fake::llama_swap().await, Fake::local_ai().await] {
        kind(&fake).await.unwrap();
        let asked = fake.asked();
        assert!(asked.iter().all(|path| !path.contains("health")), "{asked:?}");
    }
}

#[tokio::test]
async fn look_alike_local_ai_is_no_ollama() {
    assert_eq!(kind(&Fake::local_ai().await).await, Ok("openai"));
}

#[tokio::test]
async fn look_alike_llama_swap_is_no_ollama() {
    let fake = Fake::llama_swap().await;
    assert_eq!(kind(&fake).await, Ok("openai"));
    // With no model configured its list names no owner; its version gives it away.
    fake.set("/v1/models", Answer::json(r#"{"object":"list","data":[]}"#));
    assert_eq!(kind(&fake).await, Ok("openai"));
}

#[tokio::test]
async fn look_alike_page_of_html_is_nothing() {
    let fake = Fake::always(Answer::html("<html><body>Ollama is running</body></html>")).await;
    assert_eq!(refusal(&fake).await.reason(), "malformed");
    let bare = Fake::always(Answer::status("200 OK", "text/plain", "Ollama is running")).await;
    let error = refusal(&bare).await;
    assert_eq!(error.reason(), "malformed");
    assert!(error.to_string().contains("no known kind"), "{error}");
}

#[tokio::test]
async fn look_alike_200_to_everything_is_nothing() {
    for answer in [
        Answer::by(unexpected_endpoint),
        Answer::json(r#"{"lmstudio":true}"#),
        Answer::json(r#"{"status":"ok"}"#),
        Answer::json(r#"{"version":"0.34.0"}"#),
        Answer::status("200 OK", "text/plain", "OK"),
        Answer::status("200 OK", "text/plain", ""),
    ] {
        let error = refusal(&Fake::always(answer).await).await;
        assert_eq!(error.reason(), "malformed", "{error}");
    }
}

#[tokio::test]
async fn look_alike_204_to_everything_is_nothing() {
    let error = refusal(&Fake::always(Answer::status("204 No Content", "text/plain", "")).await).await;
    assert_eq!(error.reason(), "malformed", "{error}");
}

#[tokio::test]
async fn look_alike_json_of_another_shape_is_nothing() {
    for body in [
        "[]",
        "null",
        "7",
        r#""Ollama is running""#,
        r#"{"models":[]}"#,
        r#"["list",[{"id":"a"}]]"#,
        r#"{"object":"list"}"#,
        r#"{"object":"list","data":{}}"#,
        r#"{"object":"list","data":[{"user":1},{"user":2}]}"#,
        r#"{"object":["list"],"data":[]}"#,
        r#"{"object":"list","data":[{"id":"a"}"#,
    ] {
        let error = refusal(&Fake::always(Answer::json(body)).await).await;
        assert_eq!(error.reason(), "malformed", "{body}: {error}");
    }
}

#[tokio::test]
async fn look_alike_redirect_is_told_and_not_followed() {
    let there = Fake::ollama("0.34.0").await;
    let fake = Fake::always(Answer::redirect(there.url().as_str())).await;
    let error = refusal(&fake).await;
    assert!(matches!(&error, HttpError::Redirect(to) if to.contains(there.url().as_str())), "{error}");
    assert!(there.asked().is_empty());
}

#[tokio::test]
async fn a_refusal_is_an_error_that_says_what_to_do_and_no_kind() {
    let host = refusal(&Fake::always(of("ollama", "0.34.0", "err-host")).await).await;
    assert_eq!(host.reason(), "status");
    assert!(host.to_string().contains("host name"), "{host}");
    let vllm = refusal(&Fake::always(of("openai", "vllm", "error-401")).await).await;
    assert_eq!(vllm, HttpError::Unauthorized(401));
    let proxy = Fake::always(Answer::status("403 Forbidden", "text/html", "<h1>Forbidden</h1>")).await;
    assert_eq!(refusal(&proxy).await, HttpError::Unauthorized(403));
}

#[tokio::test]
async fn a_list_is_a_list_however_odd_its_entries() {
    let long = "x".repeat(4096);
    for body in [
        r#"{"object":"list","data":null}"#.into(),
        r#"{"object":"list","data":[{"id":7},{"id":"a","owned_by":5}]}"#.into(),
        format!(
            r#"{{"object":"list","data":[{{"id":"{long}\"\n"}}],"x":{}1{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        ),
    ] {
        assert_eq!(kind(&Fake::new().await.with("/v1/models", Answer::json(&body))).await, Ok("openai"));
    }
    let mut utf8 = plain("200 OK", "application/json", "");
    utf8.body = b"{\"object\":\"list\",\"data\":[{\"id\":\"caf\xe9\"}]}".to_vec();
    assert_eq!(kind(&Fake::new().await.with("/v1/models", Answer::Whole(utf8))).await, Ok("openai"));
}

#[tokio::test]
async fn what_does_not_answer_is_asked_once_and_told_as_that() {
    let silent = Fake::always(Answer::Silence).await;
    let access = Access::plain(silent.url(), Duration::from_millis(200));
    let mut probe = Probe::new(Clients::new().connect(&access).unwrap());
    assert_eq!(recognise(&mut probe).await.unwrap_err().reason(), "timeout");
    assert_eq!(silent.asked(), ["GET /v1/models"]);
}

#[tokio::test]
async fn while_a_question_hangs_nothing_is_taken_for_the_kind_that_all_imitate() {
    let fake = Fake::ollama("0.34.0").await.with("/", Answer::Silence);
    assert_eq!(refusal(&fake).await.reason(), "timeout");
}
