//! The head of an answer: where its body ends, and how it goes on to the client.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::body::Body;
use super::head::{Hops, MAX_HEADERS, Unclear, framing, push_header, push_own};

/// What a request says of how it is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// By `HEAD`: the answer has no body.
    pub(super) head_only: bool,
    /// In HTTP/1.0.
    pub(super) old: bool,
    /// The client wants to go on with the connection.
    pub(super) keep: bool,
    /// It asks for another protocol.
    pub(super) upgrade: bool,
    /// It waits for a word before it sends the body.
    pub(super) continues: bool,
}

/// What an answer's head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 1xx: another one follows.
    Interim,
    /// 101: what follows is no HTTP.
    Switch,
    /// The answer.
    Final,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// As it goes to the client.
    pub(super) head: Vec<u8>,
    /// The status.
    pub(super) status: u16,
    /// What it is.
    pub(super) kind: Kind,
    /// Its body.
    pub(super) body: Body,
    /// The server goes on with its connection.
    pub(super) keep_upstream: bool,
    /// We go on with the client's.
    pub(super) keep_client: bool,
    /// `Content-Type`, as it came.
    pub(super) content_type: Option<&'a [u8]>,
    /// `Content-Encoding`, as it came.
    pub(super) content_encoding: Option<&'a [u8]>,
}

/// The head at the beginning of `bytes`, and how long it is. `None`: it is not whole yet. An error says what is
/// wrong with it.
pub(super) fn read(bytes: &[u8], asked: Asked) -> Result<Option<(Answer<'_>, usize)>, String> {
    let mut room = [MaybeUninit::uninit(); MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut room);
    let used = match status {
        Ok(Status::Complete(used)) => used,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the head of its answer is malformed: {error}")),
    };
    let (status, old) = (parsed.code.unwrap_or_default(), parsed.version == Some(0));
    let headers = &*parsed.headers;
    let kind = match status {
        101 if asked.upgrade => Kind::Switch,
        101 => return Err("it switches to a protocol that nobody asked for".into()),
        100..=199 => Kind::Interim,
        _ => Kind::Final,
    };
    let body = match framing(headers) {
        _ if asked.head_only || kind != Kind::Final || matches!(status, 204 | 304) => Body::NONE,
        Ok(told) => told.unwrap_or(Body::UntilClose),
        Err(why) => return Err(unclear(why).into()),
    };
    let hops = Hops::of(headers);
    let open_ended = body == Body::UntilClose;
    let mut answer = Answer {
        head: Vec::new(),
        status,
        kind,
        body,
        keep_upstream: !open_ended && !hops.close && (!old || hops.keep_alive),
        keep_client: !open_ended && asked.keep,
        content_type: None,
        content_encoding: None,
    };
    answer.write(bytes, headers, &hops, asked, old);
    Ok(Some((answer, used)))
}

