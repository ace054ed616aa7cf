//! The config: text in, whole and checked values out.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::canary;
pub use crate::fleet::ExpectedGpus;
use crate::fleet::Slo;
use crate::gpus::kernel_log::Place;
use crate::logs::LogPlace;
pub use crate::metrics::Buckets;
use crate::servers::Target;
use crate::suite::Own;
use crate::tap::{Client, Limits};

mod addresses;
mod buckets;
mod canaries;
mod canary_room;
mod check;
mod clients;
pub mod duration;
mod error;
mod files;
mod machine;
mod names;
mod nearest;
mod own_canaries;
mod own_checks;
mod parse;
mod raw;
mod raw_canaries;
mod raw_canary;
mod raw_tap;
mod read;
pub mod size;
mod slos;
mod store;
mod taps;
mod targets;

pub use error::ConfigError;
pub use store::StorePlan;

/// Every key with its default, commented: what `opsagent config` prints.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Where the config lies when nobody says otherwise.
pub const DEFAULT_FILE: &str = "/etc/opsagent/opsagent.toml";

/// What the agent is told to do, checked: nothing in here needs to be checked again.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it came from. `None`: the defaults.
    pub file: Option<PathBuf>,
    /// Where the page, `/metrics` and the JSON are served.
    pub listen: Vec<SocketAddr>,
    /// Names that a browser may use for this agent, beside loopback and its own addresses.
    pub allow_hosts: Vec<String>,
    /// TLS and passwords, in the exporter-toolkit's format.
    pub web_config_file: Option<PathBuf>,
    /// Whether servers of this machine are looked for.
    pub discover: bool,
    /// How often it looks.
    pub discover_every: Duration,
    /// How long a server that was found and went is told as down before it is forgotten.
    pub forget_after: Duration,
    /// How long a stop waits for work in flight.
    pub grace: Duration,
    /// Models kept a target; what is beyond is counted, not shown.
    pub max_models: usize,
    /// From one poll of a target to the next, where it has no beat of its own.
    pub every: Duration,
    /// How long one question to a target may take, where it has no limit of its own.
    pub timeout: Duration,
    /// How long work may stand still at a target before it is called hung, where it does not say.
    pub hung_after: Duration,
    /// From one read of the GPUs to the next.
    pub gpu_every: Duration,
    /// The driver's library, where it is not where the loader finds it.
    pub nvml_library: Option<PathBuf>,
    /// The cards that should be there.
    pub expected_gpus: ExpectedGpus,
    /// Memory that the next model needs, in bytes: whether it fits is told.
    pub next_model_bytes: Option<u64>,
    /// Where the kernel tells what it knows.
    pub paths: Paths,
    /// From one look at the host to the next.
    pub host_every: Duration,
    /// Folders of models, beside those of the servers that run.
    pub model_folders: Vec<PathBuf>,
    /// The targets named.
    pub targets: Vec<Target>,
    /// The taps: which targets have one, and where.
    pub taps: Vec<Tap>,
    /// What each tap may take, and how long it waits.
    pub tap_limits: Limits,
    /// The clients that have a name.
    pub clients: Vec<Client>,
    /// What is promised of requests.
    pub slos: Vec<Slo>,
    /// The logs that are followed.
    pub logs: Vec<LogTail>,
    /// What models are asked by the agent itself, and what that may cost.
    pub canaries: canary::Plan,
    /// Canaries of one's own, in the file's order.
    pub own_canaries: Vec<Own>,
    /// Where what outlives a restart lies, and how long it is kept.
    pub store: StorePlan,
    /// Bounds of the histograms.
    pub buckets: Buckets,
}

/// A tap: whose clients are measured, and where they connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The target's name.
    pub target: String,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
}

/// A log that is followed, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogTail {
    /// The target's name.
    pub target: String,
    /// Where it is.
    pub place: LogPlace,
}

/// Where the kernel tells what it knows: other places in a container that has the host's mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The process table.
    pub procfs: PathBuf,
    /// The devices.
    pub sysfs: PathBuf,
    /// The kernel's log.
    pub kernel_log: KernelLog,
}

