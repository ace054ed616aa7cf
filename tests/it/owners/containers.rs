//! Servers in containers, seen from the machine.

use super::{Owners, Paper, place, some, targets, told};

const PROXY: &str = "/usr/bin/docker-proxy|-proto|tcp|-host-ip|0.0.0.0|-host-port|8080|-container-ip|172.17.0.2|-container-port|11434";

/// Two Ollamas, each in a container, both at port 11434; Docker forwards 8080 to the first.
fn machine() -> Paper {
    let mut paper = Paper::new();
    paper.process(50, 1, "/usr/bin/dockerd");
    paper.process(51, 50, PROXY);
    paper.listen(Some(51), "0.0.0.0:8080");
    for (pid, address) in [(100, "172.17.0.2"), (200, "172.17.0.3")] {
        paper.process(pid, 1, "/usr/bin/ollama|serve");
        paper.network(pid, 4_026_532_000 + u64::from(pid), address);
        paper.open(Some(pid), "[::]:11434", 0, Some(pid));
        paper.process(pid + 1, pid, "/usr/lib/ollama/llama-server|--model|/root/.ollama/models/blobs/sha256-9|--port|4000|--no-webui|--offline");
        paper.network(pid + 1, 4_026_532_000 + u64::from(pid), address);
    }
    paper
}

#[test]
fn a_port_that_docker_forwards_is_the_containers_that_it_goes_to() {
    let mut paper = machine();
    let places = [place("boxed", None, "127.0.0.1:8080")];
    assert_eq!(told(&paper, &places, &[51, 100, 101, 200, 201]), some(&["", "boxed", "boxed", "", ""]));
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &places, &[101]), some(&["boxed"]));
    // The container is made anew behind the same proxy.
    for pid in [100, 101] {
        paper.end(pid);
    }
    paper.process(110, 1, "/usr/bin/ollama|serve");
    paper.network(110, 4_026_532_777, "172.17.0.2");
    paper.open(Some(110), "0.0.0.0:11434", 0, Some(110));
    assert_eq!(targets(&mut owners, &places, &[110]), some(&["boxed"]));
}

#[test]
fn a_container_that_is_asked_at_its_own_address_is_found_by_it() {
    let paper = machine();
    let places = [place("second", None, "172.17.0.3:11434"), place("third", None, "172.17.0.4:11434")];
    assert_eq!(told(&paper, &places, &[101, 201]), some(&["", "second"]));
}

#[test]
fn without_root_the_container_is_found_by_its_servers_command_line() {
    let paper = machine();
    for pid in [51, 100, 101, 200, 201] {
        paper.hide_files(pid);
        paper.user(pid, 0);
        std::fs::remove_file(paper.file(&format!("{pid}/ns/net"))).ok();
    }
    let places = [place("boxed", Some("ollama"), "127.0.0.1:8080")];
    assert_eq!(told(&paper, &places, &[101, 201]), some(&["boxed", ""]));
}

#[test]
fn a_server_in_the_same_network_as_the_agent_is_not_taken_for_one_of_a_container() {
    let mut paper = machine();
    paper.process(300, 1, "/usr/bin/ollama|serve");
    paper.namespace(300, "net", 4_026_531_840);
    paper.listen(Some(300), "0.0.0.0:11434");
    let places = [place("own", None, "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[100, 300]), some(&["", "own"]));
    // Neither is it without root, where only the addresses tell the networks apart.
    for pid in [100, 200, 300] {
        paper.hide_files(pid);
        paper.user(pid, 0);
        std::fs::remove_file(paper.file(&format!("{pid}/ns/net"))).unwrap();
    }
    assert_eq!(told(&paper, &places, &[100, 300]), some(&["", "own"]));
}

#[test]
fn a_port_that_is_forwarded_is_not_taken_for_that_of_a_server_beside_the_container() {
    let mut paper = machine();
    paper.process(300, 1, "/usr/bin/ollama|serve");
    for pid in [51, 100, 200, 300] {
        paper.hide_files(pid);
        paper.user(pid, 0);
    }
    let places = [place("boxed", Some("ollama"), "127.0.0.1:8080")];
    assert_eq!(told(&paper, &places, &[100, 300]), some(&["boxed", ""]));
}
