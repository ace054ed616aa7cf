//! What `tap` and `log` of a target mean, and `[tap]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use super::addresses::Addresses;
use super::check::Check;
use super::error::quoted;
use super::raw::RawTarget;
use super::raw_tap::RawTap;
use super::read::At;
use super::{LogTail, Tap};
use crate::logs::LogPlace;
use crate::procs::{accepts, is_own};
use crate::servers::Target;
use crate::tap::Limits;

/// Connections of one tap. Each is one more towards the server, whose address has no more ports than this.
const MOST_CONNECTIONS: u64 = 65_535;

/// Heads are kept whole in memory, one a connection.
const LARGEST_HEADER: u64 = 1 << 20;

/// Less than what ordinary clients send.
const SMALLEST_HEADER: u64 = 1 << 10;

/// What is typed at a target of who uses it.
pub(super) struct RawTraffic {
    target: Option<String>,
    tap: Vec<At<String>>,
    log: Option<At<String>>,
}

impl RawTraffic {
    pub(super) fn of(raw: &mut RawTarget) -> RawTraffic {
        RawTraffic {
            target: raw.name.as_ref().map(|at| at.value.clone()),
            tap: std::mem::take(&mut raw.tap),
            log: raw.log.take(),
        }
    }
}

/// The taps, in the file's order, and the logs that are followed.
pub(super) fn all(
    raw: Vec<RawTraffic>,
    targets: &[Target],
    addresses: &mut Addresses,
    check: &mut Check<'_>,
) -> (Vec<Tap>, Vec<LogTail>) {
    let (mut taps, mut logs) = (Vec::new(), Vec::new());
    for RawTraffic { target, tap, log } in raw {
        let target = target.unwrap_or_default();
        let mut listen = Vec::new();
        for at in tap {
            let Some(address) = addresses.tap(&at, check) else { continue };
            if let Some(other) = targets.iter().find(|other| reaches(&other.url, address)) {
                let problem = if other.name == target {
                    format!(
                        "{address} is the server's own address: the tap needs one of its own, which clients use"
                    )
                } else {
                    format!(
                        "{address} is the address of target {}: a tap would stand before a tap",
                        quoted(&other.name)
                    )
                };
                check.fault(&at, problem);
            }
            listen.push(address);
        }
        if !listen.is_empty() {
            taps.push(Tap { target: target.clone(), listen });
        }
        if let Some(at) = log {
            match LogPlace::parse(&at.value, check.folder()) {
                Ok(place) => logs.push(LogTail { target, place }),
                Err(problem) => check.fault(&at, format!("{} {problem}", quoted(&at.value))),
            }
        }
    }
    (taps, logs)
}

/// What a tap may take, and how long it waits.
pub(super) fn limits(raw: &RawTap, check: &mut Check<'_>) -> Limits {
    let default = Limits::default();
    let (millisecond, second) = (Duration::from_millis(1), Duration::from_secs(1));
    Limits {
        connections: raw.max_connections.as_ref().map_or(default.connections, |at| {
            if !(1..=MOST_CONNECTIONS).contains(&at.value) {
                check.fault(at, format!("expected 1 to {MOST_CONNECTIONS}, found {}", at.value));
            }
            at.value.min(MOST_CONNECTIONS) as usize
        }),
        head_bytes: raw.max_header.as_ref().map_or(default.head_bytes, |at| {
            let bytes = check.size(at).unwrap_or(SMALLEST_HEADER);
            if !(SMALLEST_HEADER..=LARGEST_HEADER).contains(&bytes) {
                check.fault(at, format!("expected 1KiB to 1MiB, found {}", quoted(&at.value)));
            }
            bytes.min(LARGEST_HEADER) as usize
        }),
        body_bytes: raw.max_body.as_ref().and_then(|at| check.size(at)),
        connect: check.at_least(raw.connect_timeout.as_ref(), default.connect, millisecond),
        first_byte: check.at_least(raw.first_byte_timeout.as_ref(), default.first_byte, second),
        idle: check.at_least(raw.idle_timeout.as_ref(), default.idle, second),
        forwarded: raw.forwarded_headers.as_ref().map_or(default.forwarded, |at| at.value),
    }
}

/// Whether what is sent to the url ends at a socket that is bound to this address. Of names only `localhost` is
/// known without asking anyone.
fn reaches(url: &Url, bound: SocketAddr) -> bool {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let ips = match url.host() {
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => vec![v4, v6],
        // As a destination it is this machine.
        Some(Host::Ipv4(ip)) if ip.is_unspecified() => vec![v4],
        Some(Host::Ipv6(ip)) if ip.is_unspecified() => vec![v6],
        Some(Host::Ipv4(ip)) => vec![ip.into()],
        Some(Host::Ipv6(ip)) => vec![ip.into()],
        Some(Host::Domain(_)) | None => Vec::new(),
    };
    let ends = |ip: &IpAddr| {
        let port = url.port_or_known_default();
        port.is_some_and(|port| accepts(bound, SocketAddr::new(*ip, port))) && is_own(*ip)
    };
    ips.iter().any(ends)
}
