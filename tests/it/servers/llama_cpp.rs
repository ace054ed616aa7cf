//! llama-server on recorded answers: what a poll asks and what comes of it.

use std::time::Duration;

use opsagent::sample::ServerState;
use opsagent::servers::{Target, kind};

use super::{model, notes, poll, server, server_with};
use crate::support::fake::{Answer, Fake};
use crate::support::fixture::recorded;
use crate::support::machine::Paper;

const PATH: &str = "/srv/models/smollm/SmolLM2-135M-Instruct.Q4_1.gguf";

fn sorted(mut asked: Vec<String>) -> Vec<String> {
    asked.sort();
    asked
}

#[tokio::test]
async fn a_server_that_may_sleep_is_not_asked_what_would_wake_it() {
    let fake = Fake::llama_cpp().await;
    let sample = poll(&fake, "llama_cpp").await.unwrap();
    assert_eq!(sorted(fake.take_asked()), ["GET /health", "GET /props", "GET /v1/models"]);
    assert_eq!(notes(&sample)[0], "may_sleep");
    let seen = model(&sample, PATH);
    assert_eq!((seen.loaded, seen.slots, seen.slots_busy), (Some(true), Some(2), None));
    assert_eq!((seen.context_tokens, seen.context_trained_tokens), (Some(2048), Some(8192)));
    assert_eq!((seen.size_bytes, seen.parameters.as_deref()), (Some(96_576_768), Some("134.52M")));
}

#[tokio::test]
async fn one_that_never_sleeps_tells_slots_queue_and_counters() {
    let fake = Fake::llama_cpp().await;
    let sample = server_with(&fake, "llama_cpp", |target| target.sleeps = Some(false)).poll().await.unwrap();
    let wanted = ["GET /health", "GET /metrics", "GET /props", "GET /slots", "GET /v1/models"];
    assert_eq!(sorted(fake.take_asked()), wanted);
    let seen = model(&sample, PATH);
    assert!(seen.counters.output_tokens.is_some() && seen.counters.cached_tokens.is_some());
    assert_eq!(seen.queue_depth, Some(0));
    assert!(seen.incarnation.is_some());
    assert!(notes(&sample).is_empty());
}

#[tokio::test]
async fn a_build_that_lets_sleepers_sleep_is_asked_for_its_metrics() {
    let fake = Fake::llama_cpp().await;
    let props = recorded("llama_cpp/b11434/props.http");
    let text = String::from_utf8(props.body).unwrap().replace("b0-unknown", "b11434-6b4a1c2");
    fake.set("/props", Answer::json(text));
    let sample = poll(&fake, "llama_cpp").await.unwrap();
    assert_eq!(sorted(fake.take_asked()), ["GET /health", "GET /metrics", "GET /props", "GET /v1/models"]);
    assert_eq!(
        (sample.version.as_deref(), sample.build.as_deref()),
        (Some("b11434"), Some("b11434-6b4a1c2"))
    );
    assert!(model(&sample, PATH).slots_busy.is_some(), "its metrics tell how many work");
}

#[tokio::test]
async fn asleep_is_a_state_of_its_own() {
    let fake = Fake::llama_cpp_sleeping().await;
    let sample = poll(&fake, "llama_cpp").await.unwrap();
    assert_eq!(sample.state, Some(ServerState::Sleeping));
    assert!(!fake.asked().iter().any(|asked| asked.contains("slots")), "{:?}", fake.asked());
}

#[tokio::test]
async fn loading_is_told_by_every_path_and_is_up() {
    let fake = Fake::llama_cpp_loading().await;
    let sample = poll(&fake, "llama_cpp").await.unwrap();
    assert_eq!(sample.state, Some(ServerState::Loading));
    assert!(sample.models.is_empty());
}

#[tokio::test]
async fn without_metrics_the_remedy_is_told() {
    let fake = Fake::llama_cpp_without_metrics().await;
    let sample = server_with(&fake, "llama_cpp", |target| target.sleeps = Some(false)).poll().await.unwrap();
    assert_eq!(notes(&sample), ["metrics_off"]);
    assert_eq!(model(&sample, PATH).counters.output_tokens, None);
}

