//! The GPUs, without a GPU: a driver that hangs, fails, dies and comes back, played by a fake.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use opsagent::config::{Config, ExpectedGpus, Paths};
use opsagent::fleet::Fleet;
use opsagent::gpus::{BACKENDS, CardError, GpuError, Gpus, Open, Options, replay};
use opsagent::poll::GpuPoller;
use opsagent::sample::{CardFault, GpuSample};
use opsagent::view::{GpusView, Health};
use tokio::time::Instant;

use crate::support::agent;
use crate::support::eye;

const EVERY: Duration = Duration::from_secs(5);

fn fleet() -> Fleet {
    Fleet::new(eye::agent(), 10)
}

fn gpus(fleet: &Fleet) -> GpusView {
    fleet.view().gpus
}

fn reason(fleet: &Fleet) -> Option<String> {
    gpus(fleet).backends[0].reason.clone()
}

/// A driver that does what the test sends it to do, one step a read.
type Step = Box<dyn FnOnce() -> Result<Vec<GpuSample>, GpuError> + Send>;

struct Fake {
    steps: Arc<Mutex<mpsc::Receiver<Step>>>,
    reads: Arc<AtomicUsize>,
    cards: Mutex<Vec<GpuSample>>,
}

impl Gpus for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn places(&self) -> Result<u32, GpuError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let step = self.steps.lock().unwrap().try_recv();
        let cards = step.unwrap_or(Box::new(|| Ok(vec![card()])))()?;
        let count = cards.len() as u32;
        *self.cards.lock().unwrap() = cards;
        Ok(count)
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        Ok(self.cards.lock().unwrap()[place as usize].clone())
    }
}

fn card() -> GpuSample {
    GpuSample {
        uuid: "GPU-1".into(),
        vendor: "nvidia".into(),
        utilization_ratio: Some(0.5),
        ..GpuSample::default()
    }
}

struct Bench {
    steps: mpsc::Sender<Step>,
    reads: Arc<AtomicUsize>,
    opens: Arc<AtomicUsize>,
    open: Open,
}

fn bench() -> Bench {
    let (steps, todo) = mpsc::channel();
    let (todo, reads) = (Arc::new(Mutex::new(todo)), Arc::new(AtomicUsize::new(0)));
    let opens = Arc::new(AtomicUsize::new(0));
    let (counted, read) = (opens.clone(), reads.clone());
    let open: Open = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let (steps, reads) = (todo.clone(), read.clone());
        Ok(Arc::new(Fake { steps, reads, cards: Mutex::default() }) as Arc<dyn Gpus>)
    });
    Bench { steps, reads, opens, open }
}

#[tokio::test]
async fn a_driver_that_hangs_is_told_and_is_not_asked_again_until_it_answers() {
    let (bench, fleet) = (bench(), fleet());
    let (release, held) = mpsc::channel::<()>();
    let hang: Step = Box::new(move || {
        held.recv().ok();
        Ok(vec![card()])
    });
    bench.steps.send(hang).unwrap();
    let limit = Duration::from_millis(50);
    let mut poller = GpuPoller::new("fake", bench.open.clone(), EVERY, fleet.clone()).within(limit);

    let start = Instant::now();
    for _ in 0..5 {
        poller.once().await;
        assert_eq!(reason(&fleet).as_deref(), Some("timeout"));
    }
    assert!(start.elapsed() < limit * 3, "only the first waits: {:?}", start.elapsed());
    assert_eq!(bench.reads.load(Ordering::SeqCst), 1, "no second question while one is owed");
    assert!(gpus(&fleet).cards.is_empty());

    release.send(()).unwrap();
    let mut tries = 0;
    while !gpus(&fleet).backends[0].up {
        poller.once().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        tries += 1;
        assert!(tries < 200, "it answers again, and is not read");
    }
    assert_eq!(bench.reads.load(Ordering::SeqCst), 2, "what came late is not shown: it is asked anew");
    assert_eq!(gpus(&fleet).cards.len(), 1);
}

