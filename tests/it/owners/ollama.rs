//! An Ollama's children and what outlives it.

use super::{Owners, Paper, Place, place, some, targets, told};

const FOLDER: &str = "/usr/share/ollama/.ollama/models/blobs";

fn child(folder: &str) -> String {
    format!(
        "/usr/lib/ollama/llama-server|--model|{folder}/sha256-94|--port|35431|--no-webui|--offline|-c|4096"
    )
}

fn ollama() -> [Place; 1] {
    [place("ollama", Some("ollama"), "127.0.0.1:11434")]
}

/// An Ollama (pid 100) with a child (pid 101).
fn machine() -> Paper {
    let mut paper = Paper::new();
    paper.process(100, 1, "/usr/local/bin/ollama|serve");
    paper.listen(Some(100), "127.0.0.1:11434");
    paper.process(101, 100, &child(FOLDER));
    paper
}

fn killed(paper: &mut Paper) {
    paper.end(100);
    paper.stat(101, 4, "1");
}

fn restarted(paper: &mut Paper) {
    paper.process(110, 1, "/usr/local/bin/ollama|serve");
    paper.listen(Some(110), "127.0.0.1:11434");
}

#[test]
fn children_old_and_new_and_orphans_are_the_ollamas() {
    let mut paper = machine();
    paper.process(102, 100, "/usr/local/bin/ollama|runner|--model|/m/blobs/sha256-94|--port|5000");
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &ollama(), &[101, 102]), some(&["ollama", "ollama"]));
    killed(&mut paper);
    assert_eq!(targets(&mut owners, &ollama(), &[101]), some(&["ollama"]), "seen before");
    assert_eq!(told(&paper, &ollama(), &[101]), some(&["ollama"]), "the only Ollama there is");
    restarted(&mut paper);
    assert_eq!(targets(&mut owners, &ollama(), &[101]), some(&["ollama"]));
    assert_eq!(told(&paper, &ollama(), &[101]), some(&["ollama"]));
}

#[test]
fn an_orphan_of_another_folder_is_not_the_ollamas() {
    let mut paper = machine();
    killed(&mut paper);
    restarted(&mut paper);
    paper.environment(110, "OLLAMA_MODELS=/srv/models");
    assert_eq!(told(&paper, &ollama(), &[101]), some(&[""]));
    paper.environment(110, "OLLAMA_MODELS=/usr/share/ollama/.ollama/models");
    assert_eq!(told(&paper, &ollama(), &[101]), some(&["ollama"]));
    paper.environment(110, "HOME=/usr/share/ollama");
    assert_eq!(told(&paper, &ollama(), &[101]), some(&["ollama"]));
    // Without an environment its own child tells its folder.
    let mut paper = machine();
    paper.process(102, 1, &child("/srv/blobs"));
    let mut owners = Owners::new(paper.machine());
    assert_eq!(targets(&mut owners, &ollama(), &[101, 102]), some(&["ollama", ""]));
}

#[test]
fn of_two_ollamas_an_orphan_is_that_of_its_folder_and_of_none_where_both_have_it() {
    let mut paper = machine();
    killed(&mut paper);
    restarted(&mut paper);
    paper.process(120, 1, "/usr/local/bin/ollama|serve");
    paper.listen(Some(120), "127.0.0.1:11435");
    let places =
        [place("a", Some("ollama"), "127.0.0.1:11434"), place("b", Some("ollama"), "127.0.0.1:11435")];
    assert_eq!(told(&paper, &places, &[101]), some(&[""]), "neither folder is known");
    paper.environment(110, "OLLAMA_MODELS=/srv/models");
    paper.environment(120, "OLLAMA_MODELS=/usr/share/ollama/.ollama/models");
    assert_eq!(told(&paper, &places, &[101]), some(&["b"]));
    paper.environment(110, "OLLAMA_MODELS=/usr/share/ollama/.ollama/models");
    assert_eq!(told(&paper, &places, &[101]), some(&[""]));
}

#[test]
fn the_children_and_orphans_of_an_ollama_that_nobody_watches_are_nobodys() {
    let mut paper = machine();
    paper.process(200, 1, "/usr/local/bin/ollama|serve");
    paper.process(201, 200, &child("/home/other/.ollama/models/blobs"));
    assert_eq!(told(&paper, &ollama(), &[101, 201]), some(&["ollama", ""]));
    // It may have been the other one's.
    killed(&mut paper);
    restarted(&mut paper);
    assert_eq!(told(&paper, &ollama(), &[101]), some(&[""]));
}

#[test]
fn a_llama_server_on_an_ollamas_file_that_a_person_started_is_no_orphan() {
    let mut paper = machine();
    paper.process(300, 1, "llama-server|-m|/usr/share/ollama/.ollama/models/blobs/sha256-94|--port|8080");
    assert_eq!(told(&paper, &ollama(), &[300]), some(&[""]));
}

#[test]
fn an_ollama_elsewhere_has_no_orphans_here() {
    let mut paper = machine();
    killed(&mut paper);
    let far = [place("far", Some("ollama"), "192.0.2.77:11434")];
    assert_eq!(told(&paper, &far, &[101]), some(&[""]));
}
