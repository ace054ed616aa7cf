//! Where the files of another user's processes cannot be seen.

use super::{Paper, VLLM, place, some, told};

const OLLAMA: u32 = 991;

/// An Ollama (pid 100) of a user of its own, with a child (pid 101); its files are hidden.
fn machine() -> Paper {
    let mut paper = Paper::new();
    paper.process(100, 1, "/usr/local/bin/ollama|serve");
    paper.user(100, OLLAMA);
    paper.process(
        101,
        100,
        "/usr/lib/ollama/llama-server|--model|/m/blobs/sha256-94|--port|35431|--no-webui|--offline",
    );
    paper.user(101, OLLAMA);
    paper.open(None, "127.0.0.1:11434", OLLAMA, None);
    for pid in [100, 101] {
        paper.hide_files(pid);
    }
    paper
}

#[test]
fn the_only_server_of_the_sockets_user_and_kind_is_meant() {
    let paper = machine();
    for kind in [None, Some("ollama")] {
        let places = [place("ollama", kind, "127.0.0.1:11434")];
        assert_eq!(told(&paper, &places, &[100, 101]), some(&["ollama", "ollama"]));
    }
    let places = [place("other", Some("llama_cpp"), "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[100]), some(&[""]));
}

#[test]
fn one_of_another_user_is_not_meant() {
    let paper = machine();
    paper.user(100, 1000);
    let places = [place("ollama", Some("ollama"), "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[100, 101]), some(&["", ""]));
}

#[test]
fn of_two_that_could_be_meant_none_is() {
    let mut paper = machine();
    paper.process(200, 1, "/usr/local/bin/ollama|serve");
    paper.user(200, OLLAMA);
    let places = [place("ollama", Some("ollama"), "127.0.0.1:11434")];
    assert_eq!(told(&paper, &places, &[100, 200]), some(&["", ""]));
}

#[test]
fn a_port_among_the_arguments_tells_which_is_meant() {
    let mut paper = Paper::new();
    for (pid, line) in [(100, VLLM.to_owned()), (200, VLLM.replace("8000", "8001"))] {
        paper.process(pid, 1, &line);
        paper.user(pid, 1000);
        paper.hide_files(pid);
    }
    paper.open(None, "0.0.0.0:8000", 1000, None);
    paper.open(None, "0.0.0.0:8001", 1000, None);
    paper.open(None, "0.0.0.0:9000", 1000, None);
    let at = |port: u16| [place("engine", Some("openai"), &format!("127.0.0.1:{port}"))];
    assert_eq!(told(&paper, &at(8000), &[100, 200]), some(&["engine", ""]));
    assert_eq!(told(&paper, &at(8001), &[100, 200]), some(&["", "engine"]));
    assert_eq!(told(&paper, &at(9000), &[100, 200]), some(&["", ""]), "both name another port");
}

#[test]
fn a_server_without_a_port_among_its_arguments_at_an_unusual_one_is_meant_only_if_its_kind_is_known() {
    let mut paper = machine();
    paper.open(None, "127.0.0.1:9999", OLLAMA, None);
    assert_eq!(told(&paper, &[place("x", None, "127.0.0.1:9999")], &[100]), some(&[""]));
    assert_eq!(told(&paper, &[place("x", Some("ollama"), "127.0.0.1:9999")], &[100]), some(&["x"]));
}

#[test]
fn the_parts_of_a_server_do_not_make_it_two() {
    let mut paper = Paper::new();
    paper.process(100, 1, "/opt/LM Studio/lm-studio");
    paper.process(101, 100, "/opt/LM Studio/lm-studio --type=utility");
    for pid in [100, 101] {
        paper.user(pid, 1000);
        paper.hide_files(pid);
    }
    paper.open(None, "127.0.0.1:1234", 1000, None);
    let places = [place("studio", Some("lm_studio"), "127.0.0.1:1234")];
    assert_eq!(told(&paper, &places, &[100, 101]), some(&["studio", "studio"]));
}

#[test]
fn where_processes_are_hidden_altogether_nothing_is_told() {
    let paper = machine();
    for pid in [100, 101] {
        std::fs::remove_file(paper.file(&format!("{pid}/stat"))).unwrap();
    }
    let places = [place("ollama", Some("ollama"), "127.0.0.1:11434")];
    assert!(super::Owners::new(paper.machine()).of(&places, &[100, 101]).is_empty());
}