#[tokio::test]
async fn a_library_that_is_not_there_is_a_warning_and_is_tried_less_and_less_often() {
    let (fleet, opens) = (fleet(), Arc::new(AtomicUsize::new(0)));
    let library = Some("/nonexistent/libnvidia-ml.so.1".into());
    let options = Options { nvml_library: library, ..Options::default() };
    let (real, counted) = (BACKENDS[0].opener(options), opens.clone());
    let open: Open = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        real()
    });
    let mut poller = GpuPoller::new(BACKENDS[0].name, open, EVERY, fleet.clone());
    let before = fleet.view().health();
    let mut tried = Vec::new();
    for beat in 0..52 {
        let was = opens.load(Ordering::SeqCst);
        poller.once().await;
        if opens.load(Ordering::SeqCst) > was {
            tried.push(beat);
        }
        assert_eq!(reason(&fleet).as_deref(), Some("library_missing"));
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 27, 39, 51], "twelve beats of 5 s are the minute between tries");
    let backend = gpus(&fleet).backends[0].clone();
    assert!(!backend.up && backend.name == "nvml" && backend.read_duration_seconds < Some(1.0));
    assert!(backend.error.unwrap().contains("/nonexistent/libnvidia-ml.so.1"));
    assert_eq!(before, Health::Unknown, "no target, and nothing but that");
    assert_eq!(fleet.view().health(), Health::Warning, "the config names a library that is not there");
}

#[tokio::test]
async fn a_driver_that_comes_later_is_found_and_one_that_breaks_is_opened_anew() {
    let (bench, fleet) = (bench(), fleet());
    let mut poller = GpuPoller::new("fake", bench.open.clone(), EVERY, fleet.clone());
    poller.once().await;
    assert_eq!(gpus(&fleet).cards[0].told.uuid, "GPU-1");
    bench.steps.send(Box::new(|| Err(GpuError::DriverMismatch))).unwrap();
    poller.once().await;
    assert_eq!(reason(&fleet).as_deref(), Some("driver_mismatch"));
    let lost = gpus(&fleet).cards[0].clone();
    assert_eq!(lost.told.fault.map(|fault| fault.reason).as_deref(), Some("driver_mismatch"));
    assert_eq!(lost.told.utilization_ratio, None, "nothing old is shown");
    poller.once().await;
    assert!(gpus(&fleet).backends[0].up);
    assert_eq!(bench.opens.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panic_in_the_driver_is_told_and_the_next_beat_reads_again() {
    let (bench, fleet) = (bench(), fleet());
    let mut poller = GpuPoller::new("fake", bench.open.clone(), EVERY, fleet.clone());
    bench.steps.send(Box::new(|| panic!("the fake driver's panic, which this test wants"))).unwrap();
    poller.once().await;
    assert_eq!(reason(&fleet).as_deref(), Some("other"));
    poller.once().await;
    assert!(gpus(&fleet).backends[0].up, "{:?}", gpus(&fleet));
}

#[tokio::test]
async fn the_demo_card_says_that_it_is_one() {
    let fleet = fleet();
    let open = replay::BACKEND.opener(Options::default());
    GpuPoller::new(replay::BACKEND.name, open, EVERY, fleet.clone()).once().await;
    let card = &gpus(&fleet).cards[0].told;
    assert_eq!((card.uuid.as_str(), card.vendor.as_str()), ("GPU-demo-0", "demo"));
    assert!(card.name.as_deref().is_some_and(|name| name.ends_with("(demo)")));
    assert!(gpus(&fleet).backends[0].up);
}

/// A machine of four cards, of which the test holds some up: a call to them does not return until it lets go.
#[derive(Default)]
struct Holding {
    held: Mutex<BTreeSet<u32>>,
    freed: Condvar,
    lost: Mutex<BTreeSet<u32>>,
    reads: AtomicUsize,
}

impl Holding {
    fn hold(&self, places: &[u32]) {
        self.held.lock().unwrap().extend(places);
    }

    fn free(&self) {
        self.held.lock().unwrap().clear();
        self.freed.notify_all();
    }
}

impl Gpus for Holding {
    fn name(&self) -> &'static str {
        "holding"
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(4)
    }

    fn read(&self, place: u32) -> Result<GpuSample, CardError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap();
        drop(self.freed.wait_while(held, |held| held.contains(&place)).unwrap());
        if self.lost.lock().unwrap().contains(&place) {
            return Err(CardError::Card(CardFault::new("lost", "it fell off the bus")));
        }
        Ok(GpuSample { uuid: format!("GPU-{place}"), index: Some(place), ..GpuSample::default() })
    }
}

