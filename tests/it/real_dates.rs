//! Models whose chat template prints the date, on real servers: a clock that shows another second in each prompt stands
//! for midnight.

use std::path::{Path, PathBuf};

use opsagent::canary::asker::Asker;
use opsagent::drift::{Cause, Judged, Severity};
use opsagent::sample::{DATED, Run};
use serde_json::{Value, json};

use crate::support::asked::asker;
use crate::support::changes::change;
use crate::support::drill::{Drill, Served};
use crate::support::real::{LlamaServer, Ollama, smollm2};

/// Runs in which nothing may be said.
const QUIET: usize = 40;

/// The system prompt that SmolLM2 brings. What takes its place is shorter: longer prompts have several numeric states.
const SYSTEM: &str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/// SmolLM2's template with the second of the time in its system prompt, by that word; `head` before all.
fn template(folder: &Path, head: &str, word: &str) -> PathBuf {
    let server = LlamaServer::start(&smollm2(), &[]);
    let props: Value = serde_json::from_str(&server.get("/props")).unwrap();
    let own = props["chat_template"].as_str().unwrap();
    let changed = head.to_owned() + &own.replace(SYSTEM, &format!("It is ' + {word} + '."));
    assert!(changed.contains(word), "SmolLM2 brings this system prompt: {own}");
    let file = folder.join("template.jinja");
    std::fs::write(&file, changed).unwrap();
    file
}

/// A template that prints the second, whatever it is told.
fn by_the_clock(folder: &Path) -> PathBuf {
    template(folder, "", "strftime_now('%S')")
}

/// One that does so unless it is told another date.
fn unless_told(folder: &Path) -> PathBuf {
    let head = "{%- if not date_string is defined %}{%- set date_string = strftime_now('%S') %}{%- endif %}";
    template(folder, head, "date_string")
}

fn flags(template: &Path) -> [&str; 3] {
    ["--jinja", "--chat-template-file", template.to_str().unwrap()]
}

/// Learns and says nothing in all quiet runs, then finds a Q2_K under the same name; the last quiet run.
async fn is_quiet_and_finds_other_weights(folder: &Path, template: &Path, is_dated: bool) -> Run {
    let mut drill = Drill::new(5);
    let served = Served::with(&smollm2(), &flags(template)).await;
    let mut watch = drill.learned(&served, 20).await;
    let mut last = None;
    for _ in 0..QUIET {
        let run = drill.run(&served).await;
        assert_eq!(run.facts.is_dated(), is_dated, "{:?}", run.facts.notes);
        assert_eq!(watch.observe(&run, &drill.suite).result, Judged::Ok);
        last = Some(run);
    }
    drop(served);
    let (model, _) = change("weights Q2_K").1.made(folder, "");
    let served = Served::with(&model, &flags(template)).await;
    let found = drill.find(&served, &watch, 16).await;
    assert!(found.alarm.is_some(), "{:#?}", found.report);
    assert_eq!((found.cause(), found.report.severity), (Some(Cause::Weights), Some(Severity::Critical)));
    last.expect("there were some")
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_template_that_prints_the_time_raises_no_alarm_and_a_replaced_model_is_found_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let template = by_the_clock(folder.path());
    let quiet = Box::pin(is_quiet_and_finds_other_weights(folder.path(), &template, true)).await;
    // Were it not known, each run would be beyond the first ones: the prompts are others each second.
    let mut drill = Drill::new(5);
    let served = Served::with(&smollm2(), &flags(&template)).await;
    let mut runs = Vec::new();
    while runs.len() < 24 {
        let mut run = drill.run(&served).await;
        run.facts.notes.remove(DATED);
        runs.push(run);
    }
    let mut deceived = opsagent::drift::Watch::new(opsagent::drift::Plan::default());
    let judged: Vec<Judged> = runs.iter().map(|run| deceived.observe(run, &drill.suite).result).collect();
    let refused = deceived.baseline().is_none();
    assert!(refused || judged[20..].contains(&Judged::Exceed), "{judged:?}");
    assert!(quiet.facts.notes[DATED].contains("strftime_now"), "{:?}", quiet.facts.notes);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_date_that_a_request_may_set_is_set_and_all_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let template = unless_told(folder.path());
    let quiet = Box::pin(is_quiet_and_finds_other_weights(folder.path(), &template, false)).await;
    assert!(quiet.answers.len() >= 11 && quiet.answers.iter().all(|answer| answer.result.is_ok()));
    let server = LlamaServer::start(&smollm2(), &flags(&template));
    let messages = json!([{ "role": "user", "content": "Say yes." }]);
    let prompt = |kwargs: Value| -> String {
        let body = json!({ "messages": messages, "chat_template_kwargs": kwargs });
        server.post("/apply-template", &body)["prompt"].as_str().unwrap().to_owned()
    };
    assert!(prompt(json!({ "date_string": "26 Jul 2024" })).contains("It is 26 Jul 2024."));
    assert!(!prompt(json!({})).contains("2024"), "else it is the clock's");
}

async fn notes(asker: &Asker) -> Option<String> {
    asker.facts().await.unwrap().notes.get(DATED).cloned()
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_template_of_ollama_that_prints_the_date_is_known_by_its_word() {
    let ollama = Ollama::start(&[]);
    ollama.create("plain", &smollm2(), &[]);
    let lines = ["TEMPLATE \"\"\"Today is {{ currentDate }}. {{ .System }} {{ .Prompt }}\"\"\""];
    ollama.create("dated", &smollm2(), &lines);
    assert_eq!(notes(&asker("ollama", &ollama.url(), "plain:latest")).await, None);
    let told = notes(&asker("ollama", &ollama.url(), "dated:latest")).await.unwrap();
    assert!(told.contains("currentDate"), "{told}");
}
