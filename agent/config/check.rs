//! What the keys mean: a typed config in, the checked one out, every fault told.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::addresses::Addresses;
use super::buckets;
use super::error::{Faults, quoted};
use super::raw::{Raw, RawBeat};
use super::read::At;
use super::taps::{self, RawTraffic};
use super::{Config, canaries, canary_room, clients, duration, files, own_canaries, slos, store, targets};

/// A beat shorter than this would be a load on what is watched.
pub(super) const SHORTEST_BEAT: Duration = Duration::from_secs(1);

/// A question that may take longer would outlast every patience; a poll waits for it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Models kept a target: what a server of 10,000 needs. Each is a dozen series.
const MOST_MODELS: u64 = 10_000;

/// Folders of models that may be named: each is a question to a disk at each beat.
const MOST_MODEL_FOLDERS: usize = 8;

/// Checks values, and knows where the file lies.
pub(super) struct Check<'a> {
    pub(super) faults: &'a mut Faults,
    folder: PathBuf,
}

/// The times of a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) hung_after: Duration,
}

/// The config that was meant. Of use only if no fault was added.
pub(super) fn config(mut raw: Raw, file: &Path, faults: &mut Faults) -> Config {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut check = Check { faults, folder };
    let default = Config::default();
    let beat = Beat { every: default.every, timeout: default.timeout, hung_after: default.hung_after };
    let beat = check.beat(&raw.beat, beat);
    let no_targets = raw.targets.is_empty();
    let mut addresses = Addresses::default();
    let listen = addresses.listen(raw.listen.as_deref(), default.listen, &mut check);
    let traffic = raw.targets.iter_mut().map(RawTraffic::of).collect();
    let targets = targets::all(raw.targets, beat, &mut check);
    let (taps, logs) = taps::all(traffic, &targets, &mut addresses, &mut check);
    let keys = canary_room::Keys::of(raw.canaries.as_ref());
    let canaries = canaries::plan(raw.canaries, &targets, &mut check);
    let placed: Vec<_> = raw.own_canaries.iter().map(canary_room::Placed::of).collect();
    let own_canaries = own_canaries::all(raw.own_canaries, &targets, &mut check);
    canary_room::check(&own_canaries, &placed, &canaries, &keys, &mut check);
    Config {
        file: Some(file.to_owned()),
        listen,
        allow_hosts: check.allow_hosts(&raw.allow_hosts),
        web_config_file: raw.web_config_file.and_then(|at| check.readable(&at)),
        discover: raw.discover.map_or(no_targets, |at| at.value),
        discover_every: check.at_least(raw.discover_every.as_ref(), default.discover_every, SHORTEST_BEAT),
        forget_after: check.at_least(raw.forget_after.as_ref(), default.forget_after, SHORTEST_BEAT),
        grace: check.at_least(raw.grace.as_ref(), default.grace, Duration::ZERO),
        max_models: raw.max_models.map_or(default.max_models, |at| check.max_models(&at)),
        every: beat.every,
        timeout: beat.timeout,
        hung_after: beat.hung_after,
        gpu_every: check.at_least(raw.gpu.every.as_ref(), default.gpu_every, SHORTEST_BEAT),
        nvml_library: raw.gpu.nvml_library.and_then(|at| check.library(&at)),
        expected_gpus: raw.gpu.expected.map_or(default.expected_gpus, |raw| check.expected_gpus(raw)),
        next_model_bytes: raw.gpu.next_model.and_then(|at| check.size(&at)),
        paths: check.paths(raw.paths, default.paths),
        host_every: check.at_least(raw.host.every.as_ref(), default.host_every, SHORTEST_BEAT),
        model_folders: check.model_folders(&raw.host.model_folders),
        tap_limits: taps::limits(&raw.tap, &mut check),
        clients: clients::all(raw.clients, &mut check),
        slos: slos::all(raw.slos, &targets, &mut check),
        own_canaries,
        store: store::plan(&raw.store, canaries.store_answers, &mut check),
        canaries,
        buckets: buckets::of(&raw.buckets, default.buckets, &mut check),
        taps,
        logs,
        targets,
    }
}

