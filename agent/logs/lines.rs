//! Lines out of what is read in pieces, without waiting for more.

use std::io::{self, ErrorKind, Read};

/// The longest line that is kept; those that tell anything are far shorter. Of a longer one nothing is told.
const LONGEST: usize = 64 << 10;

/// One read.
const PIECE: usize = 16 << 10;

/// What was read and is no whole line yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// The line is too long: the rest of it is passed over.
    too_long: bool,
}

impl Lines {
    /// Begins in the midst of a file: what comes up to the first newline is no whole line.
    pub(crate) fn within() -> Lines {
        Lines { held: Vec::new(), too_long: true }
    }

    /// How many bytes were read of a line that is not whole yet.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether the rest of a line is being passed over.
    pub(crate) fn is_within(&self) -> bool {
        self.too_long
    }

    /// Reads one piece and gives the lines that are whole by it. `None`: there is nothing now.
    pub(crate) fn read(
        &mut self,
        from: &mut impl Read,
        mut hear: impl FnMut(&[u8]),
    ) -> io::Result<Option<usize>> {
        let mut piece = [0; PIECE];
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return Ok(None),
                ErrorKind::Interrupted => return Ok(Some(0)),
                _ => return Err(error),
            },
        };
        for part in piece[..read].split_inclusive(|byte| *byte == b'\n') {
            let (body, whole) = part.strip_suffix(b"\n").map_or((part, false), |body| (body, true));
            if self.held.len() + body.len() > LONGEST {
                self.too_long = true;
                self.held.clear();
            }
            if !self.too_long {
                self.held.extend_from_slice(body);
            }
            if whole {
                if !self.too_long {
                    hear(&self.held);
                }
                self.held.clear();
                self.too_long = false;
            }
        }
        Ok(Some(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it holds in pieces of at most so many bytes.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(to.len());
            self.0.take(most as u64).read(to).inspect(|read| self.0 = &self.0[*read..])
        }
    }

    fn all(lines: &mut Lines, bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        let mut from = Pieces(bytes, piece);
        while lines.read(&mut from, |line| heard.push(line.to_vec())).unwrap().is_some() {}
        heard
    }

    #[test]
    fn a_line_is_told_when_it_is_whole() {
        let mut lines = Lines::default();
        assert_eq!(all(&mut lines, b"one\ntw", 100), [b"one"]);
        assert_eq!(all(&mut lines, b"o\n\nend", 100), [&b"two"[..], b""]);
        assert_eq!(all(&mut Lines::within(), b"rest of\nwhole\n", 100), [b"whole"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_the_next_one_is_read() {
        let mut lines = Lines::default();
        assert!(all(&mut lines, &vec![b'x'; LONGEST * 3], PIECE).is_empty());
        assert!(lines.held.len() <= LONGEST);
        assert_eq!(all(&mut lines, b"x\nnext\n", 100), [b"next"]);
    }

    proptest::proptest! {
        #[test]
        fn how_it_comes_in_pieces_makes_no_difference(text in "[a\n]{0,300}", piece in 1_usize..50) {
            let whole = all(&mut Lines::default(), text.as_bytes(), 1000);
            proptest::prop_assert_eq!(all(&mut Lines::default(), text.as_bytes(), piece), whole);
        }
    }
}
