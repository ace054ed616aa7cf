//! A tap at work: its plan made ready, and what its connections share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::SharedPlan;
use super::clients::Clients;
use super::plan::Plan;
use super::upstream::{Pool, Upstream};
use crate::http::{Hosts, machine_name};

/// One tap.
#[derive(Debug)]
pub(super) struct Tap {
    plan: SharedPlan,
    site: Mutex<Arc<Site>>,
    /// Idle connections to the server.
    pub(super) pool: Pool,
    /// No more requests are taken.
    pub(super) stop: CancellationToken,
}

/// A plan made ready. A request keeps the one that it began with.
#[derive(Debug)]
pub(super) struct Site {
    /// The plan.
    pub(super) plan: Arc<Plan>,
    /// The names that are let in.
    pub(super) hosts: Hosts,
    /// The clients that have a name.
    pub(super) clients: Clients,
    /// The server.
    pub(super) upstream: Arc<Upstream>,
}

impl Tap {
    /// One with this plan.
    pub(super) fn new(plan: SharedPlan, stop: CancellationToken) -> Tap {
        let site = Mutex::new(Arc::new(Site::new(plan.load_full(), None)));
        Tap { plan, site, pool: Pool::default(), stop }
    }

    /// The plan of now, ready.
    pub(super) fn site(&self) -> Arc<Site> {
        let plan = self.plan.load();
        let mut site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&plan, &site.plan) {
            *site = Arc::new(Site::new(Arc::clone(&plan), Some(&site)));
        }
        Arc::clone(&site)
    }
}

impl Site {
    /// `before` lends what did not change: the server, with its idle connections and certificates.
    pub(super) fn new(plan: Arc<Plan>, before: Option<&Site>) -> Site {
        let same = |site: &&Site| site.plan.upstream == plan.upstream && site.plan.ca_pem == plan.ca_pem;
        let upstream = before.filter(same).map_or_else(
            || Arc::new(Upstream::new(&plan.upstream, plan.ca_pem.clone())),
            |site| Arc::clone(&site.upstream),
        );
        let hosts = Hosts::new(&plan.allow_hosts, machine_name().as_deref());
        Site { hosts, clients: Clients::new(&plan.clients), upstream, plan }
    }
}
