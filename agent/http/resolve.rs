//! What the host of an address means.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use url::{Host, Url};

/// A name server that does not answer must not hold up whoever asks.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// A name's addresses hardly change.
const LOOKUP_HOLDS: Duration = Duration::from_secs(300);

/// Finds out what hosts mean; remembers what names mean.
#[derive(Debug, Default)]
pub struct Resolver {
    names: HashMap<String, (Vec<IpAddr>, Instant)>,
}

impl Resolver {
    /// The addresses of this host; none where its name is not known. The wildcard is loopback: there a
    /// connection to it ends.
    pub async fn ips(&mut self, url: &Url) -> Vec<IpAddr> {
        let mut ips = match url.host() {
            None => Vec::new(),
            Some(Host::Ipv4(ip)) => vec![ip.into()],
            Some(Host::Ipv6(ip)) => vec![ip.into()],
            Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Some(Host::Domain(name)) => self.look_up(name).await,
        };
        for ip in ips.iter_mut().filter(|ip| ip.is_unspecified()) {
            *ip = Ipv4Addr::LOCALHOST.into();
        }
        ips
    }

    /// Forgets names that none of these addresses has.
    pub fn keep<'a>(&mut self, urls: impl Iterator<Item = &'a Url>) {
        let hosts: HashSet<&str> = urls.filter_map(Url::host_str).collect();
        self.names.retain(|name, _| hosts.contains(name.as_str()));
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
