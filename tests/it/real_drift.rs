//! A watch finds what was changed of a real llama-server with a real language model, and puts it down to what it was.
//! A short form of `tests/bench/drift`, which does all of it after a baseline of 300 runs.

use opsagent::drift::{Judged, Watch};

use crate::support::changes::{Change, change};
use crate::support::drill::{Drill, Found, Served};
use crate::support::real::smollm2;

/// What changes are made of.
struct Ground {
    folder: tempfile::TempDir,
    template: String,
}

impl Ground {
    fn of(served: &Served) -> Ground {
        Ground { folder: tempfile::tempdir().unwrap(), template: served.template() }
    }

    async fn serve(&self, change: Change) -> Served {
        let (model, args) = change.made(self.folder.path(), &self.template);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Served::with(&model, &args).await
    }
}

/// Runs within which the watch itself says that it finds a full change.
fn said(drill: &mut Drill, watch: &Watch) -> u32 {
    let report = watch.report(drill.next_beat());
    let full = report.capabilities.first().and_then(|capability| capability.runs);
    full.expect("it says what it can find") as u32
}

fn is_found(name: &str, found: &Found, within: u32, tokens: u32) {
    assert!(
        found.alarm.is_some() && found.after <= within,
        "{name}: not within {within} runs: {:#?}",
        found.report
    );
    assert!(found.tokens <= u64::from(tokens * found.runs), "{name}: {} tokens", found.tokens);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_watch_is_quiet_while_nothing_changes_and_finds_each_kind_of_change_with_its_cause() {
    let mut drill = Drill::new(7);
    let mut served = Served::with(&smollm2(), &[]).await;
    let ground = Ground::of(&served);
    let mut watch = drill.learned(&served, 40).await;
    served.restart();
    for _ in 0..10 {
        let run = drill.run_under_load(&served).await;
        assert_eq!(watch.observe(&run, &drill.suite).result, Judged::Ok);
    }
    let within = said(&mut drill, &watch);
    assert!((5..=9).contains(&within), "{within} runs after 40");
    for name in ["weights Q2_K", "K cache q8_0", "system prompt, one word", "repeat penalty 1.3"] {
        let (name, change, cause) = change(name);
        let found = drill.find(&ground.serve(change).await, &watch, within).await;
        is_found(name, &found, within, 40);
        let told = found.told.as_ref().map(|told| (told.alarmed && told.after <= within, told.cause));
        assert_eq!((found.cause(), told), (Some(cause), Some((true, Some(cause)))), "{name}");
    }
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_server_that_tells_only_texts_is_watched_by_them() {
    let mut drill = Drill::new(11);
    let served = Served::with(&smollm2(), &[]).await;
    let ground = Ground::of(&served);
    let watch = drill.learned(&served.telling_texts_alone(), 20).await;
    assert!(watch.baseline().unwrap().text_mode);
    let within = said(&mut drill, &watch);
    for name in ["weights Q4_0", "K cache q4_0", "system prompt, pirate", "temperature 1.5"] {
        let (name, change, _) = change(name);
        let served = ground.serve(change).await.telling_texts_alone();
        let found = drill.find(&served, &watch, within).await;
        is_found(name, &found, within, 160);
        assert_eq!(found.report.kld, None, "there is no distance without probabilities");
    }
}
