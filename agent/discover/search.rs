//! A search for servers: look at the machine, ask what has to be asked, tell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use url::Url;

use super::here::here;
use super::memory::{Memory, Told};
use super::name;
use super::scan::{Here, Place, Scan, scan};
use crate::http::{Access, Clients, HttpError, Resolver};
use crate::procs::Machine;
use crate::servers::{Kind, Probe, Target, recognise};
use crate::view::DiscoveryView;

/// A server on this machine answers in milliseconds; one that takes longer is asked again soon.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Places asked at once.
const AT_ONCE: usize = 8;

/// Sockets tell of nearly all that changes; every so often the processes are looked at all the same.
const RESCAN: Duration = Duration::from_secs(60);

/// Places told of. The page and the log are read by people.
const MAX_TRIED: usize = 100;

/// What the agent watches and is, as of now.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The targets: name and address.
    pub targets: Vec<(String, Url)>,
    /// Where the agent itself listens.
    pub own: Vec<SocketAddr>,
}

/// What one look came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Servers that no target is at. Told again at each look until one is.
    pub found: Vec<Target>,
    /// Targets that are the same server, by name: those of one server together.
    pub same: Vec<Vec<String>>,
    /// What was tried.
    pub view: DiscoveryView,
}

/// A search, with what it remembers from one look to the next.
#[derive(Debug)]
pub struct Search {
    machine: Machine,
    clients: Clients,
    resolver: Resolver,
    memory: Memory,
    last: Option<Last>,
}

/// The last scan, and what it was made of.
#[derive(Debug)]
struct Last {
    sockets: Option<Vec<(SocketAddr, u64)>>,
    here: Here,
    scan: Arc<Scan>,
    at: Instant,
}

impl Search {
    /// A search on that machine.
    pub fn new(machine: Machine, clients: Clients) -> Search {
        Search { machine, clients, resolver: Resolver::default(), memory: Memory::default(), last: None }
    }

    /// Looks once. `None`: it could not look, since the agent is stopping.
    pub async fn look(&mut self, known: &Known) -> Option<Report> {
        let here = Here { targets: here(&mut self.resolver, &known.targets).await, own: known.own.clone() };
        let scan = self.scan(here).await?;
        self.memory.keep(&scan);
        self.ask(&scan).await;
        Some(self.report(&scan, &known.targets))
    }

    /// The places as they are now. Sockets that are as they were spare the look at every process.
    async fn scan(&mut self, here: Here) -> Option<Arc<Scan>> {
        let now = Instant::now();
        let machine = self.machine.clone();
        let before = self
            .last
            .as_ref()
            .filter(|last| last.here == here && now.saturating_duration_since(last.at) < RESCAN)
            .map(|last| (last.sockets.clone(), last.scan.clone()));
        // /proc is read by system calls that may wait for another process's memory.
        let looked = tokio::task::spawn_blocking(move || {
            let sockets = machine.listening().ok();
            match before {
                Some((was, _)) if was == sockets => None,
                _ => {
                    let scan = Arc::new(scan(&machine, &here));
                    Some((sockets, here, scan))
                }
            }
        });
        match looked.await {
            Ok(Some((sockets, here, scan))) => {
                self.last = Some(Last { sockets, here, scan: scan.clone(), at: now });
                Some(scan)
            }
            Ok(None) => self.last.as_ref().map(|last| last.scan.clone()),
            // It panicked, or the agent is stopping: the next look is another.
            Err(_) => None,
        }
    }

    /// Asks the places whose time has come.
    async fn ask(&mut self, scan: &Scan) {
        let (memory, clients, now) = (&self.memory, &self.clients, Instant::now());
        let questions: Vec<_> =
            scan.servers.iter().map(|server| ask_server(server, memory, clients, now)).collect();
        let asked: Vec<Vec<(&Place, Told)>> =
            futures_util::stream::iter(questions).buffer_unordered(AT_ONCE).collect().await;
        for (place, told) in asked.into_iter().flatten() {
            self.memory.take(place, told, now);
        }
    }

    fn report(&self, scan: &Scan, targets: &[(String, Url)]) -> Report {
        let mut names: Vec<String> = targets.iter().map(|(name, _)| name.clone()).collect();
        let (mut found, mut tried) = (Vec::new(), Vec::new());
        for server in &scan.servers {
            let is = server.iter().find_map(|place| {
                let told = self.memory.of(place)?;
                Some((place, told.address, *told.result.as_ref().ok()?))
            });
            if let Some((_, address, kind)) = is {
                let name = name::unique(kind, address.port(), &names);
                names.push(name.clone());
                found.extend(target(name, address, kind));
            }
            tried.extend(server.iter().map(|place| match (is, self.memory.of(place)) {
                (Some((one, _, kind)), _) if one == place => place.tried(format!("is {}", kind.name)),
                (Some((_, address, _)), _) => place.tried(format!("same process as {address}")),
                (None, Some(told)) => place.tried(words(told)),
                (None, None) => place.tried("not asked yet"),
            }));
        }
        tried.extend(scan.settled.iter().cloned());
        tried.truncate(MAX_TRIED);
        let same = scan.same.clone();
        Report {
            found,
            same,
            view: DiscoveryView { enabled: true, last_scan_at: Some(Timestamp::now()), tried },
        }
    }
}

/// Asks the places of one process, until one of them is a server.
async fn ask_server<'a>(
    server: &'a [Place],
    memory: &Memory,
    clients: &Clients,
    now: Instant,
) -> Vec<(&'a Place, Told)> {
    let mut asked = Vec::new();
    for place in server {
        if memory.is_due(place, now) {
            asked.extend(ask_place(place, clients).await.map(|told| (place, told)));
        }
        let told = asked.last().filter(|(last, _)| *last == place).map(|(_, told)| told);
        if told.or_else(|| memory.of(place)).is_some_and(|told| told.result.is_ok()) {
            break;
        }
    }
    asked
}

/// Asks a place at its addresses, until one does not refuse.
async fn ask_place(place: &Place, clients: &Clients) -> Option<Told> {
    let mut told = None;
    for &address in &place.addresses {
        let result = ask_address(address, clients).await;
        let refused = matches!(&result, Err(error) if !error.connected());
        told = Some(Told { address, result });
        if !refused {
            break;
        }
    }
    told
}

async fn ask_address(address: SocketAddr, clients: &Clients) -> Result<&'static Kind, HttpError> {
    let no_url = |error: String| HttpError::Malformed(error);
    let url = url(address).ok_or_else(|| no_url(format!("{address} makes no url")))?;
    let http = clients.connect(&Access::plain(url, ANSWER_WITHIN)).map_err(no_url)?;
    match timeout(ANSWER_WITHIN, recognise(&mut Probe::new(http))).await {
        Ok(result) => result,
        Err(_) => Err(HttpError::Timeout(ANSWER_WITHIN)),
    }
}

fn url(address: SocketAddr) -> Option<Url> {
    Url::parse(&format!("http://{address}/")).ok()
}

fn target(name: String, address: SocketAddr, kind: &'static Kind) -> Option<Target> {
    Some(Target { kind: Some(kind), discovered: true, ..Target::new(name, url(address)?) })
}

/// What came of a place that is no server, in words.
fn words(told: &Told) -> String {
    match &told.result {
        Ok(kind) => format!("is {}", kind.name),
        Err(HttpError::Unauthorized(status)) => {
            format!("wants a key (status {status}): name it in the config with its token")
        }
        Err(HttpError::Malformed(problem)) => format!("answers, but as no known kind: {problem}"),
        Err(error) => error.to_string(),
    }
}
