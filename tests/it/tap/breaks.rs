//! A server that breaks: the client sees the same, or is told.

use crate::support::wire::{GET, Server, Tapped, Wire};

/// A client, and the server after it read the request.
async fn asked(tap: &Tapped, server: &Server) -> (Wire, Wire) {
    let mut client = tap.connect().await;
    client.send(GET).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    (client, upstream)
}

const HALF: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf",
];

#[tokio::test]
async fn a_reset_in_mid_answer_is_a_reset_for_the_client() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for half in HALF {
        let (mut client, mut upstream) = asked(&tap, &server).await;
        upstream.send(half).await;
        client.expect(half).await;
        upstream.reset();
        client.expect_reset().await;
    }
}

#[tokio::test]
async fn an_end_in_mid_answer_is_an_end_in_mid_answer_for_the_client() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    for half in HALF {
        let (mut client, mut upstream) = asked(&tap, &server).await;
        upstream.send(half).await;
        drop(upstream);
        client.expect(half).await;
        client.expect_end().await;
    }
}

#[tokio::test]
async fn a_bad_chunk_is_passed_on_and_then_it_ends() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = asked(&tap, &server).await;
    let bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\nbad";
    upstream.send(bad).await;
    client.expect(bad).await;
    client.expect_end().await;
    upstream.expect_end().await;
}

#[tokio::test]
async fn a_failure_before_an_answer_is_told() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let cases: [(Option<&str>, &str); 6] = [
        (Some(""), "closed the connection before it answered"),
        (Some("HTTP/1.1 200 OK\r\nX"), "within the head of its answer"),
        (None, "broke before it answered"),
        (Some("SSH-2.0-x\r\n"), "the head of its answer is malformed"),
        (
            Some("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            "more than one Content-Length",
        ),
        (Some("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "nobody asked for"),
    ];
    for (answer, why) in cases {
        let (mut client, mut upstream) = asked(&tap, &server).await;
        match answer {
            Some(answer) => {
                upstream.send(answer).await;
                drop(upstream);
            }
            None => upstream.reset(),
        }
        let (text, end) = client.rest().await;
        assert!(text.starts_with("HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"), "{text}");
        assert!(
            text.contains("opsagent's tap: ") && text.contains(why) && text.contains("Connection: close"),
            "{text}"
        );
        assert!(end.is_ok());
    }
}

#[tokio::test]
async fn an_interim_answer_does_not_keep_a_failure_from_being_told() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let (mut client, mut upstream) = asked(&tap, &server).await;
    upstream.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
    client.expect("HTTP/1.1 103 Early Hints\r\n\r\n").await;
    drop(upstream);
    assert!(client.rest().await.0.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_the_words_of_its_api() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let tap = Tapped::with(&url, |_| ());
    for (path, start) in [
        ("/api/chat", "{\"error\":\"opsagent's tap: "),
        ("/v1/x", "{\"error\":{\"message\":\"opsagent's tap: "),
    ] {
        let mut client = tap.connect().await;
        client
            .send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"))
            .await;
        let (text, _) = client.rest().await;
        assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("refuses connections"), "{text}");
        assert!(text.split("\r\n\r\n").nth(1).unwrap().starts_with(start), "{text}");
    }
}
