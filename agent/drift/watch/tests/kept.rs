//! What outlives a restart.

use super::*;

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
