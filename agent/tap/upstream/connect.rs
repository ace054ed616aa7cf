//! A new connection: name, address, TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Named, Stream, Upstream, tls};
use crate::sample::Failure;

/// How long an address is tried alone before the next one is tried beside it: of a name with an address that
/// nobody answers at, the others must not wait for the limit.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long the addresses of a name are taken for known: a lookup may take longer than all the rest.
const KNOWN: Duration = Duration::from_secs(10);

/// The addresses of a name, and when they were looked up.
pub(super) type Known = Option<(Vec<IpAddr>, Instant)>;

/// There is no connection.
#[derive(Debug)]
pub(in crate::tap) struct Unconnected {
    /// Why, as it is counted.
    pub(in crate::tap) failure: Failure,
    /// Why, in words.
    pub(in crate::tap) text: String,
}

impl Upstream {
    /// A new connection, within the limit.
    pub(in crate::tap) async fn connect(&self, limit: Duration) -> Result<Stream, Unconnected> {
        timeout(limit, self.connect_now()).await.unwrap_or_else(|_| {
            let text = format!("{} accepted no connection within {limit:?}", self.authority);
            Err(Unconnected { failure: Failure::ConnectTimeout, text })
        })
    }

    async fn connect_now(&self) -> Result<Stream, Unconnected> {
        let unreachable = |text: String| Unconnected { failure: Failure::Unreachable, text };
        let addresses = self.addresses().await.map_err(|error| {
            unreachable(format!("the name of the server, {}, does not resolve: {error}", self.authority))
        })?;
        let stream = race(addresses).await.map_err(|error| {
            self.forget();
            if error.kind() == io::ErrorKind::ConnectionRefused {
                let text = format!("{} refuses connections: is the server running?", self.authority);
                return Unconnected { failure: Failure::Refused, text };
            }
            if error.kind() == io::ErrorKind::ConnectionReset {
                let text = format!("{} ended the connection as soon as it was accepted", self.authority);
                return Unconnected { failure: Failure::Reset, text };
            }
            unreachable(format!("{} cannot be reached: {error}", self.authority))
        })?;
        // Tokens are small, and each is to leave at once. Without it they come late, but they come.
        drop(stream.set_nodelay(true));
        let Some(connector) = &self.tls else { return Ok(Stream::Plain(stream)) };
        let secured = async {
            let connector = connector.get_or_try_init(|| tls::connector(self.ca_pem.clone())).await?;
            connector.connect(self.tls_name()?, stream).await
        };
        secured.await.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| {
            unreachable(format!(
                "no TLS with {}: {error}; tls_ca_file names certificates to trust",
                self.authority
            ))
        })
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let name = match &self.host {
            Named::Address(address) => return Ok(vec![SocketAddr::new(loopback(*address), self.port)]),
            Named::Name(name) => name,
        };
        let ips = match self.known() {
            Some(ips) => ips,
            None if name == "localhost" || name.ends_with(".localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            None => {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                let ips: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((ips.clone(), Instant::now()));
                ips
            }
        };
        Ok(ips.into_iter().map(|ip| SocketAddr::new(loopback(ip), self.port)).collect())
    }

    fn known(&self) -> Option<Vec<IpAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(_, at)| at.elapsed() < KNOWN).map(|(ips, _)| ips.clone())
    }

    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn tls_name(&self) -> io::Result<rustls::pki_types::ServerName<'static>> {
        match &self.host {
            Named::Address(address) => Ok((*address).into()),
            Named::Name(name) => name.clone().try_into().map_err(io::Error::other),
        }
    }
}

/// The wildcard is where one listens; who connects to it means this machine.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// The first of these that accepts; each begins a little after the one before it, or as soon as that one failed.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut trying = FuturesUnordered::new();
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.next() {
            Some(address) => trying.push(TcpStream::connect(address)),
            None if trying.is_empty() => return Err(error),
            None => {}
        }
        let more = addresses.len() > 0;
        let next =
            if more { timeout(HEAD_START, trying.next()).await.ok() } else { Some(trying.next().await) };
        match next.flatten() {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(failed)) => error = failed,
            None => {}
        }
    }
}
