//! Which processes hold the sockets that the targets listen on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::elsewhere::Networks;
use super::{Place, unseen};
use crate::procs::{Machine, Process, Socket, accepts, is_own};

/// The table of sockets takes the kernel some milliseconds. While the servers go on and no process is new,
/// it would tell of a change that hardly ever comes: one that gave its socket away.
const SOCKETS_AGAIN: Duration = Duration::from_secs(15);

/// The sockets of this network tell of nearly all that changes; a server in a container may be
/// another one without any of them changing, so every so often all is looked at anew.
const AGAIN: Duration = Duration::from_secs(60);

/// Programs that hold a socket for somebody else. Their children are no workers of the target:
/// those of the first process or of a remote shell are a whole session.
const HOLD_FOR_OTHERS: [&str; 6] = ["systemd", "init", "sshd", "sshd-session", "ssh", "docker-proxy"];

/// Who serves which target, and what that was seen by.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// Grows with every look at all: a process may belong to another target than before.
    pub(super) generation: u64,
    places: Vec<Place>,
    sockets: Vec<Socket>,
    /// The target of each process that holds its socket, with that process's start.
    servers: BTreeMap<u32, (u64, String)>,
    /// When the table of sockets was read.
    read: Option<Instant>,
    /// When all was looked at.
    looked: Option<Instant>,
}

/// A socket whose process is looked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) place: &'a Place,
    pub(super) socket: Socket,
    /// The socket is in another network, which has this address.
    pub(super) elsewhere: Option<std::net::IpAddr>,
    /// Something holds it on behalf of a container.
    pub(super) forwarded: bool,
}

impl Serving {
    /// Looks who serves: at as little as tells that nothing changed. `news`: a process is asked for that was
    /// not before; its server may be new too.
    pub(super) fn look(&mut self, machine: &Machine, places: &[Place], news: bool, now: Instant) {
        let within = |at: Option<Instant>, time: Duration| {
            at.is_some_and(|at| now.saturating_duration_since(at) < time)
        };
        let go_on = self.servers.iter().all(|(pid, (started, _))| machine.runs(*pid, *started));
        let same = self.places == places && go_on && within(self.looked, AGAIN);
        if same && !news && within(self.read, SOCKETS_AGAIN) {
            return;
        }
        let mut sockets = machine.sockets(None).unwrap_or_default();
        let leads_here = |socket: &Socket, place: &Place| {
            place.addresses.iter().any(|address| accepts(socket.address, *address))
        };
        sockets.retain(|socket| places.iter().any(|place| leads_here(socket, place)));
        self.read = Some(now);
        if same && self.sockets == sockets {
            return;
        }
        self.servers = find(machine, places, &sockets);
        self.generation += 1;
        self.places = places.to_vec();
        (self.sockets, self.looked) = (sockets, Some(now));
    }

    /// The target whose socket this process holds.
    pub(super) fn target_of(&self, pid: u32, started: u64) -> Option<&str> {
        self.servers.get(&pid).filter(|server| server.0 == started).map(|(_, target)| target.as_str())
    }

    /// Whether there is such a target.
    pub(super) fn has(&self, target: &str) -> bool {
        self.places.iter().any(|place| place.target == target)
    }

    /// The processes that serve, with their targets.
    pub(super) fn servers(&self) -> impl Iterator<Item = (u32, &str)> {
        self.servers.iter().map(|(pid, (_, target))| (*pid, target.as_str()))
    }

    /// The places.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }
}

fn find(machine: &Machine, places: &[Place], sockets: &[Socket]) -> BTreeMap<u32, (u64, String)> {
    let processes = machine.processes().unwrap_or_default();
    let wanted = wanted(machine, &processes, places, sockets);
    let inodes: BTreeSet<u64> = wanted.iter().map(|wanted| wanted.socket.inode).collect();
    let mut holders: BTreeMap<u64, Vec<&Process>> = BTreeMap::new();
    if !inodes.is_empty() {
        for process in &processes {
            let held: BTreeSet<u64> = machine.sockets_of(process.pid).into_iter().collect();
            for inode in held.intersection(&inodes) {
                holders.entry(*inode).or_default().push(process);
            }
        }
    }
    let mut servers = BTreeMap::new();
    for wanted in &wanted {
        let found = match holders.get(&wanted.socket.inode) {
            Some(holders) => holders.iter().copied().filter(|process| serves(process)).collect(),
            None => Vec::from_iter(unseen::server(machine, &processes, wanted)),
        };
        for process in found {
            // Two targets that are one server: the first by name has it.
            let server = || (process.started_ticks, wanted.place.target.clone());
            servers.entry(process.pid).or_insert_with(server);
        }
    }
    servers
}

fn serves(process: &Process) -> bool {
    // A title such as `sshd: somebody` stands in place of the arguments.
    let program = process.args.first().unwrap_or(&process.name).split([':', ' ']).next().unwrap_or_default();
    process.pid > 1 && !HOLD_FOR_OTHERS.contains(&program.rsplit('/').next().unwrap_or(program))
}

/// The sockets at which the targets are answered: in this network, or in a container's.
fn wanted<'a>(
    machine: &Machine,
    processes: &[Process],
    places: &'a [Place],
    sockets: &[Socket],
) -> Vec<Wanted<'a>> {
    let mut wanted = Vec::new();
    let mut networks = Networks::new(machine, processes);
    for place in places {
        for &address in &place.addresses {
            let here = is_own(address.ip());
            let forwards = networks.forwards(address, here);
            if here {
                let own = sockets.iter().filter(|socket| accepts(socket.address, address));
                let forwarded = !forwards.is_empty();
                wanted.extend(own.map(|&socket| Wanted { place, socket, elsewhere: None, forwarded }));
            }
            for to in forwards {
                let there = networks.sockets(to).into_iter();
                wanted.extend(there.map(|socket| Wanted {
                    place,
                    socket,
                    elsewhere: Some(to.ip()),
                    forwarded: false,
                }));
            }
        }
    }
    wanted
}
