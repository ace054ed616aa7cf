//! The job that looks at the host. What may block (a process that is being torn down, the disk below a
//! dead network mount) is asked by threads of their own, each with a limit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::aside::{Aside, NoAnswer};
use crate::fleet::Fleet;
use crate::host::{Folder, Places, Source};
use crate::jobs::Job;
use crate::sample::{Disk, FolderSample, HostSample};

/// How long a look may take: it reads a dozen small files.
const LIMIT: Duration = Duration::from_secs(3);

/// A disk that owes an answer for longer than so many limits is told as one that hangs: one that has
/// to spin up, or is mounted when it is asked for, is slow once.
const HANGS_LIMITS: u32 = 3;

/// Where models lie changes with the servers that run: it is looked for again this often, since it
/// takes a walk over all processes.
const PLACES_EVERY: Duration = Duration::from_secs(30);

/// Looks at the host on its beat.
pub struct HostPoller {
    source: Arc<dyn Source>,
    every: Duration,
    limit: Duration,
    fleet: Fleet,
    look: Aside<HostSample>,
    find: Aside<Places>,
    disks: BTreeMap<PathBuf, Aside<Result<Disk, String>>>,
    places: Places,
    found: Option<Instant>,
}

impl HostPoller {
    /// A job that looks at the host and records it; `every` is its beat.
    pub fn new(source: Arc<dyn Source>, every: Duration, fleet: Fleet) -> HostPoller {
        HostPoller {
            source,
            every,
            limit: LIMIT,
            fleet,
            look: Aside::default(),
            find: Aside::default(),
            disks: BTreeMap::new(),
            places: Places::default(),
            found: None,
        }
    }

    /// The same with a shorter limit for one question.
    #[must_use]
    pub fn within(self, limit: Duration) -> HostPoller {
        HostPoller { limit: limit.min(LIMIT), ..self }
    }

    /// Looks once and records it.
    pub async fn once(&mut self) {
        let start = Instant::now();
        self.find_places().await;
        let (source, places) = (self.source.clone(), self.places.clone());
        let look = self.look.ask("host", self.limit, move || source.look(&places));
        // A disk that hangs costs the others nothing, and none of them what the kernel tells.
        let disks = disks(&mut self.disks, &self.source, &self.places.folders, self.limit);
        let (look, folders) = tokio::join!(look, disks);
        let result = look.map(|sample| HostSample { folders, ..sample });
        let result = result.map_err(|error| format!("the host cannot be read: {error}"));
        for note in self.fleet.record_host(result, start.elapsed(), self.every) {
            let remedy = note.remedy.unwrap_or_default();
            tracing::warn!(code = note.code, remedy, "host: {}", note.text);
        }
    }

    async fn find_places(&mut self) {
        if self.found.is_some_and(|found| found.elapsed() < PLACES_EVERY) {
            return;
        }
        let source = self.source.clone();
        // Without an answer the places that were known go on.
        if let Ok(places) = self.find.ask("host-places", self.limit, move || source.places()).await {
            self.places = places;
            self.found = Some(Instant::now());
        }
    }
}

/// Asks the disk below each folder, all at once.
async fn disks(
    asides: &mut BTreeMap<PathBuf, Aside<Result<Disk, String>>>,
    source: &Arc<dyn Source>,
    folders: &[Folder],
    limit: Duration,
) -> Vec<FolderSample> {
    let is_wanted = |path: &PathBuf| folders.iter().any(|folder| folder.path == *path);
    // What hangs is kept, so that a folder that comes and goes hangs one thread and no more.
    asides.retain(|path, aside| is_wanted(path) || aside.owes());
    for folder in folders {
        asides.entry(folder.path.clone()).or_default();
    }
    let asked = asides.iter_mut().filter(|(path, _)| is_wanted(path)).map(|(path, aside)| async {
        let (source, asked) = (source.clone(), path.clone());
        (path.clone(), aside.ask("host-disk", limit, move || source.disk(&asked)).await)
    });
    let told: BTreeMap<PathBuf, _> = join_all(asked).await.into_iter().collect();
    let sample = |folder: &Folder| {
        let (disk, error, hangs) = match told.get(&folder.path) {
            Some(Ok(Ok(disk))) => (Some(*disk), None, false),
            Some(Ok(Err(error))) => (None, Some(error.clone()), false),
            Some(Err(late)) => {
                let hangs = matches!(late, NoAnswer::Late(owed) if *owed >= limit * HANGS_LIMITS);
                (None, Some(late.to_string()), hangs)
            }
            None => (None, None, false),
        };
        FolderSample { folder: folder.name.clone(), why: folder.why.clone(), disk, error, hangs }
    };
    folders.iter().map(sample).collect()
}

impl Job for HostPoller {
    fn run(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.once())
    }
}

impl std::fmt::Debug for HostPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostPoller")
    }
}
