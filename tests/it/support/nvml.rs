//! The fake of NVIDIA's library, built on first use, and an agent that has it instead of a driver.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use super::golden;
use super::process::{Process, Recipe, free_port};

const PACKAGE: &str = "tests/fake-nvml";

/// The library as it was built, under the folder that cargo keeps for integration tests.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake-nvml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(golden::file(PACKAGE).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/libfake_nvml.so")
});

/// A scenario of `tests/fake-nvml/scenarios`.
pub fn scenario(name: &str) -> Value {
    let path = golden::file(PACKAGE).join("scenarios").join(name).with_extension("json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A machine whose driver plays a scenario. The agent is a process of its own: a library has one state a process.
pub struct Machine {
    folder: tempfile::TempDir,
    /// The rest of the config.
    config: String,
    /// More of its section on GPUs.
    gpu: String,
    /// Whether the config does not name the library, so that the loader must find it.
    by_the_loader: bool,
    /// Whether it has a kernel's log: a file that the test writes. This machine's own is nobody's business here.
    kernel_log: bool,
}

impl Machine {
    pub fn new(scenario: &Value) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine {
            folder,
            config: String::new(),
            gpu: String::new(),
            by_the_loader: false,
            kernel_log: false,
        };
        std::fs::copy(&*LIBRARY, machine.library()).unwrap();
        play(machine.folder.path(), scenario);
        set_clock(machine.folder.path(), 0);
        let lacks = scenario["without"].as_array().into_iter().flatten();
        machine.without(&lacks.filter_map(Value::as_str).collect::<Vec<_>>())
    }

    /// The config does not name the library: it is where the loader looks, as a driver's is.
    pub fn by_the_loader(mut self) -> Machine {
        self.by_the_loader = true;
        self
    }

    /// It has a kernel's log, which says nothing yet.
    pub fn with_kernel_log(mut self) -> Machine {
        std::fs::write(self.folder.path().join("kern.log"), "").unwrap();
        self.kernel_log = true;
        self
    }

    /// Its driver is older: the loader does not find these functions, because the names are spoilt. A scenario may
    /// name some itself, as `without`.
    pub fn without(self, functions: &[&str]) -> Machine {
        let mut bytes = std::fs::read(self.library()).unwrap();
        let mut spoilt = BTreeSet::new();
        let mut start = 0;
        for end in (0..bytes.len()).filter(|at| bytes[*at] == 0).collect::<Vec<_>>() {
            let name = functions.iter().find(|function| function.as_bytes() == &bytes[start..end]);
            if let Some(name) = name {
                spoilt.insert(*name);
                bytes[start] = b'_';
            }
            start = end + 1;
        }
        assert_eq!(spoilt, functions.iter().copied().collect(), "the library exports all of them");
        std::fs::write(self.library(), bytes).unwrap();
        self
    }

    /// More lines for the top of the config.
    pub fn with(mut self, config: &str) -> Machine {
        self.config.push_str(config);
        self
    }

    /// More lines for the section on GPUs.
    pub fn with_gpu(mut self, config: &str) -> Machine {
        self.gpu.push_str(config);
        self
    }

    /// The path of a config with the fake as its library, and the environment of the agent that has it.
    pub fn prepare(&self, port: u16) -> (String, Vec<(String, String)>) {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let mut config = format!(
            "listen = \"127.0.0.1:{port}\"\ndiscover = false\n{}\n[paths]\nkernel_log = \"{}\"\n[gpu]\nevery = \"1s\"\n{}",
            self.config,
            if self.kernel_log { path("kern.log") } else { "off".into() },
            self.gpu,
        );
        let variable = |name: &str, file: &str| (format!("OPSAGENT_FAKE_NVML_{name}"), path(file));
        let env = [("SCENARIO", "scenario.json"), ("CLOCK", "clock"), ("TRACE", "trace")];
        let mut env = Vec::from(env.map(|(name, file)| variable(name, file)));
        if self.by_the_loader {
            env.push(("LD_LIBRARY_PATH".into(), path("")));
        } else {
            config.extend(["nvml_library = \"", &path("libnvidia-ml.so.1"), "\"\n"]);
        }
        std::fs::write(path("opsagent.toml"), config).unwrap();
        (path("opsagent.toml"), env)
    }

    pub fn start(self) -> Agent {
        let port = free_port();
        let (config, env) = self.prepare(port);
        let recipe = Recipe {
            program: env!("CARGO_BIN_EXE_opsagent").into(),
            args: vec!["run".into(), "--config".into(), config],
            env,
            port,
            ready: "/-/healthy",
        };
        Agent { process: Process::start(self.folder, recipe) }
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }
}

/// `opsagent run` on that machine.
pub struct Agent {
    pub process: Process,
}

impl Agent {
    /// Another scenario from the next question on.
    pub fn play(&self, scenario: &Value) {
        play(self.process.folder(), scenario);
    }

    /// The second at which the scenario stands from now on. It begins at 0.
    pub fn set_clock(&self, seconds: u32) {
        set_clock(self.process.folder(), seconds);
    }

    /// The kernel writes a line to its log.
    pub fn kernel_says(&self, line: &str) {
        let path = self.process.folder().join("kern.log");
        let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        std::io::Write::write_all(&mut log, format!("{line}\n").as_bytes()).unwrap();
    }

    /// How often the library was asked by that function.
    pub fn asked(&self, function: &str) -> usize {
        let trace = std::fs::read_to_string(self.process.folder().join("trace")).unwrap_or_default();
        trace.lines().filter(|line| *line == function).count()
    }

    /// The driver's events are listened to: those that come from now on are heard.
    pub fn until_listening(&self) {
        while self.asked("nvmlEventSetWait_v2") == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `/metrics` says of NVIDIA's GPUs: the series, without how long reads took and how many failed, and
    /// without the XIDs that never came, which are the same twenty zeros of every card. Without what the agent sums
    /// up over time, too, and of a chip what is free of this machine's memory: neither is the scenario's.
    pub fn gpus(&self) -> String {
        let page = self.process.get("/metrics");
        let driver_counts = ["sw_power_cap", "sw_thermal"].map(|reason| format!("reason=\"{reason}\""));
        let chips: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("opsagent_gpu_memory_shared{")?.strip_suffix("} 1"))
            .collect();
        let hosts = |line: &&str| {
            let room = line.strip_prefix("opsagent_gpu_memory_headroom_bytes{");
            room.is_some_and(|rest| chips.iter().any(|gpu| rest.starts_with(gpu)))
        };
        let integrated: Vec<&str> = page
            .lines()
            .filter_map(|line| {
                line.strip_prefix("opsagent_gpu_energy_info{")?.split_once(",source=\"integrated")
            })
            .map(|(gpu, _)| gpu)
            .collect();
        let summed = |line: &&str| {
            let joules = line.strip_prefix("opsagent_gpu_energy_joules_total{");
            let is_integrated = |rest: &str| integrated.iter().any(|gpu| rest.starts_with(gpu));
            joules.is_some_and(is_integrated)
                || (line.starts_with("opsagent_gpu_throttled_seconds_total{")
                    && !driver_counts.iter().any(|reason| line.contains(reason)))
        };
        let never = |line: &&str| line.starts_with("opsagent_gpu_xid_errors_total{") && line.ends_with("} 0");
        let other =
            |line: &&str| line.starts_with("opsagent_gpu_backend_up{") && !line.contains("backend=\"nvml\"");
        let told = page.lines().filter(|line| {
            line.starts_with("opsagent_gpu")
                && !line.starts_with("opsagent_gpu_read_duration_seconds")
                && !line.starts_with("opsagent_gpu_card_read_duration_seconds")
                && !line.starts_with("opsagent_gpu_read_errors_total")
                && !never(line)
                && !summed(line)
                && !hosts(line)
                && !other(line)
        });
        told.flat_map(|line| [line, "\n"]).collect()
    }

    /// The same once it contains this.
    pub fn until(&self, wanted: &str) -> String {
        for _ in 0..1500 {
            let told = self.gpus();
            if told.contains(wanted) {
                return told;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no {wanted} in\n{}\nits log:\n{}", self.gpus(), self.process.log());
    }
}

fn play(folder: &Path, scenario: &Value) {
    replace(&folder.join("scenario.json"), &scenario.to_string());
}

fn set_clock(folder: &Path, seconds: u32) {
    replace(&folder.join("clock"), &seconds.to_string());
}

/// The library may read it at any moment, and never sees the half of it.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}
