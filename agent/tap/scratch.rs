//! One buffer for all reads of a thread: what was read is written at once, so that a stream that waits holds none.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{io, iter};

use tokio::io::{AsyncRead, ReadBuf};

/// As much as is read at once. A token is some hundred bytes; an upload or a download comes in as few calls as
/// with any larger one.
pub(super) const SCRATCH: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(iter::repeat_n(0, SCRATCH).collect());
}

/// Reads what is there, and hands it to `then`; no bytes are the end. `then` must not read by this itself.
pub(super) fn poll_read<R>(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    then: impl FnOnce(io::Result<&[u8]>, &mut Context<'_>) -> R,
) -> Poll<R> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        match Pin::new(stream).poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                let result = then(Ok(read.filled()), cx);
                // It is somebody's prompt or answer, and the next read may be hours away.
                read.filled_mut().fill(0);
                Poll::Ready(result)
            }
            Poll::Ready(Err(error)) => Poll::Ready(then(Err(error), cx)),
        }
    })
}
