//! `opsagent run` with taps in front of servers, as a process of its own, and what it counted of their traffic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use opsagent::view::{TargetView, View};
use opsagent::wire::exposition::{Sample, parse};

use super::process::{Process, Recipe, free_port};

/// An agent to be started.
pub struct Setup {
    targets: String,
    top: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    taps: BTreeMap<String, SocketAddr>,
    descriptors: Option<u32>,
}

impl Setup {
    /// With these keys under `[tap]`.
    pub fn new(limits: &str) -> Setup {
        let top =
            format!("discover = false\nevery = \"3s\"\ntimeout = \"1s\"\ngrace = \"2s\"\n[tap]\n{limits}\n");
        Setup {
            targets: String::new(),
            top,
            args: Vec::new(),
            env: Vec::new(),
            taps: BTreeMap::new(),
            descriptors: None,
        }
    }

    /// A target with a tap in front of it.
    pub fn tap(&mut self, name: &str, kind: &str, upstream: SocketAddr) -> &mut Setup {
        self.tap_with(name, kind, upstream, "")
    }

    /// The same with more keys.
    pub fn tap_with(&mut self, name: &str, kind: &str, upstream: SocketAddr, more: &str) -> &mut Setup {
        let tap = SocketAddr::from(([127, 0, 0, 1], free_port()));
        self.taps.insert(name.to_owned(), tap);
        write!(
            self.targets,
            "[[target]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://{upstream}\"\ntap = \"{tap}\"\n{more}\n"
        )
        .expect("a string takes everything");
        self
    }

    /// More of the config, such as `[[client]]`.
    pub fn config(&mut self, more: &str) -> &mut Setup {
        self.targets.push_str(more);
        self
    }

    pub fn args(&mut self, args: &[&str]) -> &mut Setup {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    pub fn env(&mut self, name: &str, value: &str) -> &mut Setup {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The agent may have so many open at once, and no more.
    pub fn descriptors(&mut self, most: u32) -> &mut Setup {
        self.descriptors = Some(most);
        self
    }

    pub fn start(&self) -> Tapped {
        let folder =
            tempfile::Builder::new().prefix("opsagent-tapped-").tempdir().expect("a temporary folder");
        let (port, file) = (free_port(), folder.path().join("opsagent.toml"));
        let config = format!("listen = \"127.0.0.1:{port}\"\n{}{}", self.top, self.targets);
        std::fs::write(&file, config).expect("the folder is ours");
        let args = ["run", "--config", file.to_str().expect("a path of ASCII")].map(str::to_owned);
        let program = env!("CARGO_BIN_EXE_opsagent").to_owned();
        let mut command: Vec<String> = match self.descriptors {
            Some(most) => {
                vec!["sh".into(), "-c".into(), format!("ulimit -n {most}; exec \"$0\" \"$@\""), program]
            }
            None => vec![program],
        };
        command.extend(args.into_iter().chain(self.args.clone()));
        let recipe = Recipe {
            program: command.remove(0).into(),
            args: command,
            env: self.env.clone(),
            port,
            ready: "/-/healthy",
        };
        Tapped { process: Process::start(folder, recipe), taps: self.taps.clone() }
    }
}

/// The running agent.
pub struct Tapped {
    pub process: Process,
    taps: BTreeMap<String, SocketAddr>,
}

/// What was counted of the requests to one target, whatever their model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Ends of any kind.
    pub all: u64,
    /// Failures by reason and cancels by phase: those that are not zero.
    pub apart: BTreeMap<String, u64>,
    /// Those that the tap answered itself, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Ends that were not counted.
    pub lost: u64,
    /// In flight, and connections of clients, now.
    pub open: (u64, u64),
}

impl Tapped {
    /// Where clients of that target go.
    pub fn tap(&self, target: &str) -> SocketAddr {
        self.taps[target]
    }

    pub fn samples(&self) -> Vec<Sample> {
        parse(&self.process.get("/metrics"))
    }

    pub fn view(&self) -> View {
        serde_json::from_str(&self.process.get("/api/v1/view")).expect("the view is JSON")
    }

    pub fn target(&self, name: &str) -> TargetView {
        self.view().targets.into_iter().find(|target| target.name == name).expect("a target of the config")
    }

    /// What was counted of each target's requests.
    pub fn ends(&self) -> BTreeMap<String, Ends> {
        let (samples, view) = (self.samples(), self.view());
        let ends = |target: &TargetView| {
            let traffic = target.traffic.as_ref();
            let connections =
                traffic.and_then(|traffic| traffic.tap.as_ref()).map_or(0, |tap| tap.connections);
            Ends {
                all: sum(&samples, "opsagent_requests_total", &target.name),
                apart: by(&samples, "opsagent_request_failures_total", &target.name, "reason")
                    .into_iter()
                    .chain(by(&samples, "opsagent_requests_cancelled_total", &target.name, "phase"))
                    .collect(),
                refused: by(&samples, "opsagent_tap_refused_requests_total", &target.name, "reason"),
                lost: sum(&samples, "opsagent_request_ends_lost_total", &target.name),
                open: (traffic.and_then(|traffic| traffic.in_flight).unwrap_or(0), connections),
            }
        };
        view.targets.iter().map(|target| (target.name.clone(), ends(target))).collect()
    }

    /// The same of one target.
    pub fn ends_of(&self, target: &str) -> Ends {
        self.ends().remove(target).expect("a target of the config")
    }

    /// Asks until it holds. Panics after that long, with what it was last.
    pub fn until<T: std::fmt::Debug>(
        &self,
        what: &str,
        patience: Duration,
        look: impl Fn(&Tapped) -> T,
        holds: impl Fn(&T) -> bool,
    ) -> T {
        let deadline = now() + patience;
        loop {
            let seen = look(self);
            if holds(&seen) {
                return seen;
            }
            assert!(now() < deadline, "never: {what}; last: {seen:#?}");
            sleep(Duration::from_millis(25));
        }
    }

    /// Waits until each target was polled once: what the agent holds open itself is open then.
    pub fn until_polled(&self) {
        let waiting =
            |agent: &Tapped| agent.view().targets.iter().filter(|target| target.up.is_none()).count();
        self.until("every target was polled", Duration::from_secs(60), waiting, |waiting| *waiting == 0);
    }

    /// Files and sockets that it holds open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.pid());
        std::fs::read_dir(folder).expect("our own child").count()
    }

    /// Memory that it has, in bytes.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("our own child");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }
}

fn of<'s>(samples: &'s [Sample], name: &str, target: &str) -> impl Iterator<Item = &'s Sample> {
    let own = |sample: &Sample| sample.labels.iter().any(|(name, value)| name == "target" && value == target);
    samples.iter().filter(|sample| sample.name == name && own(sample)).collect::<Vec<_>>().into_iter()
}

fn sum(samples: &[Sample], name: &str, target: &str) -> u64 {
    of(samples, name, target).map(|sample| sample.value as u64).sum()
}

/// By that label, without those that are zero.
fn by(samples: &[Sample], name: &str, target: &str, label: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for sample in of(samples, name, target).filter(|sample| sample.value != 0.0) {
        let value = sample.labels.iter().find(|(name, _)| name == label).map(|(_, value)| value.clone());
        *found.entry(value.unwrap_or_default()).or_default() += sample.value as u64;
    }
    found
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent is a process: it does not keep a paused test's time"
)]
fn now() -> Instant {
    Instant::now()
}
