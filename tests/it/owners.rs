//! Whose the processes on a GPU are, on machines of paper: one rule a test.

use std::net::SocketAddr;
use std::time::Duration;

use opsagent::owners::{Owner, Owners, Place};

use crate::support::machine::Paper;

mod containers;
mod joined;
mod ollama;
mod unseen;

const VLLM: &str = "/usr/bin/python3|-m|vllm.entrypoints.openai.api_server|--port|8000|--api-key|secret";

fn place(target: &str, kind: Option<&'static str>, address: &str) -> Place {
    let addresses = vec![address.parse::<SocketAddr>().unwrap()];
    Place { target: target.into(), kind, addresses }
}

/// The target of each of these processes.
fn targets(owners: &mut Owners, places: &[Place], pids: &[u32]) -> Vec<Option<String>> {
    let of = owners.of(places, pids);
    pids.iter().map(|pid| of.get(pid).and_then(|owner| owner.target.clone())).collect()
}

/// The same of owners that remember nothing.
fn told(paper: &Paper, places: &[Place], pids: &[u32]) -> Vec<Option<String>> {
    targets(&mut Owners::new(paper.machine()), places, pids)
}

fn some(targets: &[&str]) -> Vec<Option<String>> {
    targets.iter().map(|target| Some((*target).to_owned()).filter(|target| !target.is_empty())).collect()
}

#[test]
fn the_sockets_of_taps_are_the_agents_own_and_make_it_no_server() {
    let mut paper = Paper::new();
    paper.process(100, 1, "/usr/bin/ollama|serve");
    paper.process(500, 1, "/usr/bin/opsagent|run");
    paper.listen(Some(100), "127.0.0.1:11434");
    paper.listen(Some(500), "127.0.0.1:11435");
    paper.listen(Some(500), "192.168.1.7:11434");
    let places = [place("box", Some("ollama"), "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[100, 500]), some(&["box", ""]));
}

#[test]
fn a_process_belongs_to_the_target_whose_server_is_itself_or_its_nearest_ancestor() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.process(101, 100, "VLLM::EngineCore_DP0");
    paper.process(102, 101, "VLLM::Worker_TP0");
    paper.process(200, 1, "/opt/llama-swap|--listen|:9292");
    paper.process(201, 200, "bash|start.sh");
    paper.process(202, 201, "llama-server|--port|5800|-m|x.gguf");
    paper.process(203, 200, "llama-server|--port|5801|-m|y.gguf");
    paper.process(300, 1, "python3|train.py");
    paper.listen(Some(100), "0.0.0.0:8000");
    paper.listen(Some(200), "[::]:9292");
    paper.listen(Some(203), "127.0.0.1:5801");
    let places = [
        place("engine", None, "127.0.0.1:8000"),
        place("one-of-swaps", None, "127.0.0.1:5801"),
        place("swap", None, "127.0.0.1:9292"),
    ];
    assert_eq!(
        told(&paper, &places, &[100, 101, 102, 202, 203, 300]),
        some(&["engine", "engine", "engine", "swap", "one-of-swaps", ""])
    );
    let of = Owners::new(paper.machine()).of(&places, &[100, 101, 300]);
    let shown = |pid| of[&pid].program.clone().unwrap();
    assert_eq!(shown(100), "python3 -m vllm.entrypoints.openai.api_server");
    assert_eq!((shown(101), shown(300)), ("VLLM::EngineCore_DP0".into(), "python3 train.py".into()));
}

#[test]
fn ids_that_are_none_and_processes_that_are_gone_are_left_out() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    let places = [place("engine", None, "127.0.0.1:8000")];
    let mut owners = Owners::new(paper.machine());
    let of = owners.of(&places, &[0, 100, 101, 4_294_967_295]);
    assert_eq!(of.keys().copied().collect::<Vec<u32>>(), [100]);
    paper.end(100);
    assert!(owners.of(&places, &[100]).is_empty());
}

#[test]
fn the_same_number_is_another_process_later() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    paper.process(101, 100, "VLLM::EngineCore");
    let places = [place("engine", None, "127.0.0.1:8000")];
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &places, &[101]), some(&["engine"]));
    paper.end(101);
    paper.process(101, 1, "blender");
    paper.stat(101, 22, "777");
    let of = owners.of(&places, &[101]);
    assert_eq!(of[&101], Owner { target: None, program: Some("blender".into()) });
}

#[test]
fn of_two_targets_that_are_one_server_the_first_by_name_has_it_at_every_look() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "0.0.0.0:8000");
    let places = [place("a", None, "127.0.0.1:8000"), place("b", None, "127.0.0.1:8000")];
    let mut owners = Owners::new(paper.machine());
    for _ in 0..3 {
        assert_eq!(targets(&mut owners, &places, &[100]), some(&["a"]));
    }
}

