//! What the keys of `[gpu]` and `[paths]` mean.

use std::path::PathBuf;

use super::check::Check;
use super::error::quoted;
use super::raw::RawPaths;
use super::read::{At, NumberOrStrings};
use super::{ExpectedGpus, KernelLog, Paths, size};

/// Cards of one machine: more than any has.
const MOST_GPUS: usize = 128;

impl Check<'_> {
    pub(super) fn expected_gpus(&mut self, raw: NumberOrStrings) -> ExpectedGpus {
        match raw {
            NumberOrStrings::Number(at) if at.value <= MOST_GPUS as u64 => {
                ExpectedGpus::Count(at.value as u32)
            }
            NumberOrStrings::Number(at) => {
                self.fault(&at, format!("expected 0 to {MOST_GPUS}, found {}", at.value));
                ExpectedGpus::Any
            }
            NumberOrStrings::Strings(list) => ExpectedGpus::Uuids(self.uuids(&list)),
        }
    }

    fn uuids(&mut self, list: &[At<String>]) -> Vec<String> {
        let mut uuids: Vec<String> = Vec::new();
        for at in list {
            if !is_uuid(&at.value) {
                let problem = format!(
                    "{} is no UUID of a GPU, expected one as opsagent status and nvidia-smi -L show it, \
                     such as GPU-5f3c1b2a-…",
                    quoted(&at.value)
                );
                self.fault(at, problem);
            } else if uuids.contains(&at.value) {
                self.fault(at, format!("{} is given twice", quoted(&at.value)));
            } else if uuids.len() == MOST_GPUS {
                self.fault(at, format!("expected at most {MOST_GPUS} GPUs"));
                break;
            } else {
                uuids.push(at.value.clone());
            }
        }
        uuids
    }

    /// A size in bytes.
    pub(super) fn size(&mut self, at: &At<String>) -> Option<u64> {
        let bytes = size::parse(&at.value);
        if bytes.is_none() {
            self.fault(at, format!("{} is no size, expected one such as 12GiB or 800MB", quoted(&at.value)));
        }
        bytes
    }

    pub(super) fn paths(&mut self, raw: RawPaths, default: Paths) -> Paths {
        Paths {
            procfs: raw.procfs.and_then(|at| self.folder_at(&at)).unwrap_or(default.procfs),
            sysfs: raw.sysfs.and_then(|at| self.folder_at(&at)).unwrap_or(default.sysfs),
            kernel_log: match raw.kernel_log {
                None => default.kernel_log,
                Some(at) if at.value == "auto" => KernelLog::Auto,
                Some(at) if at.value == "off" => KernelLog::Off,
                Some(at) if at.value.contains('/') => KernelLog::At(self.resolve(&at.value)),
                Some(at) => {
                    let problem = format!("{} is not auto, off or a path with a /", quoted(&at.value));
                    self.fault(&at, problem);
                    default.kernel_log
                }
            },
        }
    }

    fn folder_at(&mut self, at: &At<String>) -> Option<PathBuf> {
        let path = self.resolve(&at.value);
        if !at.value.is_empty() && path.is_dir() {
            return Some(path);
        }
        self.fault(at, format!("{}: no such directory", quoted(&at.value)));
        None
    }
}

/// A name that a card may have: printable, without spaces, as NVIDIA's `GPU-…` and our `pci-0000:03:00.0`.
fn is_uuid(text: &str) -> bool {
    (4..=96).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'_'))
}
