//! Servers are found by themselves, each once, and what is none is told as what it is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsagent::discover::{Discover, Here, Known, Report, Scan, scan};
use opsagent::http::Clients;
use opsagent::procs::Machine;

use crate::support::clock::later;
use crate::support::fake::{Answer, Fake};
use crate::support::machine::Paper;
use crate::support::presets::of;

mod looks;

/// The places to ask, as `address why`, those of one server joined by ` + `.
fn places(scan: &Scan) -> Vec<String> {
    let one = |server: &Vec<opsagent::discover::Place>| {
        let places = server.iter().map(|place| format!("{} {}", place.addresses[0], place.why));
        places.collect::<Vec<_>>().join(" + ")
    };
    scan.servers.iter().map(one).collect()
}

/// What is settled without a question, as `address outcome`, without the ports where nothing listens.
fn settled(scan: &Scan) -> Vec<String> {
    let told = scan.settled.iter().filter(|tried| tried.outcome != "nothing listens");
    told.map(|tried| format!("{} {}", tried.address, tried.outcome)).collect()
}

fn watching(targets: &[(&str, &str)]) -> Here {
    let targets = targets.iter().map(|(name, at)| ((*name).to_owned(), at.parse().unwrap())).collect();
    Here { targets, own: Vec::new() }
}

fn alone() -> Here {
    Here::default()
}

#[test]
fn known_processes_are_found_at_any_port() {
    let mut paper = Paper::new();
    paper.process(812, 1, "/usr/bin/ollama|serve");
    paper.listen(Some(812), "127.0.0.1:21434");
    paper.process(813, 1, "/usr/bin/llama-server|-m|x.gguf|--port|9090");
    paper.listen(Some(813), "0.0.0.0:9090");
    paper.process(814, 1, "/usr/bin/python3|-m|vllm.entrypoints.openai.api_server|--port|8001");
    paper.listen(Some(814), "[::]:8001");
    paper.listen(Some(814), "0.0.0.0:29500");
    paper.process(815, 1, "/usr/sbin/nginx");
    paper.listen(Some(815), "0.0.0.0:80");
    let scan = scan(&paper.machine(), &alone());
    assert_eq!(
        places(&scan),
        [
            "127.0.0.1:21434 process ollama, pid 812",
            "127.0.0.1:9090 process llama-server, pid 813",
            "127.0.0.1:8001 process python3, pid 814",
        ]
    );
    assert_eq!(scan.servers[2][0].addresses[1].to_string(), "[::1]:8001");
}

#[test]
fn default_ports_are_tried_whoever_holds_them() {
    let mut paper = Paper::new();
    paper.process(700, 1, "/usr/bin/docker-proxy|-host-port|11434");
    paper.listen(Some(700), "0.0.0.0:11434");
    paper.listen(None, "[::]:11434");
    paper.listen(None, "127.0.0.1:8080");
    paper.listen(None, "127.0.0.1:5432");
    let scan = scan(&paper.machine(), &alone());
    assert_eq!(
        places(&scan),
        ["127.0.0.1:8080 default port of llama_cpp", "127.0.0.1:11434 default port of ollama"]
    );
    let nothing: Vec<&str> = scan.settled.iter().map(|tried| tried.address.as_str()).collect();
    assert_eq!(nothing, ["127.0.0.1:1234", "127.0.0.1:8000", "127.0.0.1:9931", "127.0.0.1:30000"]);
    assert!(scan.settled.iter().all(|tried| tried.outcome == "nothing listens"));
    assert_eq!(scan.settled[0].why, "default port of lm_studio");
}

