//! Whether the KLD equivalent of a few tokens is that of llama-perplexity: for other quantizations of a second model.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::changed_model::requantized;
use crate::support::drill::{Drill, Served};
use crate::support::real::installed;
use crate::{progress, shown};

/// What the model, which comes as Q4_K_M, is made to be.
const TYPES: [&str; 8] = ["Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "IQ4_NL", "Q4_0", "Q3_K_M", "Q2_K"];

/// By how much the two may be apart.
const FACTOR: f64 = 2.0;

/// Tokens of a piece of the text, of which the second half counts.
const PIECE: &str = "128";

/// Pieces of the text.
const PIECES: &str = "32";

/// Runs of the baseline: this model computes the same numbers each time.
const BASELINE: u64 = 20;

pub async fn kld() -> bool {
    let (base, folder) = (installed("models/gemma3-270m.gguf"), tempfile::tempdir().unwrap());
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let logits = folder.path().join("logits");
    progress("llama-perplexity of Gemma 3 270M");
    perplexity(&base, &["-f", text.to_str().unwrap()], &logits);
    let mut drill = Drill::new(13);
    let watch = drill.learned(&Served::with(&base, &[]).await, BASELINE).await;
    println!(
        "\nKLD to Gemma 3 270M (Q4_K_M), by a run of the fingerprint and by llama-perplexity on {PIECES} × {PIECE} tokens:\n"
    );
    println!("| type | by a run | by llama-perplexity | ratio |\n| --- | --- | --- | --- |");
    let mut fine = true;
    for kind in TYPES {
        progress(kind);
        let model = requantized(folder.path(), &base, kind, &[]);
        let served = Served::with(&model, &[]).await;
        let run = drill.run(&served).await;
        let ours = watch.clone().observe(&run, &drill.suite).kld;
        let theirs = mean_kld(&perplexity(&model, &["--kl-divergence"], &logits));
        let ratio = ours.map(|ours| ours / theirs);
        println!("| {kind} | {} | {} | {} |", shown(ours), shown(Some(theirs)), shown(ratio));
        fine &= ratio.is_some_and(|ratio| (1.0 / FACTOR..=FACTOR).contains(&ratio));
    }
    fine
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
