//! Simulated years of a model that does not change, through whole watches: they learn from nothing and grow, with all
//! streams, looks again, checks asked again, the hourly long prompts, and a person who asks by hand each night.

use std::time::Duration;

use jiff::SignedDuration;
use opsagent::drift::{Plan, Stream, Wants, Watch, What};

use opsagent::suite::Suite;

use super::served::{Asks, Served, suite};
use super::years::Null;

/// Questions at once, in turn, while a baseline grows: as the agent asks.
const AT_ONCE: [u8; 4] = [1, 2, 1, 4];

/// What came of a simulated time.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Alarms that were raised, by stream.
    pub alarms: Vec<Stream>,
    /// Runs of the baseline in force at the end. 0: there is none.
    pub baseline: u64,
    /// The canaries that it kept.
    pub canaries: u32,
    /// The checks that it watches.
    pub checks: u32,
    /// Runs of all kinds, and those of them that were beyond the baseline.
    pub runs: u64,
    /// Of those.
    pub beyond: u64,
    /// The largest evidence at the end of a day, of its threshold, over all streams.
    pub nearest: f64,
}

/// So many beats of a model that does not change, with that kind of noise. A person asks by hand each so many beats.
pub fn quiet_watch(null: Null, beats: usize, by_hand: usize, seed: u64) -> Told {
    let suite = suite();
    let mut served = Served::new(null, beats, seed);
    let mut watch = Watch::new(Plan::new("gpu1", "m", Duration::from_secs(300)));
    let mut told = Told::default();
    while served.next().is_some() {
        let beat = served.beats();
        let learns = watch.baseline().is_none_or(|baseline| baseline.runs < 300);
        let at_once = if learns { AT_ONCE[beat % AT_ONCE.len()] } else { 1 };
        let wants = show(&mut watch, &suite, &mut served, Asks::Beat, at_once, &mut told);
        follow(&mut watch, &suite, &mut served, wants, &mut told);
        if beat % 12 == 3 {
            let wants = show(&mut watch, &suite, &mut served, Asks::Long, at_once, &mut told);
            follow(&mut watch, &suite, &mut served, wants, &mut told);
        }
        if beat.is_multiple_of(by_hand) {
            let before = told.beyond;
            let wants = show(&mut watch, &suite, &mut served, Asks::All, 1, &mut told);
            follow(&mut watch, &suite, &mut served, wants, &mut told);
            // The command looks again at what moved.
            for at_once in [1, 2, 4] {
                if told.beyond > before {
                    served.at += SignedDuration::from_secs(16);
                    show(&mut watch, &suite, &mut served, Asks::Again, at_once, &mut told);
                }
            }
        }
        if beat.is_multiple_of(288) {
            let streams = watch.report(served.at).streams;
            let nearest = streams.iter().map(|state| state.evidence / state.threshold);
            told.nearest = nearest.fold(told.nearest, f64::max);
        }
    }
    if let Some(baseline) = watch.report(served.at).baseline {
        (told.baseline, told.canaries, told.checks) = (baseline.runs, baseline.canaries, baseline.checks);
    }
    told
}

fn show(
    watch: &mut Watch,
    suite: &Suite,
    served: &mut Served,
    asks: Asks<'_>,
    at_once: u8,
    told: &mut Told,
) -> Wants {
    let seen = watch.observe(&served.run(asks, at_once), suite);
    told.runs += 1;
    told.beyond += u64::from(seen.result == opsagent::drift::Judged::Exceed);
    for event in seen.events {
        if let What::Raised(alarm) = event.what {
            told.alarms.push(alarm.stream);
        }
    }
    seen.wants
}

/// Does what the watch wants next, as the agent would.
fn follow(watch: &mut Watch, suite: &Suite, served: &mut Served, wants: Wants, told: &mut Told) {
    let begin = served.at;
    match wants {
        Wants::Nothing | Wants::RepeatHard { .. } => {}
        Wants::Confirm { after } => {
            for (after, at_once) in after.into_iter().zip([1, 2, 4]) {
                served.at = begin + SignedDuration::try_from(after).unwrap_or_default();
                show(watch, suite, served, Asks::Again, at_once, told);
            }
        }
        Wants::BurstChecks { canaries, times } => {
            served.at += SignedDuration::from_secs(10);
            show(watch, suite, served, Asks::Checks(&canaries, times), 1, told);
        }
    }
    served.at = begin;
}
