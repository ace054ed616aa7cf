use std::sync::Arc;

use super::*;
use crate::tap::plan::{Client, Limits, Plan};

fn site(change: impl FnOnce(&mut Plan)) -> Site {
    let mut plan = Plan {
        target: "box".into(),
        upstream: "http://server:11434/base/".parse().unwrap(),
        ca_pem: None,
        allow_hosts: vec!["box.example".into()],
        limits: Limits::default(),
        clients: Vec::new(),
        live: Arc::default(),
    };
    change(&mut plan);
    Site::new(Arc::new(plan), None)
}

const PEER: &str = "192.0.2.7";

fn of(text: &str, site: &Site) -> Result<Request, Refused> {
    let (request, used) = read(text.as_bytes(), site, PEER.parse().unwrap())?.expect("it is whole");
    assert!(text[..used].ends_with("\r\n\r\n"));
    Ok(request)
}

#[test]
fn what_could_be_read_in_two_ways_or_is_not_carried_is_refused() {
    let cases: &[(&str, u16, Refusal)] = &[
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            Refusal::Malformed,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
            Refusal::Malformed,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            400,
            Refusal::Malformed,
        ),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 1\r\n\r\n", 400, Refusal::Malformed),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n", 400, Refusal::Malformed),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \r\n\r\n", 400, Refusal::Malformed),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            Refusal::Unsupported,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
            501,
            Refusal::Unsupported,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n",
            501,
            Refusal::Unsupported,
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            Refusal::Malformed,
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, Refusal::Malformed),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length : 1\r\n\r\n", 400, Refusal::Malformed),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n", 400, Refusal::Malformed),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400, Refusal::Malformed),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400, Refusal::Malformed),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, Refusal::Malformed),
        ("GET / HTTP/1.1\r\n\r\n", 400, Refusal::Malformed),
        ("GET x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, Refusal::Malformed),
        ("GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, Refusal::Malformed),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, Refusal::Unsupported),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, Refusal::Unsupported),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, Refusal::Unsupported),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, Refusal::Unsupported),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}", 400, Refusal::Unsupported),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, Refusal::Host),
        ("GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403, Refusal::Host),
        ("GET / HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 403, Refusal::Host),
    ];
    let site = site(|_| ());
    for (text, status, reason) in cases {
        let refused = read(text.as_bytes(), &site, PEER.parse().unwrap()).map(drop).expect_err(text);
        assert_eq!((refused.status, refused.reason), (*status, *reason), "{text:?}");
    }
    for good in [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box.example\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\nPOST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n",
    ] {
        of(good, &site).expect(good);
    }
}

#[test]
fn the_head_goes_on_with_the_servers_name_and_base_path() {
    let site = site(|_| ());
    let request = of("GET /v1/models?a HTTP/1.0\r\nX: y\r\n\r\n", &site).unwrap();
    assert_eq!(
        String::from_utf8(request.head).unwrap(),
        "GET /base/v1/models?a HTTP/1.0\r\nX: y\r\nHost: server:11434\r\n\r\n"
    );
    assert!(!request.asked.keep && request.asked.old);
    let request = of("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", &site).unwrap();
    assert!(request.head.starts_with(b"OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn connection_takes_no_header_away_that_says_where_the_body_ends() {
    let text = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: content-length, host, x-b\r\nContent-Length: 3\r\nX-B: 1\r\n\r\n";
    let request = of(text, &site(|_| ())).unwrap();
    let head = String::from_utf8(request.head).unwrap();
    assert_eq!(head, "POST /base/ HTTP/1.1\r\nHost: server:11434\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(request.body, Body::Length(3));
}

#[test]
fn an_upgrade_goes_on_but_not_one_to_http_2() {
    let site = site(|_| ());
    let head = |to: &str| {
        let text = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {to}\r\nHTTP2-Settings: x\r\n\r\n"
        );
        let request = of(&text, &site).unwrap();
        (String::from_utf8(request.head).unwrap(), request.asked.upgrade)
    };
    let (websocket, upgrade) = head("websocket");
    assert!(
        upgrade && websocket.contains("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"),
        "{websocket}"
    );
    for among in ["h2c", "H2C", "websocket, h2c", "h2c,websocket", "websocket\r\nUpgrade: h2c", "HTTP/2.0"] {
        let (h2c, upgrade) = head(among);
        assert!(!upgrade && !h2c.contains("pgrade") && !h2c.contains("HTTP2"), "{among}: {h2c}");
    }
}

#[test]
fn the_server_is_told_of_the_client_where_the_config_says_so() {
    let text = "GET / HTTP/1.1\r\nHost: localhost:5\r\nx-forwarded-for: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n";
    let with = |forwarded| {
        let request = of(text, &site(|plan| plan.limits.forwarded = forwarded)).unwrap();
        String::from_utf8(request.head).unwrap()
    };
    assert!(with(true).ends_with(
        "\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.7\r\nX-Forwarded-Host: localhost:5\r\nX-Forwarded-Proto: http\r\n\r\n"
    ));
    assert_eq!(with(true).matches("orwarded").count(), 3);
    assert!(with(false).ends_with("x-forwarded-for: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n"));
}

#[test]
fn who_asks_and_for_which_trace_is_read() {
    let site = site(|plan| {
        let token = Some("k1".into());
        plan.clients = vec![Client { name: "bot".into(), token, networks: Vec::new() }];
    });
    let of = |header: &str| {
        of(&format!("POST /api/chat HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"), &site).unwrap()
    };
    assert_eq!(of("Authorization: Bearer k1").client.as_deref(), Some("bot"));
    assert_eq!(of("X-API-Key: k1").client.as_deref(), Some("bot"));
    assert_eq!(of("Authorization: k1").client, None);
    assert_eq!(of("A: b").dialect, Some(Dialect::OllamaChat));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traces = [
        (format!("00-{trace}-00f067aa0ba902b7-01"), true),
        (format!("cc-{trace}-00f067aa0ba902b7-01-more"), true),
        (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
        (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
        (format!("00-{trace}"), false),
        ("00-\"} evil-1-1".to_owned(), false),
    ];
    for (value, good) in traces {
        let told = of(&format!("traceparent: {value}")).trace_id;
        assert_eq!(told.as_deref(), good.then_some(trace), "{value}");
    }
}

#[test]
fn a_head_is_whole_at_its_last_byte_and_not_before() {
    let text = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
    let site = site(|_| ());
    for at in 0..text.len() - 1 {
        assert!(read(&text.as_bytes()[..at], &site, PEER.parse().unwrap()).unwrap().is_none(), "{at}");
    }
}
