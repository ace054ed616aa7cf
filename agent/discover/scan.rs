//! One look at the machine: the places where a server may be, without asking any of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::process::{Suspect, suspects};
use crate::procs::{Listener, Machine, accepts};
use crate::servers::KINDS;
use crate::view::Tried;

/// Places looked at. A machine has a few servers; the bound is for one with thousands of sockets
/// that look like some.
const MAX_PLACES: usize = 64;

/// What is watched or is the agent's own, on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Targets by name, with each address that they are reached at.
    pub targets: Vec<(String, SocketAddr)>,
    /// Where the agent itself listens.
    pub own: Vec<SocketAddr>,
}

/// A place where a server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where to ask: the first that does not refuse.
    pub addresses: Vec<SocketAddr>,
    /// The listening sockets, by inode; empty where they cannot be seen. Another server at the same
    /// port has others.
    pub sockets: Vec<u64>,
    /// The process that holds them.
    pub pid: Option<u32>,
    /// Why a server may be there.
    pub why: String,
}

/// What one look saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The places to ask: those of one process together, since they are one server.
    pub servers: Vec<Vec<Place>>,
    /// The places that need no question, and why.
    pub settled: Vec<Tried>,
    /// Targets that are the same server, by name: those of one server together.
    pub same: Vec<Vec<String>>,
}

impl Place {
    /// The port.
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// What came of it.
    pub fn tried(&self, outcome: impl Into<String>) -> Tried {
        let address = self.addresses.first().map_or_else(String::new, ToString::to_string);
        Tried { address, why: self.why.clone(), outcome: outcome.into() }
    }
}

/// Looks at processes and sockets. Where there is no table of sockets, every default port is a place.
pub fn scan(machine: &Machine, here: &Here) -> Scan {
    let suspects = suspects(&machine.processes().unwrap_or_default());
    let owners: Vec<_> = suspects.iter().map(|suspect| suspect.process.clone()).collect();
    match machine.listeners(&owners) {
        Ok(listeners) => sort_out(&suspects, &listeners, here),
        Err(_) => blind(here),
    }
}

/// Without a table of sockets.
fn blind(here: &Here) -> Scan {
    let mut scan = Scan::default();
    for (port, why) in default_ports() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let place = Place { addresses: vec![address], sockets: Vec::new(), pid: None, why };
        match here.targets.iter().find(|(_, target)| target.port() == port) {
            Some((name, _)) => scan.settled.push(place.tried(already(name))),
            None if here.own.iter().any(|own| own.port() == port) => {}
            None => scan.servers.push(vec![place]),
        }
    }
    scan
}

fn sort_out(suspects: &[Suspect], listeners: &[Listener], here: &Here) -> Scan {
    let mut scan = Scan::default();
    let mut default_ports = default_ports();
    let mut servers: BTreeMap<Owner, BTreeMap<u16, Vec<&Listener>>> = BTreeMap::new();
    for listener in listeners {
        let port = listener.address.port();
        let usual = default_ports.contains_key(&port);
        let owner = match owner(suspects, listener) {
            Some(suspect) if suspect.may_be_asked(port) => Owner::Process(suspect.process.pid),
            None if usual => Owner::Port(port),
            _ => continue,
        };
        if !here.own.contains(&listener.address) {
            servers.entry(owner).or_default().entry(port).or_default().push(listener);
        }
    }
    for (owner, ports) in servers {
        let suspect = match owner {
            Owner::Process(pid) => suspects.iter().find(|suspect| suspect.process.pid == pid),
            Owner::Port(_) => None,
        };
        let mut places: Vec<Place> = Vec::new();
        let mut covered = None;
        let mut same: Vec<String> = Vec::new();
        for (port, listeners) in ports {
            let why = suspect.map(Suspect::why).or_else(|| default_ports.get(&port).cloned());
            let place = place(port, &listeners, suspect, why.unwrap_or_default());
            covered = covered.or_else(|| {
                let target =
                    here.targets.iter().find(|(_, at)| listeners.iter().any(|one| accepts(one.address, *at)));
                Some((target?.0.as_str(), place.clone()))
            });
            let at_it =
                here.targets.iter().filter(|(_, at)| listeners.iter().any(|one| accepts(one.address, *at)));
            same.extend(at_it.map(|(name, _)| name.clone()));
            places.push(place);
        }
        same.sort_unstable();
        same.dedup();
        if same.len() > 1 {
            scan.same.push(same);
        }
        places.retain(|place| !place.addresses.is_empty());
        // The usual port first: it is the one that people know.
        places.sort_by_key(|place| !default_ports.contains_key(&place.port()));
        match (suspect.and_then(|suspect| suspect.part.as_deref()), covered) {
            (_, Some((name, place))) => scan.settled.push(place.tried(already(name))),
            (Some(part), None) => scan.settled.extend(places.iter().map(|place| place.tried(part))),
            (None, None) if places.is_empty() || scan.servers.len() >= MAX_PLACES => {}
            (None, None) => {
                places.truncate(MAX_PLACES);
                scan.servers.push(places);
            }
        }
    }
    default_ports.retain(|port, _| !listeners.iter().any(|listener| listener.address.port() == *port));
    scan.settled.extend(default_ports.into_iter().map(|(port, why)| Tried {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string(),
        why,
        outcome: "nothing listens".into(),
    }));
    scan
}

/// Whose the sockets at a port are, as far as can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Process(u32),
    Port(u16),
}

/// The suspect that holds a socket; where that cannot be seen (another user's), one whose arguments
/// name its port.
fn owner<'a>(suspects: &'a [Suspect], listener: &Listener) -> Option<&'a Suspect> {
    match listener.pid {
        Some(pid) => suspects.iter().find(|suspect| suspect.process.pid == pid),
        None => suspects.iter().find(|suspect| suspect.port() == Some(listener.address.port())),
    }
}

/// The default ports of all kinds, each with why it is tried.
fn default_ports() -> BTreeMap<u16, String> {
    let mut ports = BTreeMap::new();
    for kind in KINDS {
        for port in kind.default_ports {
            ports.entry(*port).or_insert_with(|| format!("default port of {}", kind.name));
        }
    }
    ports
}

fn already(name: &str) -> String {
    format!("already target {name}")
}

fn place(port: u16, listeners: &[&Listener], suspect: Option<&Suspect>, why: String) -> Place {
    let mut addresses: Vec<SocketAddr> = listeners
        .iter()
        .flat_map(|listener| reached_at(listener.address.ip().to_canonical()))
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    // Loopback first, and what people type first among that.
    addresses.sort_by_key(|address| (!address.ip().is_loopback(), *address));
    addresses.dedup();
    let mut sockets: Vec<u64> = listeners.iter().map(|listener| listener.inode).collect();
    sockets.sort_unstable();
    Place { addresses, sockets, pid: suspect.map(|suspect| suspect.process.pid), why }
}

/// The addresses at which a socket that is bound to this one can be asked from this machine.
fn reached_at(bound: IpAddr) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    match bound {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![v4],
        // Nearly always it takes IPv4 too.
        IpAddr::V6(ip) if ip.is_unspecified() => vec![v4, v6],
        // Needs the interface's name, which the table of sockets does not tell.
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Vec::new(),
        ip => vec![ip],
    }
}
