//! What is wrong with a config: file, line, path, and what would do.

use std::fmt;
use std::path::PathBuf;

/// One fault of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1. 0: the file as a whole.
    pub line: usize,
    /// The key's path, such as `target[0].kind`. Empty: no key in particular.
    pub path: String,
    /// What was found and what would do.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// The faults of one file as they are found.
#[derive(Debug)]
pub(super) struct Faults {
    file: PathBuf,
    found: Vec<ConfigError>,
}

impl Faults {
    pub(super) fn new(file: PathBuf) -> Faults {
        Faults { file, found: Vec::new() }
    }

    pub(super) fn add(&mut self, line: usize, path: impl Into<String>, problem: impl Into<String>) {
        let (path, problem) = (path.into(), problem.into());
        self.found.push(ConfigError { file: self.file.clone(), line, path, problem });
    }

    /// Drops the faults that stand at this line or below.
    pub(super) fn keep_above(&mut self, line: usize) {
        self.found.retain(|fault| fault.line < line);
    }

    /// What was found, from the top of the file to its end.
    pub(super) fn into_sorted(mut self) -> Vec<ConfigError> {
        self.found.sort_by_key(|fault| fault.line);
        self.found
    }
}

/// A text of the file as it is shown in a fault: quoted, on one line, not endless.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
