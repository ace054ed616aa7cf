//! The host, off folders that read like `/proc` and `/sys`: what each sort of machine tells, and what is
//! said of what it does not tell.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::host::{Folder, Host, Places, Source};
use opsagent::metrics::{self, Format};
use opsagent::poll::HostPoller;
use opsagent::sample::{Disk, HostSample};
use opsagent::view::{Health, HostView};

use crate::support::eye::agent;
use crate::support::golden::{assert_golden, file};

const EVERY: Duration = Duration::from_secs(15);

/// A host of the fixtures. Its disks are made up: those of this machine are nobody's business.
struct Recorded(Host);

impl Source for Recorded {
    fn places(&self) -> Places {
        self.0.places()
    }

    fn look(&self, places: &Places) -> HostSample {
        self.0.look(places)
    }

    fn disk(&self, folder: &Path) -> Result<Disk, String> {
        if folder.ends_with("gguf") {
            return Err("there is no such folder".into());
        }
        Ok(Disk { size_bytes: 1 << 40, used_bytes: 3 << 38, available_bytes: 1 << 38 })
    }
}

fn recorded(name: &str) -> Host {
    let root = file("tests/fixtures/host").join(name);
    Host::at(root.join("proc"), root.join("sys"), &[])
}

/// What the page says of the host, and the notes.
fn told(fleet: &Fleet) -> String {
    let view = fleet.view();
    let page = metrics::render(&view, fleet.counted(), None, Format::Text);
    let is_fixed = |line: &&str| line.starts_with("opsagent_host_") && !line.contains("read_duration");
    let mut told: Vec<String> = page.lines().filter(is_fixed).map(str::to_owned).collect();
    let host = &view.hosts[0];
    told.push(format!("name: {:?}", host.name));
    for folder in &host.folders {
        let error = folder.error.as_deref().unwrap_or("read");
        told.push(format!("folder {} ({}): {error}", folder.folder, folder.why));
    }
    for note in &host.notes {
        // Where this checkout lies is no part of what is told.
        let text = note.text.replace(&format!("{}/", env!("CARGO_MANIFEST_DIR")), "");
        told.push(format!("{:?} {}: {text}", note.level, note.code));
    }
    told.join("\n") + "\n"
}

#[tokio::test]
async fn each_sort_of_machine_is_told_as_it_was_agreed() {
    for name in ["big-server", "vm", "raspberry", "container", "old-kernel", "garbage", "empty"] {
        let fleet = Fleet::new(agent(), 10);
        HostPoller::new(Arc::new(Recorded(recorded(name))), EVERY, fleet.clone()).once().await;
        assert_golden(&format!("host/{name}.txt"), &told(&fleet));
    }
}

fn host(fleet: &Fleet) -> HostView {
    fleet.view().hosts.remove(0)
}

#[tokio::test]
async fn a_machine_that_tells_nothing_is_no_fault_and_says_why() {
    let fleet = Fleet::new(agent(), 10);
    let before = fleet.view().health();
    HostPoller::new(Arc::new(recorded("empty")), EVERY, fleet.clone()).once().await;
    assert_eq!((fleet.view().health(), host(&fleet).health()), (before, Health::Ok));
    assert!(host(&fleet).notes.iter().any(|note| note.code == "host_unreadable"));
}

#[tokio::test]
async fn this_machine_is_read_and_its_counts_grow() {
    let fleet = Fleet::new(agent(), 10);
    let folder = tempfile::tempdir().unwrap();
    let source = Host::at("/proc", "/sys", &[folder.path().to_owned()]);
    let mut poller = HostPoller::new(Arc::new(source), EVERY, fleet.clone());
    poller.once().await;
    let first = host(&fleet);
    assert!(first.cpus >= Some(1) && first.memory.total_bytes > first.memory.available_bytes, "{first:?}");
    assert!(first.booted_at.is_some_and(|at| at < jiff::Timestamp::now()), "{first:?}");
    let disk = first.folders.iter().find(|one| Path::new(&one.folder) == folder.path()).unwrap();
    assert!(disk.disk.is_some_and(|disk| disk.available_bytes > 0) && disk.why == "configured", "{disk:?}");
    // Ticks of a hundredth of a second: some pass.
    tokio::time::sleep(Duration::from_millis(60)).await;
    poller.once().await;
    let second = host(&fleet);
    assert!(second.cpu_seconds.idle >= first.cpu_seconds.idle, "{second:?}");
    assert!(second.cpu_use_ratio.is_some_and(|ratio| (0.0..=1.0).contains(&ratio)), "{second:?}");
}

