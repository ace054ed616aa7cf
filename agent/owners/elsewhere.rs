//! Servers in containers: they listen in a network of their own, at an address that only that one has.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::procs::{Machine, Process, Socket, accepts};
use crate::servers::processes::kind_of;

/// Networks looked at. A node of a cluster has some hundred; the bound is for a lie.
const MOST: usize = 512;

/// The networks of this machine, looked at when they are first asked for.
#[derive(Debug)]
pub(super) struct Networks<'a> {
    machine: &'a Machine,
    processes: &'a [Process],
    seen: Option<Vec<Network>>,
}

/// A network other than the agent's own.
#[derive(Debug)]
struct Network {
    /// A process in it.
    pid: u32,
    addresses: Vec<IpAddr>,
}

impl<'a> Networks<'a> {
    pub(super) fn new(machine: &'a Machine, processes: &'a [Process]) -> Networks<'a> {
        Networks { machine, processes, seen: None }
    }

    /// Where in other networks a connection to that address ends: at the address itself, if it is not
    /// the agent's own, and where a proxy of Docker forwards it to.
    pub(super) fn forwards(&self, address: SocketAddr, own: bool) -> Vec<SocketAddr> {
        let proxied = self.processes.iter().filter_map(|process| forward(process, address));
        (!own).then_some(address).into_iter().chain(proxied).collect()
    }

    /// The sockets that listen at that address, in the networks that have it.
    pub(super) fn sockets(&mut self, at: SocketAddr) -> Vec<Socket> {
        let machine = self.machine;
        let having = self.seen().iter().filter(|network| network.addresses.contains(&at.ip()));
        let mut sockets: Vec<Socket> = having
            .flat_map(|network| machine.sockets(Some(network.pid)).unwrap_or_default())
            .filter(|socket| accepts(socket.address, at))
            .collect();
        // Two processes of one network may have been looked at.
        sockets.sort_unstable();
        sockets.dedup();
        sockets
    }

    fn seen(&mut self) -> &[Network] {
        let (machine, processes) = (self.machine, self.processes);
        self.seen.get_or_insert_with(|| {
            let own = machine.own_network();
            let mut names = BTreeSet::new();
            let other = |process: &&Process| match machine.network(process.pid) {
                Some(name) => Some(&name) != own.as_ref() && names.insert(name),
                // Of another user's process the name is hidden, the rest is not; all of them are too many.
                None => kind_of(process).is_some(),
            };
            let network = |process: &Process| Network {
                pid: process.pid,
                addresses: machine.addresses(Some(process.pid)),
            };
            processes.iter().filter(other).take(MOST).map(network).collect()
        })
    }
}

/// Where this process forwards connections to that address, if it is a proxy of Docker that does.
fn forward(process: &Process, address: SocketAddr) -> Option<SocketAddr> {
    if process.name != "docker-proxy" || process.option(&["-proto"]).is_some_and(|proto| proto != "tcp") {
        return None;
    }
    let number = |name: &str| process.option(&[name])?.parse().ok();
    let ip = |name: &str| process.option(&[name])?.parse().ok();
    let bound = SocketAddr::new(ip("-host-ip")?, number("-host-port")?);
    let to = SocketAddr::new(ip("-container-ip")?, number("-container-port")?);
    accepts(bound, address).then_some(to)
}
