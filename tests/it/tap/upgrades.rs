//! Other protocols, after a 101.

use tokio::io::AsyncWriteExt;

use crate::support::wire::{OK, Server, Tapped, Wire};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\n\r\n";

async fn tunnel(tap: &Tapped, server: &Server, ahead: &str) -> (Wire, Wire) {
    let mut client = tap.connect().await;
    client.send(format!("{UPGRADE}{ahead}")).await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert!(
        head.contains("\r\nUpgrade: websocket\r\n") && head.contains("\r\nConnection: Upgrade\r\n"),
        "{head}"
    );
    upstream.send(format!("{SWITCH}hello")).await;
    client.expect(format!("{SWITCH}hello")).await;
    upstream.expect(ahead).await;
    (client, upstream)
}

#[tokio::test]
async fn bytes_pass_both_ways_until_both_sides_have_ended() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = tunnel(&tap, &server, "ahead").await;
    for frame in [&b"\x81\x02hi"[..], b"\x8a\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x00"] {
        client.send(frame).await;
        upstream.expect(frame).await;
        upstream.send(frame).await;
        client.expect(frame).await;
    }
    client.0.shutdown().await.unwrap();
    upstream.expect_end().await;
    // Here a side may end before the other: nobody knows what the protocol means by it.
    upstream.send("last words").await;
    drop(upstream);
    client.expect("last words").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_break_of_either_side_is_one_of_the_other() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, upstream) = tunnel(&tap, &server, "").await;
    upstream.reset();
    client.expect_reset().await;
    let (client, mut upstream) = tunnel(&tap, &server, "").await;
    client.reset();
    upstream.rest().await.1.ok();
}

#[tokio::test]
async fn a_server_that_does_not_switch_answers_as_ever() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(UPGRADE).await;
    let mut upstream = server.accept().await;
    for _ in 0..2 {
        upstream.head().await;
        upstream.send(OK).await;
        client.expect(OK).await;
        client.send(UPGRADE).await;
    }
}
