//! Streams, while the config changes and when the agent ends.

use std::future::pending;

use opsagent::metrics::{Format, render};
use opsagent::wire::exposition::Sample;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::support::agent::value;
use crate::support::raw::{Reader, Upstream, get};

/// A piece of an answer of Ollama's.
fn piece(text: &str) -> String {
    format!("{{\"model\":\"m\",\"response\":\"{text}\",\"done\":false}}\n")
}

const LAST: &str =
    "{\"model\":\"m\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3}\n";

/// Asks for a stream.
async fn ask(port: u16) -> TcpStream {
    let mut client = TcpStream::connect(at(port)).await.unwrap();
    let body = "{\"model\":\"m\",\"prompt\":\"hello\"}";
    let head =
        format!("POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn a_stream_goes_on_through_every_reload_even_one_that_ends_its_tap() {
    let (mut server, port, other) = (Upstream::new().await, free_port(), free_port());
    let url = server.url();
    let of = |head: &str, more: &str| text(head, &[target("a", &url, more)]);
    let written = Written::new(&of("", &tap(port)));
    let agent = written.agent().await;
    let mut client = ask(port).await;
    let told = server.request().await;
    let mut answer = Reader::new(&mut client);
    assert_eq!(answer.status().await, 200);
    let reloads = [
        of("every = \"2s\"", &tap(port)),
        of("[tap]\nmax_connections = 1\nidle_timeout = \"1m\"", &tap(port)),
        of("[[client]]\nname = \"me\"\nnetworks = \"127.0.0.1\"", &tap(port)),
        of("", &tap(other)),
        of("", ""),
        text("", &[]),
    ];
    for (nth, new) in reloads.iter().enumerate() {
        told.chunk(piece(&nth.to_string()).as_bytes());
        assert_eq!(answer.chunk().await.unwrap(), piece(&nth.to_string()).as_bytes());
        written.taken(&agent, new).await;
    }
    until_refused(port).await;
    let before = agent.samples().await;
    assert_eq!(value(&before, GONE, &[("source", "tap")]), Some(0.0));
    told.chunk(LAST.as_bytes());
    told.chunk(b"");
    assert_eq!(answer.rest().await.unwrap(), LAST.as_bytes());
    until(&agent, "its end is told", |page| value(page, GONE, &[("source", "tap")]) == Some(1.0)).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let page = agent.samples().await;
    assert_eq!(value(&page, GONE, &[("source", "tap")]), Some(1.0), "and once");
    assert!(
        page.iter().all(|one| !one.labels.contains(&("target".into(), "a".into()))),
        "nothing comes again"
    );
}

/// What counts the ends of requests whose target is gone.
const GONE: &str = "opsagent_gone_target_requests_total";

/// The samples in which it holds.
async fn until(agent: &Agent, what: &str, holds: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let page = agent.samples().await;
        if holds(&page) {
            return page;
        }
        assert!(Instant::now() < deadline, "never: {what}: {page:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stream_ends_once_and_on_its_own_server_when_its_target_moves() {
    let (mut old, mut new, port) = (Upstream::new().await, Upstream::new().await, free_port());
    let of = |url: String| text("", &[target("a", url, &tap(port))]);
    let written = Written::new(&of(old.url()));
    let agent = written.agent().await;
    let mut first = ask(port).await;
    let told_old = old.request().await;
    let mut first = Reader::new(&mut first);
    assert_eq!(first.status().await, 200);
    told_old.chunk(piece("a").as_bytes());
    assert_eq!(first.chunk().await.unwrap(), piece("a").as_bytes());
    written.taken(&agent, &of(new.url())).await;
    let mut second = ask(port).await;
    let told_new = new.request().await;
    let mut second = Reader::new(&mut second);
    assert_eq!(second.status().await, 200);
    let page = agent.samples().await;
    assert_eq!(value(&page, "opsagent_requests_in_flight", &[("target", "a")]), Some(2.0));
    for (told, answer) in [(&told_old, &mut first), (&told_new, &mut second)] {
        told.chunk(LAST.as_bytes());
        told.chunk(b"");
        assert_eq!(answer.rest().await.unwrap(), LAST.as_bytes());
    }
    let ended = |page: &[Sample]| value(page, "opsagent_requests_total", &[("target", "a")]);
    until(&agent, "both ends are told", |page| ended(page) == Some(2.0)).await;
    // A settling and a reload later they are still two.
    written.taken(&agent, &of(old.url())).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let page = agent.samples().await;
    assert_eq!(ended(&page), Some(2.0), "each once");
    assert_eq!(value(&page, "opsagent_requests_in_flight", &[("target", "a")]), Some(0.0));
    assert_eq!(value(&page, GONE, &[("source", "tap")]), Some(0.0), "its target is there");
    let failed = page.iter().filter(|one| one.name == "opsagent_request_failures_total").map(|one| one.value);
    assert!(failed.sum::<f64>() < 0.5, "{page:#?}");
}

#[tokio::test]
async fn a_reload_holds_from_the_next_request_on() {
    let (one, other, port) = (Upstream::saying("one").await, Upstream::saying("other").await, free_port());
    let of = |url: String| text("", &[target("a", url, &tap(port))]);
    let written = Written::new(&of(one.url()));
    let agent = written.agent().await;
    let mut client = TcpStream::connect(at(port)).await.unwrap();
    assert_eq!(get(&mut client, "/").await.body, b"one");
    written.taken(&agent, &of(other.url())).await;
    assert_eq!(get(&mut client, "/").await.body, b"other", "the same connection, another server");
}

/// An app that the test ends by itself.
struct Ending {
    app: tokio::task::JoinHandle<usize>,
    stop: oneshot::Sender<()>,
    hurry: oneshot::Sender<()>,
    fleet: opsagent::fleet::Fleet,
}

async fn start(url: &str, port: u16, grace: &str) -> Ending {
    let written = Written::new(&text(&format!("grace = \"{grace}\""), &[target("a", url, &tap(port))]));
    let app = App::start(written.config(), written.options()).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (hurry, hurried) = oneshot::channel::<()>();
    let fleet = app.fleet().clone();
    let until = async |told: oneshot::Receiver<()>| match told.await {
        Ok(()) => {}
        Err(_) => pending().await,
    };
    #[expect(clippy::disallowed_methods, reason = "the test is the one that knows of it")]
    let app = tokio::spawn(async move { app.run(until(stopped), until(hurried)).await });
    Ending { app, stop, hurry, fleet }
}

#[tokio::test]
async fn a_stream_that_ends_within_the_grace_is_whole_and_new_clients_are_refused() {
    let (mut server, port) = (Upstream::new().await, free_port());
    let Ending { app, stop, hurry: _hurry, .. } = start(&server.url(), port, "20s").await;
    let mut idle = TcpStream::connect(at(port)).await.unwrap();
    let mut client = ask(port).await;
    let told = server.request().await;
    let mut answer = Reader::new(&mut client);
    assert_eq!(answer.status().await, 200);
    told.chunk(piece("a").as_bytes());
    assert_eq!(answer.chunk().await.unwrap(), piece("a").as_bytes());
    stop.send(()).unwrap();
    until_refused(port).await;
    let mut nothing = [0; 1];
    assert_eq!(
        tokio::io::AsyncReadExt::read(&mut idle, &mut nothing).await.unwrap(),
        0,
        "who only waits is let go"
    );
    told.chunk(LAST.as_bytes());
    told.chunk(b"");
    assert_eq!(answer.rest().await.unwrap(), LAST.as_bytes());
    assert_eq!(app.await.unwrap(), 0, "nothing had to be cut");
}

#[tokio::test]
async fn a_stream_that_outlasts_the_grace_is_cut_and_counted() {
    let (mut server, port) = (Upstream::new().await, free_port());
    let Ending { app, stop, hurry: _hurry, fleet } = start(&server.url(), port, "300ms").await;
    let mut client = ask(port).await;
    let mut told = server.request().await;
    let mut answer = Reader::new(&mut client);
    assert_eq!(answer.status().await, 200);
    told.chunk(piece("a").as_bytes());
    assert_eq!(answer.chunk().await.unwrap(), piece("a").as_bytes());
    let since = Instant::now();
    stop.send(()).unwrap();
    assert_eq!(answer.chunk().await, None, "the client sees that it is not whole");
    told.until_gone().await;
    assert_eq!(app.await.unwrap(), 1);
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
    let page = render(&fleet.view(), fleet.counted(), None, Format::Text);
    let page = opsagent::wire::exposition::parse(&page);
    let cut =
        value(&page, "opsagent_request_failures_total", &[("target", "a"), ("reason", "agent_stopped")]);
    assert_eq!(cut, Some(1.0));
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let (mut server, port) = (Upstream::new().await, free_port());
    let Ending { app, stop, hurry, .. } = start(&server.url(), port, "10m").await;
    let mut client = ask(port).await;
    let _told = server.request().await;
    let mut answer = Reader::new(&mut client);
    assert_eq!(answer.status().await, 200);
    stop.send(()).unwrap();
    until_refused(port).await;
    hurry.send(()).unwrap();
    assert_eq!(answer.chunk().await, None);
    assert_eq!(app.await.unwrap(), 1);
}

#[tokio::test]
async fn polls_that_start_anew_do_not_touch_a_tap() {
    let (server, port) = (Fake::ollama("0.34.0").await, free_port());
    let of = |more: &str| text("", &[target("a", server.url(), &format!("{}\n{more}", tap(port)))]);
    let written = Written::new(&of(""));
    let agent = written.agent().await;
    let mut idle = TcpStream::connect(at(port)).await.unwrap();
    assert_eq!(get(&mut idle, "/api/version").await.status, 200);
    for more in ["every = \"2s\"", "timeout = \"3s\"", "token = \"abc\""] {
        written.taken(&agent, &of(more)).await;
        assert_eq!(get(&mut idle, "/api/version").await.status, 200, "the same connection");
    }
}

#[tokio::test]
async fn two_targets_may_swap_their_addresses_and_nobody_is_refused() {
    let (one, other) = (Upstream::saying("one").await, Upstream::saying("other").await);
    let (first, second) = (free_port(), free_port());
    let of = |a: u16, b: u16| text("", &[target("a", one.url(), &tap(a)), target("b", other.url(), &tap(b))]);
    let written = Written::new(&of(first, second));
    let agent = written.agent().await;
    let ask = async |port: u16| get(&mut TcpStream::connect(at(port)).await.unwrap(), "/").await.body;
    assert_eq!((ask(first).await, ask(second).await), (b"one".to_vec(), b"other".to_vec()));
    written.taken(&agent, &of(second, first)).await;
    assert_eq!((ask(first).await, ask(second).await), (b"other".to_vec(), b"one".to_vec()));
    assert_eq!(told(&agent, "a").await, Some(at(second).to_string()));
}

#[tokio::test]
async fn a_tap_asks_the_server_nothing_by_itself() {
    // Once with a tap and once without: the server is asked the same.
    let mut asked = Vec::new();
    for tapped in [true, false] {
        let (server, port) = (Fake::ollama("0.34.0").await, free_port());
        let more = if tapped { tap(port) } else { String::new() };
        let agent = Written::new(&text("every = \"1h\"", &[target("a", server.url(), &more)])).agent().await;
        agent.until("it is polled", |view| view.targets[0].up == Some(true)).await;
        let idle = TcpStream::connect(at(port)).await;
        assert_eq!(idle.is_ok(), tapped);
        tokio::time::sleep(Duration::from_millis(300)).await;
        asked.push(server.asked());
        if let Ok(mut idle) = idle {
            get(&mut idle, "/api/tags?once").await;
            let once = server.asked().into_iter().filter(|asked| asked == "GET /api/tags?once");
            assert_eq!(once.count(), 1, "what a client asks is asked once");
        }
    }
    assert!(!asked[0].is_empty());
    assert_eq!(asked[0], asked[1]);
}
