//! Ollama, both generations, on recorded answers: what a poll asks and what comes of it. What its
//! children tell is tested on a real one.

use std::time::Duration;

use super::{later, model, notes, poll, server};
use crate::support::fake::{Answer, Fake};
use crate::support::presets::of;

#[tokio::test]
async fn a_poll_asks_three_things_and_the_inventory_once_a_minute() {
    let fake = Fake::ollama("0.34.0").await;
    let mut ollama = server(&fake, "ollama");
    ollama.poll().await.unwrap();
    let mut asked = fake.take_asked();
    asked.sort();
    assert_eq!(asked, ["GET /api/ps", "GET /api/tags", "GET /api/version"]);
    for _ in 0..3 {
        ollama.poll().await.unwrap();
    }
    let mut asked = fake.take_asked();
    asked.sort();
    assert_eq!(asked, [["GET /api/ps"; 3], ["GET /api/version"; 3]].concat());
    later(Duration::from_secs(61)).await;
    ollama.poll().await.unwrap();
    assert!(fake.take_asked().contains(&"GET /api/tags".to_owned()));
}

#[tokio::test]
async fn before_the_race_was_mended_the_loaded_models_are_asked_every_ten_seconds_at_most() {
    let fake = Fake::ollama("0.11.4").await;
    let mut ollama = server(&fake, "ollama");
    for _ in 0..4 {
        ollama.poll().await.unwrap();
    }
    let of_ps = |asked: Vec<String>| asked.iter().filter(|asked| *asked == "GET /api/ps").count();
    assert_eq!(of_ps(fake.take_asked()), 1);
    later(Duration::from_secs(11)).await;
    ollama.poll().await.unwrap();
    assert_eq!(of_ps(fake.take_asked()), 1);
}

#[tokio::test]
async fn what_is_loaded_is_told_with_its_memory_context_and_expiry() {
    for version in ["0.34.0", "0.11.4"] {
        let fake = Fake::ollama(version).await;
        fake.set("/api/ps", of("ollama", version, "ps-loaded"));
        let sample = poll(&fake, "ollama").await.unwrap();
        assert_eq!(sample.version.as_deref(), Some(version));
        assert_eq!(sample.models_installed, Some(1));
        let smol = model(&sample, "smol:latest");
        assert_eq!((smol.loaded, smol.stays, smol.vram_bytes), (Some(true), Some(false), Some(0)));
        assert_eq!((smol.quantization.as_deref(), smol.family.as_deref()), (Some("Q4_1"), Some("llama")));
        assert_eq!(smol.context_tokens, Some(4096));
        assert!(smol.expires_at.is_some() && smol.memory_bytes > Some(100_000_000) && smol.digest.is_some());
        assert_eq!(smol.slots_busy, None, "Ollama itself does not tell");
    }
}

#[tokio::test]
async fn a_model_that_stays_for_ever_has_no_expiry() {
    let fake = Fake::ollama("0.34.0").await;
    fake.set("/api/ps", of("ollama", "0.34.0", "ps-keepalive-forever"));
    let sample = poll(&fake, "ollama").await.unwrap();
    let smol = model(&sample, "smol:latest");
    assert_eq!((smol.stays, smol.expires_at), (Some(true), None));
}

#[tokio::test]
async fn nothing_loaded_is_not_the_same_as_not_known() {
    let fake = Fake::ollama("0.34.0").await;
    fake.set("/api/ps", of("ollama", "0.34.0", "ps-empty"));
    assert_eq!(model(&poll(&fake, "ollama").await.unwrap(), "smol:latest").loaded, Some(false));
    fake.set("/api/ps", Answer::Silence);
    let mut ollama = server(&fake, "ollama");
    ollama.poll().await.unwrap();
    let sample = ollama.poll().await.unwrap();
    assert_eq!(sample.unanswered, ["/api/ps"]);
    assert!(sample.models.iter().all(|model| model.loaded.is_none()), "{sample:#?}");
}

#[tokio::test]
async fn a_build_from_source_without_a_version_and_null_lists_are_lived_with() {
    let fake = Fake::ollama("0.34.0").await;
    fake.set("/api/version", Answer::json(r#"{"version":"0.0.0"}"#));
    fake.set("/api/ps", Answer::json(r#"{"models":null}"#));
    fake.set(
        "/api/tags",
        Answer::json(
            r#"{"models":[{"name":"a","details":{"families":null,"family":null},"size":1.0,"new":{}}]}"#,
        ),
    );
    let sample = poll(&fake, "ollama").await.unwrap();
    assert_eq!(sample.version.as_deref(), Some("0.0.0"));
    assert_eq!(sample.models.len(), 1);
    assert_eq!(model(&sample, "a").loaded, Some(false));
}

#[tokio::test]
async fn one_odd_model_does_not_hide_the_others() {
    let fake = Fake::ollama("0.34.0").await;
    fake.set(
        "/api/tags",
        Answer::json(
            r#"{"models":[{"name":17},{"size":3},null,"x",{"name":"good","size":"many"},{"name":"well"}]}"#,
        ),
    );
    fake.set(
        "/api/ps",
        Answer::json(r#"{"models":[{"name":"well","expires_at":"soon","size_vram":-1},{"name":[]}]}"#),
    );
    let sample = poll(&fake, "ollama").await.unwrap();
    let names: Vec<&str> = sample.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["good", "well"]);
    assert_eq!(model(&sample, "well").loaded, Some(true));
    assert_eq!((model(&sample, "well").expires_at, model(&sample, "well").vram_bytes), (None, None));
}

#[tokio::test]
async fn an_ollama_elsewhere_says_that_its_children_cannot_be_seen() {
    let fake = Fake::ollama("0.34.0").await;
    let sample = poll(&fake, "ollama").await.unwrap();
    assert_eq!(notes(&sample), ["process_unseen"]);
    assert_eq!(sample.orphans, None);
    let old = Fake::ollama("0.11.4").await;
    assert_eq!(notes(&poll(&old, "ollama").await.unwrap()), ["no_counters"]);
}
