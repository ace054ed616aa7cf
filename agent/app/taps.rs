//! The taps that run: each address with what it is told, over every reload.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::DropGuard;

use super::{Sockets, cannot_listen};
use crate::config::Config;
use crate::fleet::Fleet;
use crate::jobs::Jobs;
use crate::procs::accepts;
use crate::sample::Source;
use crate::servers::Target;
use crate::tap::{self, Plan, SharedPlan};

/// Where a tap is to listen, as the config says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    address: SocketAddr,
    /// Of port 0, which is another port each time: which target's, and its how many-th.
    of: Option<(String, usize)>,
}

/// A place that is listened on, and has no tap yet.
#[derive(Debug)]
pub(super) struct Bound {
    place: Place,
    at: SocketAddr,
    listener: TcpListener,
}

/// A tap. It goes by its address, not by its target: whose it is may change at a reload, and its socket stays.
#[derive(Debug)]
struct Running {
    at: SocketAddr,
    plan: SharedPlan,
    /// Ends the listening when dropped; requests under way go on to their end.
    _stop: DropGuard,
}

/// All taps.
pub(super) struct Taps {
    fleet: Fleet,
    jobs: Jobs,
    sockets: Sockets,
    /// The thread that carries them, from the first tap on: no poll and no scrape delays a stream.
    home: Option<Jobs>,
    running: BTreeMap<Place, Running>,
    /// The targets that the fleet knows as tapped.
    told: BTreeSet<String>,
}

impl Taps {
    /// None yet.
    pub(super) fn new(fleet: Fleet, jobs: Jobs, sockets: Sockets) -> Taps {
        Taps { fleet, jobs, sockets, home: None, running: BTreeMap::new(), told: BTreeSet::new() }
    }

    /// Listens wherever the config wants a tap and none is yet. What runs is not touched: the sockets are closed
    /// again if they are dropped.
    ///
    /// # Errors
    /// All addresses that cannot be bound, each with what would do.
    pub(super) fn bind(&mut self, config: &Config) -> Result<Vec<Bound>, Vec<String>> {
        let (mut bound, mut faults) = (Vec::new(), Vec::new());
        for (place, target) in places(config) {
            if self.running.contains_key(&place) {
                continue;
            }
            let listener = self.sockets.listen(place.address);
            match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                Ok((at, listener)) => bound.push(Bound { place, at, listener }),
                Err(error) => faults.push(format!("target {target}: {}", self.cannot_listen(&place, &error))),
            }
        }
        if faults.is_empty() && self.home.is_none() && !bound.is_empty() {
            match self.jobs.on_thread("taps") {
                Ok(home) => self.home = Some(home),
                Err(error) => faults.push(format!("the taps get no thread of their own: {error}")),
            }
        }
        if faults.is_empty() { Ok(bound) } else { Err(faults) }
    }

    /// Runs the taps as the config wants them, on what was bound for it: those that stay are told anew, those
    /// that go stop listening. No stream is cut. The targets must be known to the fleet already.
    pub(super) fn take(&mut self, config: &Config, bound: Vec<Bound>) {
        let wanted: BTreeMap<Place, String> = places(config).collect();
        self.running.retain(|place, running| {
            let stays = wanted.contains_key(place);
            if !stays {
                let target = running.plan.load().target.clone();
                tracing::info!(target, "the tap on {} ends; what is under way goes on", running.at);
            }
            stays
        });
        let mut bound: BTreeMap<Place, Bound> =
            bound.into_iter().map(|bound| (bound.place.clone(), bound)).collect();
        for (place, target) in &wanted {
            let Some(plan) = self.plan(config, target) else { continue };
            match (self.running.get(place), bound.remove(place)) {
                (Some(running), _) => tell(running, plan),
                (None, Some(bound)) => self.start(bound, plan),
                (None, None) => {}
            }
        }
        self.record(&wanted);
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.running.values().map(|running| running.at).collect()
    }

    fn start(&mut self, bound: Bound, plan: Plan) {
        let Some(home) = &self.home else { return };
        let Bound { place, at, listener } = bound;
        tracing::info!(target = plan.target, "a tap listens on {at}, before {}", plan.upstream);
        let plan: SharedPlan = Arc::new(ArcSwap::from_pointee(plan));
        let stop = self.jobs.stopping().child_token();
        home.serve(tap::serve(listener, plan.clone(), home.clone(), stop.clone()));
        self.running.insert(place, Running { at, plan, _stop: stop.drop_guard() });
    }

    fn plan(&self, config: &Config, target: &str) -> Option<Plan> {
        let Target { url, ca_pem, .. } = config.targets.iter().find(|one| one.name == target)?;
        Some(Plan {
            target: target.to_owned(),
            upstream: url.clone(),
            ca_pem: ca_pem.clone(),
            allow_hosts: config.allow_hosts.clone(),
            limits: config.tap_limits.clone(),
            clients: config.clients.clone(),
            live: self.fleet.live(target, Source::Tap)?,
        })
    }

    /// Tells the fleet which targets have a tap, and where.
    fn record(&mut self, wanted: &BTreeMap<Place, String>) {
        let mut at: BTreeMap<&str, Vec<SocketAddr>> = BTreeMap::new();
        for (place, target) in wanted {
            at.entry(target).or_default().extend(self.running.get(place).map(|running| running.at));
        }
        for gone in self.told.iter().filter(|target| !at.contains_key(target.as_str())) {
            self.fleet.forget_tap(gone);
        }
        self.told = at.keys().map(|target| (*target).to_owned()).collect();
        for (target, addresses) in at {
            self.fleet.record_tap(target, &addresses, None);
        }
    }

    fn cannot_listen(&self, place: &Place, error: &io::Error) -> String {
        let own = self.running.values().find(|running| {
            let other = running.at;
            accepts(place.address, other) || accepts(other, place.address)
        });
        match own {
            Some(own) => format!(
                "tap: cannot listen on {} while {} is listened on, which ends only when the new config holds: \
                 take another port, or restart the agent",
                place.address, own.at
            ),
            None => cannot_listen(place.address, error, "`tap` of the target"),
        }
    }
}

/// Tells a running tap anew. What is the same is not told: its idle connections to the server stay.
fn tell(running: &Running, plan: Plan) {
    let before = running.plan.load();
    let same = Arc::ptr_eq(&before.live, &plan.live)
        && (&before.target, &before.upstream, &before.ca_pem) == (&plan.target, &plan.upstream, &plan.ca_pem)
        && (&before.allow_hosts, &before.limits, &before.clients)
            == (&plan.allow_hosts, &plan.limits, &plan.clients);
    if !same {
        running.plan.store(Arc::new(plan));
    }
}

/// Each place that the config wants, with the name of its target.
fn places(config: &Config) -> impl Iterator<Item = (Place, String)> {
    config.taps.iter().flat_map(|tap| {
        tap.listen.iter().enumerate().map(|(nth, address)| {
            let of = (address.port() == 0).then(|| (tap.target.clone(), nth));
            (Place { address: *address, of }, tap.target.clone())
        })
    })
}

/// Of the config's taps, those that would be their own server: what is sent to the server's name ends at the tap.
/// `here`: at which addresses of this machine the targets are, by name.
pub(super) fn loops(config: &Config, here: &[(String, SocketAddr)]) -> Vec<String> {
    let of = |(place, target): (Place, String)| {
        let (name, at) = here.iter().find(|(_, at)| accepts(place.address, *at))?;
        Some(format!(
            "target {target}: tap: {} is where target {name} is reached ({at}): the tap needs an address of its \
             own, which clients use",
            place.address
        ))
    };
    places(config).filter_map(of).collect()
}
