//! The network that a process lives in: which one, and its addresses. Containers have their own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::Machine;

/// So much of a table of routes is read. A container's has a few lines; that of a router of the
/// internet has millions, and is no model server's.
const MOST: u64 = 1 << 20;

impl Machine {
    /// The name of the network that a process lives in, such as `net:[4026531840]`. `None` where it
    /// cannot be seen (another user's process).
    pub fn network(&self, pid: u32) -> Option<PathBuf> {
        std::fs::read_link(self.root.join(pid.to_string()).join("ns/net")).ok()
    }

    /// The name of the network that the agent itself lives in.
    pub fn own_network(&self) -> Option<PathBuf> {
        std::fs::read_link(self.root.join("self/ns/net")).ok()
    }

    /// The addresses of the agent's own network, or of the one that a process lives in; loopback left
    /// out, which is another in each. Empty where they cannot be seen.
    pub fn addresses(&self, of: Option<u32>) -> Vec<IpAddr> {
        let net = self.net(of);
        let open = |name: &str| File::open(net.join(name)).map(|file| BufReader::new(file.take(MOST))).ok();
        let lines = |name: &str| open(name).into_iter().flat_map(|file| file.lines().map_while(Result::ok));
        let mut found: Vec<IpAddr> = Vec::new();
        let mut route = None;
        for line in lines("fib_trie") {
            let line = line.trim_start();
            if let Some(address) = line.strip_prefix("|-- ") {
                route = address.trim_end().parse::<Ipv4Addr>().ok();
            } else if line.starts_with("/32 host LOCAL") {
                found.extend(route.map(IpAddr::from));
            }
        }
        let v6 = lines("if_inet6").filter_map(|line| u128::from_str_radix(line.split(' ').next()?, 16).ok());
        found.extend(v6.map(|bits| IpAddr::from(Ipv6Addr::from(bits))));
        found.retain(|address| !address.is_loopback());
        // Each stands in the main table and in the local one.
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(super) fn net(&self, of: Option<u32>) -> PathBuf {
        self.root.join(of.map_or_else(|| "self".to_owned(), |pid| pid.to_string())).join("net")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_networks_own_addresses_are_told_each_once_and_no_route_is_taken_for_one() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("7/net");
        std::fs::create_dir_all(&net).unwrap();
        let table = "     +-- 172.17.0.0/16 2 0 2\n        |-- 172.17.0.0\n           /16 link UNICAST\n        \
                     |-- 172.17.0.2\n           /32 host LOCAL\n        |-- 172.17.255.255\n           \
                     /32 link BROADCAST\n        |-- 127.0.0.1\n           /32 host LOCAL\n";
        std::fs::write(net.join("fib_trie"), format!("Main:\n{table}Local:\n{table}")).unwrap();
        let v6 = "fd000000000000000000000000000002 04 40 00 82     eth0\n";
        std::fs::write(net.join("if_inet6"), v6).unwrap();
        let machine = Machine::at(root.path());
        let wanted: Vec<IpAddr> = vec!["172.17.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert_eq!(machine.addresses(Some(7)), wanted);
        assert_eq!(machine.addresses(Some(8)), Vec::<IpAddr>::new());
    }

    #[test]
    fn this_machines_addresses_are_read_as_the_kernel_writes_them() {
        let machine = Machine::here();
        let mut own = machine.addresses(Some(std::process::id()));
        // One of a link alone can be bound to only together with the link's name.
        own.retain(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
        assert!(own.iter().all(|address| super::super::is_own(*address)), "{own:?}");
        assert_eq!(machine.addresses(None), machine.addresses(Some(std::process::id())));
        assert_eq!(machine.network(std::process::id()), machine.own_network());
    }
}