#[test]
fn one_server_is_one_place_however_many_ways_lead_to_it() {
    let mut paper = Paper::new();
    paper.process(812, 1, "ollama|serve");
    for address in ["192.0.2.7:11434", "[::]:11434", "0.0.0.0:11434", "[fe80::1]:11434"] {
        paper.listen(Some(812), address);
    }
    let found = scan(&paper.machine(), &alone());
    assert_eq!(places(&found), ["127.0.0.1:11434 process ollama, pid 812"]);
    let addresses: Vec<String> = found.servers[0][0].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["127.0.0.1:11434", "[::1]:11434", "192.0.2.7:11434"]);
    for at in ["127.0.0.1:11434", "[::1]:11434", "192.0.2.7:11434", "192.0.2.8:11434"] {
        let scan = scan(&paper.machine(), &watching(&[("box", at)]));
        assert_eq!(
            (places(&scan), settled(&scan)),
            (vec![], vec!["127.0.0.1:11434 already target box".into()]),
            "{at}"
        );
    }
}

#[test]
fn targets_that_are_one_server_are_told() {
    let mut paper = Paper::new();
    paper.process(812, 1, "ollama|serve");
    paper.listen(Some(812), "0.0.0.0:11434");
    paper.process(813, 1, "ollama|serve");
    paper.listen(Some(813), "127.0.0.1:21434");
    let targets = [("ollama", "127.0.0.1:11434"), ("box", "192.0.2.7:11434"), ("other", "127.0.0.1:21434")];
    let found = scan(&paper.machine(), &watching(&targets));
    assert_eq!(found.same, [["box", "ollama"]]);
}

#[test]
fn two_servers_at_one_port_of_two_addresses_are_two() {
    let mut paper = Paper::new();
    paper.process(812, 1, "ollama|serve");
    paper.listen(Some(812), "127.0.0.1:11434");
    paper.process(813, 1, "ollama|serve");
    paper.listen(Some(813), "192.0.2.7:11434");
    let scan = scan(&paper.machine(), &watching(&[("box", "127.0.0.1:11434")]));
    assert_eq!(places(&scan), ["192.0.2.7:11434 process ollama, pid 813"]);
    assert_eq!(settled(&scan), ["127.0.0.1:11434 already target box"]);
}

#[test]
fn a_process_with_several_ports_is_one_server() {
    let mut paper = Paper::new();
    paper.process(812, 1, "/opt/llama-swap|-listen|:8080");
    // The usual port is asked first, else the lowest.
    paper.listen(Some(812), "[::]:443");
    paper.listen(Some(812), "[::]:8080");
    paper.process(813, 1, "/opt/local-ai");
    paper.listen(Some(813), "127.0.0.1:9443");
    paper.listen(Some(813), "127.0.0.1:9080");
    let machine = paper.machine();
    assert_eq!(
        places(&scan(&machine, &alone())),
        [
            "127.0.0.1:8080 process llama-swap, pid 812 + 127.0.0.1:443 process llama-swap, pid 812",
            "127.0.0.1:9080 process local-ai, pid 813 + 127.0.0.1:9443 process local-ai, pid 813",
        ]
    );
    // Watched at one of its ports, the other is no other server.
    let found = scan(&machine, &watching(&[("ai", "127.0.0.1:9443")]));
    assert_eq!(settled(&found), ["127.0.0.1:9443 already target ai"]);
    assert_eq!(places(&found).len(), 1);
}

#[test]
fn children_and_orphans_of_an_ollama_are_no_targets() {
    let child = "/usr/lib/ollama/llama-server|--model|/m/blobs/sha256-94|--port|35431|--host|127.0.0.1|--no-webui|--offline";
    let mut paper = Paper::new();
    paper.process(812, 1, "/usr/bin/ollama|serve");
    paper.listen(Some(812), "127.0.0.1:11434");
    paper.process(900, 812, child);
    paper.listen(Some(900), "127.0.0.1:35431");
    paper.process(901, 1, &child.replace("35431", "35432"));
    paper.listen(Some(901), "127.0.0.1:35432");
    paper.process(902, 1, "llama-server|--models-dir|/m");
    paper.listen(Some(902), "127.0.0.1:8080");
    paper.process(903, 902, "llama-server|--port|41000");
    paper.listen(Some(903), "127.0.0.1:41000");
    let found = scan(&paper.machine(), &alone());
    assert_eq!(
        places(&found),
        ["127.0.0.1:11434 process ollama, pid 812", "127.0.0.1:8080 process llama-server, pid 902"]
    );
    assert_eq!(
        settled(&found),
        [
            "127.0.0.1:35431 child of ollama (pid 812)",
            "127.0.0.1:35432 left over by an ollama that is gone (pid 901)",
            "127.0.0.1:41000 child of llama-server (pid 902)",
        ]
    );
}

