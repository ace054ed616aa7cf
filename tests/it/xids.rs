//! XIDs from their two sources: the driver, which reports them by itself, and the kernel's log.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use opsagent::fleet::Fleet;
use opsagent::gpus::kernel_log::Place;
use opsagent::gpus::{CardError, Events, GpuError, Gpus, Open};
use opsagent::metrics::{Format, render};
use opsagent::poll::{GpuPoller, ListenToKernel, listen_to_driver};
use opsagent::sample::{CardRef, GpuSample, XidEvent, XidSource};
use opsagent::view::XidCount;

use crate::support::eye;

const UUID: &str = "GPU-1";

fn fleet() -> Fleet {
    Fleet::new(eye::agent(), 10)
}

type Report = Result<Vec<XidEvent>, GpuError>;

/// A driver with one card, which reports what the test has it report.
struct Fake {
    reports: Arc<Mutex<mpsc::Receiver<Report>>>,
    listeners: Arc<AtomicUsize>,
}

struct FakeEvents(Fake);

impl Gpus for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(1)
    }

    fn read(&self, _: u32) -> Result<GpuSample, CardError> {
        Ok(GpuSample {
            uuid: UUID.into(),
            vendor: "nvidia".into(),
            pci: Some("0000:3b:00.0".into()),
            ..GpuSample::default()
        })
    }

    fn events(&self) -> Option<Box<dyn Events>> {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        let fake = Fake { reports: self.reports.clone(), listeners: self.listeners.clone() };
        Some(Box::new(FakeEvents(fake)))
    }
}

impl Events for FakeEvents {
    fn wait(&mut self, at_most: Duration) -> Report {
        let report = self.0.reports.lock().unwrap().recv_timeout(at_most.min(Duration::from_millis(20)));
        report.unwrap_or(Ok(Vec::new()))
    }
}

impl Drop for FakeEvents {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A driver that holds up whoever wants to listen to it.
struct Stuck {
    wait: Arc<Mutex<mpsc::Receiver<()>>>,
    held: Arc<AtomicUsize>,
}

impl Gpus for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(0)
    }

    fn read(&self, _: u32) -> Result<GpuSample, CardError> {
        Err(CardError::Driver(GpuError::DriverNotLoaded))
    }

    fn events(&self) -> Option<Box<dyn Events>> {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.wait.lock().unwrap().recv().ok();
        None
    }
}

struct Bench {
    fleet: Fleet,
    reports: mpsc::Sender<Report>,
    /// How many listen.
    listeners: Arc<AtomicUsize>,
    poller: GpuPoller,
}

async fn bench() -> Bench {
    let (fleet, listeners) = (fleet(), Arc::new(AtomicUsize::new(0)));
    let (reports, receiver) = mpsc::channel();
    let (receiver, count) = (Arc::new(Mutex::new(receiver)), listeners.clone());
    let open: Open =
        Arc::new(move || Ok(Arc::new(Fake { reports: receiver.clone(), listeners: count.clone() })));
    let listen = listen_to_driver("fake", fleet.clone());
    let poller = GpuPoller::new("fake", open, Duration::from_secs(5), fleet.clone());
    let mut poller = poller.telling(listen);
    poller.once().await;
    Bench { fleet, reports, listeners, poller }
}

fn by_driver(xid: u32) -> XidEvent {
    XidEvent {
        card: CardRef::Uuid(UUID.into()),
        xid,
        at: Timestamp::now(),
        source: XidSource::Driver,
        before_start: false,
        text: None,
    }
}

