//! The kind `openai`.

use super::*;

#[tokio::test]
async fn a_poll_asks_for_the_list_and_nothing_else() {
    for fake in [Fake::sglang().await, Fake::llama_swap().await, Fake::local_ai().await] {
        let mut server = server(&fake, "openai");
        for _ in 0..3 {
            server.poll().await.unwrap();
        }
        assert_eq!(fake.asked(), ["GET /v1/models"; 3]);
    }
}

#[tokio::test]
async fn vllm_is_also_asked_for_its_health() {
    let fake = Fake::vllm().await;
    let sample = poll(&fake, "openai").await.unwrap();
    assert_eq!(fake.asked(), ["GET /v1/models", "GET /health"]);
    assert_eq!((sample.kind, sample.state, notes(&sample)), ("openai", None, vec!["flavour"]));
    assert!(sample.notes[0].text.contains("vLLM"));
    let base = model(&sample, "meta-llama/Llama-3.1-8B-Instruct");
    assert_eq!((base.context_tokens, base.loaded), (Some(131_072), Some(true)));
    assert_eq!(model(&sample, "sql-lora").context_tokens, None);
    assert_eq!(sample.models_installed, None);
}

#[tokio::test]
async fn a_vllm_whose_engine_died_is_hung() {
    let fake = Fake::vllm().await.with("/health", of("openai", "vllm", "health-dead"));
    let sample = poll(&fake, "openai").await.unwrap();
    assert_eq!(sample.state, Some(ServerState::Hung));
    assert!(notes(&sample).contains(&"engine_dead"));
    fake.set("/health", Answer::Silence);
    let sample = poll(&fake, "openai").await.unwrap();
    assert_eq!((sample.state, sample.unanswered), (None, vec!["/health"]));
}

#[tokio::test]
async fn llama_swap_tells_which_of_its_models_run() {
    let sample = poll(&Fake::llama_swap().await, "openai").await.unwrap();
    assert_eq!(model(&sample, "qwen3-8b").loaded, Some(true));
    assert_eq!(model(&sample, "qwen3-8b").context_tokens, Some(32_768));
    assert_eq!(model(&sample, "gemma-3-4b").loaded, Some(false));
}

#[tokio::test]
async fn who_does_not_say_who_it_is_has_no_flavour() {
    let sample = poll(&Fake::local_ai().await, "openai").await.unwrap();
    assert_eq!(sample.models.len(), 2);
    assert!(sample.notes.is_empty());
    assert_eq!(sample.models[0].loaded, None);
    let fake = Fake::new().await.with("/v1/models", Answer::json(r#"{"object":"list","data":null}"#));
    assert!(poll(&fake, "openai").await.unwrap().models.is_empty());
}

#[tokio::test]
async fn one_odd_model_does_not_hide_the_rest() {
    let long = format!("{}\\\"\\n", "x".repeat(4096));
    let deep = format!("{}{}", "[".repeat(9000), "]".repeat(9000));
    let mut answer = plain("200 OK", "application/json", "");
    answer.body = format!(
        r#"{{"object":"list","data":[{{"id":"{long}"}},{{"id":{deep}}},5,{{"name":"no id"}},{{"id":"good","max_model_len":"many","owned_by":[1]}}]}}"#
    )
    .into_bytes();
    let at = answer.body.iter().position(|byte| *byte == b'x').unwrap();
    answer.body[at] = 0xff;
    let fake = Fake::new().await.with("/v1/models", Answer::Whole(answer));
    let sample = poll(&fake, "openai").await.unwrap();
    assert_eq!(sample.models.len(), 2);
    assert_eq!(model(&sample, "good").context_tokens, None);
    assert!(sample.models[0].name.ends_with("x\"\n"));
    assert!(sample.notes[0].text.starts_with("3 entries"), "{:?}", sample.notes);
}

#[tokio::test]
async fn ten_thousand_models_are_read() {
    let entries: Vec<String> = (0..10_000).map(|i| format!(r#"{{"id":"model-{i}"}}"#)).collect();
    let body = format!(r#"{{"object":"list","data":[{}]}}"#, entries.join(","));
    let fake = Fake::new().await.with("/v1/models", Answer::json(body));
    assert_eq!(poll(&fake, "openai").await.unwrap().models.len(), 10_000);
}
