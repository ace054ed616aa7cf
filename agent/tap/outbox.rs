//! Bytes that could not be written yet. There are some only while a receiver is slower than its sender: nothing is
//! read on that side until they are gone, so it holds one read and one head at most.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
    /// They are kept after they were written, to be written once more if need be.
    hold: bool,
}

impl Outbox {
    /// These wait; there may be room for more behind them.
    pub(super) fn of(bytes: Vec<u8>) -> Outbox {
        Outbox { bytes, ..Outbox::default() }
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// More to write, behind the rest.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The same, of bytes that nobody else needs.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.push(&bytes);
        }
    }

    /// All that was pushed, written or not, as far as it is kept.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Nothing of it was written.
    pub(super) fn is_untouched(&self) -> bool {
        self.at == 0
    }

    /// Keeps from now on what is written, or lets it go.
    pub(super) fn hold(&mut self, hold: bool) {
        self.hold = hold;
        self.let_go();
    }

    /// Whether all is still here.
    pub(super) fn is_held(&self) -> bool {
        self.hold
    }

    /// All of it is to be written once more.
    pub(super) fn rewind(&mut self) {
        self.at = 0;
    }

    /// Nothing is to be written any more.
    pub(super) fn clear(&mut self) {
        *self = Outbox::default();
    }

    /// Writes some of it; how much. What was written stays here until it is let go.
    pub(super) fn poll_write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(to).poll_write(cx, &self.bytes[self.at..]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.at += written;
        Poll::Ready(Ok(written))
    }

    /// Frees the room of what was written, unless it is held.
    pub(super) fn let_go(&mut self) {
        if self.is_empty() && !self.hold {
            self.bytes = Vec::new();
            self.at = 0;
        }
    }
}

/// Writes what can be written of `bytes` at once; the rest waits in `outbox`, which is empty before.
pub(super) fn write_or_keep(
    to: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    bytes: &[u8],
    outbox: &mut Outbox,
) -> io::Result<()> {
    let written = match Pin::new(to).poll_write(cx, bytes) {
        Poll::Ready(written) => written?,
        Poll::Pending => 0,
    };
    outbox.push(&bytes[written..]);
    Ok(())
}
