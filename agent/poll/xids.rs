//! What a driver reports by itself: a thread of its own waits for it, since the driver's call blocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::OnOpen;
use crate::fleet::Fleet;
use crate::gpus::{Events, Gpus};
use crate::sample::XidEvent;

/// One wait. The thread ends that long after its backend was closed.
const WAIT: Duration = Duration::from_secs(1);

/// The longest pause before a listener that failed is replaced.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Listens to what the driver reports on each way that is opened, until the next one is or nobody holds it any
/// more. The thread is never joined: a driver may hold it for ever.
pub fn listen_to_driver(backend: &'static str, fleet: Fleet) -> OnOpen {
    let latest = Arc::new(AtomicU64::new(0));
    Arc::new(move |gpus| {
        let number = latest.fetch_add(1, Ordering::Relaxed) + 1;
        let way = Way { gpus: Arc::downgrade(gpus), number, latest: latest.clone() };
        let end = Listening { backend, fleet: fleet.clone() };
        let work = move || {
            follow(&way, &end);
            drop(end);
        };
        let thread = std::thread::Builder::new().name(format!("events-{backend}"));
        if let Err(error) = thread.spawn(work) {
            tracing::warn!(backend, %error, "no thread that listens to what the driver reports");
        }
    })
}

/// One way to the GPUs that was opened.
struct Way {
    gpus: Weak<dyn Gpus>,
    number: u64,
    latest: Arc<AtomicU64>,
}

impl Way {
    /// A thread that hangs may hold an old way for ever; only the latest is listened on, or events would count
    /// twice.
    fn is_open(&self) -> bool {
        self.gpus.strong_count() > 0 && self.latest.load(Ordering::Relaxed) == self.number
    }

    /// A listener. May block.
    fn events(&self) -> Option<Box<dyn Events>> {
        self.gpus.upgrade()?.events()
    }
}

/// While it lives the driver is listened to, if it was told so; a panic ends that too.
struct Listening {
    backend: &'static str,
    fleet: Fleet,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.fleet.record_listening(self.backend, false);
    }
}

fn follow(way: &Way, listening: &Listening) {
    let Listening { backend, fleet } = listening;
    let (mut pause, mut events) = (WAIT, way.events());
    while way.is_open() {
        let Some(listener) = &mut events else {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            events = way.events();
            continue;
        };
        match listener.wait(WAIT) {
            // Of what came too late the next listener tells, or nobody is left to be told.
            Ok(_) if !way.is_open() => {}
            Ok(heard) => {
                pause = WAIT;
                fleet.record_listening(backend, true);
                for event in &heard {
                    record(fleet, event);
                }
            }
            Err(error) => {
                tracing::info!(backend, %error, "the driver reports no events now; it is asked again later");
                fleet.record_listening(backend, false);
                events = None;
            }
        }
    }
}

/// Records an XID, and logs it when it is new: the first of its number, then each time their count has doubled.
pub(super) fn record(fleet: &Fleet, event: &XidEvent) {
    let Some((gpu, count)) = fleet.record_xid(event) else { return };
    if !count.count.is_power_of_two() {
        return;
    }
    let (xid, times) = (&count.xid, count.count);
    // What is not known has no field.
    let [means, told, matters] = [&count.meaning, &count.told, &count.severity].map(Option::as_deref);
    if event.before_start {
        tracing::info!(gpu, xid, means, matters, told, times, "a GPU had an XID before the agent started");
    } else if matches!(matters, Some("critical" | "warning")) {
        tracing::warn!(gpu, xid, means, matters, told, times, "a GPU has an XID");
    } else {
        tracing::info!(gpu, xid, means, matters, told, times, "a GPU has an XID");
    }
}