impl Check<'_> {
    pub(super) fn fault<T>(&mut self, at: &At<T>, problem: impl Into<String>) {
        self.faults.add(at.line, at.path.clone(), problem);
    }

    /// The folder of the file.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path of the file, relative to its folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The times given, the others from `default`.
    pub(super) fn beat(&mut self, raw: &RawBeat, default: Beat) -> Beat {
        let timeout = self.at_least(raw.timeout.as_ref(), default.timeout, Duration::from_millis(1));
        if let Some(at) = raw.timeout.as_ref().filter(|_| timeout > LONGEST_TIMEOUT) {
            let problem = format!("{} is too long, expected at most 5m", quoted(&at.value));
            self.fault(at, problem);
        }
        Beat {
            every: self.at_least(raw.every.as_ref(), default.every, SHORTEST_BEAT),
            timeout,
            hung_after: self.at_least(raw.hung_after.as_ref(), default.hung_after, SHORTEST_BEAT),
        }
    }

    pub(super) fn at_least(
        &mut self,
        at: Option<&At<String>>,
        default: Duration,
        least: Duration,
    ) -> Duration {
        let Some(at) = at else { return default };
        match duration::parse(&at.value) {
            Some(duration) if duration >= least => duration,
            Some(_) => {
                let problem = format!(
                    "{} is too short, expected at least {}",
                    quoted(&at.value),
                    duration::write(least)
                );
                self.fault(at, problem);
                default
            }
            None => {
                let problem = format!(
                    "{} is no duration, expected one such as 500ms, 15s, 1h30m or 7d",
                    quoted(&at.value)
                );
                self.fault(at, problem);
                default
            }
        }
    }

    fn allow_hosts(&mut self, raw: &[At<String>]) -> Vec<String> {
        let mut hosts = Vec::new();
        for at in raw {
            if is_host(at.value.strip_prefix("*.").unwrap_or(&at.value)) {
                hosts.push(at.value.clone());
            } else {
                let problem = format!(
                    "{} is no host name, expected one such as ops.example.org or *.example.org",
                    quoted(&at.value)
                );
                self.fault(at, problem);
            }
        }
        hosts
    }

    /// A token in place, or in a file.
    pub(super) fn token(
        &mut self,
        token: Option<&At<String>>,
        token_file: Option<&At<String>>,
    ) -> Option<SecretString> {
        if let (Some(_), Some(file)) = (token, token_file) {
            self.fault(file, "token is given too: leave one out");
        }
        if let Some(at) = token {
            if let Err(problem) = files::check_token(&at.value) {
                self.fault(at, problem);
            }
            return Some(at.value.clone().into());
        }
        let at = token_file?;
        files::token(&self.resolve(&at.value)).map_err(|problem| self.fault(at, problem)).ok()
    }

    fn max_models(&mut self, at: &At<u64>) -> usize {
        if !(1..=MOST_MODELS).contains(&at.value) {
            self.fault(at, format!("expected 1 to {MOST_MODELS}, found {}", at.value));
        }
        at.value.clamp(1, MOST_MODELS) as usize
    }

    fn readable(&mut self, at: &At<String>) -> Option<PathBuf> {
        let path = self.resolve(&at.value);
        let opened = File::open(&path).and_then(|file| file.metadata());
        match opened {
            Ok(meta) if meta.is_dir() => self.fault(at, format!("{}: is a directory", path.display())),
            Ok(_) => return Some(path),
            Err(error) => self.fault(at, format!("{}: {error}", path.display())),
        }
        None
    }

    /// One that is not there is no fault: its disk may be mounted later.
    fn model_folders(&mut self, raw: &[At<String>]) -> Vec<PathBuf> {
        if let Some(at) = raw.get(MOST_MODEL_FOLDERS) {
            self.fault(at, format!("expected at most {MOST_MODEL_FOLDERS} folders, found {}", raw.len()));
        }
        let mut folders = Vec::new();
        for at in raw {
            let folder = self.resolve(&at.value);
            if at.value.is_empty() {
                self.fault(at, "empty, expected a folder");
            } else if folders.contains(&folder) {
                self.fault(at, format!("{} is given twice", quoted(&at.value)));
            } else {
                folders.push(folder);
            }
        }
        folders
    }

    /// A bare name is for the system's loader to find; a path is relative to the file.
    fn library(&mut self, at: &At<String>) -> Option<PathBuf> {
        if at.value.is_empty() {
            self.fault(at, "empty, expected a path, or leave it out");
            return None;
        }
        Some(if at.value.contains('/') { self.resolve(&at.value) } else { PathBuf::from(&at.value) })
    }
}

/// A name, or an address, with or without a port.
fn is_host(text: &str) -> bool {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && !name.contains(':') => name,
        _ => text,
    };
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253
        && (name.strip_suffix('.').unwrap_or(name).split('.').all(label)
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
}
