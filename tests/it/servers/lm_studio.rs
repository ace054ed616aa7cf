//! The kind `lm_studio`.

use super::*;

/// Loaded or not, family, format, context allocated and trained.
type Told<'a> = (Option<bool>, Option<&'a str>, Option<&'a str>, Option<u64>, Option<u64>);

fn told(model: &ModelSample) -> Told<'_> {
    let (family, format) = (model.family.as_deref(), model.format.as_deref());
    (model.loaded, family, format, model.context_tokens, model.context_trained_tokens)
}

#[tokio::test]
async fn the_newer_api_tells_what_is_loaded() {
    let fake = Fake::lm_studio_v1().await;
    let sample = poll(&fake, "lm_studio").await.unwrap();
    assert_eq!(fake.asked(), ["GET /api/v1/models"]);
    assert_eq!((sample.kind, sample.models_installed, sample.state), ("lm_studio", Some(3), None));
    assert_eq!((sample.version.as_deref(), notes(&sample)), (None, vec!["no_counters"]));
    let loaded = model(&sample, "openai/gpt-oss-20b");
    assert_eq!(told(loaded), (Some(true), Some("gpt-oss"), Some("gguf"), Some(8192), Some(131_072)));
    assert_eq!((loaded.slots, loaded.slots_busy), (Some(4), None));
    assert_eq!((loaded.quantization.as_deref(), loaded.parameters.as_deref()), (Some("MXFP4"), Some("20B")));
    assert_eq!(loaded.size_bytes, Some(12_109_566_560));
    assert_eq!((loaded.memory_bytes, loaded.vram_bytes), (None, None));
    let idle = model(&sample, "qwen2.5-0.5b-instruct-mlx");
    assert_eq!(told(idle), (Some(false), Some("qwen2"), Some("mlx"), None, Some(32_768)));
    assert_eq!((idle.parameters.as_deref(), idle.slots), (None, None));
    let embedding = model(&sample, "text-embedding-nomic-embed-text-v1.5");
    assert_eq!(told(embedding), (Some(true), None, Some("gguf"), Some(2048), Some(2048)));
}

#[tokio::test]
async fn the_older_api_is_asked_where_the_newer_is_missing() {
    let fake = Fake::lm_studio_v0().await;
    let sample = poll(&fake, "lm_studio").await.unwrap();
    assert_eq!(fake.asked(), ["GET /api/v1/models", "GET /api/v0/models"]);
    assert_eq!(sample.models_installed, Some(3));
    let loaded = model(&sample, "openai/gpt-oss-20b");
    assert_eq!(told(loaded), (Some(true), Some("gpt-oss"), Some("gguf"), Some(8192), Some(131_072)));
    assert_eq!(loaded.quantization.as_deref(), Some("MXFP4"));
    let idle = model(&sample, "qwen2.5-0.5b-instruct-mlx");
    assert_eq!(told(idle), (Some(false), Some("qwen2"), Some("mlx"), None, Some(32_768)));
}

#[tokio::test]
async fn an_old_one_tells_names_and_a_note() {
    let fake = Fake::lm_studio_v0().await;
    fake.set("/api/v0/models", Answer::status("404 Not Found", "text/plain", "Cannot GET /api/v0/models"));
    let sample = poll(&fake, "lm_studio").await.unwrap();
    assert_eq!((sample.models.len(), sample.models_installed), (3, None));
    assert_eq!((sample.models[0].loaded, notes(&sample)), (None, vec!["no_native_api"]));
}

#[tokio::test]
async fn unknown_paths_are_asked_once_and_nothing_more_than_every_15_s() {
    let fake = Fake::lm_studio_v0().await;
    let mut server = server(&fake, "lm_studio");
    let first = server.poll().await.unwrap();
    fake.take_asked();
    for _ in 0..14 {
        later(Duration::from_secs(1)).await;
        assert_eq!(server.poll().await.as_ref(), Ok(&first));
    }
    assert!(fake.asked().is_empty());
    for _ in 0..3 {
        later(Duration::from_secs(15)).await;
        server.poll().await.unwrap();
    }
    assert_eq!(fake.asked(), ["GET /api/v0/models"; 3]);
}

#[tokio::test]
async fn an_update_under_way_is_noticed() {
    let fake = Fake::lm_studio_v0().await;
    let mut server = server(&fake, "lm_studio");
    server.poll().await.unwrap();
    fake.unset("/api/v0/models");
    fake.set("/api/v1/models", of("lm_studio", "0.4", "api-v1-models"));
    later(Duration::from_secs(15)).await;
    let sample = server.poll().await.unwrap();
    assert_eq!(model(&sample, "openai/gpt-oss-20b").slots, Some(4));
}

#[tokio::test]
async fn without_its_token_it_is_unauthorized_and_not_asked_on() {
    let fake = Fake::lm_studio_with_token("k").await;
    assert_eq!(poll(&fake, "lm_studio").await, Err(HttpError::Unauthorized(401)));
    assert_eq!(fake.take_asked(), ["GET /api/v1/models"]);
    let mut with = server_with(&fake, "lm_studio", |target| target.token = Some("k".into()));
    assert_eq!(with.poll().await.unwrap().models_installed, Some(3));
}

#[tokio::test]
async fn several_instances_of_a_model_are_one_model() {
    let body = r#"{"models":[
        {"key":"m","loaded_instances":[{"id":"m","config":{"context_length":8192,"parallel":4}},
            {"id":"m:2","config":{"context_length":4096.0,"parallel":2}}]},
        {"key":"n","loaded_instances":[{"id":7,"config":"odd"}],"quantization":"odd","size_bytes":-1},
        {"key":"o","loaded_instances":null},
        {"key":"p"},
        {"display_name":"no key"}]}"#;
    let fake = Fake::lm_studio_v1().await.with("/api/v1/models", Answer::json(body));
    let sample = poll(&fake, "lm_studio").await.unwrap();
    let m = model(&sample, "m");
    assert_eq!((m.loaded, m.slots, m.context_tokens), (Some(true), Some(6), Some(4096)));
    let n = model(&sample, "n");
    assert_eq!((n.loaded, n.slots, n.quantization.clone(), n.size_bytes), (Some(true), None, None, None));
    assert_eq!((model(&sample, "o").loaded, model(&sample, "p").loaded), (Some(false), None));
    assert_eq!(sample.models_installed, Some(5));
    assert!(notes(&sample).contains(&"odd_models"));
}

#[tokio::test]
async fn a_server_that_answers_every_path_alike_is_malformed() {
    let fake = Fake::always(Answer::by(crate::support::presets::unexpected_endpoint)).await;
    let error = poll(&fake, "lm_studio").await.unwrap_err();
    assert!(error.to_string().contains("has none of /api/v1/models"), "{error}");
}
