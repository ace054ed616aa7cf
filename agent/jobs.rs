//! Periodic work and servers: one place starts them, one stops them. Knows nothing of what it runs.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long what was cut may take to fall: it is dropped where it runs, and what it tells when it is dropped is
/// waited for.
const FALL: Duration = Duration::from_secs(1);

/// Work that comes back on a beat. It may keep state; one task owns it.
pub trait Job: Send + 'static {
    /// One beat.
    fn run(&mut self) -> BoxFuture<'_, ()>;
}

/// Called with a job's name when it panicked.
pub type OnPanic = Arc<dyn Fn(&str) + Send + Sync>;

/// The jobs that run. Cloned handles are the same set.
#[derive(Clone)]
pub struct Jobs {
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
    on_panic: OnPanic,
    /// The thread they run on. `None`: where they are started.
    home: Option<Arc<Home>>,
}

/// A thread that runs jobs; it ends with the last handle on it.
struct Home {
    runtime: Handle,
    _leave: DropGuard,
}

/// One running job; [`JobHandle::stop`] ends it before the others.
#[derive(Debug)]
pub struct JobHandle(CancellationToken);

impl JobHandle {
    /// Ends the job: a beat in flight is dropped, none comes after it.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Jobs {
    /// No jobs yet.
    pub fn new(on_panic: OnPanic) -> Jobs {
        Jobs {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            on_panic,
            home: None,
        }
    }

    /// The same set, to start jobs by that run on a new thread of this name: nothing that others do delays them.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub fn on_thread(&self, name: &str) -> io::Result<Jobs> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let left = CancellationToken::new();
        let home = Home { runtime: runtime.handle().clone(), _leave: left.clone().drop_guard() };
        let (stop, tracker) = (self.stop.clone(), self.tracker.clone());
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = left.cancelled() => {}
                    () = async { stop.cancelled().await; tracker.wait().await } => {}
                }
            });
        };
        // It is never joined: it ends when all jobs have, or when none runs there and nobody can start one.
        drop(std::thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(Jobs { home: Some(Arc::new(home)), ..self.clone() })
    }

    /// Runs `job` every `period`, the first time after `delay`. A beat that takes longer than the
    /// period delays the next; a panic is caught, reported, and the next beat comes.
    #[must_use = "dropping the handle stops the job"]
    pub fn every(
        &self,
        name: impl Into<String>,
        delay: Duration,
        period: Duration,
        mut job: impl Job,
    ) -> JobHandle {
        let (name, mine, on_panic) = (name.into(), self.stop.child_token(), self.on_panic.clone());
        let stop = mine.clone();
        self.spawn(async move {
            let mut beat = interval_at(Instant::now() + delay, period);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    _ = beat.tick() => {}
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    outcome = AssertUnwindSafe(job.run()).catch_unwind() => {
                        if outcome.is_err() {
                            on_panic(&name);
                        }
                    }
                }
            }
        });
        JobHandle(mine)
    }

    /// Runs something that ends by itself when [`Jobs::stopping`] is told, such as a listener.
    pub fn serve(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.spawn(async move {
            tokio::select! {
                () = work => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// Runs something that ends by itself, such as one connection. A panic ends it, and is reported under `name`.
    pub fn run(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let on_panic = self.on_panic.clone();
        // In a box, since each layer around a future that it awaits takes its room twice, and of these there may be
        // ten thousand.
        let work = Box::pin(work);
        self.serve(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                on_panic(name);
            }
        });
    }

    /// Completes when the jobs are told to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tells all to stop, waits no longer than the grace (or until `hurry` completes), cuts the
    /// rest and says how many that were.
    pub async fn stop(&self, grace: Duration, hurry: impl Future<Output = ()>) -> usize {
        self.stop.cancel();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = tokio::time::sleep(grace) => {}
            () = hurry => {}
        }
        let left = self.tracker.len();
        self.cut.cancel();
        // All that is cut ends at its next await. One that has none is left to the end of the process.
        drop(timeout(FALL, self.tracker.wait()).await);
        left
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match &self.home {
            Some(home) => {
                // What runs there keeps the thread, also when whoever started it is gone.
                let kept = Arc::clone(home);
                let work = async move {
                    work.await;
                    drop(kept);
                };
                drop(self.tracker.spawn_on(work, &home.runtime));
            }
            None => drop(self.tracker.spawn(work)),
        }
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jobs({})", self.tracker.len())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use tokio::sync::oneshot;

    use super::*;

    /// Says when it is dropped.
    struct Told(Option<oneshot::Sender<()>>);

    impl Drop for Told {
        fn drop(&mut self) {
            if let Some(told) = self.0.take() {
                told.send(()).ok();
            }
        }
    }

    #[tokio::test]
    async fn a_thread_of_its_own_runs_what_is_started_there_and_ends_with_all_jobs() {
        let panicked: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&panicked);
        let jobs = Jobs::new(Arc::new(move |name| told.lock().unwrap().push(name.to_owned())));
        let there = jobs.on_thread("apart").unwrap();
        let (sender, name) = oneshot::channel();
        there.run("names", async {
            let name = std::thread::current().name().map(str::to_owned);
            drop(sender.send(name));
        });
        assert_eq!(name.await.unwrap().as_deref(), Some("apart"));

        let (sender, mut dropped) = oneshot::channel();
        let held = Told(Some(sender));
        there.run("hangs", async move {
            let _held = held;
            pending::<()>().await;
        });
        there.run("breaks", async { panic!("planted") });
        while panicked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(jobs.stop(Duration::from_millis(100), pending()).await, 1, "the one that hangs");
        assert!(dropped.try_recv().is_ok(), "what is cut has fallen when that is told");
        assert_eq!(*panicked.lock().unwrap(), ["breaks"]);
    }
}
