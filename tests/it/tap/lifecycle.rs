//! Reloads and the end.

use std::future::pending;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::support::wire::{GET, OK, Server, Tapped};

const HALF: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";

#[tokio::test]
async fn a_reload_cuts_no_stream_and_holds_from_the_next_request_on() {
    let (old, new) = (Server::bind().await, Server::bind().await);
    let tap = Tapped::before(&old);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = old.accept().await;
    upstream.head().await;
    upstream.send(HALF).await;
    client.expect(HALF).await;
    tap.reload(|plan| plan.upstream = new.url().parse().unwrap());
    upstream.send("0\r\n\r\n").await;
    client.expect("0\r\n\r\n").await;
    client.send(GET).await;
    let mut upstream = new.accept().await;
    assert!(upstream.head().await.contains(&format!("Host: {}\r\n", new.address())));
    // One that changes something else keeps the connection.
    upstream.send(OK).await;
    client.expect(OK).await;
    tap.reload(|plan| plan.limits.head_bytes = 5000);
    client.send(GET).await;
    upstream.head().await;
}

#[tokio::test]
async fn a_tap_that_is_taken_away_ends_what_waits_and_lets_streams_go_on() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut idle = tap.connect().await;
    idle.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    idle.expect(OK).await;
    let (mut asked, mut half) = (tap.connect().await, tap.connect().await);
    asked.send(GET).await;
    upstream.head().await;
    half.send(GET).await;
    let mut other = server.accept().await;
    other.head().await;
    other.send(HALF).await;
    half.expect(HALF).await;

    tap.stop.cancel();
    idle.expect_end().await;
    while TcpStream::connect(tap.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // One that got no answer yet is told that there will be no other.
    upstream.send(OK).await;
    asked.expect(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    asked.expect_end().await;
    other.send("0\r\n\r\n").await;
    half.expect("0\r\n\r\n").await;
    half.expect_end().await;
}

#[tokio::test]
async fn the_end_of_all_waits_for_streams_and_cuts_none_that_ends_in_time() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(HALF).await;
    client.expect(HALF).await;
    let stream = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        upstream.send("0\r\n\r\n").await;
        client.expect("0\r\n\r\n").await;
        client.expect_end().await;
    };
    let (cut, ()) = tokio::join!(tap.jobs.stop(Duration::from_secs(10), pending()), stream);
    assert_eq!(cut, 0);
}

#[tokio::test]
async fn what_is_left_after_the_grace_is_cut_and_does_not_look_whole() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut chunked, mut open_ended) = (tap.connect().await, tap.connect().await);
    let mut upstreams = Vec::new();
    for (client, half) in
        [(&mut chunked, HALF), (&mut open_ended, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")]
    {
        client.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}").await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.send(half).await;
        client.expect(half).await;
        upstreams.push(upstream);
    }
    assert_eq!(tap.live.in_flight().0, 2);
    let cut = tap.jobs.stop(Duration::from_millis(100), pending()).await;
    assert_eq!((cut, tap.live.in_flight().0), (2, 0), "told before the process may end");
    chunked.expect_end().await;
    open_ended.expect_reset().await;
    for mut upstream in upstreams {
        upstream.rest().await.1.ok();
    }
}
