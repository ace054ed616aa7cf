//! A client that leaves: the server is left at once.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::wire::{GET, Server, Tapped, Wire};

/// Far more than it takes, and less than anybody would notice.
const AT_ONCE: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
enum Leaves {
    Closed,
    Reset,
    HalfClosed,
}

const EVERY_WAY: [Leaves; 3] = [Leaves::Closed, Leaves::Reset, Leaves::HalfClosed];

/// It leaves; one that only says that it sends no more has left, too. Kept open as long as the result is.
async fn leave(mut client: Wire, way: Leaves) -> Option<Wire> {
    match way {
        Leaves::Closed => drop(client),
        Leaves::Reset => client.reset(),
        Leaves::HalfClosed => {
            client.0.shutdown().await.unwrap();
            return Some(client);
        }
    }
    None
}

async fn expect_left(upstream: &mut Wire, what: &str) {
    let start = Instant::now();
    upstream.rest().await.1.ok();
    assert!(start.elapsed() < AT_ONCE, "{what}: {:?}", start.elapsed());
}

#[tokio::test]
async fn one_that_waits_for_its_answer() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for way in EVERY_WAY {
        let mut client = tap.connect().await;
        client.send(GET).await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        let _open = leave(client, way).await;
        expect_left(&mut upstream, &format!("{way:?}")).await;
    }
}

#[tokio::test]
async fn one_in_mid_answer() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for way in EVERY_WAY {
        let mut client = tap.connect().await;
        client.send(GET).await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        let half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        upstream.send(half).await;
        client.expect(half).await;
        let _open = leave(client, way).await;
        expect_left(&mut upstream, &format!("{way:?}")).await;
    }
}

#[tokio::test]
async fn one_in_mid_request() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for way in EVERY_WAY {
        let mut client = tap.connect().await;
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.expect("half").await;
        let _open = leave(client, way).await;
        expect_left(&mut upstream, &format!("{way:?}")).await;
    }
}

#[tokio::test]
async fn one_whose_request_the_server_does_not_take() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    client.send_until_stuck().await;
    drop(client);
    // What the server has not read stands before the end; it is looked for every second.
    let start = Instant::now();
    upstream.rest().await.1.ok();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn one_that_reads_nothing_and_then_leaves() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").await;
    upstream.send_until_stuck().await;
    client.reset();
    expect_left(&mut upstream, "stuck").await;
}