fn holding() -> (Arc<Holding>, Open) {
    let gpus = Arc::new(Holding::default());
    let opened = gpus.clone();
    (gpus, Arc::new(move || Ok(opened.clone() as Arc<dyn Gpus>)))
}

/// The cards with their faults, in the order of their names.
fn told(fleet: &Fleet) -> Vec<(String, Option<String>)> {
    let cards = gpus(fleet).cards.into_iter().map(|card| card.told);
    let mut told: Vec<_> = cards.map(|card| (card.uuid, card.fault.map(|fault| fault.reason))).collect();
    told.sort();
    told
}

fn well(uuid: &str) -> (String, Option<String>) {
    (uuid.to_owned(), None)
}

fn ill(uuid: &str, reason: &str) -> (String, Option<String>) {
    (uuid.to_owned(), Some(reason.to_owned()))
}

#[tokio::test]
async fn a_card_that_never_answers_is_left_behind_and_the_others_go_on() {
    let ((machine, open), fleet) = (holding(), fleet());
    let limit = Duration::from_millis(50);
    let mut poller = GpuPoller::new("holding", open, EVERY, fleet.clone()).within(limit);
    poller.once().await;
    assert_eq!(told(&fleet), ["GPU-0", "GPU-1", "GPU-2", "GPU-3"].map(well));
    machine.hold(&[1]);
    let start = Instant::now();
    for _ in 0..5 {
        poller.once().await;
        let wanted = [well("GPU-0"), ill("GPU-1", "timeout"), well("GPU-2"), well("GPU-3")];
        assert_eq!(told(&fleet), wanted);
        assert!(gpus(&fleet).backends[0].up);
    }
    assert!(start.elapsed() < limit * 3, "only the first waits: {:?}", start.elapsed());
    assert_eq!(
        machine.reads.load(Ordering::SeqCst),
        4 + 4 + 4 * 3,
        "it is asked nothing while it owes an answer"
    );
    machine.free();
    until(&mut poller, || told(&fleet).iter().all(|(_, fault)| fault.is_none())).await;
}

#[tokio::test]
async fn a_driver_that_holds_up_every_card_is_down_and_comes_back() {
    let ((machine, open), fleet) = (holding(), fleet());
    let limit = Duration::from_millis(20);
    let mut poller = GpuPoller::new("holding", open, EVERY, fleet.clone()).within(limit);
    machine.hold(&[0, 1, 2, 3]);
    for _ in 0..3 {
        poller.once().await;
        assert_eq!(reason(&fleet).as_deref(), Some("timeout"));
        let held = gpus(&fleet).backends[0].read_duration_seconds;
        assert!(held >= Some((limit * 4).as_secs_f64()), "since the first call began: {held:?}");
    }
    assert_eq!(machine.reads.load(Ordering::SeqCst), 4, "one call a card");
    machine.free();
    until(&mut poller, || gpus(&fleet).backends[0].up).await;
    until(&mut poller, || told(&fleet) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"].map(well)).await;
}

#[tokio::test]
async fn a_lost_card_is_told_by_what_it_was_and_all_lost_is_a_driver_to_open_anew() {
    let ((machine, open), fleet) = (holding(), fleet());
    let mut poller = GpuPoller::new("holding", open, EVERY, fleet.clone());
    poller.once().await;
    machine.lost.lock().unwrap().insert(2);
    poller.once().await;
    let wanted = [well("GPU-0"), well("GPU-1"), ill("GPU-2", "lost"), well("GPU-3")];
    assert_eq!(told(&fleet), wanted);
    machine.lost.lock().unwrap().extend(0..4);
    poller.once().await;
    assert_eq!(reason(&fleet).as_deref(), Some("gpu_lost"));
    machine.lost.lock().unwrap().clear();
    until(&mut poller, || told(&fleet) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"].map(well)).await;
}

#[tokio::test]
async fn a_driver_that_fails_is_asked_for_no_other_card() {
    struct Failing(AtomicUsize);
    impl Gpus for Failing {
        fn name(&self) -> &'static str {
            "failing"
        }

        fn places(&self) -> Result<u32, GpuError> {
            Ok(2)
        }

        fn read(&self, _: u32) -> Result<GpuSample, CardError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Err(CardError::Driver(GpuError::DriverNotLoaded))
        }
    }
    let (driver, fleet) = (Arc::new(Failing(AtomicUsize::new(0))), fleet());
    let opened = driver.clone();
    let open: Open = Arc::new(move || Ok(opened.clone() as Arc<dyn Gpus>));
    for beats in 1..=50 {
        let mut poller = GpuPoller::new("failing", open.clone(), EVERY, fleet.clone());
        poller.once().await;
        assert_eq!(reason(&fleet).as_deref(), Some("driver_not_loaded"));
        drop(poller);
        assert_eq!(driver.0.load(Ordering::SeqCst), beats, "the second card might hang");
    }
}