#[tokio::test]
async fn a_router_is_asked_of_loaded_models_only_and_never_without_autoload_off() {
    let idle = Fake::llama_cpp_router(false).await;
    let sample = poll(&idle, "llama_cpp").await.unwrap();
    assert_eq!(sample.models_installed, Some(2));
    assert!(sample.models.iter().all(|model| model.loaded == Some(false)));
    let loaded = Fake::llama_cpp_router(true).await;
    let sample = poll(&loaded, "llama_cpp").await.unwrap();
    assert_eq!(model(&sample, "alpha").loaded, Some(true));
    assert_eq!(model(&sample, "alpha").context_tokens, Some(1024));
    for asked in [idle.asked(), loaded.asked()].concat() {
        let of_model = asked.contains("model=");
        assert!(!of_model || (asked.contains("model=alpha") && asked.contains("autoload=false")), "{asked}");
        assert!(!asked.contains("reload=1") && !asked.starts_with("POST"), "{asked}");
        assert!(!asked.contains("/slots"), "its children were started with sleep on: {asked}");
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_beside_a_fine_health_check_is_noted() {
    let fake = Fake::llama_cpp().await;
    fake.set("/metrics", Answer::Silence);
    let sample = server_with(&fake, "llama_cpp", |target| target.sleeps = Some(false)).poll().await.unwrap();
    assert_eq!(sample.unanswered, ["/metrics"]);
    assert!(model(&sample, PATH).slots_busy.is_some(), "the rest stands");
}

#[tokio::test]
async fn a_key_that_is_wanted_is_told() {
    let fake = Fake::llama_cpp_with_key("k").await;
    let error = server(&fake, "llama_cpp").poll().await.expect_err("no key");
    assert_eq!(error.reason(), "unauthorized");
}

#[tokio::test]
async fn one_odd_slot_hides_neither_the_others_nor_the_server() {
    let fake = Fake::llama_cpp().await;
    let odd = format!(r#"[{{"is_processing":"{}"}},{{"is_processing":true}}]"#, "x".repeat(100_000));
    fake.set("/slots", Answer::json(odd));
    let mut server = server_with(&fake, "llama_cpp", |target| target.sleeps = Some(false));
    let sample = server.poll().await.unwrap();
    assert_eq!(model(&sample, PATH).slots_busy, Some(1));
    fake.set("/slots", Answer::json(format!("\"{}\"", "x".repeat(100_000))));
    let error = server.poll().await.unwrap_err().to_string();
    assert!(error.len() < 1000, "an error of {} bytes", error.len());
}

#[tokio::test]
async fn a_routers_models_may_sleep_where_the_router_itself_was_told_so() {
    let fake = Fake::llama_cpp_router(true).await;
    let mut models = recorded("llama_cpp/b11434/router-models-loaded.http");
    let text = String::from_utf8(models.body).unwrap();
    models.body = text.replace("--sleep-idle-seconds", "--threads-http").into_bytes();
    fake.set("/v1/models", Answer::Whole(models));
    let asks_slots = async |line: &str, sleeps: Option<bool>| {
        let mut paper = Paper::new();
        paper.process(812, 1, line);
        paper.listen(Some(812), &fake.address().to_string());
        let mut target = Target { kind: kind("llama_cpp"), sleeps, ..Target::new("fake", fake.url()) };
        target.timeout = Duration::from_millis(800);
        let mut server = target.connect(&opsagent::http::Clients::new(), paper.machine()).unwrap();
        server.poll().await.unwrap();
        fake.take_asked().iter().any(|asked| asked.contains("/slots"))
    };
    assert!(asks_slots("llama-server|--models-dir|/m", None).await);
    assert!(!asks_slots("llama-server|--models-dir|/m|--sleep-idle-seconds|60", None).await);
    assert!(!asks_slots("llama-server|--models-dir|/m", Some(true)).await);
    assert!(asks_slots("llama-server|--sleep-idle-seconds|60", Some(false)).await);
}
