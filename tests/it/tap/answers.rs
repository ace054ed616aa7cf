//! Answers pass as they came, when they come.

use std::time::Duration;

use crate::support::wire::{GET, OK, Server, Tapped, Wire};

/// Answers of every framing, each followed by nothing.
const ANSWERS: [&str; 5] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX: y\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=\"1\"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
];

#[tokio::test]
async fn an_answer_of_any_framing_passes_unchanged_split_at_every_byte() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    let mut kept: Option<Wire> = None;
    for answer in ANSWERS {
        for at in 0..answer.len() {
            client.send(GET).await;
            let upstream = match &mut kept {
                Some(kept) => kept,
                none => none.insert(server.accept().await),
            };
            upstream.head().await;
            upstream.send_in_two(answer.as_bytes(), at).await;
            client.expect(answer).await;
            // Over one that carried chunks nothing comes in the first second.
            kept.take_if(|_| answer.contains("chunked"));
        }
    }
}

#[tokio::test]
async fn every_piece_is_passed_on_before_the_next_one_comes() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("{}").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.send(head).await;
    client.expect(head).await;
    // Half a chunk's size, half an event: whatever it is, nothing waits for more of it.
    for piece in ["1", "5\r", "\ndata: {\"choi", "ces\":[]", "}\n\r", "\n0\r\n", "\r\n"] {
        upstream.send(piece).await;
        client.expect(piece).await;
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_its_length_says() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut upstream = server.accept().await;
    for (answer, next) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", GET),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", GET),
    ] {
        upstream.head().await;
        upstream.send(answer).await;
        client.expect(answer).await;
        client.send(next).await;
    }
    upstream.head().await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_ends_it_for_the_client_too() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello").await;
    client.expect("HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nhello").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    upstream.send(" world").await;
    drop(upstream);
    client.expect(" world").await;
    client.expect_end().await;
}

#[tokio::test]
async fn what_a_server_sends_after_its_answer_does_not_reach_a_client() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")).await;
    client.expect(OK).await;
    client.send(GET).await;
    // It gets a new connection, for nobody knows what comes next on the old one.
    let mut fresh = server.accept().await;
    fresh.head().await;
    fresh.send(OK).await;
    client.expect(OK).await;
}