impl<'a> Answer<'a> {
    /// Line by line as it came, but for the headers of one connection. A server of HTTP/1.0 is spoken for by us,
    /// who speak 1.1 to a client that does.
    fn write(&mut self, bytes: &[u8], headers: &[Header<'a>], hops: &Hops<'_>, asked: Asked, old: bool) {
        // With room for what came of the body, which is put behind it.
        let mut head = Vec::with_capacity(bytes.len().min(4096) + 64);
        let start = bytes.iter().position(|byte| *byte != b'\r' && *byte != b'\n').unwrap_or_default();
        let line = bytes[start..].split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        head.extend_from_slice(line);
        if old && !asked.old {
            head[..8].copy_from_slice(b"HTTP/1.1");
        }
        head.extend_from_slice(b"\r\n");
        // Of 101 it is the answer; with 426 it says what the server wants.
        let upgrade = matches!(self.status, 101 | 426);
        for header in headers {
            if header.name.eq_ignore_ascii_case("upgrade") && !upgrade || hops.holds(header) {
                continue;
            }
            push_header(&mut head, bytes, header);
            if header.name.eq_ignore_ascii_case("content-type") {
                self.content_type = Some(header.value);
            } else if header.name.eq_ignore_ascii_case("content-encoding") {
                self.content_encoding = Some(header.value);
            }
        }
        match self.kind {
            Kind::Switch => push_own(&mut head, "Connection", b"Upgrade"),
            Kind::Final if !self.keep_client => push_own(&mut head, "Connection", b"close"),
            Kind::Final if asked.old => push_own(&mut head, "Connection", b"keep-alive"),
            Kind::Interim | Kind::Final => {}
        }
        head.extend_from_slice(b"\r\n");
        self.head = head;
    }
}

fn unclear(why: Unclear) -> &'static str {
    match why {
        Unclear::Both => "its answer has both Content-Length and Transfer-Encoding",
        Unclear::Twice => "its answer has more than one Content-Length or Transfer-Encoding",
        Unclear::Length => "the Content-Length of its answer is no number",
        Unclear::Coding => "its answer has a Transfer-Encoding other than chunked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked { head_only: false, old: false, keep: true, upgrade: false, continues: false };

    fn whole(text: &str, asked: Asked) -> Answer<'_> {
        for at in 0..text.len() {
            assert!(read(&text.as_bytes()[..at], asked).unwrap().is_none(), "whole at {at}");
        }
        let more = format!("{text}body");
        assert_eq!(read(more.as_bytes(), asked).unwrap().unwrap().1, text.len());
        read(text.as_bytes(), asked).unwrap().unwrap().0
    }

    fn head<'a>(answer: &'a Answer<'_>) -> &'a str {
        std::str::from_utf8(&answer.head).unwrap()
    }

    #[test]
    fn a_head_passes_as_it_came_but_for_what_is_the_connections() {
        let answer = whole(
            "HTTP/1.1 200 Fine, really\r\ncontent-TYPE:text/event-stream\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nSet-Cookie:  a\r\nSet-Cookie: b  \r\n\r\n",
            ASKED,
        );
        assert_eq!(
            head(&answer),
            "HTTP/1.1 200 Fine, really\r\ncontent-TYPE:text/event-stream\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\
             Set-Cookie:  a\r\nSet-Cookie: b\r\n\r\n"
        );
        assert_eq!(answer.content_type, Some(&b"text/event-stream"[..]));
        assert_eq!((answer.body, answer.keep_upstream, answer.keep_client), (Body::chunked(), true, true));
    }

    #[test]
    fn the_end_of_the_body_is_told_by_status_method_and_headers() {
        let cases: &[(&str, Asked, Body, bool, bool)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", ASKED, Body::Length(4), true, true),
            (
                "HTTP/1.1 200\r\nContent-Length: 4\r\nConnection: Close\r\n\r\n",
                ASKED,
                Body::Length(4),
                false,
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", ASKED, Body::UntilClose, false, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", ASKED, Body::Length(4), false, true),
            ("HTTP/1.1 204 No\r\n\r\n", ASKED, Body::NONE, true, true),
            ("HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", ASKED, Body::NONE, true, true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                Asked { head_only: true, ..ASKED },
                Body::NONE,
                true,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
                Asked { keep: false, ..ASKED },
                Body::Length(4),
                true,
                false,
            ),
        ];
        for (text, asked, body, upstream, client) in cases {
            let answer = whole(text, *asked);
            assert_eq!(
                (answer.body, answer.keep_upstream, answer.keep_client),
                (*body, *upstream, *client),
                "{text}"
            );
            assert_eq!(head(&answer).contains("Connection: close"), !client, "{text}");
            assert!(head(&answer).starts_with("HTTP/1.1 "), "{text}");
        }
    }

    #[test]
    fn a_client_of_http_1_0_is_told_that_it_may_go_on() {
        let old = Asked { old: true, ..ASKED };
        let answer = whole("HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n", old);
        assert_eq!(head(&answer), "HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n");
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        for text in [
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
        ] {
            assert!(read(text.as_bytes(), ASKED).is_err(), "{text}");
        }
    }
}
