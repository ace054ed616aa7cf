//! The faults that the tests of the tap stand on do what they say: each seen by a client without anything between.

use std::time::Duration;

use crate::support::chaos::{Chaos, Deaf, Direction, Fault, Kind, Place, refusing};
use crate::support::http1::{Client, Ended, Seen, ask};
use crate::support::stub::{Stub, request};

const PATIENCE: Duration = Duration::from_millis(300);

async fn through(fault: Fault) -> Seen {
    let stub = Stub::start();
    let chaos = Chaos::with(stub.address, fault).await;
    ask(chaos.address(), &asked(), PATIENCE).await
}

fn asked() -> Vec<u8> {
    request("/v1/chat/completions", true, r#"{"tokens":6,"pause_ms":3}"#)
}

#[tokio::test]
async fn a_calm_network_changes_nothing_and_writes_all_down() {
    let stub = Stub::start();
    let chaos = Chaos::calm(stub.address).await;
    let mut client = Client::connect(chaos.address()).await.unwrap();
    let first = client.ask(&asked(), PATIENCE).await;
    assert_eq!((first.status, first.ended), (200, Ended::Whole));
    assert!(first.body.contains("tok5") && first.body.ends_with("data: [DONE]\n\n"), "{first:?}");
    assert_eq!(client.ask(&asked(), PATIENCE).await, first, "once more on the same connection");
    let passed = chaos.passed();
    assert_eq!(passed.len(), 1);
    assert_eq!(passed[0].up, [asked(), asked()].concat());
    assert_eq!(crate::support::http1::messages(&passed[0].down).len(), 2);
}

#[tokio::test]
async fn every_kind_of_fault_in_the_midst_of_a_stream_is_seen_as_what_it_is() {
    let at = |kind| Fault { kind, place: Place::After(Direction::Down, b"tok2 ") };
    for (kind, ended) in [
        (Kind::Reset, Ended::Reset),
        (Kind::Close, Ended::Cut),
        (Kind::Truncate, Ended::Cut),
        (Kind::Stall, Ended::Silent),
        (Kind::Slow(2000), Ended::Whole),
        (Kind::Corrupt(3), Ended::Whole),
        (Kind::Corrupt(1 << 20), Ended::Malformed),
    ] {
        let seen = through(at(kind)).await;
        assert_eq!((seen.status, seen.ended), (200, ended), "{kind:?}: {seen:?}");
        assert!(seen.body.contains("tok2 "), "{kind:?}: {seen:?}");
        let goes_on = matches!(kind, Kind::Slow(_) | Kind::Corrupt(_));
        assert_eq!(
            seen.body.contains("tok3"),
            goes_on && kind != Kind::Corrupt(1 << 20),
            "{kind:?}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn a_fault_before_the_answer_leaves_the_client_without_one() {
    for (kind, ended) in
        [(Kind::Reset, Ended::Reset), (Kind::Close, Ended::Cut), (Kind::Stall, Ended::Silent)]
    {
        for place in [
            Place::Accepted,
            Place::After(Direction::Up, b"Content-Ty"),
            Place::After(Direction::Up, b"messages"),
            Place::Before(Direction::Down, b"HTTP/1.1 "),
        ] {
            let seen = through(Fault { kind, place: place.clone() }).await;
            // A connection that is closed while it holds what nobody read ends with a reset.
            let fits = seen.ended == ended || (ended == Ended::Cut && seen.ended == Ended::Reset);
            assert!(fits && seen.status == 0, "{kind:?} {place:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_network_is_slow() {
    let start = tokio::time::Instant::now();
    let seen =
        through(Fault { kind: Kind::Slow(1000), place: Place::After(Direction::Down, b"tok2 ") }).await;
    assert_eq!(seen.ended, Ended::Whole);
    assert!(start.elapsed() > Duration::from_millis(400), "{:?}", start.elapsed());
}

#[tokio::test]
async fn who_is_no_user_of_the_server_is_spared() {
    let stub = Stub::start();
    let fault = Fault { kind: Kind::Reset, place: Place::Before(Direction::Down, b"HTTP/1.1 ") };
    let chaos = Chaos::with(stub.address, fault).await;
    let polled = ask(chaos.address(), b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", PATIENCE).await;
    assert_eq!((polled.status, polled.ended), (200, Ended::Whole));
}

#[tokio::test]
async fn some_addresses_refuse_and_some_do_not_hear() {
    assert_eq!(ask(refusing(), &asked(), PATIENCE).await.ended, Ended::Refused);
    let deaf = Deaf::new().await;
    let connect = tokio::time::timeout(PATIENCE, Client::connect(deaf.address));
    assert!(connect.await.is_err(), "its queue is full");
}

#[tokio::test]
async fn the_stub_does_what_a_request_says() {
    let stub = Stub::start();
    for (path, end) in [("/v1/chat/completions", "[DONE]"), ("/api/chat", r#""done":true"#)] {
        for (then, ended, marked) in [
            ("finish", Ended::Whole, true),
            ("reset", Ended::Reset, false),
            ("cut", Ended::Cut, false),
            ("error", Ended::Whole, false),
        ] {
            let script = format!(r#"{{"tokens":3,"then":"{then}"}}"#);
            let seen = ask(stub.address, &request(path, true, &script), PATIENCE).await;
            assert_eq!((seen.status, seen.ended), (200, ended), "{path} {then}: {seen:?}");
            assert!(seen.body.contains("tok2 "), "{path} {then}: {seen:?}");
            assert_eq!(seen.body.contains(end), marked, "{path} {then}: {seen:?}");
        }
        let whole = ask(stub.address, &request(path, false, r#"{"tokens":3}"#), PATIENCE).await;
        assert!(whole.body.contains("tok0 tok1 tok2 "), "{whole:?}");
        let refused = ask(stub.address, &request(path, true, r#"{"then":"refuse"}"#), PATIENCE).await;
        assert_eq!((refused.status, refused.ended), (500, Ended::Whole));
    }
    assert_eq!(stub.requests(), 12);
}

#[tokio::test]
async fn what_the_stub_holds_goes_on_when_it_is_released() {
    let stub = Stub::start();
    let mut client = Client::connect(stub.address).await.unwrap();
    client.send(&request("/v1/chat/completions", true, r#"{"tokens":1,"then":"hold"}"#)).await.unwrap();
    client.until(b"tok0 ").await;
    assert_eq!(client.answer(PATIENCE).await.ended, Ended::Silent);
    let mut client = Client::connect(stub.address).await.unwrap();
    client.send(&request("/v1/chat/completions", true, r#"{"tokens":1,"then":"hold"}"#)).await.unwrap();
    client.until(b"tok0 ").await;
    stub.release();
    assert_eq!(client.answer(PATIENCE).await.ended, Ended::Whole);
}
