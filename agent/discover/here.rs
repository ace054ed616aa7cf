//! Which targets are on this machine, and at which of its addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use url::{Host, Url};

use crate::procs::is_own;

/// A name server that does not answer must not hold up the search.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// A name's addresses hardly change.
const LOOKUP_HOLDS: Duration = Duration::from_secs(300);

/// Finds out which addresses are this machine's own; remembers what names mean.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    names: HashMap<String, (Vec<IpAddr>, Instant)>,
}

impl Resolver {
    /// The addresses of these targets that are this machine's own, each with the target's name.
    pub(super) async fn here(&mut self, targets: &[(String, Url)]) -> Vec<(String, SocketAddr)> {
        let mut here = Vec::new();
        for (name, url) in targets {
            let Some(port) = url.port_or_known_default() else { continue };
            let ips = self.ips(url).await;
            here.extend(ips.into_iter().map(|ip| (name.clone(), SocketAddr::new(ip, port))));
        }
        self.names.retain(|name, _| targets.iter().any(|(_, url)| url.host_str() == Some(name)));
        here
    }

    async fn ips(&mut self, url: &Url) -> Vec<IpAddr> {
        let mut ips = match url.host() {
            None => Vec::new(),
            Some(Host::Ipv4(ip)) => vec![ip.into()],
            Some(Host::Ipv6(ip)) => vec![ip.into()],
            Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Some(Host::Domain(name)) => self.look_up(name).await,
        };
        ips.retain(|ip| is_own(*ip));
        // A connection to the wildcard ends at loopback.
        for ip in &mut ips {
            if ip.is_unspecified() {
                *ip = Ipv4Addr::LOCALHOST.into();
            }
        }
        ips
    }

    async fn look_up(&mut self, name: &str) -> Vec<IpAddr> {
        let now = Instant::now();
        if let Some((ips, at)) = self.names.get(name)
            && now.saturating_duration_since(*at) < LOOKUP_HOLDS
        {
            return ips.clone();
        }
        let found = match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((name, 0))).await {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        };
        self.names.insert(name.to_owned(), (found.clone(), now));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_of_this_machine_are_known_however_they_are_written() {
        let of = |url: &str| (url.to_owned(), Url::parse(url).unwrap());
        let urls = [
            "http://localhost:1/",
            "http://127.0.0.1:2/",
            "http://[::1]:3/",
            "http://0.0.0.0:4/",
            "https://localhost/",
            "http://192.0.2.1:5/",
            "http://no-such-name.invalid:6/",
        ];
        let here = Resolver::default().here(&urls.map(of)).await;
        let seen: Vec<String> = here.iter().map(|(_, address)| address.to_string()).collect();
        assert_eq!(
            seen,
            ["127.0.0.1:1", "[::1]:1", "127.0.0.1:2", "[::1]:3", "127.0.0.1:4", "127.0.0.1:443", "[::1]:443"]
        );
    }
}
