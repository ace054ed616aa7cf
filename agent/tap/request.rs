//! The head of a request: what is let through, and how it goes on to the server.
//!
//! It goes as it came, line by line, but for `Host`, the headers of one connection, and the path that the target's
//! address begins with. An HTTP/1.0 request stays one, so that its answer is not in chunks that its client cannot
//! read. What could be read in two ways is refused: a proxy that guesses lets one request hide in another.

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::sync::Arc;

use httparse::{Error, Header, Status};

use super::answer::Asked;
use super::body::Body;
use super::clients::{self, KEY_HEADERS};
use super::head::{Hops, MAX_HEADERS, Unclear, framing, push_header, push_own};
use super::refusal::{Manner, Refused};
use super::site::Site;
use crate::sample::{Dialect, Refusal};
use crate::wire::dialect_of;

/// A request that is passed on.
#[derive(Debug)]
pub(super) struct Request {
    /// Its head as it goes to the server.
    pub(super) head: Vec<u8>,
    /// Its body.
    pub(super) body: Body,
    /// What its answer must keep to.
    pub(super) asked: Asked,
    /// Asked twice it does no more than asked once.
    pub(super) idempotent: bool,
    /// How failures are told.
    pub(super) manner: Manner,
    /// What it speaks, if it is to be measured.
    pub(super) dialect: Option<Dialect>,
    /// The trace that it says it is part of.
    pub(super) trace_id: Option<Arc<str>>,
    /// Who sent it.
    pub(super) client: Option<Arc<str>>,
}