/// A host whose disks hang while it is told to, but for one.
struct Stuck {
    hangs: AtomicBool,
    asked: AtomicUsize,
    release: Mutex<mpsc::Receiver<()>>,
    look_hangs: AtomicBool,
}

impl Source for Stuck {
    fn places(&self) -> Places {
        let folder = |name: &str| Folder { name: name.into(), path: PathBuf::from(name), why: "test".into() };
        Places { folders: vec![folder("/good"), folder("/nfs")], cgroups: Vec::new() }
    }

    fn look(&self, _places: &Places) -> HostSample {
        if self.look_hangs.load(Ordering::SeqCst) {
            self.release.lock().unwrap().recv().ok();
        }
        HostSample { cpus: Some(2), ..HostSample::default() }
    }

    fn disk(&self, folder: &Path) -> Result<Disk, String> {
        if folder == Path::new("/nfs") {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                self.release.lock().unwrap().recv().ok();
            }
        }
        Ok(Disk { size_bytes: 100, used_bytes: 50, available_bytes: 50 })
    }
}

fn stuck() -> (mpsc::Sender<()>, Arc<Stuck>) {
    let (release, held) = mpsc::channel();
    let stuck = Stuck {
        hangs: AtomicBool::new(true),
        asked: AtomicUsize::new(0),
        release: Mutex::new(held),
        look_hangs: AtomicBool::new(false),
    };
    (release, Arc::new(stuck))
}

#[tokio::test]
async fn a_disk_that_hangs_costs_the_others_nothing_and_is_asked_again_when_it_answers() {
    let (release, source) = stuck();
    let fleet = Fleet::new(agent(), 10);
    let limit = Duration::from_millis(50);
    let mut poller = HostPoller::new(source.clone(), EVERY, fleet.clone()).within(limit);
    for _ in 0..3 {
        poller.once().await;
        let host = host(&fleet);
        assert_eq!(host.cpus, Some(2), "what the kernel tells is told");
        let [good, nfs] = &host.folders[..] else { panic!("{:?}", host.folders) };
        assert!(good.disk.is_some(), "{good:?}");
        assert!(nfs.disk.is_none() && nfs.error.as_ref().unwrap().starts_with("no answer for"), "{nfs:?}");
        assert!(!nfs.hangs && host.health() == Health::Ok, "a slow one is no trouble yet");
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1, "no second question while one is owed");

    source.hangs.store(false, Ordering::SeqCst);
    release.send(()).unwrap();
    let mut tries = 0;
    while host(&fleet).folders[1].disk.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        poller.once().await;
        tries += 1;
        assert!(tries < 400, "it answers again, and is not asked");
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 2, "what came late is not shown: it is asked anew");
}

#[tokio::test]
async fn a_disk_that_goes_on_hanging_is_a_warning() {
    let (_release, source) = stuck();
    let fleet = Fleet::new(agent(), 10);
    let limit = Duration::from_millis(50);
    let mut poller = HostPoller::new(source, EVERY, fleet.clone()).within(limit);
    let start = tokio::time::Instant::now();
    poller.once().await;
    assert_eq!(host(&fleet).health(), Health::Ok, "one slow answer is no trouble");
    while host(&fleet).health() == Health::Ok {
        tokio::time::sleep(Duration::from_millis(10)).await;
        poller.once().await;
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", host(&fleet));
    }
    assert!(start.elapsed() >= limit * 3);
    let note = host(&fleet).notes.remove(0);
    assert!(note.code == "disk_hangs" && note.text.contains("/nfs"), "{note:?}");
}

#[tokio::test]
async fn a_look_that_hangs_is_told_and_holds_up_nobody() {
    let (_release, source) = stuck();
    source.hangs.store(false, Ordering::SeqCst);
    source.look_hangs.store(true, Ordering::SeqCst);
    let fleet = Fleet::new(agent(), 10);
    let limit = Duration::from_millis(50);
    let mut poller = HostPoller::new(source, EVERY, fleet.clone()).within(limit);
    let start = tokio::time::Instant::now();
    for _ in 0..20 {
        poller.once().await;
    }
    assert!(start.elapsed() < limit * 10, "only the first waits: {:?}", start.elapsed());
    let host = host(&fleet);
    assert!(host.error.as_ref().unwrap().contains("no answer for"), "{host:?}");
    assert_eq!((host.cpus, host.health()), (None, Health::Ok));
}
