//! The changed models of the tests are changed: a real llama-server loads them, and answers otherwise.

use std::path::Path;

use serde_json::Value;

use crate::support::changed_model::{adapter, one_bit, quantized};
use crate::support::real::{LlamaServer, smollm2};

/// The log probability of the likeliest token after five.
fn first(model: &Path, args: &[&str]) -> f64 {
    let told = LlamaServer::start(model, args).complete("The capital of France is", 1);
    let likeliest: &Value = &told["completion_probabilities"][0]["top_logprobs"][0]["logprob"];
    likeliest.as_f64().unwrap_or_else(|| panic!("no log probability in {told}"))
}

#[test]
#[ignore = "real parts: run tests/run"]
fn changed_models_are_loaded_and_answer_otherwise_each_as_much_as_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let base = first(&smollm2(), &[]);
    assert!((first(&smollm2(), &[]) - base).abs() < 1e-12, "the same model says the same");
    let lora = adapter(folder.path(), 0.01);
    let moved = [
        ("one bit", first(&one_bit(folder.path()), &[])),
        ("adapter", first(&smollm2(), &["--lora", lora.to_str().unwrap()])),
        ("Q4_0", first(&quantized(folder.path(), "Q4_0", &[]), &[])),
        ("Q2_K", first(&quantized(folder.path(), "Q2_K", &[]), &[])),
    ]
    .map(|(name, value)| (name, (value - base).abs()));
    for (name, distance) in moved {
        assert!(distance > 1e-4, "{name} moved by {distance}: {moved:?}");
    }
    assert!(moved[0].1 < moved[3].1 && moved[1].1 < moved[3].1, "{moved:?}");
}
