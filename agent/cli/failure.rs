//! How a verb ends when it does not end well: said once, with an exit code.

use std::fmt::Write as _;
use std::io::Write as _;

use super::words;

/// A monitoring plugin's "unknown": what `status` answers when it cannot tell.
pub(super) const UNKNOWN: u8 = 3;

/// The config has faults; nothing was started.
pub(super) const BAD_CONFIG: u8 = 2;

/// It was used wrongly (EX_USAGE of sysexits). clap's own 2 would read as "critical".
pub(super) const USAGE: u8 = 64;

/// What a shell gives to a program ended by Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// An exit code, or what went wrong.
pub(super) type Outcome = Result<u8, Failure>;

/// What went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    /// What stands on lines of its own before the sentence.
    details: Vec<String>,
    error: anyhow::Error,
}

impl Failure {
    /// An error and the exit code it ends in.
    pub(super) fn new(code: u8, error: impl Into<anyhow::Error>) -> Failure {
        Failure { code, details: Vec::new(), error: error.into() }
    }

    /// A sentence (`cannot …`) and the exit code it ends in.
    pub(super) fn say(code: u8, sentence: impl Into<String>) -> Failure {
        Failure::new(code, anyhow::Error::msg(sentence.into()))
    }

    /// A config with faults, all of which are told; `cannot`: what does not happen now.
    pub(super) fn faults(code: u8, faults: &[impl ToString], cannot: &str) -> Failure {
        Failure {
            code,
            details: faults.iter().map(ToString::to_string).collect(),
            error: anyhow::anyhow!("cannot {cannot}: {} in the config", words::count(faults.len(), "fault")),
        }
    }

    /// The same with another exit code.
    pub(super) fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// What is printed: `opsagent: cannot …: cause: cause`, details before it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.details {
            // Writing to a string cannot fail.
            writeln!(text, "{line}").ok();
        }
        writeln!(text, "opsagent: {:#}", self.error).ok();
        text
    }

    /// Says it on stderr and gives the exit code.
    pub(super) fn print(self) -> u8 {
        // Nobody is left to be told if stderr is gone.
        std::io::stderr().write_all(self.text().as_bytes()).ok();
        self.code
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(1, error)
    }
}