/// How the kernel's log is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KernelLog {
    /// From `/dev/kmsg`, or by `journalctl` where that is not permitted.
    #[default]
    Auto,
    /// From this file, device or pipe.
    At(PathBuf),
    /// Not at all.
    Off,
}

impl KernelLog {
    /// Where it is read. `None`: nowhere.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Auto => Some(Place::Auto("journalctl".into())),
            Self::At(path) => Some(Place::At(path.clone())),
            Self::Off => None,
        }
    }
}

impl Default for Paths {
    fn default() -> Paths {
        Paths { procfs: "/proc".into(), sysfs: "/sys".into(), kernel_log: KernelLog::Auto }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            file: None,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 10434))],
            allow_hosts: Vec::new(),
            web_config_file: None,
            discover: true,
            discover_every: Duration::from_secs(10),
            forget_after: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            max_models: 200,
            every: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            hung_after: Duration::from_secs(120),
            gpu_every: Duration::from_secs(5),
            nvml_library: None,
            expected_gpus: ExpectedGpus::Any,
            next_model_bytes: None,
            paths: Paths::default(),
            host_every: Duration::from_secs(15),
            model_folders: Vec::new(),
            targets: Vec::new(),
            taps: Vec::new(),
            tap_limits: Limits::default(),
            clients: Vec::new(),
            slos: Vec::new(),
            logs: Vec::new(),
            canaries: canary::Plan::default(),
            own_canaries: Vec::new(),
            store: StorePlan::default(),
            buckets: Buckets::default(),
        }
    }
}

impl Config {
    /// Reads the config at that place, or [`DEFAULT_FILE`] if there is one, or takes the defaults.
    /// Reads the files it names too. Blocks.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn load(explicit: Option<&Path>) -> Result<Config, Vec<ConfigError>> {
        Config::load_or(explicit, Path::new(DEFAULT_FILE))
    }

    fn load_or(explicit: Option<&Path>, default: &Path) -> Result<Config, Vec<ConfigError>> {
        let file = explicit.unwrap_or(default);
        let bytes = match files::read(file, files::CONFIG_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if explicit.is_none() && error.kind() == ErrorKind::NotFound => {
                return Ok(Config::default());
            }
            Err(error) => {
                let problem = match error.kind() {
                    ErrorKind::NotFound => absent(file),
                    ErrorKind::IsADirectory => "is a directory, expected a file in it".into(),
                    _ => format!("cannot be read: {error}"),
                };
                return Err(vec![ConfigError {
                    file: file.to_owned(),
                    line: 0,
                    path: String::new(),
                    problem,
                }]);
            }
        };
        parse::bytes(file, &bytes)
    }

    /// Reads a config's text, and the files it names; their paths are relative to the folder of
    /// `file`.
    ///
    /// # Errors
    /// Every fault of it, not only the first, from the top to the end.
    pub fn parse(file: &Path, text: &str) -> Result<Config, Vec<ConfigError>> {
        parse::text(file, text)
    }
}

fn absent(file: &Path) -> String {
    let place = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!("no such file (looked for {}): see --config and OPSAGENT_CONFIG", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file_is_read_if_it_is_there_and_nobody_names_another() {
        assert_eq!(DEFAULT_FILE, "/etc/opsagent/opsagent.toml");
        let folder = tempfile::tempdir().unwrap();
        let [usual, other] = ["opsagent.toml", "other.toml"].map(|name| folder.path().join(name));
        assert_eq!(Config::load_or(None, &usual), Ok(Config::default()));
        std::fs::write(&usual, "max_models = 7\n").unwrap();
        std::fs::write(&other, "max_models = 8\n").unwrap();
        let of = |explicit: Option<&Path>| Config::load_or(explicit, &usual).map(|c| (c.max_models, c.file));
        assert_eq!(of(None), Ok((7, Some(usual.clone()))));
        assert_eq!(of(Some(&other)), Ok((8, Some(other.clone()))));
        std::fs::write(&usual, "max_models = \"many\"\n").unwrap();
        assert!(of(None).is_err(), "a usual file with a fault is no missing one");
    }
}
