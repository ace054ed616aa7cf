//! Chunks: `SIZE[;extension] CRLF data CRLF`, an empty one, trailers, an empty line.
//!
//! It is strict, for both sides of a proxy must find the same end: a size that one reads as 0x10 and the other as
//! 0, or a line that ends for one of them only, hides a second request in the first. So: hexadecimal digits alone,
//! each line ended by CR LF, no CR or LF elsewhere.

use super::BadFraming;

/// Digits of a size. Fifteen are a thousand million million bytes; sixteen might be negative for somebody.
const MAX_DIGITS: u8 = 15;

/// Bytes of one chunk's extension: nobody uses any, and they cost without carrying data.
const MAX_EXTENSION: u32 = 1024;

/// Bytes of all trailers.
const MAX_TRAILERS: u32 = 16 << 10;

/// A body in chunks, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tap) struct Chunked {
    state: State,
    /// The size of the chunk, or what is left of it.
    left: u64,
    /// Bytes of the line or the trailers so far.
    line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or within a size; so many digits were read.
    Size(u8),
    /// Behind a size, before the line's end.
    Extension,
    /// The line's LF must come.
    SizeEnd,
    Data,
    /// Behind the data, its CR and then its LF must come.
    DataCr,
    DataLf,
    /// At the beginning of a trailer, or of the line that ends it all.
    LineStart,
    Trailer,
    TrailerEnd,
    LastLf,
    Over,
}

impl Default for Chunked {
    fn default() -> Chunked {
        Chunked { state: State::Size(0), left: 0, line: 0 }
    }
}

impl Chunked {
    /// Whether the end was seen.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// See [`Body::advance`](super::Body::advance).
    pub(super) fn advance(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, BadFraming> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Over => break,
                State::Data => {
                    let rest = &bytes[at..];
                    let own = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                    data(&rest[..own]);
                    self.left -= own as u64;
                    at += own;
                    if self.left == 0 {
                        self.state = State::DataCr;
                        // What nearly always follows is taken at once: here, and the whole line of a size below.
                        if bytes[at..].starts_with(b"\r\n") {
                            self.state = State::Size(0);
                            at += 2;
                        }
                    }
                }
                State::Size(0) if let Some((size, length)) = plain_size(&bytes[at..]) => {
                    (self.left, self.line) = (size, 0);
                    self.state = if size == 0 { State::LineStart } else { State::Data };
                    at += length;
                }
                _ => {
                    self.state = self.step(bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, BadFraming> {
        Ok(match (self.state, byte) {
            (State::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = if digits == 0 { digit } else { self.left << 4 | digit };
                self.line = 0;
                State::Size(digits + 1)
            }
            (State::Size(1..) | State::Extension, b'\r') => State::SizeEnd,
            (State::Size(1..), b';' | b' ' | b'\t') => State::Extension,
            (State::Extension, byte) if is_text(byte) => {
                self.count(MAX_EXTENSION)?;
                State::Extension
            }
            (State::SizeEnd, b'\n') if self.left == 0 => State::LineStart,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::LineStart, b'\r') => State::LastLf,
            (State::LineStart, byte) if byte.is_ascii_graphic() && byte != b':' => {
                self.count(MAX_TRAILERS)?;
                State::Trailer
            }
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::Trailer, byte) if is_text(byte) => {
                self.count(MAX_TRAILERS)?;
                State::Trailer
            }
            (State::TrailerEnd, b'\n') => State::LineStart,
            (State::LastLf, b'\n') => State::Over,
            _ => return Err(BadFraming),
        })
    }

    fn count(&mut self, most: u32) -> Result<(), BadFraming> {
        self.line += 1;
        if self.line > most { Err(BadFraming) } else { Ok(()) }
    }
}

/// A size alone on its line, and how long the line is, if it is whole and no longer than usual.
fn plain_size(bytes: &[u8]) -> Option<(u64, usize)> {
    const USUAL: usize = 8;
    let mut size = 0;
    for (at, byte) in bytes.iter().take(USUAL).enumerate() {
        match byte {
            b'0'..=b'9' => size = size << 4 | u64::from(byte - b'0'),
            b'a'..=b'f' => size = size << 4 | u64::from(byte - b'a' + 10),
            b'\r' if at > 0 => return (bytes.get(at + 1) == Some(&b'\n')).then_some((size, at + 2)),
            _ => return None,
        }
    }
    None
}

/// What a line may hold: all but control characters, and tabs.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_may_read_in_two_ways_is_refused() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(2000));
        let trailers = format!("0\r\n{}\r\n", "A: bcd\r\n".repeat(4000));
        let bad = [
            "\r\n",
            ";a\r\n",
            "g\r\n",
            "0x5\r\n",
            "-1\r\n",
            "+5\r\n",
            " 5\r\n",
            "5\nhello",
            "5\r\rhello",
            "5;a\nhello",
            "5;a\x00b\r\n",
            "5\r\nhello\n",
            "5\r\nhelloX\r\n",
            "0\r\n\n",
            "0\n\r\n",
            "0\r\nA: b\n",
            "0\r\n folded\r\n",
            "0\r\n: b\r\n",
            "0\r\nA: \x01\r\n",
            "1000000000000000\r\n",
            "5_0\r\n",
            "0000000000000005\r\n",
            &long,
            &trailers,
        ];
        for wire in bad {
            let mut chunked = Chunked::default();
            assert_eq!(chunked.advance(wire.as_bytes(), |_| ()), Err(BadFraming), "{wire:?}");
        }
    }

    #[test]
    fn the_end_is_seen_at_the_last_byte_and_not_before() {
        let wire = b"1\r\na\r\n0\r\nA: b\r\n\r\n";
        let mut chunked = Chunked::default();
        for (at, byte) in wire.iter().enumerate() {
            assert!(!chunked.is_over(), "at {at}");
            assert_eq!(chunked.advance(&[*byte], |_| ()), Ok(1));
        }
        assert!(chunked.is_over());
        assert_eq!(chunked.advance(b"more", |_| ()), Ok(0));
    }
}