/// The request at the beginning of `bytes`, and how long its head is. `None`: it is not whole yet.
pub(super) fn read(bytes: &[u8], site: &Site, peer: IpAddr) -> Result<Option<(Request, usize)>, Refused> {
    let mut room = [MaybeUninit::uninit(); MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let used = match parsed.parse_with_uninit_headers(bytes, &mut room) {
        Ok(Status::Complete(used)) => used,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(fault(error, bytes)),
    };
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let old = parsed.version == Some(0);
    let headers: &[Header<'_>] = parsed.headers;
    check_target(method, target)?;
    check_host(headers, old, site)?;
    let body = framing(headers).map_err(unclear)?.unwrap_or(Body::NONE);
    check_body(&body, old, site)?;

    let hops = Hops::of(headers);
    let value = |name: &str| headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let upgrade = hops.upgrade && !old && may_upgrade(headers);
    let asked = Asked {
        head_only: method == "HEAD",
        old,
        keep: !hops.close && (!old || hops.keep_alive),
        upgrade,
        continues: value("expect").is_some(),
    };
    let path = &target[..memchr::memchr(b'?', target.as_bytes()).unwrap_or(target.len())];
    let request = Request {
        head: onward(bytes, method, target, headers, &hops, asked, &Onward { site, peer }),
        body,
        asked,
        idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"),
        manner: Manner::new(method, path),
        dialect: dialect_of(method, path),
        trace_id: value("traceparent").and_then(trace_id),
        client: client(headers, site, peer),
    };
    Ok(Some((request, used)))
}

/// Whether what it would change to may pass unread. HTTP/2 would carry requests past all that is checked here, and
/// which of several the server takes is its own choice.
fn may_upgrade(headers: &[Header<'_>]) -> bool {
    let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("upgrade"));
    let mut protocols =
        named.flat_map(|header| header.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).peekable();
    let is_http = |name: &[u8]| {
        let name = name.split(|byte| *byte == b'/').next().unwrap_or_default();
        ["h2", "h2c", "http"].iter().any(|http| name.eq_ignore_ascii_case(http.as_bytes()))
    };
    protocols.peek().is_some() && !protocols.any(is_http)
}

struct Onward<'a> {
    site: &'a Site,
    peer: IpAddr,
}

/// The head as it goes on.
fn onward(
    bytes: &[u8],
    method: &str,
    target: &str,
    headers: &[Header<'_>],
    hops: &Hops<'_>,
    asked: Asked,
    to: &Onward<'_>,
) -> Vec<u8> {
    let (upstream, forwarded) = (&to.site.upstream, to.site.plan.limits.forwarded);
    // With room for what came of the body, which is put behind it.
    let mut head = Vec::with_capacity(bytes.len() + 128);
    let base = if target.starts_with('/') { upstream.base_path() } else { "" };
    for part in [method, " ", base, target, if asked.old { " HTTP/1.0\r\n" } else { " HTTP/1.1\r\n" }] {
        head.extend_from_slice(part.as_bytes());
    }
    let mut host = None;
    let mut via: Vec<u8> = Vec::new();
    for header in headers {
        let name = header.name;
        if name.eq_ignore_ascii_case("host") {
            host = Some(header.value);
            push_own(&mut head, name, upstream.authority().as_bytes());
        } else if name.eq_ignore_ascii_case("upgrade") {
            if asked.upgrade {
                push_header(&mut head, bytes, header);
            }
        } else if forwarded && is_forwarded(name) {
            // Who is in between is told by whoever is: the list goes on, the other two are said anew.
            if name.eq_ignore_ascii_case(FORWARDED[0]) {
                via.extend_from_slice(header.value);
                via.extend_from_slice(b", ");
            }
        } else if !hops.holds(header) && !(name.eq_ignore_ascii_case("http2-settings")) {
            push_header(&mut head, bytes, header);
        }
    }
    if host.is_none() {
        push_own(&mut head, "Host", upstream.authority().as_bytes());
    }
    if asked.upgrade {
        push_own(&mut head, "Connection", b"Upgrade");
    }
    if forwarded {
        via.extend_from_slice(to.peer.to_canonical().to_string().as_bytes());
        push_own(&mut head, "X-Forwarded-For", &via);
        push_own(&mut head, "X-Forwarded-Host", host.unwrap_or_default());
        push_own(&mut head, "X-Forwarded-Proto", b"http");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The headers that tell a server of a proxy before it.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

fn is_forwarded(name: &str) -> bool {
    FORWARDED.iter().any(|forwarded| name.eq_ignore_ascii_case(forwarded))
}

fn fault(error: Error, bytes: &[u8]) -> Refused {
    if bytes.starts_with(&[0x16]) {
        return Refused::new(Refusal::Unsupported, 400, "this address speaks http, not https");
    }
    if bytes.starts_with(b"PRI ") || (error == Error::Version && !bytes.is_empty()) {
        let text = "the request is not HTTP/1.1 or HTTP/1.0, and nothing else is passed on here";
        return Refused::new(Refusal::Unsupported, 505, text);
    }
    match error {
        Error::TooManyHeaders => {
            let text = format!("the request has more than {MAX_HEADERS} header lines");
            Refused::new(Refusal::HeadTooLarge, 431, text)
        }
        error => {
            Refused::new(Refusal::Malformed, 400, format!("the head of the request is malformed: {error}"))
        }
    }
}

fn check_target(method: &str, target: &str) -> Result<(), Refused> {
    if method == "CONNECT" {
        let text =
            "CONNECT is for forward proxies; this address stands for one server: use it as the base URL";
        return Err(Refused::new(Refusal::Unsupported, 405, text));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(());
    }
    if target.contains("://") {
        let text = "a whole URL was asked for, as of a forward proxy; this address stands for one server: ask for \
                    the path alone";
        return Err(Refused::new(Refusal::Unsupported, 400, text));
    }
    Err(Refused::new(Refusal::Malformed, 400, "the path of the request does not begin with a slash"))
}

/// The server's own check of `Host` sees the name that the tap puts there; so the tap checks what it was called.
fn check_host(headers: &[Header<'_>], old: bool, site: &Site) -> Result<(), Refused> {
    let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Refused::new(Refusal::Malformed, 400, "more than one Host header")),
        // No browser speaks HTTP/1.0.
        (None, _) if old => Ok(()),
        (None, _) => Err(Refused::new(Refusal::Malformed, 400, "the Host header is missing")),
        (Some(host), None) if std::str::from_utf8(host.value).is_ok_and(|host| site.hosts.allows(host)) => {
            Ok(())
        }
        (Some(_), None) => {
            let text = "the name in the Host header is none that this tap answers to, and any site could have it \
                        point here; if it is a name of this machine, add it to allow_hosts in the config";
            Err(Refused::new(Refusal::Host, 403, text))
        }
    }
}

fn check_body(body: &Body, old: bool, site: &Site) -> Result<(), Refused> {
    match (body, site.plan.limits.body_bytes) {
        (Body::Length(length), Some(most)) if *length > most => Err(Refused::body_too_large(most)),
        (Body::Chunked(_), _) if old => Err(Refused::new(
            Refusal::Malformed,
            400,
            "HTTP/1.0 has no chunks: send Content-Length, or HTTP/1.1",
        )),
        _ => Ok(()),
    }
}

fn unclear(why: Unclear) -> Refused {
    let text = match why {
        Unclear::Both => "both Content-Length and Transfer-Encoding: it is not clear where the body ends",
        Unclear::Twice => {
            "more than one Content-Length or Transfer-Encoding: it is not clear where the body ends"
        }
        Unclear::Length => "the Content-Length is no number",
        Unclear::Coding => {
            let text =
                "a Transfer-Encoding other than chunked is not passed on; compressing is Content-Encoding's";
            return Refused::new(Refusal::Unsupported, 501, text);
        }
    };
    Refused::new(Refusal::Malformed, 400, text)
}

/// The trace of a `traceparent` (W3C Trace Context): 32 hex digits, not all zero.
fn trace_id(value: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let good = version.len() == 2 && hex(version) && version != "ff" && trace.len() == 32 && hex(trace);
    (good && trace.bytes().any(|byte| byte != b'0') && parts.count() >= 2).then(|| trace.into())
}

fn client(headers: &[Header<'_>], site: &Site, peer: IpAddr) -> Option<Arc<str>> {
    if site.clients.is_empty() {
        return None;
    }
    let keyed =
        headers.iter().filter(|header| KEY_HEADERS.iter().any(|key| header.name.eq_ignore_ascii_case(key)));
    let keys: Vec<&[u8]> = keyed.filter_map(|header| clients::key(header.name, header.value)).collect();
    site.clients.name(&keys, peer)
}

#[cfg(test)]
mod tests;
