//! Nothing changes, and nothing is said: under load, over restarts, with the prompt cache used and not.

use opsagent::drift::{Judged, Watch};

use crate::progress;
use crate::support::drill::{Drill, Served, raised};
use crate::support::tiny_model::TinyModel;

/// A restart after so many runs.
const RESTART: u64 = 50;

pub async fn control(drill: &mut Drill, served: &mut Served, watch: Watch, runs: u64) -> bool {
    let learned = watch.baseline().unwrap().runs;
    head();
    quiet(drill, served, watch, "SmolLM2-135M", learned, runs).await
}

/// The same of a model that costs next to nothing, and computes next to nothing.
pub async fn exact(runs: u64) -> bool {
    let (mut drill, (_folder, path)) = (Drill::new(17), TinyModel::new().saved());
    let mut served = Served::with(&path, &[]).await;
    progress("baseline of the tiny model");
    let watch = drill.learned(&served, 300).await;
    let learned = watch.baseline().unwrap().runs;
    head();
    quiet(&mut drill, &mut served, watch, "a table of 2 MB", learned, runs).await
}

pub fn head() {
    println!(
        "\nNothing changed: a sixth of the runs while others use the server too, a restart every {RESTART} runs:\n"
    );
    println!(
        "| model | runs | exceeding | unanswered | alarms | new states |\n| --- | --- | --- | --- | --- | --- |"
    );
}

pub async fn quiet(
    drill: &mut Drill,
    served: &mut Served,
    mut watch: Watch,
    name: &str,
    learned: u64,
    runs: u64,
) -> bool {
    let (mut exceeding, mut unanswered, mut alarms) = (0, 0, 0);
    for nth in learned..runs {
        if nth % RESTART == 0 {
            progress(&format!(
                "control of {name}: {nth} of {runs} runs, {exceeding} exceeded, {alarms} alarms"
            ));
            served.restart();
        }
        let run =
            if drill.pick(6) == 0 { drill.run_under_load(served).await } else { drill.run(served).await };
        let seen = watch.observe(&run, &drill.suite);
        exceeding += u32::from(seen.result == Judged::Exceed);
        unanswered += u32::from(seen.result == Judged::Error);
        if seen.result != Judged::Ok {
            // Without this nobody could say afterwards what it was.
            let report = watch.report(run.at);
            let errors: Vec<_> =
                run.answers.iter().filter_map(|answer| answer.result.as_ref().err()).collect();
            progress(&format!(
                "run {nth}, {} at once: {:?}: {:?} {:?} {errors:?}",
                run.concurrency, seen.result, report.distances, report.words
            ));
        }
        alarms += u32::from(raised(&seen).is_some());
    }
    let states: usize = watch.baseline().unwrap().canaries.values().map(|known| known.states.len() - 1).sum();
    println!("| {name} | {} | {exceeding} | {unanswered} | {alarms} | {states} |", runs.max(learned));
    alarms == 0
}
