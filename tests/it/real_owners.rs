//! Whose the processes of real servers are.

use std::net::SocketAddr;
use std::time::Duration;

use opsagent::owners::{Owners, Place};
use opsagent::procs::Machine;
use serde_json::{Value, json};

use crate::support::nvml::{Agent, Machine as Driver, scenario};
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

/// A card on which these processes hold that much, and nobody else holds anything.
fn card(held: &[(u32, u64)]) -> Value {
    let mut machine = scenario("geforce");
    machine["cards"].as_array_mut().unwrap().truncate(1);
    let processes: Vec<Value> =
        held.iter().map(|(pid, bytes)| json!({ "pid": pid, "memory": bytes })).collect();
    machine["cards"][0]["processes"] = processes.into();
    machine["cards"][0]["memory_used"] = held.iter().map(|(_, bytes)| bytes).sum::<u64>().into();
    machine
}

/// What the agent's view says, once it says this.
fn until(agent: &Agent, wanted: &str, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let view: Value = serde_json::from_str(&agent.process.get("/api/v1/view")).unwrap();
        if is(&view) {
            return view;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not {wanted}: {}", agent.process.get("/api/v1/view"));
}

fn codes(view: &Value, target: &str) -> Vec<String> {
    let targets = view["targets"].as_array().unwrap();
    let target = targets.iter().find(|one| one["name"] == target).unwrap();
    target["notes"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap().into()).collect()
}

#[test]
#[ignore = "real parts: run tests/run"]
fn the_running_agent_joins_a_drivers_processes_and_finds_what_an_ollama_does_not_tell() {
    let (_folder, path) = TinyModel::new().saved();
    let llama = LlamaServer::start(&path, &[]);
    let mut ollama = Ollama::start(&[]);
    ollama.create("tiny", &path, &["TEMPLATE {{ .Prompt }}"]);
    ollama.generate("tiny", "the capital o", 4);
    let child = ollama.children()[0];
    let config = format!(
        "every = \"1s\"\n[[target]]\nname = \"llama\"\nurl = \"{}\"\n[[target]]\nname = \"ollama\"\nurl = \"{}\"\n",
        llama.url(),
        ollama.url()
    );
    let (gib, own) = (1_u64 << 30, std::process::id());
    // An Ollama without a GPU tells nothing on one, and a context is no model.
    let held = [(llama.pid(), 3 * gib), (child, gib / 2), (own, gib), (4_000_000, gib)];
    let agent = Driver::new(&card(&held)).with(&config).start();
    let joined = |view: &Value| -> Vec<(u64, Option<String>, Option<String>)> {
        let of = |one: &Value, key: &str| one[key].as_str().map(str::to_owned);
        let processes = view["gpus"]["cards"][0]["processes"].as_array().into_iter().flatten();
        let mut all: Vec<_> =
            processes.map(|one| (one["pid"].as_u64().unwrap(), of(one, "name"), of(one, "target"))).collect();
        all.sort();
        all
    };
    let server = || Some("llama-server".to_owned());
    let is = |name: &str| Some(name.to_owned());
    let view = until(&agent, "joined", |view| joined(view).iter().any(|one| one.2 == is("ollama")));
    let mut wanted = vec![
        (u64::from(llama.pid()), server(), is("llama")),
        (u64::from(child), server(), is("ollama")),
        (u64::from(own), joined(&view).iter().find(|one| one.0 == u64::from(own)).unwrap().1.clone(), None),
        (4_000_000, None, None),
    ];
    wanted.sort();
    assert_eq!(joined(&view), wanted);
    assert!(codes(&view, "ollama").iter().all(|code| code != "vram_mismatch"), "{view}");

    let uuid = view["gpus"]["cards"][0]["uuid"].as_str().unwrap();
    let page = agent.process.get("/metrics");
    for (target, bytes) in [("llama", 3 * gib), ("ollama", gib / 2), ("other", 2 * gib)] {
        let series =
            format!("opsagent_gpu_processes_memory_bytes{{gpu=\"{uuid}\",target=\"{target}\"}} {bytes}\n");
        assert!(page.contains(&series), "no {series} in\n{page}");
    }

    agent.play(&card(&[(child, 2 * gib)]));
    until(&agent, "a mismatch", |view| codes(view, "ollama").iter().any(|code| code == "vram_mismatch"));
    let log = agent.process.log();
    assert!(log.contains("tells that nothing is on GPUs"), "{log}");

    ollama.kill();
    until(&agent, "down", |view| view["targets"][1]["state"] == "down");
    let view = until(&agent, "an orphan", |view| !joined(view).is_empty());
    assert_eq!(joined(&view), [(u64::from(child), server(), is("ollama"))]);
}
