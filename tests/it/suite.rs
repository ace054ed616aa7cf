//! The built-in suite against the prototype whose measurements it stands on: `tests/fixtures/suite`.

use std::path::Path;

use opsagent::checks::{self, TABLE};
use opsagent::config::Config;
use opsagent::sample::Prompt;
use opsagent::suite::{CATEGORIES, Suite};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/suite/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn sha256(text: &str) -> String {
    // The digest shows itself with the name of its algorithm.
    let shown = format!("{:?}", ring::digest::digest(&ring::digest::SHA256, text.as_bytes()));
    shown.strip_prefix("SHA256:").unwrap().to_owned()
}

fn of(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Raw(text) => text.clone(),
        Prompt::Chat(messages) => {
            assert_eq!(messages.len(), 1);
            messages[0].text.clone()
        }
    }
}

#[test]
fn the_prompts_are_those_that_were_measured_byte_for_byte() {
    let (suite, measured) = (Suite::builtin(), fixture("prompts.json"));
    let same = |row: &Value, text: &str| {
        assert_eq!(row["characters"], text.chars().count(), "{row}");
        assert_eq!(row["sha256"], sha256(text).as_str(), "{row}");
    };
    let rows = measured["canaries"].as_array().unwrap();
    assert_eq!((rows.len(), suite.canaries.len()), (30, 30));
    for (row, canary) in rows.iter().zip(&suite.canaries) {
        assert_eq!(row["id"], canary.id.as_str());
        assert_eq!(
            (&row["category"], &row["max_tokens"]),
            (&canary.category.into(), &canary.max_tokens.into())
        );
        same(row, &of(&canary.prompt));
    }
    let rows = measured["probes"].as_array().unwrap();
    assert_eq!(rows.len(), suite.probes.len());
    for (row, (name, text)) in rows.iter().zip(&suite.probes) {
        assert_eq!(row["id"], *name);
        same(row, text);
    }
}

#[test]
fn grades_are_those_of_the_prototype() {
    let (suite, rows) = (Suite::builtin(), fixture("grades.json"));
    // Read otherwise on purpose: a decimal comma is no separator of thousands.
    let better = [("ex3", "48,00")];
    let (mut both, mut wrong) = ([0, 0], Vec::new());
    for row in rows.as_array().unwrap() {
        let (id, text) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let (wanted, canary) = (row[2].as_bool().unwrap(), suite.canary(id).unwrap());
        let outcomes = checks::all(&canary.checks, text);
        let passed = outcomes.iter().all(|outcome| outcome.failed.is_none());
        both[usize::from(passed)] += 1;
        if passed == wanted && better.contains(&(id, text))
            || passed != wanted && !better.contains(&(id, text))
        {
            wrong.push(format!("{id} {text:?}: {outcomes:?}, the prototype says {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(both[0] > 60 && both[1] > 80, "{both:?}");
}

#[test]
fn the_suite_has_what_its_description_says() {
    let suite = Suite::builtin();
    for category in CATEGORIES {
        let of_it = suite.canaries.iter().filter(|canary| canary.category == category);
        assert_eq!(of_it.count(), 3, "{category}");
    }
    let ids = |canaries: Vec<&str>| canaries.join(" ");
    let fingerprint = suite.fingerprint().map(|canary| canary.id.as_str()).collect();
    assert_eq!(ids(fingerprint), "ar2 js1 in2 cl1 ex3 co1 ml1 rf3");
    assert_eq!(ids(suite.long().map(|canary| canary.id.as_str()).collect()), "lc1 lc2 lc3");
    let refuse = |wanted| {
        let all = suite.canaries.iter().filter(|canary| canary.refuses() == Some(wanted));
        ids(all.map(|canary| canary.id.as_str()).collect())
    };
    assert_eq!((refuse(true).as_str(), refuse(false).as_str()), ("rf1 rf2", "rf3"));
    // What the fingerprint may cost: at most 64 tokens each with template and answer, of some three characters.
    assert!(suite.fingerprint().all(|canary| of(&canary.prompt).chars().count() <= 100));
    let needles = [("lc1", "7351"), ("lc2", "2846"), ("lc3", "9173")];
    assert!(needles.iter().all(|(id, code)| of(&suite.canary(id).unwrap().prompt).contains(code)));
}

#[test]
fn each_example_of_a_check_is_a_config_and_does_what_it_says() {
    for row in TABLE {
        for example in row.config {
            let text = format!("[[canary]]\nname = \"x\"\nprompt = \"x\"\nchecks = [{example}]\n");
            let config = Config::parse(Path::new("x.toml"), &text)
                .unwrap_or_else(|faults| panic!("{example}: {faults:?}"));
            let [check] = &config.own_canaries[0].canary.checks[..] else { panic!("{example}") };
            assert_eq!(check.name(), row.name);
            assert_eq!(check.failed(row.passes), None, "{example}");
            assert!(check.failed(row.fails).is_some_and(|why| !why.is_empty()), "{example}");
        }
    }
}
