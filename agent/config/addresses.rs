//! Addresses to listen on, the agent's own and those of taps: none of them twice.

use std::net::{IpAddr, SocketAddr};

use super::check::Check;
use super::error::quoted;
use super::read::At;

/// The addresses that are given so far.
#[derive(Default)]
pub(super) struct Addresses(Vec<Given>);

struct Given {
    address: SocketAddr,
    /// For the agent's own page, not for a tap.
    own: bool,
    /// `None`: it is the default.
    line: Option<usize>,
}

impl Addresses {
    /// Those of the agent's page; where none is given, the default ones.
    pub(super) fn listen(
        &mut self,
        raw: Option<&[At<String>]>,
        default: Vec<SocketAddr>,
        check: &mut Check<'_>,
    ) -> Vec<SocketAddr> {
        if let Some(raw) = raw {
            return raw.iter().filter_map(|at| self.take(at, true, "10434", check)).collect();
        }
        self.0.extend(default.iter().map(|address| Given { address: *address, own: true, line: None }));
        default
    }

    /// One of a tap.
    pub(super) fn tap(&mut self, at: &At<String>, check: &mut Check<'_>) -> Option<SocketAddr> {
        self.take(at, false, "11435", check)
    }

    fn take(&mut self, at: &At<String>, own: bool, port: &str, check: &mut Check<'_>) -> Option<SocketAddr> {
        let Ok(address) = at.value.parse::<SocketAddr>() else {
            let problem = format!(
                "{} is no address, expected ip:port such as 127.0.0.1:{port}, 0.0.0.0:{port} or [::1]:{port}",
                quoted(&at.value)
            );
            check.fault(at, problem);
            return None;
        };
        // Port 0 is another port each time.
        let same = self.0.iter().find(|given| address.port() != 0 && overlap(given.address, address));
        if let Some(given) = same {
            let problem = given.refuses(address, own);
            check.fault(at, problem);
            return None;
        }
        self.0.push(Given { address, own, line: Some(at.line) });
        Some(address)
    }
}

impl Given {
    fn refuses(&self, address: SocketAddr, own: bool) -> String {
        let Given { address: other, own: of_page, line } = self;
        let first = line.map_or("the default of `listen`".into(), |line| format!("line {line}"));
        if *of_page && !own {
            let page = if *other == address { String::new() } else { format!(", {other}") };
            format!("{address} is where the agent's own page is{page} ({first}): take another port")
        } else if *other == address {
            format!("{address} is given twice, first at {first}")
        } else {
            format!("{address} cannot be bound beside {other} ({first})")
        }
    }
}

/// Whether two listeners cannot both be bound.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let wildcard = |ip: IpAddr| ip.is_unspecified();
    a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || wildcard(a.ip()) || wildcard(b.ip()))
}
