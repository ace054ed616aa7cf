//! Connections to the server that wait for the next request.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Stream, Upstream};

/// How long one is kept: less than the 5 s after which llama.cpp's and Python's servers close theirs, so that none
/// is used at the moment at which it is closed.
const IDLE: Duration = Duration::from_secs(4);

/// For so long after an answer no server closes a connection that it has kept before.
const SURE: Duration = Duration::from_secs(1);

/// How many are kept; the server holds a descriptor for each, llama.cpp a thread. Short requests by more clients
/// than that at the same moment are rare.
const MOST: usize = 64;

/// Idle connections, the latest last.
#[derive(Debug, Default)]
pub(in crate::tap) struct Pool {
    idle: Mutex<Vec<Idle>>,
    filled: Notify,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    to: Arc<Upstream>,
    since: Instant,
    /// The server answered more than once over it: it is none of those that close after each answer unsaid.
    proven: bool,
}

impl Pool {
    /// The latest one to this server that is still open.
    pub(in crate::tap) fn take(&self, to: &Arc<Upstream>, now: Instant) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut last) = idle.pop() {
            let waited = now.saturating_duration_since(last.since);
            let sure = last.proven && waited < SURE;
            if Arc::ptr_eq(&last.to, to) && waited < IDLE && is_open(&mut last.stream, sure) {
                return Some(last.stream);
            }
        }
        None
    }

    /// Keeps one for later, `proven` if it was taken from here before.
    pub(in crate::tap) fn put(&self, stream: Stream, to: &Arc<Upstream>, now: Instant, proven: bool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST {
            if idle.is_empty() {
                self.filled.notify_one();
            }
            idle.push(Idle { stream, to: Arc::clone(to), since: now, proven });
        }
    }

    /// Closes those that have waited too long, as long as it is awaited.
    pub(in crate::tap) async fn reap(&self) {
        loop {
            let oldest = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                idle.retain(|one| now.saturating_duration_since(one.since) < IDLE);
                idle.iter().map(|one| one.since).min()
            };
            match oldest {
                Some(since) => sleep_until(since + IDLE).await,
                None => self.filled.notified().await,
            }
        }
    }
}

/// Whether nothing came: neither an end nor an answer that nobody asked for. The system is asked, for what the
/// event queue says is as old as its last look; where it is nearly `sure`, that look will do, and costs no call.
fn is_open(stream: &mut Stream, sure: bool) -> bool {
    let mut byte = [0u8];
    match stream {
        Stream::Plain(stream) if sure => {
            stream.try_read(&mut byte).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        }
        Stream::Plain(stream) => recv(&*stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)
            .is_err_and(|error| error == rustix::io::Errno::AGAIN),
        // TLS has messages of its own, such as tickets; only what comes out of it counts.
        Stream::Tls(stream) => {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            matches!(Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)), Poll::Pending)
        }
    }
}
