//! Which canaries it learned by.

use super::*;

#[test]
fn it_is_told_how_other_canaries_differ_from_those_it_learned_by() {
    let (mut model, whole) = (Model::new(), suite());
    let runs: Vec<Run> = (0..20).map(|_| Run { suite: whole.hash(), ..model.beat() }).collect();
    let mut watch = Watch::new(Plan::default());
    watch.capture(&runs, &whole, model.at).unwrap();
    assert_eq!(Watch::new(Plan::default()).learned_by_others(&whole), None, "nothing is learned yet");
    assert_eq!(watch.learned_by_others(&whole), None);
    let said = |change: &dyn Fn(&mut Suite)| {
        let mut other = whole.clone();
        change(&mut other);
        watch.learned_by_others(&other).unwrap()
    };
    let fewer = said(&|suite| suite.canaries.retain(|one| one.id != "ml1"));
    assert_eq!(fewer, "it was asked ml1 too");
    let more = said(&|suite| {
        let more = crate::suite::Canary { id: "mine".into(), ..suite.canaries[0].clone() };
        suite.canaries.push(more);
    });
    assert!(more.starts_with("it was never asked ") && more.ends_with("mine"), "{more}");
    let other = said(&|suite| suite.canaries[0].max_tokens += 1);
    assert!(other.contains("prompts or checks"), "{other}");
}
