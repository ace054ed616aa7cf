//! Tells of each process on a card whose it is. `/proc` is read by calls that may wait for another
//! process's memory, and a driver on its bad day holds that up: so a thread of its own reads it, and
//! nobody waits for long.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{Instant, timeout, timeout_at};

use crate::fleet::Fleet;
use crate::http::Resolver;
use crate::owners::{Owner, Owners, Place};
use crate::sample::{GpuProcess, GpuSample};

/// A look takes milliseconds; on a machine with many thousand open files it may take a second.
const LIMIT: Duration = Duration::from_secs(2);

/// Why processes are not joined to targets, in [`GpuSample::untold`].
const CONTAINER: &str = "container";

/// Whose the processes are; `None`: ids here are not those that drivers tell.
type Told = Option<BTreeMap<u32, Owner>>;

/// Finds out whose the processes on cards are.
#[derive(Debug)]
pub struct Whose {
    resolver: Resolver,
    limit: Duration,
    ask: Asking,
    /// The answer that is owed.
    owed: Option<oneshot::Receiver<Told>>,
    /// The last answer. It holds while another is owed.
    last: Told,
}

/// The thread that looks. It is never joined: it ends when nobody asks any more and `/proc` lets it.
#[derive(Debug)]
enum Asking {
    NotYet(Box<Owners>),
    Thread(mpsc::Sender<Question>),
    /// No thread can be had.
    Never,
}

struct Question {
    places: Vec<Place>,
    pids: Vec<u32>,
    reply: oneshot::Sender<Told>,
}

impl Whose {
    /// Asks these owners.
    pub fn by(owners: Owners) -> Whose {
        Whose {
            resolver: Resolver::default(),
            limit: LIMIT,
            ask: Asking::NotYet(Box::new(owners)),
            owed: None,
            last: Some(BTreeMap::new()),
        }
    }

    /// The same with another limit for one look.
    #[must_use]
    pub fn within(self, limit: Duration) -> Whose {
        Whose { limit, ..self }
    }

    /// Writes to each process on these cards what it is called and whose it is.
    pub async fn join(&mut self, fleet: &Fleet, cards: &mut [GpuSample]) {
        let pids: BTreeSet<u32> = processes(cards).map(|process| process.pid).collect();
        if pids.is_empty() {
            return;
        }
        let places = self.places(fleet).await;
        self.look(places, pids.into_iter().collect()).await;
        let Some(owners) = &self.last else {
            for card in cards.iter_mut().filter(|card| card.processes.is_some()) {
                card.untold.insert("process_targets".into(), CONTAINER.into());
            }
            return;
        };
        for process in processes(cards) {
            let Some(owner) = owners.get(&process.pid) else { continue };
            process.target.clone_from(&owner.target);
            if owner.program.is_some() {
                process.name.clone_from(&owner.program);
            }
        }
    }

    async fn places(&mut self, fleet: &Fleet) -> Vec<Place> {
        let targets = fleet.places();
        self.resolver.keep(targets.iter().map(|(_, url, _)| url));
        let deadline = Instant::now() + self.limit;
        let mut places = Vec::new();
        for (target, url, kind) in targets {
            let ips = timeout_at(deadline, self.resolver.ips(&url)).await.unwrap_or_default();
            let port = url.port_or_known_default().unwrap_or_default();
            let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            places.push(Place { target, kind, addresses });
        }
        places
    }

    /// Asks, unless an answer is still owed; the last one holds until there is another.
    async fn look(&mut self, places: Vec<Place>, pids: Vec<u32>) {
        if let Some(mut owed) = self.owed.take() {
            match owed.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.owed = Some(owed);
                    return;
                }
                Ok(told) => self.last = told,
                Err(TryRecvError::Closed) => self.ask = Asking::Never,
            }
        }
        let (reply, mut answer) = oneshot::channel();
        if !self.send(Question { places, pids, reply }) {
            return;
        }
        match timeout(self.limit, &mut answer).await {
            Ok(Ok(told)) => self.last = told,
            // The thread ended by a panic, which told of itself; a second one would fare no better.
            Ok(Err(_)) => self.ask = Asking::Never,
            Err(_) => self.owed = Some(answer),
        }
    }

    fn send(&mut self, question: Question) -> bool {
        if let Asking::NotYet(_) = self.ask
            && let Asking::NotYet(owners) = std::mem::replace(&mut self.ask, Asking::Never)
        {
            self.ask = start(*owners).map_or(Asking::Never, Asking::Thread);
        }
        matches!(&self.ask, Asking::Thread(thread) if thread.send(question).is_ok())
    }
}

fn processes(cards: &mut [GpuSample]) -> impl Iterator<Item = &mut GpuProcess> {
    cards.iter_mut().filter_map(|card| card.processes.as_mut()).flatten()
}

/// One answer at most is owed, so the channel needs no bound.
fn start(mut owners: Owners) -> Option<mpsc::Sender<Question>> {
    let (ask, asked) = mpsc::channel::<Question>();
    let work = move || {
        for Question { places, pids, reply } in asked {
            let told = owners.can_tell().then(|| owners.of(&places, &pids));
            // Nobody waits for it any more: the job is gone.
            drop(reply.send(told));
        }
    };
    match std::thread::Builder::new().name("owners".into()).spawn(work) {
        Ok(_) => Some(ask),
        Err(error) => {
            tracing::warn!(%error, "no thread for finding out whose the processes on the GPUs are");
            None
        }
    }
}