#[test]
fn a_socket_that_several_processes_hold_is_that_of_all_but_those_that_hold_it_for_others() {
    let mut paper = Paper::new();
    paper.process(1, 0, "/usr/lib/systemd/systemd");
    paper.process(700, 1, "gunicorn|app");
    paper.process(650, 700, "gunicorn|worker");
    paper.process(651, 700, "gunicorn|worker");
    paper.process(300, 1, "python3|train.py");
    paper.listen(Some(700), "127.0.0.1:8000");
    for pid in [1, 650] {
        paper.inherits(pid, 700);
    }
    paper.process(800, 1, "sshd: somebody@pts/3");
    paper.process(801, 800, "bash");
    paper.process(802, 801, "python3|train.py");
    paper.listen(Some(800), "127.0.0.1:11434");
    let places = [place("app", None, "127.0.0.1:8000"), place("far", None, "127.0.0.1:11434")];
    assert_eq!(
        told(&paper, &places, &[1, 650, 651, 700, 300, 802]),
        some(&["", "app", "app", "app", "", ""])
    );
}

#[test]
fn what_a_person_starts_in_a_terminal_of_a_listening_editor_is_not_the_targets() {
    let mut paper = Paper::new();
    paper.process(100, 1, "code|--type=utility");
    paper.process(101, 100, "bash");
    paper.process(102, 101, "python3|train.py");
    paper.listen(Some(100), "127.0.0.1:11434");
    for pid in [101, 102] {
        paper.stat(pid, 7, "34818");
    }
    let places = [place("far", None, "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[102]), some(&[""]));
    // A server that was itself started in a terminal has its workers there.
    paper.stat(100, 7, "34818");
    assert_eq!(told(&paper, &places, &[102]), some(&["far"]));
}

#[test]
fn all_processes_are_looked_at_again_only_when_a_targets_socket_or_server_changed() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    paper.process(101, 100, "VLLM::EngineCore");
    let places = [place("engine", None, "127.0.0.1:8000")];
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &places, &[101]), some(&["engine"]));
    // A look at the open files would find nothing now; another's socket is no reason for one.
    paper.hide_files(100);
    paper.process(900, 1, "nginx");
    paper.listen(Some(900), "127.0.0.1:80");
    paper.process(102, 100, "VLLM::EngineCore");
    assert_eq!(targets(&mut owners, &places, &[101, 102]), some(&["engine", "engine"]));
    // The server is another one now, at the same address.
    paper.end(100);
    paper.process(103, 1, "python3|-m|http.server");
    paper.listen(Some(103), "127.0.0.1:8000");
    assert_eq!(targets(&mut owners, &places, &[103]), some(&["engine"]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_its_socket_away_is_seen_within_a_while() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    paper.process(200, 1, VLLM);
    let places = [place("engine", None, "127.0.0.1:8000")];
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &places, &[100, 200]), some(&["engine", ""]));
    paper.hide_files(100);
    paper.listen(Some(200), "127.0.0.1:8000");
    assert_eq!(targets(&mut owners, &places, &[100, 200]), some(&["engine", ""]), "not looked at");
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(targets(&mut owners, &places, &[100, 200]), some(&["", "engine"]));
}

#[test]
fn what_outlives_its_server_stays_the_targets_but_not_that_of_an_address_that_moved() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    paper.process(101, 100, "VLLM::EngineCore");
    paper.process(200, 1, VLLM);
    paper.listen(Some(200), "127.0.0.1:8001");
    let at = |address: &str| [place("engine", None, address)];
    let (mut owners, mut other) = (Owners::new(paper.machine()), Owners::new(paper.machine()));
    for owners in [&mut owners, &mut other] {
        assert_eq!(targets(owners, &at("127.0.0.1:8000"), &[101]), some(&["engine"]));
    }
    assert_eq!(targets(&mut other, &at("127.0.0.1:8001"), &[101, 200]), some(&["", "engine"]));
    paper.end(100);
    paper.stat(101, 4, "1");
    assert_eq!(targets(&mut owners, &at("127.0.0.1:8000"), &[101]), some(&["engine"]));
    // Its target is watched no more.
    assert_eq!(targets(&mut owners, &[], &[101]), some(&[""]));
}

#[test]
fn a_worker_stays_the_targets_when_the_wrapper_that_started_it_ends() {
    let mut paper = Paper::new();
    paper.process(200, 1, "/opt/llama-swap|--listen|:9292");
    paper.listen(Some(200), "[::]:9292");
    paper.process(201, 200, "bash|start.sh");
    paper.process(202, 201, "llama-server|--port|5800|-m|x.gguf");
    let places = [place("swap", None, "127.0.0.1:9292")];
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &places, &[202]), some(&["swap"]));
    paper.end(201);
    paper.stat(202, 4, "1");
    assert_eq!(targets(&mut owners, &places, &[202]), some(&["swap"]));
}

#[test]
fn without_the_machines_own_process_ids_nothing_is_told() {
    let mut paper = Paper::new();
    paper.process(100, 1, VLLM);
    paper.listen(Some(100), "127.0.0.1:8000");
    let places = [place("engine", None, "127.0.0.1:8000")];
    assert_eq!(told(&paper, &places, &[100]), some(&["engine"]));
    // In a container ids begin anew: a driver's 100 is another process.
    paper.namespace(2, "pid", 4_026_532_999);
    assert!(Owners::new(paper.machine()).of(&places, &[100]).is_empty());
    // The host's /proc, mounted in a container: it has the kernel's own processes.
    paper.process(2, 0, "kthreadd");
    assert_eq!(told(&paper, &places, &[100]), some(&["engine"]));
}
