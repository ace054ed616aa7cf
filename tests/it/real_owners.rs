//! Whose the processes of real servers are.

use std::net::SocketAddr;

use opsagent::owners::{Owners, Place};
use opsagent::procs::Machine;
use serde_json::json;

use crate::support::process::alive;
use crate::support::real::{LlamaServer, Ollama};
use crate::support::tiny_model::TinyModel;

fn place(target: &str, kind: Option<&'static str>, address: SocketAddr) -> Place {
    Place { target: target.into(), kind, addresses: vec![address] }
}

fn target(owners: &mut Owners, places: &[Place], pid: u32) -> Option<String> {
    owners.of(places, &[pid]).remove(&pid).and_then(|owner| owner.target)
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_llama_server_an_ollamas_child_and_its_orphan_are_their_targets() {
    let (_folder, path) = TinyModel::new().saved();
    let llama = LlamaServer::start(&path, &[]);
    let mut ollama = Ollama::start(&[]);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    ollama.generate("tiny", "the capital o", 4);
    let child = ollama.children()[0];
    let places = [place("llama", None, llama.address()), place("ollama", Some("ollama"), ollama.address())];
    let mut owners = Owners::new(Machine::here());
    let fresh = || Owners::new(Machine::here());
    let of = owners.of(&places, &[llama.pid(), child, std::process::id()]);
    let told = |pid: u32| (of[&pid].target.as_deref(), of[&pid].program.as_deref());
    assert_eq!(told(llama.pid()), (Some("llama"), Some("llama-server")));
    assert_eq!(told(child), (Some("ollama"), Some("llama-server")));
    assert_eq!(told(std::process::id()).0, None);

    ollama.kill();
    assert!(alive(child), "its model outlives it");
    assert_eq!(target(&mut owners, &places, child).as_deref(), Some("ollama"));
    ollama.start_again();
    ollama.post("/api/generate", &json!({ "model": "tiny", "prompt": "a", "stream": false }));
    let second = ollama.children()[0];
    for owners in [&mut owners, &mut fresh()] {
        for pid in [child, second] {
            assert_eq!(target(owners, &places, pid).as_deref(), Some("ollama"), "{pid}");
        }
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn a_routers_child_is_the_routers() {
    let (folder, _) = TinyModel::new().saved();
    let router = LlamaServer::router(folder.path(), &[]);
    let name = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.strip_suffix(".gguf").map(str::to_owned));
    router.post("/completion", &json!({ "model": name, "prompt": "the", "n_predict": 1 }));
    let child = router.children()[0];
    let places = [place("router", None, router.address())];
    assert_eq!(target(&mut Owners::new(Machine::here()), &places, child).as_deref(), Some("router"));
}
