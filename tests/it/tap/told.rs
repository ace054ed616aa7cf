//! What the tap tells of what passed: each end once, with its reason.

use std::future::pending;
use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::metrics::{Format, render};
use opsagent::sample::{ModelSample, ServerSample, Source};
use opsagent::servers::Target;
use opsagent::tap::{Client, Limits, Plan};
use opsagent::wire::exposition::parse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::secured::acceptor;
use crate::support::authority::Authority;
use crate::support::eye;
use crate::support::wire::{OK, Server, Tapped, Wire};

const ASK: &str =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n{\"stream\":true}";
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const TOKEN: &str = "31\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"hey\"}}]}\n\n\r\n";
const DONE: &str =
    "47\r\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n";

fn fleet() -> Fleet {
    let fleet = Fleet::new(eye::agent(), 5);
    fleet.add(&Target::new("box", "http://127.0.0.1:11434".parse().unwrap()), false);
    fleet.record_tap("box", &[([127, 0, 0, 1], 11435).into()], None);
    fleet
}

fn through(fleet: &Fleet, server: &Server, change: impl FnOnce(&mut Plan)) -> Tapped {
    let live = fleet.live("box", Source::Tap).unwrap();
    let mut tap = Tapped::with(&server.url(), |plan| {
        plan.live = live.clone();
        change(plan);
    });
    tap.live = live;
    tap
}

/// The counters of that name above zero, each as the value of that label.
fn counted(fleet: &Fleet, name: &str, label: &str) -> Vec<(String, f64)> {
    let page = parse(&render(&fleet.view(), fleet.counted(), None, Format::Text));
    let ours =
        page.into_iter().filter(|sample| sample.name == format!("opsagent_{name}") && sample.value > 0.0);
    ours.map(|sample| (sample.labels.into_iter().find(|(key, _)| key == label).unwrap().1, sample.value))
        .collect()
}

async fn asked(tap: &Tapped, server: &Server) -> (Wire, Wire) {
    let mut client = tap.connect().await;
    client.send(ASK).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.exactly(15).await;
    (client, upstream)
}

/// Sends, and waits until the client has it.
async fn pass(upstream: &mut Wire, client: &mut Wire, bytes: &str) {
    upstream.send(bytes).await;
    client.expect(bytes).await;
}

#[tokio::test]
async fn a_stream_that_ends_as_it_should_and_one_of_each_kind_that_does_not() {
    let (server, fleet) = (Server::bind().await, fleet());
    let tap = through(&fleet, &server, |plan| {
        let wait = Duration::from_millis(300);
        plan.limits = Limits { first_byte: wait, idle: wait, ..Limits::default() };
    });
    // Whole.
    let (mut client, mut upstream) = asked(&tap, &server).await;
    assert_eq!(tap.live.in_flight(), (1, 0));
    pass(&mut upstream, &mut client, HEAD).await;
    pass(&mut upstream, &mut client, TOKEN).await;
    tap.until(|live| live.in_flight() == (1, 1)).await;
    pass(&mut upstream, &mut client, DONE).await;
    tap.until(|live| live.in_flight() == (0, 0)).await;
    assert_eq!(counted(&fleet, "request_failures_total", "reason"), []);
    drop((client, upstream));
    // The client leaves: before an answer, and with tokens.
    let (client, _upstream) = asked(&tap, &server).await;
    drop(client);
    let (mut client, mut upstream) = asked(&tap, &server).await;
    pass(&mut upstream, &mut client, HEAD).await;
    pass(&mut upstream, &mut client, TOKEN).await;
    drop(client);
    // The server breaks, ends too early, says nothing, stops in the middle.
    let (mut client, mut upstream) = asked(&tap, &server).await;
    pass(&mut upstream, &mut client, HEAD).await;
    upstream.reset();
    let (mut second, mut upstream) = asked(&tap, &server).await;
    pass(&mut upstream, &mut second, HEAD).await;
    drop(upstream);
    let (third, silent) = asked(&tap, &server).await;
    let (mut fourth, mut stalls) = asked(&tap, &server).await;
    pass(&mut stalls, &mut fourth, HEAD).await;
    tap.until(|live| live.in_flight() == (0, 0)).await;
    drop((third, silent, fourth, stalls));

    let mut failures = counted(&fleet, "request_failures_total", "reason");
    failures.sort_by(|a, b| a.0.cmp(&b.0));
    let one = |name: &str| (name.to_owned(), 1.0);
    assert_eq!(failures, ["cut_short", "first_byte_timeout", "idle_timeout", "reset"].map(one));
    let cancelled: f64 = counted(&fleet, "requests_cancelled_total", "phase").iter().map(|one| one.1).sum();
    let all: f64 = counted(&fleet, "requests_total", "dialect").iter().map(|one| one.1).sum();
    assert_eq!((cancelled, all), (2.0, 7.0));
}

#[tokio::test]
async fn one_that_the_end_of_the_agent_cuts_is_told_as_that() {
    let (server, fleet) = (Server::bind().await, fleet());
    let tap = through(&fleet, &server, |_| ());
    let (mut client, mut upstream) = asked(&tap, &server).await;
    pass(&mut upstream, &mut client, HEAD).await;
    assert_eq!(tap.jobs.stop(Duration::from_millis(50), pending()).await, 1);
    assert_eq!(counted(&fleet, "request_failures_total", "reason"), [("agent_stopped".to_owned(), 1.0)]);
}

#[tokio::test]
async fn a_client_with_a_name_is_counted_whatever_it_asks_for() {
    let (server, fleet) = (Server::bind().await, fleet());
    let tap = through(&fleet, &server, |plan| {
        plan.clients = vec![Client { name: "bot".into(), token: Some("k".into()), networks: Vec::new() }];
    });
    let mut client = tap.connect().await;
    let mut upstream = None;
    for request in [
        "GET /api/tags HTTP/1.1\r\nHost: localhost\r\n",
        &ASK[..ASK.find("\r\n\r\n").unwrap() + 2],
        "GET /b HTTP/1.1\r\nHost: localhost\r\n",
    ] {
        let body = if request.starts_with("POST") { "{\"stream\":true}" } else { "" };
        client.send(format!("{request}Authorization: Bearer k\r\n\r\n{body}")).await;
        let upstream = match &mut upstream {
            Some(upstream) => upstream,
            none => none.insert(server.accept().await),
        };
        upstream.head().await;
        upstream.exactly(body.len()).await;
        upstream.send(OK).await;
        client.expect(OK).await;
    }
    tap.until(|live| live.in_flight() == (0, 0)).await;
    assert_eq!(counted(&fleet, "tap_client_requests_total", "client"), [("bot".to_owned(), 3.0)]);
}

/// A fleet whose target has the models `a` and `b`.
fn fleet_of_two() -> Fleet {
    let fleet = fleet();
    let models = ["a", "b"].map(|name| ModelSample { name: name.into(), ..ModelSample::default() });
    let sample = ServerSample { kind: "openai", models: models.into(), ..ServerSample::default() };
    fleet.record_poll("box", Ok(sample), Duration::from_millis(1));
    fleet
}

const BODY: &str = r#"{"model":"b","messages":[]}"#;

fn head_of_body() -> String {
    let length = BODY.len();
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn a_request_that_the_server_refuses_to_take_is_told_with_its_model() {
    let (server, fleet) = (Server::bind().await, fleet_of_two());
    let tap = through(&fleet, &server, |_| ());
    drop(server);
    let mut client = tap.connect().await;
    client.send(head_of_body() + BODY).await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    tap.until(|live| live.in_flight() == (0, 0)).await;
    assert_eq!(counted(&fleet, "request_failures_total", "model"), [("b".to_owned(), 1.0)]);
    assert_eq!(counted(&fleet, "request_failures_total", "reason"), [("refused".to_owned(), 1.0)]);
}

#[tokio::test]
async fn what_comes_of_a_request_while_its_connection_is_made_is_read_too() {
    let (server, fleet, ca) = (Server::bind().await, fleet_of_two(), Authority::new());
    let tap = through(&fleet, &server, |plan| {
        plan.upstream = format!("https://localhost:{}/", server.address().port()).parse().unwrap();
        plan.ca_pem = Some(ca.pem().into_bytes());
    });
    let mut client = tap.connect().await;
    client.send(head_of_body()).await;
    let stream = server.accept().await.0;
    // The tap waits for the server's part of the handshake.
    client.send(BODY).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut stream = acceptor(&ca).accept(stream).await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(BODY.as_bytes()) {
        request.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
    tap.until(|live| live.in_flight() == (0, 0)).await;
    assert_eq!(counted(&fleet, "request_failures_total", "model"), [("b".to_owned(), 1.0)]);
}
