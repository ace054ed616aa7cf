//! Where a server's log is, as the config says it. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

/// Before the name of a unit, in the config.
const JOURNAL: &str = "journal:";

/// The longest name systemd gives a unit.
const UNIT_BYTES: usize = 255;

/// Where a server's log is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogPlace {
    /// In a file.
    File(PathBuf),
    /// In the system's journal, of this unit.
    Journal(String),
}

impl LogPlace {
    /// Reads what stands in the config: a path, relative to `folder`, or `journal:UNIT`.
    ///
    /// # Errors
    /// It is neither: what was found, and what would do.
    pub fn parse(text: &str, folder: &Path) -> Result<LogPlace, String> {
        if let Some(unit) = text.strip_prefix(JOURNAL) {
            return match fault_of(unit) {
                None => Ok(LogPlace::Journal(unit.to_owned())),
                Some(fault) => Err(format!("{fault}, expected one such as \"journal:ollama.service\"")),
            };
        }
        if text.trim().is_empty() || text.contains('\0') {
            let expected = "\"/var/log/ollama.log\" or \"journal:ollama.service\"";
            return Err(format!("is no path of a file, expected one such as {expected}"));
        }
        Ok(LogPlace::File(folder.join(text)))
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogPlace::File(path) => write!(f, "{}", path.display()),
            LogPlace::Journal(unit) => write!(f, "journal of {unit}"),
        }
    }
}

/// Why no unit can have this name; `journalctl` would take `*` for many of them.
fn fault_of(unit: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if unit.is_empty() {
        Some("names no unit")
    } else if unit.len() > UNIT_BYTES || !unit.chars().all(fits) {
        Some("is no name of a unit")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LogPlace, String> {
        LogPlace::parse(text, Path::new("/etc/opsagent"))
    }

    #[test]
    fn a_place_is_a_file_or_a_unit_of_the_journal() {
        for (text, place, shown) in [
            ("/var/log/ollama.log", LogPlace::File("/var/log/ollama.log".into()), "/var/log/ollama.log"),
            ("a b.log", LogPlace::File("/etc/opsagent/a b.log".into()), "/etc/opsagent/a b.log"),
            (
                "journal:ollama.service",
                LogPlace::Journal("ollama.service".into()),
                "journal of ollama.service",
            ),
            (
                "journal:llama@7b-q4.service",
                LogPlace::Journal("llama@7b-q4.service".into()),
                "journal of llama@7b-q4.service",
            ),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed), (shown, place));
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_an_example() {
        for text in ["", " ", "a\0b", "journal:", "journal:*", "journal:a b", "journal:ollama/../x"] {
            assert!(parse(text).unwrap_err().contains("expected one such as"), "{text}");
        }
        assert!(parse(&format!("journal:{}", "x".repeat(256))).is_err());
    }
}
