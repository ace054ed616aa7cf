//! The server behind a tap, and connections to it.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

mod connect;
mod pool;
mod tls;

pub(super) use connect::Unconnected;
pub(super) use pool::Pool;

/// A server, as its address says.
pub(super) struct Upstream {
    /// `host` or `host:port`, as it is named in `Host`.
    authority: String,
    /// What stands before every path, without a slash at its end.
    base_path: String,
    host: Named,
    port: u16,
    ca_pem: Option<Vec<u8>>,
    /// Made when the first connection needs it. `None`: the address is no https.
    tls: Option<OnceCell<TlsConnector>>,
    known: Mutex<connect::Known>,
    after_stream: Mutex<pool::AfterStream>,
}

/// Who is connected to.
enum Named {
    Address(IpAddr),
    Name(String),
}

impl Upstream {
    /// The server at this address.
    pub(super) fn new(url: &Url, ca_pem: Option<Vec<u8>>) -> Upstream {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let named = match url.host() {
            Some(Host::Ipv4(address)) => Named::Address(address.into()),
            Some(Host::Ipv6(address)) => Named::Address(address.into()),
            Some(Host::Domain(name)) => Named::Name(name.to_owned()),
            None => Named::Name(String::new()),
        };
        Upstream {
            authority: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            base_path: url.path().trim_end_matches('/').to_owned(),
            host: named,
            port,
            ca_pem,
            tls: (url.scheme() == "https").then(OnceCell::new),
            known: Mutex::default(),
            after_stream: Mutex::default(),
        }
    }

    /// As it is named in `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// What stands before every path.
    pub(super) fn base_path(&self) -> &str {
        &self.base_path
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({})", self.authority)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(super) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether what was written may wait for a flush.
    pub(super) fn needs_flush(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
