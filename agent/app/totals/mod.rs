//! Keeps in the store what the fleet counts, so that totals and a history by hours outlive the agent.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use self::ledger::Ledger;
use crate::fleet::Fleet;
use crate::jobs::Job;
use crate::store::{Batch, Db, Key, Store, StoredRun, Wanted};

mod ledger;

/// How often it is looked whether work was done: of requests and tokens a kill loses no more than this. What is written
/// then takes some 10 ms of the disk.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// Where nobody works only energy grows, and it is written so often: a disk is not woken for it all the time.
const AT_REST: Duration = Duration::from_secs(60);

/// The first look comes soon: so a kill within the first minute loses less, and what is kept is soon shown.
pub(super) const FIRST: Duration = Duration::from_secs(3);

/// How long a look waits for the disk. What is not written by then is written again with the next.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far back runs are looked for that were not taken into the history yet: longer than any run takes.
const RUNS_SINCE: Duration = Duration::from_secs(3600);

/// The most runs that one look takes: a model in an hour has some dozens.
const MOST_RUNS: u32 = 4096;

/// Who keeps the totals. Cloned handles are the same one.
#[derive(Debug, Clone)]
pub(super) struct Totals(Arc<Mutex<Keeper>>);

#[derive(Debug)]
struct Keeper {
    fleet: Fleet,
    store: Option<Store>,
    /// Held by the one agent of those with this store that keeps totals; the system takes it back from a dead one.
    lock: Option<File>,
    loaded: bool,
    ledger: Ledger,
    /// When what grew was last added. `None`: never.
    added: Option<Instant>,
    /// The newest run that is in the history. `None`: not asked yet.
    last_run: Option<i64>,
    /// When the last request ended whose speed is in the history, by target.
    last_ends: BTreeMap<String, Timestamp>,
}

impl Totals {
    /// Nothing is kept until there is a store.
    pub(super) fn new(fleet: Fleet) -> Totals {
        Totals(Arc::new(Mutex::new(Keeper {
            fleet,
            store: None,
            lock: None,
            loaded: false,
            ledger: Ledger::default(),
            added: None,
            last_run: None,
            last_ends: BTreeMap::new(),
        })))
    }

    /// Keeps them there from now on.
    pub(super) async fn keep_in(&self, store: Store) {
        self.0.lock().await.store = Some(store);
    }

    /// Adds what grew since the last look. Waits for the disk, but not for long.
    pub(super) async fn look(&self) {
        self.look_if(|_| true).await;
    }

    async fn look_if(&self, is_due: impl FnOnce(&Keeper) -> bool) {
        let look = async {
            let mut keeper = self.0.lock().await;
            if is_due(&keeper) {
                keeper.look().await;
            }
        };
        // A look that is dropped has added what it saw to the ledger, or has not seen it: nothing is lost.
        if timeout(PATIENCE, look).await.is_err() {
            tracing::warn!("the store takes long: its totals are behind until it answers");
        }
    }
}

impl Job for Totals {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.look_if(Keeper::is_due))
    }
}

impl Keeper {
    /// Whether somebody worked since the last look, or it was long ago.
    fn is_due(&self) -> bool {
        let rested = self.added.is_none_or(|added| added.elapsed() + EVERY / 2 >= AT_REST);
        rested || self.ledger.worked(&self.fleet.counters())
    }

    async fn look(&mut self) {
        let Some(store) = self.store.clone() else { return };
        self.added = Some(Instant::now());
        if self.lock.is_none() {
            self.lock = lock(store.path().to_owned()).await;
        }
        if self.lock.is_none() {
            self.ledger.pass(self.fleet.counters(), Timestamp::now());
            return;
        }
        if !self.loaded {
            // Without what is stored nothing can be added to it; the counters do not forget until then.
            let Ok(totals) = store.read(Db::totals).await else { return };
            self.ledger.load(totals);
            self.loaded = true;
        }
        let runs = self.runs(&store).await;
        let at = Timestamp::now();
        let mut batch = self.ledger.look(self.fleet.counters(), at);
        batch = self.speeds(batch, at);
        batch = runs.iter().fold(batch, of_run);
        self.fleet.record_kept(self.ledger.kept());
        let batch = batch.with(self.ledger.unwritten(at));
        if batch.is_empty() || store.write(batch).await.is_ok() {
            self.ledger.written();
        }
    }

    /// The runs of canaries since the last look, whoever did them.
    async fn runs(&mut self, store: &Store) -> Vec<StoredRun> {
        let since = Timestamp::now().checked_sub(RUNS_SINCE).ok();
        let wanted = Wanted { since, limit: Some(MOST_RUNS), ..Wanted::default() };
        let Ok(mut runs) = store.read(move |db| db.runs(&wanted)).await else { return Vec::new() };
        let newest = runs.iter().map(|run| run.id).max().unwrap_or(0);
        // Those before the agent's first look are in the history, or of a time that it has nothing of.
        let before = self.last_run.replace(newest.max(self.last_run.unwrap_or(0))).unwrap_or(newest);
        runs.retain(|run| run.id > before);
        runs
    }

    /// The median speed that readers saw, of targets at which requests ended since the last look.
    fn speeds(&mut self, mut batch: Batch, at: Timestamp) -> Batch {
        let view = self.fleet.view();
        for target in &view.targets {
            let Some(traffic) = &target.traffic else { continue };
            let (Some(speed), Some(end)) = (traffic.decode_tokens_per_second, traffic.last_end_at) else {
                continue;
            };
            if self.last_ends.insert(target.name.clone(), end) != Some(end) {
                batch = batch.hour(&Key::new(&target.name, ""), at, "tokens_per_second", speed);
            }
        }
        self.last_ends.retain(|name, _| view.targets.iter().any(|target| target.name == *name));
        batch
    }
}

/// What the history by hours holds of a run.
fn of_run(batch: Batch, stored: &StoredRun) -> Batch {
    let run = &stored.run;
    let graded = run.graded.filter(|graded| *graded > 0);
    let passed = run.passed.zip(graded).map(|(passed, graded)| passed as f64 / graded as f64);
    let values = [
        ("canary_distance", run.distance),
        ("canary_kld", run.kld),
        ("canary_pass_ratio", passed),
        ("canary_tokens_per_second", run.tokens_per_second),
    ];
    let told = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    told.fold(batch, |batch, (name, value)| batch.hour(&stored.key, run.at, name, value))
}

/// The right to keep totals in this store. `None`: another agent has it, or there can be no file beside the store.
async fn lock(store: PathBuf) -> Option<File> {
    let taken = tokio::task::spawn_blocking(move || take(&store)).await;
    taken.ok().flatten()
}

fn take(store: &Path) -> Option<File> {
    let mut path = store.as_os_str().to_owned();
    path.push("-agent");
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    match file.try_lock() {
        // Where files cannot be locked, nobody can be asked: one agent a store is the usual case.
        Ok(()) | Err(TryLockError::Error(_)) => Some(file),
        Err(TryLockError::WouldBlock) => {
            tracing::debug!("another agent keeps the totals of this store");
            None
        }
    }
}
