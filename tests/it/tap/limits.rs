//! What is too much, and what is not let in.

use opsagent::sample::Refusal;

use crate::support::wire::{GET, OK, Server, Tapped};

#[tokio::test]
async fn of_many_that_come_at_once_no_more_are_let_in_than_allowed() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), |plan| plan.limits.connections = 1);
    // Not awaited: all of them wait to be accepted before the tap, which runs on this thread, gets its turn.
    let clients: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(tap.address).unwrap()).collect();
    tap.until(|live| live.refused()[Refusal::Connections as usize] == 39).await;
    assert_eq!(tap.live.connections(), 1);
    drop(clients);
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_told_so_until_another_ends() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), |plan| plan.limits.connections = 1);
    let mut first = tap.connect().await;
    first.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    let mut second = tap.connect().await;
    second.send(GET).await;
    let text = second.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
    assert!(text.contains("Retry-After: 1\r\n") && text.contains("max_connections"), "{text}");
    // Ollama's clients take an error for a string.
    let mut third = tap.connect().await;
    third.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}").await;
    let text = third.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("{\"error\":\"opsagent's tap: "), "{text}");
    assert_eq!(tap.live.refused()[Refusal::Connections as usize], 2);
    upstream.send(OK).await;
    first.expect(OK).await;
    assert_eq!(tap.live.connections(), 1);
    drop(first);
    tap.until(|live| live.connections() == 0).await;
    let mut third = tap.connect().await;
    third.send(GET).await;
    upstream.head().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_however_it_comes() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), |plan| plan.limits.head_bytes = 1000);
    let long = "x".repeat(2000);
    for head in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}"),
        format!("GET /{long}"),
    ] {
        let mut client = tap.connect().await;
        client.send(&head).await;
        let text = client.rest().await.0;
        assert!(text.starts_with("HTTP/1.1 431 ") && text.contains("max_header"), "{text}");
    }
    let mut client = tap.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(130))).await;
    assert!(client.rest().await.0.starts_with("HTTP/1.1 431 "));
    assert_eq!(tap.live.refused()[Refusal::HeadTooLarge as usize], 4);

    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send(format!("HTTP/1.1 200 OK\r\nX: {long}")).await;
    let text = client.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("max_header"), "{text}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_or_while_it_comes() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), |plan| plan.limits.body_bytes = Some(8));
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").await;
    let text = client.rest().await.0;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("max_body"), "{text}");
    assert!(server.is_left_alone().await);

    let mut client = tap.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("5\r\nhello\r\n").await;
    client.send("5\r\nworld\r\n0\r\n\r\n").await;
    assert!(client.rest().await.0.starts_with("HTTP/1.1 413 "));
    upstream.expect_end().await;
    assert_eq!(tap.live.refused()[Refusal::BodyTooLarge as usize], 2);

    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n12345678").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("12345678").await;
}

/// Requests in which another one could hide, and those that a tap does not carry.
const REFUSED: [(&str, &str); 12] = [
    (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nevil", "400"),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", "501"),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", "400"),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
    ("POST / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", "400"),
    ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
    ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"),
    ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
    ("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", "405"),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    ("\x16\x03\x01\x02\x00\x01\x00\x01", "400"),
];

#[tokio::test]
async fn what_could_be_read_in_two_ways_never_reaches_the_server() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for (request, status) in REFUSED {
        let mut client = tap.connect().await;
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let text = client.rest().await.0;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains("opsagent's tap: "),
            "{request:?}: {text}"
        );
        assert_eq!(text.matches("HTTP/1.1 ").count() - text.matches("is not HTTP/1.1 ").count(), 1, "{text}");
    }
    assert!(server.is_left_alone().await);
    assert_eq!(tap.live.refused().iter().sum::<u64>(), REFUSED.len() as u64);
}

#[tokio::test]
async fn nothing_behind_a_bad_chunk_reaches_the_server() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for bad in [
        "5\nhello\r\n",
        "5;x\nGET /smuggled HTTP/1.1\r\n\r\n",
        "5\r\nhelloX\r\n",
        "-5\r\n",
        "0x5\r\nhello\r\n",
        "0\n\r\n",
    ] {
        let mut client = tap.connect().await;
        client
            .send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            .await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.expect("2\r\nok\r\n").await;
        client.send(bad).await;
        let text = client.rest().await.0;
        assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("chunks"), "{bad:?}: {text}");
        upstream.expect_end().await;
    }
}

#[tokio::test]
async fn a_name_of_the_config_is_let_in() {
    let server = Server::bind().await;
    let tap = Tapped::with(&server.url(), |plan| plan.allow_hosts = vec!["*.lab.example".into()]);
    let mut client = tap.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: gpu.lab.example:11435\r\nOrigin: http://other.example\r\n\r\n")
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert!(head.contains(&format!("Host: {}\r\n", server.address())), "{head}");
    assert!(
        head.contains("Origin: http://other.example\r\n"),
        "what the server thinks of it is its affair: {head}"
    );
}
