//! Where a body ends. Bytes pass as they came; these machines only find the boundaries, wherever the bytes are
//! split, and tell which of them are data and which are HTTP's own framing.

mod chunked;

pub(super) use chunked::Chunked;

/// How the end of a body is told, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come. Zero: none, or over.
    Length(u64),
    /// In chunks, the last of which is empty.
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
}

/// The framing is broken: what follows has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadFraming;

impl Body {
    /// None.
    pub(super) const NONE: Body = Body::Length(0);

    /// In chunks, from the first.
    pub(super) fn chunked() -> Body {
        Body::Chunked(Chunked::default())
    }

    /// Whether all of it was seen.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunked) => chunked.is_over(),
            Body::UntilClose => false,
        }
    }

    /// How many of these bytes are of the body; those after them are of something else. Each run of data among
    /// them is shown to `data`, in order.
    pub(super) fn advance(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, BadFraming> {
        match self {
            Body::Length(left) => {
                let own = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= own as u64;
                if own > 0 {
                    data(&bytes[..own]);
                }
                Ok(own)
            }
            Body::Chunked(chunked) => chunked.advance(bytes, data),
            Body::UntilClose => {
                data(bytes);
                Ok(bytes.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a body gives when it comes in these pieces: its data, and how many bytes were its own.
    fn read(mut body: Body, pieces: &[&[u8]]) -> Result<(Vec<u8>, usize), BadFraming> {
        let (mut data, mut own) = (Vec::new(), 0);
        for piece in pieces {
            let taken = body.advance(piece, |part| data.extend_from_slice(part))?;
            own += taken;
            if taken < piece.len() {
                assert!(body.is_over(), "what is left over comes after the end");
                break;
            }
        }
        Ok((data, own))
    }

    #[test]
    fn a_length_takes_its_bytes_and_leaves_the_rest() {
        assert_eq!(read(Body::Length(3), &[b"a", b"bcd"]), Ok((b"abc".to_vec(), 3)));
        assert_eq!(read(Body::NONE, &[b"x"]), Ok((vec![], 0)));
        assert!(!Body::UntilClose.is_over());
    }

    #[test]
    fn chunks_read_the_same_split_at_every_byte() {
        let wire = b"5\r\nhello\r\n1;a=\"b\"\r\n \r\n00A \r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nGET /";
        let whole = wire.len() - b"GET /".len();
        for first in 0..wire.len() {
            for second in first..wire.len() {
                let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                let read = read(Body::chunked(), &pieces);
                assert_eq!(read, Ok((b"hello 0123456789".to_vec(), whole)), "{first} {second}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_chunks_in_any_pieces_give_their_data(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            at.extend([0, wire.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(Body::chunked(), &pieces), Ok((chunks.concat(), wire.len())));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut body = Body::chunked();
            if let Ok(own) = body.advance(&bytes, |_| ()) {
                prop_assert!(own <= bytes.len());
                prop_assert!(own == bytes.len() || body.is_over());
            }
        }
    }
}
