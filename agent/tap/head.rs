//! What the heads of requests and answers have in common.

use httparse::Header;

use super::body::Body;

/// Header lines in one head. Browsers and gateways send thirty.
pub(super) const MAX_HEADERS: usize = 128;

/// Headers that hold for one connection and are not passed on: a proxy's own are made anew on each side.
/// `Transfer-Encoding` and `Trailer` are not among them, for the framing passes as it came.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te"];

/// Headers that no `Connection` may take away: they say where the message ends, or who is meant.
const KEPT: [&str; 4] = ["content-length", "transfer-encoding", "host", "trailer"];

/// What stands in the `Connection` headers of one head.
#[derive(Debug, Default)]
pub(super) struct Hops<'a> {
    /// The connection ends after this message.
    pub(super) close: bool,
    /// It does not, says a speaker of HTTP/1.0.
    pub(super) keep_alive: bool,
    /// `Upgrade` is meant.
    pub(super) upgrade: bool,
    named: Vec<&'a [u8]>,
}

impl<'a> Hops<'a> {
    /// Of these headers.
    pub(super) fn of(headers: &[Header<'a>]) -> Hops<'a> {
        let mut hops = Hops::default();
        for header in headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection")) {
            for token in header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                match token {
                    token if token.eq_ignore_ascii_case(b"close") => hops.close = true,
                    token if token.eq_ignore_ascii_case(b"keep-alive") => hops.keep_alive = true,
                    token if token.eq_ignore_ascii_case(b"upgrade") => hops.upgrade = true,
                    token => hops.named.push(token),
                }
            }
        }
        hops
    }

    /// Whether this header holds for the one connection alone.
    pub(super) fn holds(&self, header: &Header<'_>) -> bool {
        let name = header.name;
        if name.eq_ignore_ascii_case("te") {
            return !header.value.eq_ignore_ascii_case(b"trailers");
        }
        HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop))
            || (self.named.iter().any(|named| name.as_bytes().eq_ignore_ascii_case(named))
                && !KEPT.iter().any(|kept| name.eq_ignore_ascii_case(kept)))
    }
}

/// Why the end of a body cannot be told from its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Both `Content-Length` and `Transfer-Encoding`.
    Both,
    /// More than one of the same.
    Twice,
    /// A length that is no number.
    Length,
    /// Another coding than `chunked`.
    Coding,
}

/// How the headers tell the end of the body: `None` if they tell none.
pub(super) fn framing(headers: &[Header<'_>]) -> Result<Option<Body>, Unclear> {
    let (mut length, mut chunked) = (None, false);
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = number(header.value).ok_or(Unclear::Length)?;
            if length.replace(value).is_some() {
                return Err(Unclear::Twice);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unclear::Coding);
            }
            if std::mem::replace(&mut chunked, true) {
                return Err(Unclear::Twice);
            }
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Unclear::Both),
        (Some(length), false) => Ok(Some(Body::Length(length))),
        (None, true) => Ok(Some(Body::chunked())),
        (None, false) => Ok(None),
    }
}

/// Digits alone: no sign, no list, nothing that may be more than 63 bits for somebody.
fn number(value: &[u8]) -> Option<u64> {
    let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    digits.then(|| value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Writes a header line as it came, its end apart.
pub(super) fn push_header(head: &mut Vec<u8>, bytes: &[u8], header: &Header<'_>) {
    let start = header.name.as_ptr() as usize - bytes.as_ptr() as usize;
    let end = header.value.as_ptr() as usize + header.value.len() - bytes.as_ptr() as usize;
    head.extend_from_slice(&bytes[start..end]);
    head.extend_from_slice(b"\r\n");
}

/// Writes a header line of our own.
pub(super) fn push_own(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// Whether an empty line, which ends a head, may stand in `bytes` from `from` on: a look that is cheap beside
/// parsing it, so that a head that comes in single bytes is not parsed for each.
pub(super) fn may_end(bytes: &[u8], from: usize) -> bool {
    let from = from.saturating_sub(3);
    let mut lines =
        bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    lines.any(|at| matches!(&bytes[..at], [.., b'\n'] | [.., b'\n', b'\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_is_seen_wherever_the_bytes_are_split() {
        for head in
            [&b"GET / HTTP/1.1\r\nA: b\r\n\r\n"[..], b"GET / HTTP/1.1\nA: b\n\n", b"GET / HTTP/1.1\r\n\n"]
        {
            let seen: Vec<usize> = (1..=head.len()).filter(|at| may_end(&head[..*at], at - 1)).collect();
            assert_eq!(seen.last(), Some(&head.len()));
            for split in 0..head.len() {
                assert!(may_end(head, split), "{split}");
            }
        }
        assert!(!may_end(b"GET / HTTP/1.1\r\nA: b\r\n", 0));
    }

    #[test]
    fn lengths_are_digits_alone() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b"123456789012345678", Some(123_456_789_012_345_678)),
            (b"", None),
            (b"+1", None),
            (b"-1", None),
            (b"1,1", None),
            (b"0x1", None),
            (b"1 1", None),
            (b"1234567890123456789", None),
        ];
        for (value, number_) in cases {
            assert_eq!(number(value), *number_, "{:?}", String::from_utf8_lossy(value));
        }
    }
}
