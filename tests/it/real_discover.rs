//! Real servers are found by themselves, on the real machine, each once.

use opsagent::discover::{Known, Report, Search};
use opsagent::http::Clients;
use opsagent::procs::Machine;

use crate::support::real::{LlamaServer, Ollama};
use crate::support::tiny_model::TinyModel;

fn search() -> Search {
    Search::new(Machine::here(), Clients::new())
}

/// What was found at that port, as `name kind`. Other servers may run beside the test.
fn found(report: &Report, port: u16) -> Vec<String> {
    let at = report.found.iter().filter(|target| target.url.port() == Some(port));
    at.map(|target| format!("{} {}", target.name, target.kind.unwrap().name)).collect()
}

fn outcome(report: &Report, port: u16) -> String {
    let end = format!(":{port}");
    let at = report.view.tried.iter().find(|tried| tried.address.ends_with(&end));
    at.map_or_else(String::new, |tried| tried.outcome.clone())
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_real_llama_server_is_found_and_a_router_without_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alpha.gguf");
    TinyModel::new().write(&path);
    let (plain, locked) = (LlamaServer::start(&path, &[]), LlamaServer::start(&path, &["--api-key", "k"]));
    let router = LlamaServer::router(folder.path(), &[]);
    router.post("/v1/completions", &serde_json::json!({ "model": "alpha", "prompt": "a", "max_tokens": 1 }));
    let report = search().look(&Known::default()).await.unwrap();
    for server in [&plain, &locked, &router] {
        let name = format!("llama_cpp-{0} llama_cpp", server.address().port());
        assert_eq!(found(&report, server.address().port()), [name], "{:#?}", report.view.tried);
    }
    let child = format!("child of llama-server (pid {})", router.pid());
    assert!(report.view.tried.iter().any(|tried| tried.outcome == child), "{:#?}", report.view.tried);
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_real_ollama_is_one_target_and_its_children_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::new().write(&path);
    let ollama = Ollama::start(&[]);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    ollama.generate("tiny", "a", 1);
    let mut search = search();
    let report = search.look(&Known::default()).await.unwrap();
    assert_eq!(
        found(&report, ollama.address().port()),
        [format!("ollama-{} ollama", ollama.address().port())]
    );
    let child = format!("child of ollama (pid {})", ollama.pid());
    assert!(report.view.tried.iter().any(|tried| tried.outcome == child), "{:#?}", report.view.tried);
    let watched = Known {
        targets: vec![(
            "box".into(),
            format!("http://localhost:{}", ollama.address().port()).parse().unwrap(),
        )],
        ..Known::default()
    };
    let report = search.look(&watched).await.unwrap();
    assert!(found(&report, ollama.address().port()).is_empty());
    assert_eq!(outcome(&report, ollama.address().port()), "already target box");
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn a_server_that_starts_later_is_found_at_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::new().write(&path);
    let mut search = search();
    search.look(&Known::default()).await.unwrap();
    let server = LlamaServer::start(&path, &[]);
    let report = search.look(&Known::default()).await.unwrap();
    assert_eq!(found(&report, server.address().port()).len(), 1);
    let port = server.address().port();
    drop(server);
    let report = search.look(&Known::default()).await.unwrap();
    assert!(found(&report, port).is_empty());
}
