//! The config as it is typed: the keys there are, each with its place. What they mean is decided
//! in `check` and `targets`. Pure.

use super::buckets::RawBuckets;
use super::raw_canaries::RawCanaries;
use super::raw_canary::RawCanary;
use super::raw_tap::{RawClient, RawSlo, RawTap};
use super::read::{At, NumberOrStrings, Section};
use super::store::RawStore;

/// The whole file.
pub(super) struct Raw {
    pub(super) listen: Option<Vec<At<String>>>,
    pub(super) allow_hosts: Vec<At<String>>,
    pub(super) web_config_file: Option<At<String>>,
    pub(super) discover: Option<At<bool>>,
    pub(super) discover_every: Option<At<String>>,
    pub(super) forget_after: Option<At<String>>,
    pub(super) grace: Option<At<String>>,
    pub(super) max_models: Option<At<u64>>,
    pub(super) beat: RawBeat,
    pub(super) gpu: RawGpu,
    pub(super) paths: RawPaths,
    pub(super) host: RawHost,
    pub(super) tap: RawTap,
    pub(super) clients: Vec<RawClient>,
    pub(super) slos: Vec<RawSlo>,
    pub(super) canaries: Option<RawCanaries>,
    pub(super) own_canaries: Vec<RawCanary>,
    pub(super) store: RawStore,
    pub(super) buckets: RawBuckets,
    pub(super) targets: Vec<RawTarget>,
}

/// The times that a target has of its own or takes from the whole.
pub(super) struct RawBeat {
    pub(super) every: Option<At<String>>,
    pub(super) timeout: Option<At<String>>,
    pub(super) hung_after: Option<At<String>>,
}

/// `[gpu]`.
#[derive(Default)]
pub(super) struct RawGpu {
    pub(super) every: Option<At<String>>,
    pub(super) nvml_library: Option<At<String>>,
    pub(super) expected: Option<NumberOrStrings>,
    pub(super) next_model: Option<At<String>>,
}

/// `[paths]`.
#[derive(Default)]
pub(super) struct RawPaths {
    pub(super) procfs: Option<At<String>>,
    pub(super) sysfs: Option<At<String>>,
    pub(super) kernel_log: Option<At<String>>,
}

/// `[host]`.
#[derive(Default)]
pub(super) struct RawHost {
    pub(super) every: Option<At<String>>,
    pub(super) model_folders: Vec<At<String>>,
}

/// `[[target]]`.
pub(super) struct RawTarget {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) name: Option<At<String>>,
    pub(super) kind: Option<At<String>>,
    pub(super) url: Option<At<String>>,
    /// Keys that stand there but not as strings: their fault is told, they are not missing.
    pub(super) faulty: Vec<&'static str>,
    pub(super) token: Option<At<String>>,
    pub(super) token_file: Option<At<String>>,
    pub(super) headers: Vec<(String, At<String>)>,
    pub(super) ca_file: Option<At<String>>,
    pub(super) beat: RawBeat,
    pub(super) sleeps: Option<At<bool>>,
    pub(super) tap: Vec<At<String>>,
    pub(super) log: Option<At<String>>,
}

impl Raw {
    pub(super) fn read(section: &mut Section<'_>) -> Raw {
        Raw {
            listen: section.strings("listen"),
            allow_hosts: section.strings("allow_hosts").unwrap_or_default(),
            web_config_file: section.string("web_config_file"),
            discover: section.boolean("discover"),
            discover_every: section.duration("discover_every"),
            forget_after: section.duration("forget_after"),
            grace: section.duration("grace"),
            max_models: section.number("max_models"),
            beat: RawBeat::read(section),
            gpu: section.table("gpu", RawGpu::read).unwrap_or_default(),
            paths: section.table("paths", RawPaths::read).unwrap_or_default(),
            host: section.table("host", RawHost::read).unwrap_or_default(),
            tap: section.table("tap", RawTap::read).unwrap_or_default(),
            clients: section.tables("client", RawClient::read),
            slos: section.tables("slo", RawSlo::read),
            canaries: section.table("canaries", RawCanaries::read),
            own_canaries: section.tables("canary", RawCanary::read),
            store: section.table("store", RawStore::read).unwrap_or_default(),
            buckets: section.table("buckets", RawBuckets::read).unwrap_or_default(),
            targets: section.tables("target", RawTarget::read),
        }
    }
}

impl RawBeat {
    fn read(section: &mut Section<'_>) -> RawBeat {
        RawBeat {
            every: section.duration("every"),
            timeout: section.duration("timeout"),
            hung_after: section.duration("hung_after"),
        }
    }
}

impl RawGpu {
    fn read(section: &mut Section<'_>) -> RawGpu {
        RawGpu {
            every: section.duration("every"),
            nvml_library: section.string("nvml_library"),
            expected: section.number_or_strings("expected", "a number of GPUs or an array of their UUIDs"),
            next_model: section.string("next_model"),
        }
    }
}

impl RawPaths {
    fn read(section: &mut Section<'_>) -> RawPaths {
        RawPaths {
            procfs: section.string("procfs"),
            sysfs: section.string("sysfs"),
            kernel_log: section.string("kernel_log"),
        }
    }
}

impl RawHost {
    fn read(section: &mut Section<'_>) -> RawHost {
        RawHost {
            every: section.duration("every"),
            model_folders: section.strings("model_folders").unwrap_or_default(),
        }
    }
}

impl RawTarget {
    fn read(section: &mut Section<'_>) -> RawTarget {
        let (name, kind, url) = (section.string("name"), section.string("kind"), section.string("url"));
        let read = [("name", name.is_some()), ("kind", kind.is_some()), ("url", url.is_some())];
        RawTarget {
            path: section.path.clone(),
            line: section.line,
            faulty: section.faulty(&read),
            name,
            kind,
            url,
            token: section.string("token"),
            token_file: section.string("token_file"),
            headers: section.map("headers"),
            ca_file: section.string("ca_file"),
            beat: RawBeat::read(section),
            sleeps: section.boolean("sleeps"),
            tap: section.strings("tap").unwrap_or_default(),
            log: section.string("log"),
        }
    }
}
