//! Whose a socket is where that cannot be seen: another user's, and the agent is not root. It is told
//! only where one process alone can be meant.

use super::serving::Wanted;
use crate::procs::{Machine, Process};
use crate::servers::Kind;
use crate::servers::processes::{api_port, kind_of, was_ollamas_child};

/// The one server of the socket's user that can be meant: of the target's kind, and with the port among its
/// arguments; or without one, where that is the kind's usual port or the target is known to be of that kind.
pub(super) fn server<'a>(
    machine: &Machine,
    processes: &'a [Process],
    wanted: &Wanted<'_>,
) -> Option<&'a Process> {
    if wanted.forwarded {
        return None;
    }
    let port = wanted.socket.address.port();
    let own = machine.own_network();
    let in_its_network = |pid: u32| match wanted.elsewhere {
        Some(ip) => machine.addresses(Some(pid)).contains(&ip),
        None => match machine.network(pid) {
            Some(name) => Some(name) == own,
            // The name of another user's network is hidden, its addresses are not.
            None => machine.addresses(Some(pid)) == machine.addresses(None),
        },
    };
    let candidates: Vec<(&Process, &Kind)> = processes
        .iter()
        .filter_map(|process| Some((process, kind_of(process)?.0)))
        .filter(|(process, _)| !is_part(process, processes))
        .filter(|(_, kind)| wanted.place.kind.is_none_or(|told| told == kind.name))
        .filter(|(process, _)| machine.users(process.pid).contains(&wanted.socket.uid))
        .filter(|(process, _)| in_its_network(process.pid))
        .collect();
    let named: Vec<&Process> = candidates
        .iter()
        .filter(|(process, _)| api_port(process) == Some(port))
        .map(|(process, _)| *process)
        .collect();
    let unnamed: Vec<&Process> = candidates
        .iter()
        .filter(|(process, _)| api_port(process).is_none())
        .filter(|(_, kind)| wanted.place.kind.is_some() || kind.default_ports.contains(&port))
        .map(|(process, _)| *process)
        .collect();
    match (named.as_slice(), unnamed.as_slice()) {
        ([only], _) | ([], [only]) => Some(only),
        _ => None,
    }
}

/// A worker of a server that is listed too, or of one that is gone.
fn is_part(process: &Process, processes: &[Process]) -> bool {
    let parent = processes.iter().find(|other| other.pid == process.parent);
    was_ollamas_child(process) || parent.is_some_and(|parent| kind_of(parent).is_some())
}
