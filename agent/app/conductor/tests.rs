//! What was found, beside what the config names.

use super::*;
use crate::app::Sockets;
use crate::view::AgentView;
use crate::web::toolkit::WebConfig;

/// With one server that was found by itself; nobody is at its address.
fn conductor() -> Conductor {
    let now = jiff::Timestamp::now();
    let about = AgentView {
        version: String::new(),
        started_at: now,
        demo: false,
        config_file: None,
        config_ok: true,
        config_at: now,
        config_errors: Vec::new(),
    };
    let (fleet, jobs) = (Fleet::new(about, 10), Jobs::new(Arc::new(|_| ())));
    let hands = Hands {
        taps: Taps::new(fleet.clone(), jobs.clone(), Sockets::default()),
        fleet,
        jobs,
        web: WebConfig::default().shared(),
        commands: mpsc::channel(1).0,
    };
    let config = Config { discover: true, ..Config::default() };
    let mut conductor = Conductor::new(&config, Options::default(), hands, Vec::new());
    conductor.found(vec![Target { discovered: true, ..target("ollama", "http://127.0.0.1:9/") }]);
    conductor
}

fn target(name: &str, url: &str) -> Target {
    Target::new(name, url.parse().expect("a url"))
}

fn names(conductor: &Conductor) -> Vec<&str> {
    conductor.running.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn what_was_found_gives_way_to_the_same_server_in_the_config() {
    let mut conductor = conductor();
    conductor.watch(&target("box", "http://localhost:9/"), Duration::ZERO).expect("it is watched");
    let same = [vec!["box".to_owned(), "ollama".to_owned()]];
    conductor.join(&[vec!["ollama".to_owned(), "gone".to_owned()]]);
    assert_eq!(names(&conductor), ["box", "ollama"]);
    conductor.join(&same);
    assert_eq!(names(&conductor), ["box"]);
    conductor.join(&same);
    assert_eq!((names(&conductor), conductor.fleet.view().targets.len()), (vec!["box"], 1));
}

#[tokio::test]
async fn a_tap_that_a_look_took_for_a_server_becomes_no_target() {
    let mut conductor = conductor();
    let tap = "127.0.0.1:8080".parse().expect("an address");
    conductor.own.store(Arc::new(vec![tap]));
    let found = |name: &str, url: &str| Target { discovered: true, ..target(name, url) };
    conductor
        .found(vec![found("llama_cpp", "http://127.0.0.1:8080/"), found("other", "http://127.0.0.1:8/")]);
    assert_eq!(names(&conductor), ["ollama", "other"]);
}
