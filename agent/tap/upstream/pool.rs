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

/// For so long after an answer no server closes a connection that it has kept before; and one that closes after each
/// answer has done so by then, on a busy machine too.
const SURE: Duration = Duration::from_secs(1);

/// How many are kept; the server holds a descriptor for each, llama.cpp a thread. Short requests by more clients
/// than that at the same moment are rare.
const MOST: usize = 64;

/// What a server does with a connection after a streamed answer, where it did not say that it closes it. llama-server
/// promises `Keep-Alive: timeout=5` and closes it a moment later: a request that is sent within that moment is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum AfterStream {
    /// Not known yet: such a connection is used again only after [`SURE`], if it is still open then.
    #[default]
    Unknown,
    Keeps,
    Closes,
}

/// How many wait before it is known whether the server keeps such ones: more would only stand in the way.
const ON_TRIAL: usize = 8;

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
    /// The last answer came in chunks.
    streamed: bool,
}

/// What is known of a connection before the system is asked.
enum Trust {
    /// It may be about to be closed.
    No,
    /// Open, if the system says so.
    Open,
    /// Open, if the event queue has nothing else.
    Sure,
}

impl Pool {
    /// The latest one to this server that is still open.
    pub(in crate::tap) fn take(&self, to: &Arc<Upstream>, now: Instant) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for at in (0..idle.len()).rev() {
            let waited = now.saturating_duration_since(idle[at].since);
            let trust = idle[at].trust(waited);
            if Arc::ptr_eq(&idle[at].to, to) && matches!(trust, Trust::No) {
                continue;
            }
            let mut one = idle.remove(at);
            if !Arc::ptr_eq(&one.to, to) || waited >= IDLE {
                continue;
            }
            let is_open = is_open(&mut one.stream, matches!(trust, Trust::Sure));
            if one.streamed {
                one.to.learn(is_open, waited);
            }
            if is_open {
                return Some(one.stream);
            }
        }
        None
    }

    /// Keeps one for later, `proven` if it was taken from here before, `streamed` if its last answer came in chunks.
    pub(in crate::tap) fn put(
        &self,
        stream: Stream,
        to: &Arc<Upstream>,
        now: Instant,
        proven: bool,
        streamed: bool,
    ) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let most = match (streamed, to.after_stream()) {
            (true, AfterStream::Closes) => 0,
            (true, AfterStream::Unknown) => ON_TRIAL,
            _ => MOST,
        };
        if idle.len() < most {
            if idle.is_empty() {
                self.filled.notify_one();
            }
            idle.push(Idle { stream, to: Arc::clone(to), since: now, proven, streamed });
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

impl Idle {
    fn trust(&self, waited: Duration) -> Trust {
        let young = waited < SURE;
        match (self.streamed, self.to.after_stream()) {
            (true, AfterStream::Unknown | AfterStream::Closes) if young => Trust::No,
            _ if self.proven && young => Trust::Sure,
            _ => Trust::Open,
        }
    }
}

impl Upstream {
    fn after_stream(&self) -> AfterStream {
        *self.after_stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from a connection that waited so long after a streamed answer.
    fn learn(&self, is_open: bool, waited: Duration) {
        let mut known = self.after_stream.lock().unwrap_or_else(PoisonError::into_inner);
        *known = match (*known, is_open) {
            (AfterStream::Unknown, true) => AfterStream::Keeps,
            (AfterStream::Unknown, false) => AfterStream::Closes,
            // Later than that it may have been closed for its age.
            (AfterStream::Keeps, false) if waited < SURE => AfterStream::Closes,
            (known, _) => known,
        };
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
