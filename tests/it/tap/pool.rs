//! Connections to the server that are used again.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::wire::{GET, OK, Server, Tapped, Wire};

const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";

/// A connection to the server that waits in the pool.
async fn warm(tap: &Tapped, server: &Server) -> (Wire, Wire) {
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    client.expect(OK).await;
    (client, upstream)
}

#[tokio::test]
async fn clients_after_one_another_share_one() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (_client, mut upstream) = warm(&tap, &server).await;
    for _ in 0..3 {
        let mut client = tap.connect().await;
        client.send(POST).await;
        upstream.head().await;
        upstream.expect("hi").await;
        upstream.send(OK).await;
        client.expect(OK).await;
    }
    assert!(server.is_left_alone().await);
}

#[tokio::test]
async fn one_that_the_server_has_closed_is_not_used() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for reset in [false, true] {
        let (mut client, upstream) = warm(&tap, &server).await;
        if reset {
            upstream.reset();
        } else {
            drop(upstream);
        }
        client.send(POST).await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.expect("hi").await;
        upstream.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        client.expect(OK).await;
    }
}

/// A whole answer in chunks; that the connection ends, it does not say.
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

#[tokio::test]
async fn no_request_is_lost_to_a_server_that_closes_after_a_stream_and_does_not_say_so() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = warm(&tap, &server).await;
    for _ in 0..3 {
        // It was used before, and so trusted; then it carries a stream.
        for answer in [OK, STREAM] {
            client.send(POST).await;
            upstream.head().await;
            upstream.expect("hi").await;
            upstream.send(answer).await;
            client.expect(answer).await;
        }
        // The next request is there before the server has closed.
        client.send(POST).await;
        let mut other = server.accept().await;
        other.head().await;
        drop(std::mem::replace(&mut upstream, other));
        upstream.expect("hi").await;
        upstream.send(OK).await;
        client.expect(OK).await;
    }
}

#[tokio::test]
async fn one_that_a_server_keeps_after_a_stream_is_used_again_once_that_is_known() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(POST).await;
    let mut upstream = server.accept().await;
    for nth in 0..4 {
        upstream.head().await;
        upstream.expect("hi").await;
        upstream.send(STREAM).await;
        client.expect(STREAM).await;
        if nth == 0 {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        client.send(POST).await;
    }
    assert!(server.is_left_alone().await);
}

#[tokio::test]
async fn one_that_dies_with_the_request_is_tried_anew_where_that_does_no_harm() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = warm(&tap, &server).await;
    client.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    upstream.head().await;
    upstream.reset();
    let mut fresh = server.accept().await;
    assert!(fresh.head().await.starts_with("PUT / "));
    fresh.expect("hi").await;
    // On the second one it is what it is.
    fresh.reset();
    assert!(client.rest().await.0.starts_with("HTTP/1.1 502 "));
    assert!(server.is_left_alone().await);
}

#[tokio::test]
async fn a_generation_that_the_server_may_have_begun_is_not_asked_for_twice() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = warm(&tap, &server).await;
    client.send(POST).await;
    upstream.head().await;
    drop(upstream);
    assert!(client.rest().await.0.starts_with("HTTP/1.1 502 "));
    assert!(server.is_left_alone().await);
}

#[tokio::test]
async fn one_that_waits_is_closed_before_a_server_would() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let start = Instant::now();
    let (_client, mut upstream) = warm(&tap, &server).await;
    upstream.expect_end().await;
    let waited = start.elapsed();
    assert!(waited > Duration::from_millis(3900) && waited < Duration::from_millis(4900), "{waited:?}");
}
