//! What a driver reports by itself: a thread of its own waits for it, since the driver's call blocks.

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

/// Listeners that may be left behind by a driver that holds them up. One that holds up that many is listened to no
/// more.
const MOST_HELD: usize = 16;

/// Listens to what the driver reports on each way that is opened, until the next one is or nobody holds it any
/// more. The thread is never joined: a driver may hold it for ever.
pub fn listen_to_driver(backend: &'static str, fleet: Fleet) -> OnOpen {
    // Each thread has one of these.
    let living = Arc::new(());
    Arc::new(move |gpus| {
        if Arc::strong_count(&living) > MOST_HELD {
            tracing::warn!(backend, "the driver holds up all that listened to it; its reports are not heard");
            return;
        }
        let number = fleet.new_listener(backend);
        let listener = Listener { backend, fleet: fleet.clone(), number, gpus: Arc::downgrade(gpus) };
        let lives = living.clone();
        let work = move || {
            listener.follow();
            drop(lives);
        };
        let thread = std::thread::Builder::new().name(format!("events-{backend}"));
        if let Err(error) = thread.spawn(work) {
            tracing::warn!(backend, %error, "no thread that listens to what the driver reports");
        }
    })
}

/// Listens on one way to the GPUs that was opened.
struct Listener {
    backend: &'static str,
    fleet: Fleet,
    number: u64,
    gpus: Weak<dyn Gpus>,
}

impl Drop for Listener {
    /// A panic ends it, too.
    fn drop(&mut self) {
        self.tell(false);
    }
}

impl Listener {
    fn follow(&self) {
        let (mut pause, mut events) = (WAIT, self.events());
        while self.gpus.strong_count() > 0 {
            let Some(listener) = &mut events else {
                // A thread that hangs may hold an old way for ever; only the latest is listened on, or events would
                // count twice.
                if !self.tell(false) {
                    return;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
                events = self.events();
                continue;
            };
            match listener.wait(WAIT) {
                // Of what came too late the next listener tells, or nobody is left to be told.
                Ok(_) if self.gpus.strong_count() == 0 => {}
                Ok(heard) => {
                    pause = WAIT;
                    if !self.tell(true) {
                        return;
                    }
                    for event in &heard {
                        record(&self.fleet, event);
                    }
                }
                Err(error) => {
                    let backend = self.backend;
                    tracing::info!(backend, %error, "the driver reports no events now; it is asked again later");
                    events = None;
                }
            }
        }
    }

    /// A way to wait for events. May block.
    fn events(&self) -> Option<Box<dyn Events>> {
        self.gpus.upgrade()?.events()
    }

    /// Tells whether the driver reports. `false`: this is not the latest listener any more.
    fn tell(&self, hears: bool) -> bool {
        self.fleet.record_listening(self.backend, self.number, hears)
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
