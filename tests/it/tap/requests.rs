//! Requests pass as they came.

use proptest::prelude::*;

use crate::support::wire::{OK, Server, Tapped, Wire};

#[tokio::test]
async fn a_request_goes_on_line_by_line_with_another_host() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    let request = "POST /api/x?a=%2F&b HTTP/1.1\r\nhOsT: localhost:1\r\nAccept-Encoding:gzip, br\r\nX-A:  one \r\nX-a: two\r\n\
                   Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nProxy-Connection: x\r\nTE: trailers\r\nOrigin: http://a.b\r\n\
                   Authorization: Bearer k\r\nUser-Agent: tést\r\nContent-Length: 0\r\nEmpty:\r\n\r\n";
    client.send(request).await;
    let mut upstream = server.accept().await;
    let host = server.address();
    let expected = format!(
        "POST /api/x?a=%2F&b HTTP/1.1\r\nhOsT: {host}\r\nAccept-Encoding:gzip, br\r\nX-A:  one\r\nX-a: two\r\n\
         TE: trailers\r\nOrigin: http://a.b\r\nAuthorization: Bearer k\r\nUser-Agent: tést\r\nContent-Length: 0\r\nEmpty:\r\n\r\n"
    );
    assert_eq!(upstream.head().await, expected);
    upstream.send(OK).await;
    assert_eq!(client.rest().await.0, OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
}

/// Requests of every framing.
const REQUESTS: [&str; 4] = [
    "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world",
    "POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
     5\r\nhello\r\n6;e=\"1\"\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n",
    "GET /c HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST /d HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

#[tokio::test]
async fn a_request_of_any_framing_passes_unchanged_split_at_every_byte() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    let mut upstream: Option<Wire> = None;
    for request in REQUESTS {
        let expected = request.replace("localhost", &server.address().to_string());
        for at in 0..request.len() {
            client.send_in_two(request.as_bytes(), at).await;
            let upstream = match &mut upstream {
                Some(upstream) => upstream,
                none => none.insert(server.accept().await),
            };
            upstream.expect(&expected).await;
            upstream.send(OK).await;
            client.expect(OK).await;
        }
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send(REQUESTS.concat()).await;
    let mut upstream = server.accept().await;
    for (at, request) in REQUESTS.iter().enumerate() {
        upstream.expect(request.replace("localhost", &server.address().to_string())).await;
        assert!(upstream.is_silent().await, "the next one waits for its turn");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{at}");
        upstream.send(&answer).await;
        client.expect(&answer).await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_speaks_to_the_server_as_one() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("GET /old HTTP/1.0\r\nX: y\r\n\r\n").await;
    let mut upstream = server.accept().await;
    assert_eq!(
        upstream.head().await,
        format!("GET /old HTTP/1.0\r\nX: y\r\nHost: {}\r\n\r\n", server.address())
    );
    upstream.send("HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end").await;
    drop(upstream);
    let (answer, end) = client.rest().await;
    assert_eq!(answer, "HTTP/1.0 200 OK\r\nX: y\r\nConnection: close\r\n\r\nuntil the end");
    assert!(end.is_ok(), "the server ended it in order");

    let mut client = tap.connect().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx").await;
        client.expect("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx").await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_interim_answer() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        .await;
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx").await;
}

#[tokio::test]
async fn one_that_waits_for_100_is_told_by_the_server_alone() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    let mut upstream = server.accept().await;
    assert!(upstream.head().await.contains("Expect: 100-continue\r\n"));
    assert!(client.is_silent().await, "nobody said that the body may come");
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("hi").await;
    upstream.expect("hi").await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn one_that_is_told_no_instead_of_100_is_told_that_the_connection_ends() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await;
    // Else it could not be told whether the body or the next request follows.
    client.expect("HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_passes_and_the_connection_goes_on() {
    let server = Server::bind().await;
    let tap = Tapped::before(&server);
    let mut client = tap.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234").await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.expect("01234").await;
    upstream.send("HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno").await;
    drop(upstream);
    client.expect("HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno").await;
    client.send("56789GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut upstream = server.accept().await;
    assert!(upstream.head().await.starts_with("GET /next "));
    upstream.send(OK).await;
    client.expect(OK).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_body_in_any_framing_and_any_pieces_passes_both_ways(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..4000), 0..6),
        chunked in any::<bool>(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::bind().await;
            let tap = Tapped::before(&server);
            let mut body = Vec::new();
            if chunked {
                for chunk in &chunks {
                    body.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                    body.extend_from_slice(chunk);
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(b"0\r\n\r\n");
            } else {
                body = chunks.concat();
            }
            let framing = if chunked {
                "Transfer-Encoding: chunked\r\n\r\n".to_owned()
            } else {
                format!("Content-Length: {}\r\n\r\n", body.len())
            };
            let message = |start: &str| [start.as_bytes(), framing.as_bytes(), &body].concat();
            let mut client = tap.connect().await;
            let request = message("POST / HTTP/1.1\r\nHost: localhost\r\n");
            let mut upstream = {
                let (upstream, ()) = tokio::join!(server.accept(), client.send_in_pieces(&request, &cuts));
                upstream
            };
            upstream.expect(message(&format!("POST / HTTP/1.1\r\nHost: {}\r\n", server.address()))).await;
            let answer = message("HTTP/1.1 200 OK\r\n");
            tokio::join!(upstream.send_in_pieces(&answer, &cuts), client.expect(&answer));
        });
    }
}
