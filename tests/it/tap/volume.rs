//! Much, and slowly: what one side does not take waits with the other.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::wire::{GET, OK, Server, Tapped};

const HUNDRED_MB: usize = 100 << 20;

/// What four sockets hold by themselves, with room to spare: each grows to 6 MiB at most.
const HELD_BY_SOCKETS: usize = 40 << 20;

/// Bytes that repeat after a prime number of them: one that is lost or doubled shifts all that follow.
const PERIOD: usize = 65_521;

/// Two periods, so that as much as one can be had from any place on.
fn pattern() -> Vec<u8> {
    (0..2 * PERIOD).map(|at| (at % PERIOD).wrapping_mul(2_654_435_761).to_be_bytes()[5]).collect()
}

async fn write_pattern(to: &mut (impl AsyncWriteExt + Unpin), total: usize) {
    let (mut at, pattern) = (0, pattern());
    while at < total {
        let next = (at + 60_000).min(total);
        to.write_all(&pattern[at % PERIOD..][..next - at]).await.unwrap();
        at = next;
    }
}

async fn read_pattern(from: &mut (impl AsyncReadExt + Unpin), total: usize) {
    let (mut at, pattern, mut bytes) = (0, pattern(), vec![0; PERIOD]);
    while at < total {
        let most = bytes.len().min(total - at);
        let read = from.read(&mut bytes[..most]).await.unwrap();
        assert!(read > 0, "it ends at {at}");
        assert!(bytes[..read] == pattern[at % PERIOD..][..read], "at {at}");
        at += read;
    }
}

#[tokio::test]
async fn a_hundred_megabytes_pass_unchanged_both_ways() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUNDRED_MB}\r\n\r\n")).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    tokio::join!(write_pattern(&mut client.0, HUNDRED_MB), read_pattern(&mut upstream.0, HUNDRED_MB));
    upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {HUNDRED_MB}\r\n\r\n")).await;
    client.head().await;
    tokio::join!(write_pattern(&mut upstream.0, HUNDRED_MB), read_pattern(&mut client.0, HUNDRED_MB));
    client.send(GET).await;
    upstream.head().await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_server() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", usize::MAX / 100)).await;
    let taken = upstream.send_until_stuck().await;
    assert!(taken < HELD_BY_SOCKETS, "{taken} bytes");
    // Then it goes on, and nothing was lost.
    client.head().await;
    let read = client.exactly(taken).await;
    assert!(read.iter().all(|byte| *byte == b'x'));
    upstream.send("y").await;
    client.expect("y").await;
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_the_client() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("fffffff\r\n").await;
    let taken = client.send_until_stuck().await;
    assert!(taken < HELD_BY_SOCKETS, "{taken} bytes");
    upstream.exactly(taken).await;
    client.send("y").await;
    upstream.expect("y").await;
}
