//! Serves a bound listener, plain or with TLS, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum_server::Handle;
use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::auth;
use super::toolkit::{self, SharedWeb};

/// How long a client may take for its TLS handshake; a scraper needs milliseconds.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection may wait for a whole request head, idle time between two requests
/// included. Longer than the minute that Prometheus leaves between scrapes by default, so that its
/// connection is kept.
const HEAD: Duration = Duration::from_secs(75);

/// The largest request head: nothing that is asked here needs more than a few hundred bytes.
const HEAD_BYTES: usize = 32 << 10;

/// Connections held open at once by one listener; what comes beyond is closed at once. A browser
/// takes six, a scraper one; the usual limit of file descriptors is 1024.
const CONNECTIONS: usize = 256;

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves `router` on a bound listener, behind the passwords, headers and TLS that `web` holds at
/// the time of each connection and request: a reload or a new certificate needs no new listener.
///
/// From `stop` on nothing is accepted and idle connections are closed; it completes when the
/// requests in flight are answered. That may be never: the caller cuts by dropping it.
pub async fn serve(listener: TcpListener, router: Router, web: SharedWeb, stop: CancellationToken) {
    let router = router.layer(middleware::from_fn_with_state(web.clone(), auth::guard));
    let acceptor = Acceptor { web, stop: stop.clone(), room: Arc::new(Semaphore::new(CONNECTIONS)) };
    let handle = Handle::new();
    let _cut = Cut(handle.clone());
    let mut server = axum_server::Server::<SocketAddr>::from_listener(listener)
        .http1_only()
        .handle(handle.clone())
        .acceptor(acceptor);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let serving = server.serve(router.into_make_service_with_connect_info::<SocketAddr>());
    tokio::pin!(serving);
    let result = tokio::select! {
        result = &mut serving => result,
        () = stop.cancelled() => {
            handle.graceful_shutdown(None);
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::error!(%error, "a listener ended");
    }
}

/// Cuts what is left when [`serve`] is dropped.
struct Cut(Handle<SocketAddr>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// Turns an accepted connection into one that is ready for HTTP; each in a task of its own, so
/// that a silent client delays nobody.
#[derive(Clone)]
struct Acceptor {
    web: SharedWeb,
    stop: CancellationToken,
    room: Arc<Semaphore>,
}

impl<S: Send + 'static> Accept<TcpStream, S> for Acceptor {
    type Stream = Connection;
    type Service = S;
    type Future = BoxFuture<'static, io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let permit = this
                .room
                .clone()
                .try_acquire_owned()
                .map_err(|_| io::Error::other("too many connections"))
                .inspect_err(|_| tracing::warn!("more than {CONNECTIONS} connections: one was closed"))?;
            stream.set_nodelay(true)?;
            let tls = toolkit::current(&this.web).await.tls.clone();
            let Some(tls) = tls else { return Ok((Connection::Plain(stream, permit), service)) };
            let stream = tokio::select! {
                () = this.stop.cancelled() => return Err(io::Error::other("stopping")),
                result = timeout(HANDSHAKE, handshake(stream, TlsAcceptor::from(tls))) => result??,
            };
            Ok((Connection::Tls(Box::new(stream), permit), service))
        })
    }
}

/// TLS on a connection. One who speaks plain HTTP is told so.
async fn handshake(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() && first[0] != TLS_HANDSHAKE {
        let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\nthis address speaks https, not http\n";
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // Closed with the request unread, the connection would be reset and the answer lost.
        let mut unread = stream.take(HEAD_BYTES as u64);
        tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
        return Err(io::Error::other("plain HTTP where TLS is spoken"));
    }
    let peer = stream.peer_addr();
    acceptor.accept(stream).await.inspect_err(|error| {
        tracing::debug!(%error, peer = ?peer.ok(), "a TLS handshake failed");
    })
}

/// A connection ready for HTTP, with its place among the [`CONNECTIONS`].
enum Connection {
    Plain(TcpStream, #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
    Tls(Box<TlsStream<TcpStream>>, #[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
}

/// The same call on whichever stream it is.
macro_rules! on_stream {
    ($connection:expr, $stream:ident => $call:expr) => {
        match $connection.get_mut() {
            Connection::Plain($stream, _) => {
                let $stream = Pin::new($stream);
                $call
            }
            Connection::Tls($stream, _) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Connection::Plain(stream, _) => stream.is_write_vectored(),
            Connection::Tls(stream, _) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::toolkit::WebConfig;

    #[tokio::test]
    async fn a_connection_beyond_the_limit_is_closed_until_another_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let acceptor = Acceptor {
            web: WebConfig::default().shared(),
            stop: CancellationToken::new(),
            room: Arc::new(Semaphore::new(1)),
        };
        let connect = async || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            (client, acceptor.accept(server, ()).await)
        };
        let (_one, first) = connect().await;
        let (_two, second) = connect().await;
        assert!(first.is_ok() && second.is_err());
        drop(first);
        assert!(connect().await.1.is_ok());
    }
}