#[tokio::test]
async fn a_driver_that_does_not_close_is_opened_a_few_times_and_again_when_it_does() {
    /// Its only card is lost, and closing it does not return while somebody might still send.
    struct Stuck(Arc<Mutex<mpsc::Receiver<()>>>);
    impl Gpus for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        fn places(&self) -> Result<u32, GpuError> {
            Ok(1)
        }

        fn read(&self, _: u32) -> Result<GpuSample, CardError> {
            Err(CardError::Card(CardFault::new("lost", "it fell off the bus")))
        }
    }
    impl Drop for Stuck {
        fn drop(&mut self) {
            self.0.lock().unwrap().recv().ok();
        }
    }
    let (fleet, opens) = (fleet(), Arc::new(AtomicUsize::new(0)));
    let (release, gate) = mpsc::channel();
    let (gate, counted) = (Arc::new(Mutex::new(gate)), opens.clone());
    let open: Open = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Stuck(gate.clone())) as Arc<dyn Gpus>)
    });
    let mut poller = GpuPoller::new("stuck", open, EVERY, fleet.clone());
    for _ in 0..1000 {
        poller.once().await;
    }
    let held = opens.load(Ordering::SeqCst);
    assert_eq!(held, 16, "each time leaves a thread behind");
    assert_eq!(reason(&fleet).as_deref(), Some("timeout"));
    drop(release);
    until(&mut poller, || opens.load(Ordering::SeqCst) > held).await;
}

/// Beats until that holds.
async fn until(poller: &mut GpuPoller, holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        poller.once().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not come true");
}

#[tokio::test]
async fn what_the_config_expects_is_missed_from_the_start_and_the_next_model_is_judged() {
    let empty = tempfile::tempdir().unwrap();
    let config = Config {
        expected_gpus: ExpectedGpus::Uuids(vec!["GPU-expected".into()]),
        next_model_bytes: Some(1 << 30),
        nvml_library: Some("/nonexistent/libnvidia-ml.so.1".into()),
        paths: Paths { sysfs: empty.path().into(), ..Paths::default() },
        ..agent::config(Vec::new())
    };
    let agent = agent::Agent::start(config).await;
    let view = agent.until("a card is missed", |view| view.gpus.missing.is_some()).await;
    assert_eq!((view.gpus.expected, view.gpus.missing), (Some(1), Some(1)));
    assert_eq!(view.gpus.cards[0].told.uuid, "GPU-expected");
    assert_eq!(view.health(), Health::Critical);
    assert_eq!(view.gpus.next_model.map(|fit| fit.bytes), Some(1 << 30));
    let samples = agent.samples().await;
    let labels = [("gpu", "GPU-expected"), ("reason", "missing")];
    assert_eq!(agent::value(&samples, "opsagent_gpu_fault_info", &labels), Some(1.0));
    assert_eq!(agent::value(&samples, "opsagent_next_model_bytes", &[]), Some((1_u64 << 30) as f64));
    agent.stop().await;
}
