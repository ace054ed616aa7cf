//! Taps over the life of an agent: bound at the start, changed by reloads, drained and cut at the end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use opsagent::app::{App, Options};
use opsagent::config::Config;
use opsagent::view::{TrafficView, View};
use tokio::net::{TcpListener, TcpStream};

use crate::support::agent::Agent;
use crate::support::fake::Fake;
use crate::support::process::free_port;

mod streams;

/// A config's file that is written anew.
struct Written {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Written {
    fn new(text: &str) -> Written {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("opsagent.toml");
        std::fs::write(&file, text).unwrap();
        Written { _folder: folder, file }
    }

    fn options(&self) -> Options {
        Options { config_file: Some(self.file.clone()), ..Options::default() }
    }

    fn config(&self) -> Config {
        Config::load(Some(&self.file)).unwrap()
    }

    async fn agent(&self) -> Agent {
        Agent::with(self.config(), self.options()).await
    }

    /// Writes it anew, and has it read: status and what was said.
    async fn now(&self, agent: &Agent, text: &str) -> (u16, String) {
        std::fs::write(&self.file, text).unwrap();
        let reply = reqwest::Client::new().post(agent.base.join("/-/reload").unwrap()).send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    /// The same, and it is taken.
    async fn taken(&self, agent: &Agent, text: &str) {
        let (status, said) = self.now(agent, text).await;
        assert_eq!(status, 200, "{said}{text}");
    }
}

/// A target with what else is said of it.
fn target(name: &str, url: impl std::fmt::Display, more: &str) -> String {
    format!("[[target]]\nname = \"{name}\"\nkind = \"ollama\"\nurl = \"{url}\"\n{more}\n")
}

/// A config of these targets; `head`: what stands before them.
fn text(head: &str, targets: &[String]) -> String {
    format!("listen = \"127.0.0.1:0\"\ndiscover = false\n{head}\n{}", targets.concat())
}

fn tap(port: u16) -> String {
    format!("tap = \"127.0.0.1:{port}\"")
}

fn traffic<'a>(view: &'a View, name: &str) -> Option<&'a TrafficView> {
    view.targets.iter().find(|target| target.name == name)?.traffic.as_ref()
}

