//! How well changes of a model are found, on a real llama-server: the acceptance of drift. Prints Markdown.
//!
//! Run by `tests/bench/drift/run`. Each part can be run alone: `control`, `exact`, `found`, `partial`, `text`, `replaced`, `kld`.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, missing_docs, unreachable_pub)]
// Each is made once.
#![allow(clippy::large_futures)]

mod control;
mod found;
mod kld;
mod partial;
mod replaced;
mod support;
mod text;

use support::drill::{Drill, Served};
use support::real::smollm2;

/// What is measured, and how much of it.
pub struct Size {
    /// Runs of the baseline.
    pub baseline: u64,
    /// Runs of the control, the baseline's among them; half of them on a model that costs next to nothing.
    pub control: u64,
    /// Runs of the text mode's baseline.
    pub texts: u64,
}

impl Size {
    fn of_environment() -> Size {
        let number = |name: &str, usual: u64| {
            std::env::var(name)
                .map_or(usual, |set| set.parse().unwrap_or_else(|_| panic!("{name} is a number")))
        };
        Size {
            baseline: number("DRIFT_BASELINE", 300),
            control: number("DRIFT_CONTROL", 2000),
            texts: number("DRIFT_TEXTS", 300),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    let size = Size::of_environment();
    let fine = runtime.block_on(async {
        let mut fine = true;
        if wants("control") || wants("found") || wants("partial") {
            let mut drill = Drill::new(7);
            let mut served = Served::with(&smollm2(), &[]).await;
            progress(&format!("baseline of {} runs", size.baseline));
            let watch = drill.learned(&served, size.baseline).await;
            if wants("found") {
                fine &= found::found(&mut drill, &served, &watch).await;
            }
            if wants("partial") {
                fine &= partial::partial(&mut drill, &served, &watch).await;
            }
            if wants("control") {
                fine &= control::control(&mut drill, &mut served, watch, size.control / 2).await;
            }
        }
        if wants("exact") {
            fine &= control::exact(size.control / 2).await;
        }
        if wants("text") {
            fine &= text::text(size.texts).await;
        }
        if wants("replaced") {
            fine &= replaced::replaced(size.baseline).await;
        }
        if wants("kld") {
            fine &= kld::kld().await;
        }
        fine
    });
    if !fine {
        println!("\nNot all of it is as promised.");
        std::process::exit(1);
    }
}

/// What is under way, apart from the tables.
pub fn progress(what: &str) {
    eprintln!("… {what}");
}

/// A number with as many places as tell something.
pub fn shown(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) if value < 0.01 => format!("{value:.4}"),
        Some(value) if value < 1.0 => format!("{value:.3}"),
        Some(value) => format!("{value:.1}"),
    }
}
