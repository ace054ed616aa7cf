//! What takes too long, and what may take as long as it likes.

use std::sync::Arc;
use std::time::Duration;

use opsagent::jobs::Jobs;
use opsagent::sample::Refusal;
use opsagent::tap::{Limits, Plan};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::support::wire::{GET, OK, Server, Tapped};

const SHORT: Duration = Duration::from_millis(250);

fn short(change: impl FnOnce(&mut Limits)) -> impl FnOnce(&mut Plan) {
    move |plan| change(&mut plan.limits)
}

#[tokio::test]
async fn an_answer_that_does_not_begin() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), short(|limits| limits.first_byte = SHORT));
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    let text = client.rest().await.0;
    assert!(
        text.starts_with("HTTP/1.1 504 Gateway Timeout\r\n") && text.contains("first_byte_timeout"),
        "{text}"
    );
    upstream.expect_end().await;
}

#[tokio::test]
async fn an_answer_that_does_not_go_on_ends_without_looking_whole() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), short(|limits| limits.idle = SHORT));
    let heads = [
        "Content-Length: 9\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Connection: close\r\n\r\nhalf",
    ];
    for (at, rest) in heads.iter().enumerate() {
        let mut client = tap.connect().await;
        client.send(GET).await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        client.expect(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        upstream.rest().await.1.ok();
        if at < 2 {
            client.expect_end().await;
        } else {
            client.expect_reset().await;
        }
    }
}

#[tokio::test]
async fn an_answer_may_take_longer_than_every_limit_as_long_as_it_goes_on() {
    let server = Server::bind().await;
    let limits = |limits: &mut Limits| (limits.idle, limits.first_byte) = (SHORT, SHORT);
    let tap = Tapped::with(&server.url(), short(limits));
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
    client.head().await;
    for _ in 0..10 {
        tokio::time::sleep(SHORT / 3).await;
        upstream.send("x").await;
        client.expect("x").await;
    }
    // And a body may come as slowly.
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n").await;
    for _ in 0..6 {
        tokio::time::sleep(SHORT / 3).await;
        client.send("y").await;
    }
    upstream.head().await;
    upstream.expect("yyyyyy").await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_on() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), short(|limits| limits.idle = SHORT));
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("half").await;
    let text = client.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    assert_eq!(tap.live.refused()[Refusal::Slow as usize], 1);
    upstream.expect_end().await;
}

#[tokio::test]
async fn a_server_that_takes_no_body_and_a_client_that_takes_no_answer() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), short(|limits| limits.idle = SHORT * 6));
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n").await;
    let _upstream = server.accept().await;
    client.send_until_stuck().await;
    let text = client.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 504 "), "{text}");

    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").await;
    upstream.send_until_stuck().await;
    upstream.rest().await.1.ok();
}

#[tokio::test]
async fn a_server_that_accepts_no_connection() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    // Its queue is full after two.
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    let tap = Tapped::with(&format!("http://{address}/"), short(|limits| limits.connect = SHORT));
    let mut client = tap.connect().await;
    client.send(GET).await;
    let text = client.rest().await.0;
    assert!(
        text.starts_with("HTTP/1.1 504 ") && text.contains("accepted no connection within 250ms"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_too_slowly_and_a_connection_that_asks_nothing() {
    // On this thread, whose clock goes on by itself while everybody waits.
    let server = Server::bind().await;
    let tap = Tapped::run_by(Jobs::new(Arc::new(|_| ())), &server.url(), |_| ());
    let start = Instant::now();
    let mut client = tap.connect().await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    let text = client.untimed_rest().await;
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    assert_eq!((start.elapsed().as_secs(), tap.live.refused()[Refusal::Slow as usize]), (60, 1));

    let start = Instant::now();
    let mut client = tap.connect().await;
    assert_eq!(client.untimed_rest().await, "");
    assert_eq!(start.elapsed().as_secs(), 75);
}
