//! Decodes a copy of a compressed answer as it passes, as far as each piece of it goes.

use std::io;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};

use crate::sample::MeterFault;

/// The most that one piece of an answer may become. Answers that repeat themselves become up to fifty times as
/// long, so a read of 64 KiB becomes some megabytes at most; a few bytes that become more are there to hurt.
const PIECE_MAX: usize = 8 << 20;

/// How much is decoded at once, on the stack.
const STEP: usize = 8 << 10;

/// The largest window of zstd, as a power of two: 8 MiB, which RFC 9659 sets for HTTP.
const ZSTD_WINDOW: u32 = 23;

type Codec = Box<dyn DecodeV2 + Send>;

/// A decoder for one answer.
pub(super) struct Unpack {
    /// `None`: `deflate`, of which the first byte tells which of two formats it is.
    codec: Option<Codec>,
    /// A whole message was decoded: what follows may be another, or nothing of interest.
    ended: bool,
}

impl std::fmt::Debug for Unpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpack").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Unpack {
    /// For this `Content-Encoding`; `Ok(None)`: nothing is to be done. An encoding that is not known, or several on
    /// top of each other, cannot be read.
    pub(super) fn new(encoding: &[u8]) -> Result<Option<Unpack>, MeterFault> {
        let codec: Option<Codec> = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => return Ok(None),
            b"gzip" | b"x-gzip" => Some(Box::new(GzipDecoder::new())),
            b"deflate" => None,
            b"br" => Some(Box::new(Brotli::new())),
            b"zstd" => {
                Some(Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW)])))
            }
            _ => return Err(MeterFault::Encoding),
        };
        Ok(Some(Unpack { codec, ended: false }))
    }

    /// Decodes some bytes and hands on what comes out, in order.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut plain: impl FnMut(&[u8]) -> Result<(), MeterFault>,
    ) -> Result<(), MeterFault> {
        let Some(first) = bytes.first() else { return Ok(()) };
        let codec = self.codec.get_or_insert_with(|| deflate(*first));
        let mut input = PartialBuffer::new(bytes);
        let (mut room, mut total) = ([0; STEP], 0);
        loop {
            let left = input.unwritten().len();
            if left > 0 && self.ended && codec.reinit().is_err() {
                return Ok(());
            }
            let mut output = WriteBuffer::new_initialized(&mut room);
            let step = codec.decode(&mut input, &mut output);
            let length = output.written_len();
            total += length;
            if total > PIECE_MAX {
                return Err(MeterFault::Encoding);
            }
            plain(&room[..length])?;
            match step {
                Ok(ended) => self.ended = ended,
                // Asked whether more is to come, a codec without input may complain.
                Err(_) if left == 0 => return Ok(()),
                // What follows a whole message is no message.
                Err(_) if self.ended => return Ok(()),
                Err(_) => return Err(MeterFault::Encoding),
            }
            let moved = length > 0 || input.unwritten().len() < left;
            if !moved || (input.unwritten().is_empty() && length < STEP) {
                return Ok(());
            }
        }
    }
}

/// What calls itself `deflate` is mostly zlib's format, as it should be, and sometimes the bare one. The first byte
/// of zlib's says method 8 and a window of at most 32 KiB.
fn deflate(first: u8) -> Codec {
    if first & 0x8f == 0x08 { Box::new(ZlibDecoder::new()) } else { Box::new(DeflateDecoder::new()) }
}

/// Brotli with the window that HTTP allows, 16 MiB.
struct Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>);

impl Brotli {
    fn new() -> Brotli {
        let alloc = StandardAlloc::default;
        Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
    }
}

impl DecodeV2 for Brotli {
    fn reinit(&mut self) -> io::Result<()> {
        *self = Brotli::new();
        Ok(())
    }

    fn decode(&mut self, input: &mut PartialBuffer<&[u8]>, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        let (from, to) = (input.unwritten(), output.initialize_unwritten());
        let (mut left, mut room, mut read, mut written) = (from.len(), to.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            from,
            &mut room,
            &mut written,
            to,
            &mut 0,
            &mut self.0,
        );
        input.advance(read);
        output.advance(written);
        match result {
            BrotliResult::ResultSuccess => Ok(true),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(false),
            BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn flush(&mut self, _: &mut WriteBuffer<'_>) -> io::Result<bool> {
        Ok(true)
    }

    fn finish(&mut self, _: &mut WriteBuffer<'_>) -> io::Result<bool> {
        Ok(true)
    }
}
