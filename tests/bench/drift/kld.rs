//! Whether the KLD equivalent of a few tokens is that of llama-perplexity: for quantizations of two models, on text that
//! each wrote itself. A fixed corpus would tell of the corpus too: on tables and names llama-perplexity tells a third
//! more than on such text.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::changed_model::requantized;
use crate::support::drill::{Drill, Served};
use crate::support::real::{LlamaServer, installed, smollm2};
use crate::{progress, shown};

/// What the models, which come as Q4_K_M and Q4_1, are made to be.
const TYPES: [&str; 8] = ["Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "IQ4_NL", "Q4_0", "Q3_K_M", "Q2_K"];

/// By how much the two may be apart.
const FACTOR: f64 = 2.0;

/// Tokens of a piece of the text, of which the second half counts.
const PIECE: &str = "128";

/// Pieces of the text.
const PIECES: &str = "16";

/// Beginnings that a model goes on from: of news, code, stories, letters and manuals.
const BEGINNINGS: [&str; 16] = [
    "The ",
    "In 1998, ",
    "He said that ",
    "import os\n",
    "When the ",
    "A new study ",
    "fn main() {\n",
    "Once upon a time",
    "Dear ",
    "The company ",
    "def ",
    "According to ",
    "To install ",
    "Question: ",
    "# ",
    "She ",
];

/// Tokens from each: with the beginnings more than all pieces have.
const TOKENS: u32 = 144;

/// Runs of the baseline: these models compute the same numbers each time.
const BASELINE: u64 = 20;

pub async fn kld() -> bool {
    println!(
        "\nKLD of quantizations, by a run of the fingerprint and by llama-perplexity on {PIECES} × {PIECE} tokens that \
         the model wrote itself:\n"
    );
    println!("| model | type | by a run | by llama-perplexity | ratio |\n| --- | --- | --- | --- | --- |");
    let gemma = of("Gemma 3 270M (Q4_K_M)", &installed("models/gemma3-270m.gguf")).await;
    let smollm2 = of("SmolLM2-135M (Q4_1)", &smollm2()).await;
    gemma && smollm2
}

async fn of(name: &str, base: &Path) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (text, logits) = (folder.path().join("text"), folder.path().join("logits"));
    let mut drill = Drill::new(13);
    let served = Served::with(base, &[]).await;
    progress(&format!("{name} writes"));
    let draw = |(nth, beginning): (usize, &&str)| {
        format!("{beginning}{}\n\n", drawn(&served.server, beginning, nth + 1))
    };
    std::fs::write(&text, BEGINNINGS.iter().enumerate().map(draw).collect::<String>()).unwrap();
    progress(&format!("baseline of {name}"));
    let watch = drill.learned(&served, BASELINE).await;
    drop(served);
    perplexity(base, &["-f", text.to_str().unwrap()], &logits);
    let mut fine = true;
    for kind in TYPES {
        progress(kind);
        let model = requantized(folder.path(), base, kind, &[]);
        let served = Served::with(&model, &[]).await;
        let run = drill.run(&served).await;
        let ours = watch.clone().observe(&run, &drill.suite).kld;
        let theirs = mean_kld(&perplexity(&model, &["--kl-divergence"], &logits));
        let ratio = ours.map(|ours| ours / theirs);
        println!("| {name} | {kind} | {} | {} | {} |", shown(ours), shown(Some(theirs)), shown(ratio));
        fine &= ratio.is_some_and(|ratio| (1.0 / FACTOR..=FACTOR).contains(&ratio));
        std::fs::remove_file(model).unwrap();
    }
    fine
}

/// As the model itself goes on when each token is drawn with the model's own probability.
fn drawn(server: &LlamaServer, beginning: &str, seed: usize) -> String {
    let sampling = serde_json::json!({
        "prompt": beginning, "n_predict": TOKENS, "seed": seed, "ignore_eos": true, "cache_prompt": false,
        "temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "typical_p": 1, "repeat_penalty": 1,
    });
    server.post("/completion", &sampling)["content"].as_str().expect("a text").to_owned()
}

fn perplexity(model: &Path, args: &[&str], logits: &Path) -> String {
    let program: PathBuf = installed("bin/llama-perplexity");
    let mut command = Command::new(program);
    command.arg("-m").arg(model).arg("--kl-divergence-base").arg(logits);
    command.args(["-c", PIECE, "--chunks", PIECES, "--threads", "1"]).args(args);
    let output = command.output().expect("it is installed");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "llama-perplexity: {said}");
    said
}

/// What it says behind `Mean    KLD:`.
fn mean_kld(said: &str) -> f64 {
    let line = said.lines().find(|line| line.contains("Mean") && line.contains("KLD:"));
    let value = line.and_then(|line| line.split("KLD:").nth(1)?.split_whitespace().next()?.parse().ok());
    value.unwrap_or_else(|| panic!("llama-perplexity says no mean KLD:\n{said}"))
}
