//! What outlives a restart.

use super::*;
use crate::drift::Probe;

#[test]
fn what_is_stored_and_read_in_the_midst_of_a_stream_goes_on_the_same() {
    let suite = suite();
    let mut model = Model::noisy();
    let mut through = captured(&mut model, 100);
    let mut stored = through.clone();
    model.share = 0.3;
    model.weights = 1.2;
    for run in 0..80 {
        let beat = model.beat();
        let seen = through.observe(&beat, &suite);
        stored = Watch::of_json(&stored.to_json()).unwrap();
        assert_eq!(stored.observe(&beat, &suite).events, seen.events, "run {run}");
    }
    let (one, other) = (through.report(model.at), stored.report(model.at));
    assert_eq!((one.verdict, one.alarms, one.words), (other.verdict, other.alarms, other.words));
    assert_eq!(one.verdict, Verdict::Drifting);
    assert!(stored.to_json().len() < 4 << 20, "{} bytes", stored.to_json().len());
}

#[test]
fn what_was_last_told_of_a_probe_stays_while_runs_ask_others() {
    let suite = suite();
    let mut model = Model { long_each: u64::MAX, ..Model::new() };
    let mut watch = captured(&mut Model { long_each: 2, ..Model::new() }, 300);
    let told = |watch: &Watch| {
        let report = watch.report(Timestamp::default());
        let probes: Vec<Probe> = report.distances.iter().map(|(probe, _)| *probe).collect();
        (report.kld.is_some(), report.text_match_ratio, report.confident_flips, probes)
    };
    watch.observe(&model.beat(), &suite);
    let short = vec![Probe::P0, Probe::P1, Probe::Chat, Probe::Sampling];
    assert_eq!(told(&watch), (true, Some(1.0), Some(0), short));
    let all = vec![Probe::P0, Probe::P1, Probe::Long, Probe::Chat, Probe::Sampling];
    watch.observe(&model.long(), &suite);
    assert_eq!(told(&watch), (true, Some(1.0), Some(0), all.clone()), "after an hour's long prompts");
    watch.observe(&model.again("js1"), &suite);
    assert_eq!(told(&watch), (true, Some(1.0), Some(0), all.clone()), "after one canary was asked again");
    let mut watch = Watch::of_json(&watch.to_json()).unwrap();
    assert_eq!(told(&watch), (true, Some(1.0), Some(0), all.clone()), "after a restart");
    // What was asked and gave no numbers is not known any more.
    model.nan = true;
    watch.observe(&model.beat(), &suite);
    assert_eq!(told(&watch), (false, None, None, vec![Probe::Long, Probe::Sampling]));
}

#[test]
fn a_capture_knows_the_facts_of_its_runs() {
    let suite = suite();
    let mut model = Model::new();
    let mut watch = captured(&mut model, 300);
    watch.observe(&model.beat(), &suite);
    model.facts.of.insert(Fact::Digest, "sha256:new".into());
    let runs: Vec<Run> = (0..20).map(|_| model.beat()).collect();
    let seen = watch.capture(&runs, &suite, model.at).unwrap();
    assert_eq!(watch.report(model.at).changes, []);
    let changed = |event: &&crate::drift::Event| matches!(event.what, What::Changed(_));
    let said: Vec<&str> = seen.events.iter().filter(changed).map(|event| event.text.as_str()).collect();
    assert_eq!(said, ["gpu1/qwen3:8b: digest changed: sha256:1d3f -> sha256:new"]);
    assert!(watch.observe(&model.beat(), &suite).events.is_empty(), "said once");
}

#[test]
fn what_a_newer_version_wrote_is_refused_in_words() {
    let newer = format!("{{\"format\":{},\"plan\":17}}", FORMAT + 1);
    let said = Watch::of_json(&newer).unwrap_err().to_string();
    assert!(said.contains("was written by a newer opsagent (format 2, this one reads up to 1)"), "{said}");
    assert!(Watch::of_json("{").unwrap_err().to_string().starts_with("the watch cannot be read"));
    assert!(
        Baseline::of_json(&newer).unwrap_err().to_string().contains("the baseline was written by a newer")
    );
    let old = Watch::of_json("{\"format\":1}").unwrap();
    assert_eq!(old.report(Timestamp::default()).verdict, Verdict::Learning);
}