fn append(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// What happened to the card, without the zeros.
fn happened(fleet: &Fleet) -> Vec<XidCount> {
    let xids = fleet.view().gpus.cards[0].xids.clone();
    xids.into_iter().filter(|count| count.count > 0).collect()
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came: {what}");
}

#[tokio::test]
async fn an_event_that_driver_and_kernel_log_tell_counts_once() {
    let bench = bench().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    append(&path, "");
    let mut log = ListenToKernel::new(Place::At(path.clone()), bench.fleet.clone());
    log.once().await;
    bench.reports.send(Ok(vec![by_driver(79)])).unwrap();
    append(&path, "NVRM: Xid (PCI:0000:3b:00): 79, pid=12, name=llama-server, GPU has fallen off the bus.\n");
    append(
        &path,
        "NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Reboot)\n",
    );
    append(&path, "NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.\n");
    log.once().await;
    until("both told", || !happened(&bench.fleet).is_empty()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let told: Vec<(String, u64)> =
        happened(&bench.fleet).into_iter().map(|xid| (xid.xid, xid.count)).collect();
    assert_eq!(told, [("79".into(), 1), ("154".into(), 1)]);
    let card = &bench.fleet.view().gpus.cards[0];
    assert!(card.xids.iter().any(|xid| xid.xid == "48" && xid.count == 0), "critical numbers begin at zero");
    let page = render(&bench.fleet.view(), bench.fleet.counted(), None, Format::Text);
    for line in [
        "opsagent_gpu_xid_errors_total{gpu=\"GPU-1\",xid=\"79\"} 1",
        "opsagent_gpu_xid_errors_total{gpu=\"GPU-1\",xid=\"48\"} 0",
        "opsagent_gpu_last_xid_timestamp_seconds{gpu=\"GPU-1\",xid=\"79\"} ",
        "opsagent_kernel_log_up 1",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
    assert!(!page.contains("llama-server"), "a process is no label");
}

#[tokio::test]
async fn what_the_log_holds_from_before_is_told_as_that() {
    let bench = bench().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    let earlier = bench.fleet.started_at() - Duration::from_millis(1);
    append(&path, &format!("{earlier} box kernel: NVRM: Xid (PCI:0000:3b:00): 48, pid=1, name=a, DBE\n"));
    ListenToKernel::new(Place::At(path), bench.fleet.clone()).once().await;
    let told = &happened(&bench.fleet)[0];
    assert_eq!((told.count, told.before_start, told.last_at), (1, 1, Some(earlier)));
}

#[tokio::test]
async fn work_that_hangs_on_another_vendors_card_is_told_of_that_card() {
    let fleet = fleet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    append(&path, "");
    let mut log = ListenToKernel::new(Place::At(path.clone()), fleet.clone());
    log.once().await;
    append(&path, "amdgpu 0000:03:00.0: amdgpu: ring comp_1.0.0 timeout, signaled seq=1, emitted seq=2\n");
    append(&path, "amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n");
    log.once().await;
    let page = render(&fleet.view(), fleet.counted(), None, Format::Text);
    assert!(page.contains("opsagent_gpu_hangs_total{gpu=\"pci-0000:03:00.0\"} 1\n"), "{page}");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_told_with_its_reason_and_is_no_fault_of_the_card() {
    let bench = bench().await;
    let path = "/nonexistent/kern.log";
    ListenToKernel::new(Place::At(path.into()), bench.fleet.clone()).once().await;
    let log = bench.fleet.view().gpus.kernel_log.unwrap();
    assert!(!log.up && log.source == path && log.error.unwrap().contains("No such file"));
    assert!(bench.fleet.view().gpus.cards[0].notes.is_empty());
}

#[tokio::test]
async fn a_log_that_gives_no_answer_is_told_so_and_read_on_when_it_does() {
    let (bench, folder) = (bench().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("kern.log");
    append(&path, "NVRM: Xid (PCI:0000:3b:00): 94, pid=1, name=a, Contained\n");
    let mut kernel = ListenToKernel::new(Place::At(path.clone()), bench.fleet.clone()).within(Duration::ZERO);
    let log = || bench.fleet.view().gpus.kernel_log.unwrap();
    // No look is as quick as that, but for a few of very many.
    for _ in 0..50_000 {
        kernel.once().await;
        if !log().up {
            break;
        }
    }
    assert!(!log().up && log().error.unwrap().starts_with("no answer for 0 s"), "{:?}", log());
    assert_eq!(log().source, path.display().to_string());
    for _ in 0..1000 {
        if log().up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        kernel.once().await;
    }
    assert!(log().up && log().error.is_none());
    assert_eq!(happened(&bench.fleet)[0].count, 1);
}

#[tokio::test]
async fn of_two_listeners_to_one_driver_the_later_is_heard() {
    let mut bench = bench().await;
    until("somebody listens", || bench.listeners.load(Ordering::SeqCst) == 1).await;
    // As after a reload while a thread hangs in the driver: the earlier way stays open.
    let (reports, receiver) = mpsc::channel();
    let later = Fake { reports: Arc::new(Mutex::new(receiver)), listeners: Arc::default() };
    let listeners = later.listeners.clone();
    let way: Arc<dyn Gpus> = Arc::new(later);
    listen_to_driver("fake", bench.fleet.clone())(&way);
    until("another listens", || listeners.load(Ordering::SeqCst) == 1).await;
    until("the earlier one ends", || bench.listeners.load(Ordering::SeqCst) == 0).await;
    reports.send(Ok(vec![by_driver(94)])).unwrap();
    until("it hears", || happened(&bench.fleet).first().is_some_and(|xid| xid.count == 1)).await;
    bench.poller.once().await;
    assert!(bench.fleet.view().gpus.backends[0].up);
}

#[tokio::test]
async fn a_driver_that_holds_up_its_listeners_gets_no_more_than_a_few() {
    let (bench, held) = (bench().await, Arc::new(AtomicUsize::new(0)));
    let listen = listen_to_driver("fake", bench.fleet.clone());
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let way = |_| Arc::new(Stuck { wait: wait.clone(), held: held.clone() }) as Arc<dyn Gpus>;
    let ways: Vec<Arc<dyn Gpus>> = (0..100).map(way).collect();
    for way in &ways {
        listen(way);
    }
    until("some are held up", || held.load(Ordering::SeqCst) > 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let most = held.load(Ordering::SeqCst);
    assert!((1..=16).contains(&most), "{most} threads");
    drop((release, ways));
    until("they end", || Arc::strong_count(&held) == 1).await;
}

#[tokio::test]
async fn the_listener_ends_with_its_backend_and_is_replaced_when_it_fails() {
    let bench = bench().await;
    until("somebody listens", || bench.listeners.load(Ordering::SeqCst) == 1).await;
    bench.reports.send(Err(GpuError::Other("the event set is gone".into()))).unwrap();
    until("it is dropped", || bench.listeners.load(Ordering::SeqCst) == 0).await;
    until("another listens", || bench.listeners.load(Ordering::SeqCst) == 1).await;
    bench.reports.send(Ok(vec![by_driver(94), by_driver(94)])).unwrap();
    until("it hears", || happened(&bench.fleet).first().is_some_and(|xid| xid.count == 2)).await;
    drop(bench.poller);
    until("nobody listens", || bench.listeners.load(Ordering::SeqCst) == 0).await;
}
