//! A fault that hits a part of the runs: one replica of five is another model.

use opsagent::drift::Watch;
use opsagent::sample::{Facts, Run};

use crate::progress;
use crate::support::changes::change;
use crate::support::drill::{Drill, Served, raised};

/// Runs of either server that are made, and then drawn from.
const RECORDED: usize = 20;

const TRIALS: u32 = 200;

/// Runs within which half of the trials are to end in an alarm.
const WITHIN: u32 = 60;

const MOST: u32 = 600;

pub async fn partial(drill: &mut Drill, base: &Served, watch: &Watch) -> bool {
    progress("a fault of a part of the runs");
    let folder = tempfile::tempdir().unwrap();
    let (name, change, _) = change("weights Q4_0");
    let (model, _) = change.made(folder.path(), "");
    let other = Served::with(&model, &[]).await;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for _ in 0..RECORDED {
        good.push(nameless(drill.run(base).await));
        bad.push(nameless(drill.run(&other).await));
    }
    let runs = watch.baseline().unwrap().runs;
    println!(
        "\nRuns to the alarm where a part of them is answered by another model ({name}), after {runs} runs, \
         median / 95 % of {TRIALS} draws of real runs:\n"
    );
    println!("| part of the runs | runs to the alarm |\n| --- | --- |");
    let mut fine = true;
    for percent in [100, 50, 20, 10] {
        let mut all: Vec<u32> = (0..TRIALS).map(|_| trial(drill, watch, percent, &good, &bad)).collect();
        all.sort_unstable();
        let (median, most) = (all[all.len() / 2], all[all.len() * 95 / 100]);
        let told = |runs: u32| if runs > MOST { format!("> {MOST}") } else { runs.to_string() };
        println!("| {percent} % | {} / {} |", told(median), told(most));
        fine &= percent != 20 || median <= WITHIN;
    }
    fine
}

/// Runs until an alarm, where so many percent of them are of the other server.
fn trial(drill: &mut Drill, watch: &Watch, percent: usize, good: &[Run], bad: &[Run]) -> u32 {
    let mut watch = watch.clone();
    for nth in 1..=MOST {
        let from = if drill.pick(100) < percent { bad } else { good };
        let run = Run { at: drill.next_beat(), ..from[drill.pick(from.len())].clone() };
        if raised(&watch.observe(&run, &drill.suite)).is_some() {
            return nth;
        }
    }
    MOST + 1
}

/// Without what the server tells of itself: answers alone are to show it.
fn nameless(run: Run) -> Run {
    Run { facts: Facts::default(), ..run }
}
