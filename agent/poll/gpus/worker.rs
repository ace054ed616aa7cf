//! The thread that owns a driver. It may be held up in any call for ever, so it says what it is about to do
//! before it does it, and nobody ever waits for its end.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use crate::gpus::{CardError, GpuError, Gpus, Open};
use crate::sample::{CardFault, GpuSample};

/// Called on the driver's thread when a way to the GPUs was opened.
pub type OnOpen = Arc<dyn Fn(&Arc<dyn Gpus>) + Send + Sync>;

/// What a worker is asked: to read every card from a place on.
pub(super) struct Ask {
    /// The open way. `None`: to be opened.
    pub(super) gpus: Option<Arc<dyn Gpus>>,
    /// The first place, and how many there are. `None`: from the start, all that there are.
    pub(super) rest: Option<(u32, u32)>,
    /// Places that are not asked: another worker is held up there.
    pub(super) skip: BTreeSet<u32>,
    /// Where it is told. A round sends three steps a card at most.
    pub(super) tell: UnboundedSender<Step>,
}

/// What a worker does, step by step.
pub(super) enum Step {
    /// The way is open.
    Open(Arc<dyn Gpus>),
    /// So many places there are.
    Places(u32),
    /// The card in this place is looked at now.
    Looking(u32),
    /// What came of it.
    Card(Result<Box<GpuSample>, CardFault>),
    /// All was read, or nothing can be.
    Done(Result<(), GpuError>),
}

/// A handle on the thread.
pub(super) struct Worker {
    asks: mpsc::Sender<Ask>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread that waits to be asked.
    pub(super) fn start(backend: &str, open: Open, on_open: Option<OnOpen>) -> Result<Worker, GpuError> {
        // One ask at most is under way, so the channel needs no bound.
        let (asks, asked) = mpsc::channel::<Ask>();
        let work = move || {
            for ask in asked {
                work(ask, &open, on_open.as_ref());
            }
        };
        let thread = std::thread::Builder::new().name(format!("gpus-{backend}"));
        let failed = |error| GpuError::Other(format!("no thread for reading the GPUs: {error}"));
        let thread = thread.spawn(work).map_err(failed)?;
        Ok(Worker { asks, thread })
    }

    /// Asks for a round. `Err`: the thread ended.
    pub(super) fn ask(&self, ask: Ask) -> Result<(), GpuError> {
        self.asks.send(ask).map_err(|_| ended())
    }

    /// Lets go of it: it ends as soon as the call that holds it up returns, which this handle sees.
    pub(super) fn leave(self) -> JoinHandle<()> {
        self.thread
    }
}

/// The thread is no more: its work panicked.
pub(super) fn ended() -> GpuError {
    GpuError::Other("the thread that reads the GPUs ended".into())
}

fn work(ask: Ask, open: &Open, on_open: Option<&OnOpen>) {
    let tell = ask.tell.clone();
    let result = round(ask, open, on_open);
    // Whoever is gone does not want to know.
    if let Some(result) = result {
        tell.send(Step::Done(result)).ok();
    }
}

/// `None`: nobody listens any more.
fn round(ask: Ask, open: &Open, on_open: Option<&OnOpen>) -> Option<Result<(), GpuError>> {
    let gpus = match ask.gpus {
        Some(gpus) => gpus,
        None => match open() {
            Ok(gpus) => {
                if let Some(on_open) = on_open {
                    on_open(&gpus);
                }
                ask.tell.send(Step::Open(gpus.clone())).ok()?;
                gpus
            }
            Err(error) => return Some(Err(error)),
        },
    };
    let (first, places) = match ask.rest {
        Some(rest) => rest,
        None => match gpus.places() {
            Ok(places) => (0, places),
            Err(error) => return Some(Err(error)),
        },
    };
    ask.tell.send(Step::Places(places)).ok()?;
    for place in (first..places).filter(|place| !ask.skip.contains(place)) {
        ask.tell.send(Step::Looking(place)).ok()?;
        let card = match gpus.read(place) {
            Ok(card) => Ok(Box::new(card)),
            Err(CardError::Card(fault)) => Err(fault),
            // No other card is asked: that might hang in a driver that is to be opened anew anyway.
            Err(CardError::Driver(error)) => return Some(Err(error)),
        };
        ask.tell.send(Step::Card(card)).ok()?;
    }
    Some(Ok(()))
}