/// Where the tap of that target is, as the view says.
async fn told(agent: &Agent, name: &str) -> Option<String> {
    let view = agent.view().await;
    let tap = traffic(&view, name)?.tap.clone()?;
    assert_eq!(tap.error, None);
    Some(tap.listen)
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

async fn accepts(port: u16) -> bool {
    TcpStream::connect(at(port)).await.is_ok()
}

/// Waits until nobody listens there any more.
async fn until_refused(port: u16) {
    while accepts(port).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_tap_listens_from_the_start_and_the_view_tells_where() {
    let (server, port) = (Fake::ollama("0.34.0").await, free_port());
    let taps = format!("tap = [\"127.0.0.1:0\", \"127.0.0.1:{port}\"]");
    let written =
        Written::new(&text("", &[target("a", server.url(), &taps), target("b", "http://127.0.0.1:9", "")]));
    let agent = written.agent().await;
    let listen = told(&agent, "a").await.unwrap();
    let addresses: Vec<SocketAddr> = listen.split(", ").map(|at| at.parse().unwrap()).collect();
    assert!(addresses.contains(&at(port)) && addresses.len() == 2, "{listen}");
    for address in addresses {
        assert_ne!(address.port(), 0, "the port that it got");
        TcpStream::connect(address).await.unwrap();
    }
    assert_eq!(told(&agent, "b").await, None);
}

#[tokio::test]
async fn a_tap_that_others_can_reach_is_told_and_one_on_loopback_is_not() {
    let (a, b) = (Fake::ollama("0.34.0").await, Fake::ollama("0.34.0").await);
    let open = "tap = [\"127.0.0.1:0\", \"0.0.0.0:0\"]";
    let targets = [target("a", a.url(), open), target("b", b.url(), "tap = \"[::1]:0\"")];
    let agent = Written::new(&text("", &targets)).agent().await;
    let view = agent.until("both are up", |view| view.targets.iter().all(|one| one.up == Some(true))).await;
    let open = |name: &str| traffic(&view, name).unwrap().tap.as_ref().unwrap().open;
    assert_eq!((open("a"), open("b")), (true, false));
    let notes = |nth: usize| view.targets[nth].notes.iter().filter(|note| note.code == "tap_open").count();
    assert_eq!((notes(0), notes(1)), (1, 0));
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_start_with_what_would_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = free_port();
    let targets =
        [target("a", "http://127.0.0.1:9", &tap(free)), target("b", "http://127.0.0.1:8", &tap(port))];
    let written = Written::new(&text("", &targets));
    let error = App::start(written.config(), written.options()).await.unwrap_err().to_string();
    let expected = format!("target b: cannot listen on 127.0.0.1:{port}: Address already in use");
    assert!(error.starts_with(&expected) && error.contains("`tap` of the target in the config"), "{error}");
    assert!(!accepts(free).await, "nothing runs");
}

#[tokio::test]
async fn a_name_that_leads_to_the_tap_itself_is_refused() {
    let port = free_port();
    // A name that no rule of syntax tells to be this machine.
    let name = std::fs::read_to_string("/etc/hostname").unwrap();
    let name = name.trim();
    let mut addresses = tokio::net::lookup_host((name, port)).await.into_iter().flatten();
    let Some(own) = addresses.find(SocketAddr::is_ipv4) else {
        panic!("this machine's own name, {name}, has no IPv4 address: it cannot be tried here");
    };
    let taps = format!("tap = \"{own}\"");
    let written = Written::new(&text("", &[target("a", format!("http://{name}:{port}"), &taps)]));
    let error = App::start(written.config(), written.options()).await.unwrap_err().to_string();
    let expected = format!("target a: tap: {own} is where target a is reached ({own})");
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_reload_with_an_address_that_cannot_be_bound_is_refused_whole() {
    let (server, port, free) = (Fake::ollama("0.34.0").await, free_port(), free_port());
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
    let written = Written::new(&text("", &[target("a", server.url(), &tap(port))]));
    let agent = written.agent().await;
    let other = target("b", "http://127.0.0.1:9", &tap(free));
    let new = [target("a", server.url(), &tap(taken.local_addr().unwrap().port())), other];
    let (status, said) = written.now(&agent, &text("every = \"2s\"", &new)).await;
    let file = written.file.display();
    assert_eq!(status, 400);
    assert!(said.contains(&format!("{file}: target a: cannot listen on 127.0.0.1:")), "{said}");
    assert_eq!(told(&agent, "a").await, Some(at(port).to_string()), "the old one goes on");
    assert!(accepts(port).await && !accepts(free).await, "what was bound for it is closed again");
    let view = agent.view().await;
    assert_eq!((view.targets.len(), view.agent.config_ok), (1, false));

    // One that could be bound if the old one were not there is told so.
    let (status, said) = written
        .now(&agent, &text("", &[target("a", server.url(), &format!("tap = \"0.0.0.0:{port}\""))]))
        .await;
    assert_eq!(status, 400);
    assert!(
        said.contains(&format!("cannot listen on 0.0.0.0:{port} while 127.0.0.1:{port} is listened on")),
        "{said}"
    );
}

#[tokio::test]
async fn a_reload_moves_adds_and_ends_taps() {
    let (server, first, second, third) =
        (Fake::ollama("0.34.0").await, free_port(), free_port(), free_port());
    let b = |more: &str| target("b", "http://127.0.0.1:9", more);
    let written = Written::new(&text("", &[target("a", server.url(), &tap(first)), b("")]));
    let agent = written.agent().await;
    assert_eq!((told(&agent, "a").await, told(&agent, "b").await), (Some(at(first).to_string()), None));

    let moved = text("", &[target("a", server.url(), &tap(second)), b(&tap(third))]);
    written.taken(&agent, &moved).await;
    let both = (told(&agent, "a").await, told(&agent, "b").await);
    assert_eq!(both, (Some(at(second).to_string()), Some(at(third).to_string())));
    assert!(accepts(second).await && accepts(third).await);
    until_refused(first).await;

    let ended = text("", &[target("a", server.url(), ""), b(&tap(third))]);
    written.taken(&agent, &ended).await;
    assert_eq!((told(&agent, "a").await, told(&agent, "b").await), (None, Some(at(third).to_string())));
    until_refused(second).await;

    // A target that goes takes its tap with it.
    written.taken(&agent, &text("", &[target("a", server.url(), "")])).await;
    until_refused(third).await;
}