#[test]
fn sockets_of_other_users_are_found_by_arguments_and_default_ports() {
    let mut paper = Paper::new();
    paper.process(812, 1, "/usr/bin/ollama|serve");
    paper.listen(None, "127.0.0.1:11434");
    paper.process(813, 1, "llama-server|-m|x.gguf|--port=9090");
    paper.listen(None, "127.0.0.1:9090");
    paper.process(900, 812, "llama-server|--model|/m/blobs/sha256-94|--port|8000|--no-webui|--offline");
    paper.listen(None, "127.0.0.1:8000");
    paper.listen(None, "127.0.0.1:7777");
    let found = scan(&paper.machine(), &alone());
    assert_eq!(
        places(&found),
        ["127.0.0.1:9090 process llama-server, pid 813", "127.0.0.1:11434 default port of ollama"]
    );
    assert_eq!(settled(&found), ["127.0.0.1:8000 child of ollama (pid 812)"]);
}

#[test]
fn the_agents_own_listeners_are_no_places() {
    let mut paper = Paper::new();
    paper.listen(None, "0.0.0.0:8080");
    let own = Here { targets: Vec::new(), own: vec!["0.0.0.0:8080".parse().unwrap()] };
    assert!(places(&scan(&paper.machine(), &own)).is_empty());
    assert_eq!(places(&scan(&paper.machine(), &alone())).len(), 1);
}

#[test]
fn without_a_process_table_the_default_ports_are_tried() {
    let ports = ["1234", "8000", "8080", "9931", "11434", "30000"];
    let mut paper = Paper::new();
    paper.hide_sockets();
    for machine in [paper.machine(), Machine::at("/nonexistent")] {
        let found = scan(&machine, &alone());
        let all: Vec<String> = found.servers.iter().map(|server| server[0].port().to_string()).collect();
        assert_eq!(all, ports);
        let found = scan(&machine, &watching(&[("box", "127.0.0.1:11434")]));
        assert_eq!((found.servers.len(), settled(&found).len()), (5, 1));
    }
}

#[test]
fn a_machine_with_thousands_of_sockets_is_bounded() {
    let mut paper = Paper::new();
    for nth in 0..200u32 {
        paper.process(1000 + nth, 1, "llama-server");
        paper.listen(Some(1000 + nth), &format!("127.0.0.1:{}", 20000 + nth));
    }
    assert_eq!(scan(&paper.machine(), &alone()).servers.len(), 64);
}

/// What the kernel tells of this very process.
#[test]
fn the_cheap_look_at_sockets_sees_the_same_as_the_whole_one() {
    let mine: Vec<std::net::TcpListener> = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"]
        .iter()
        .filter_map(|address| std::net::TcpListener::bind(address).ok())
        .collect();
    assert!(mine.len() >= 2);
    // A connection, which stands after the listening sockets in the table.
    let _open = std::net::TcpStream::connect(mine[0].local_addr().unwrap()).unwrap();
    let is_mine = |address: &SocketAddr| mine.iter().any(|own| own.local_addr().unwrap() == *address);
    let machine = Machine::here();
    let mut quick = machine.listening().unwrap();
    quick.retain(|(address, _)| is_mine(address));
    let whole = machine.listeners(&[]).unwrap();
    let mut whole: Vec<_> = whole.iter().map(|one| (one.address, one.inode)).collect();
    whole.retain(|(address, _)| is_mine(address));
    whole.sort_unstable();
    assert_eq!(quick, whole);
    assert_eq!(quick.len(), mine.len());
}
