//! How far each log was read and what of it waits to be told, kept in small files, so that a restart of the agent goes
//! on where it was.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::tail::Mark;

/// A position takes some hundred bytes, a cursor of the journal as many, and what waits to be told as many again for
/// each request: it is bounded by who keeps it.
const MOST_BYTES: u64 = 1 << 20;

/// How far a log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// In a file.
    pub mark: Option<Mark>,
    /// In the journal.
    pub cursor: Option<String>,
}

/// Where positions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    folder: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    target: String,
    place: String,
    #[serde(flatten)]
    position: Position,
    /// What was read and is not told yet.
    #[serde(default)]
    waiting: serde_json::Value,
}

/// The agent's folder for what outlives it: the one that systemd gives it (`STATE_DIRECTORY`), else `opsagent` in the
/// user's folder for state (`XDG_STATE_HOME`, or `~/.local/state`). `None`: none of these is set.
pub fn state_folder(get: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Of several folders it gives the first that the unit names.
    let of_systemd = set("STATE_DIRECTORY").and_then(|all| std::env::split_paths(&all).next());
    let of_user = || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    of_systemd.or_else(|| Some(of_user()?.join("opsagent")))
}

impl Positions {
    /// In the folder for state of this environment ([`state_folder`]).
    pub fn of_env(get: impl Fn(&str) -> Option<OsString>) -> Positions {
        Positions { folder: state_folder(get) }
    }

    /// In this folder.
    pub fn within(folder: impl Into<PathBuf>) -> Positions {
        Positions { folder: Some(folder.into()) }
    }

    /// How far the log at that place was read for a target, and what of it waits to be told: nothing where that cannot
    /// be read. `None`: it never was, or what is kept cannot be read.
    pub fn load<W: DeserializeOwned + Default>(&self, target: &str, place: &str) -> Option<(Position, W)> {
        let mut text = String::new();
        File::open(self.file(target)?).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        let waiting = || serde_json::from_value(kept.waiting).unwrap_or_default();
        (kept.target == target && kept.place == place).then(|| (kept.position, waiting()))
    }

    /// Keeps how far it was read, and what of it waits to be told, both or none.
    ///
    /// # Errors
    /// There is no folder for it, or none that may be written: what would do.
    pub fn save(
        &self,
        target: &str,
        place: &str,
        position: &Position,
        waiting: &impl Serialize,
    ) -> Result<(), String> {
        let Some(file) = self.file(target) else {
            return Err(
                "there is no folder for it: set STATE_DIRECTORY, or StateDirectory= in the unit".into()
            );
        };
        let waiting = serde_json::to_value(waiting).map_err(|error| error.to_string())?;
        let kept = Kept { target: target.into(), place: place.into(), position: position.clone(), waiting };
        write(&file, &kept).map_err(|error| {
            let folder = file.parent().unwrap_or(&file).display();
            format!("{folder}: {error}: set STATE_DIRECTORY, or StateDirectory= in the unit")
        })
    }

    fn file(&self, target: &str) -> Option<PathBuf> {
        let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = target.chars().take(60).map(fits).collect();
        // Names that differ only in what does not fit are told apart.
        let mix = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let number = target.bytes().fold(0x811c_9dc5, mix);
        Some(self.folder.as_ref()?.join(format!("log-{name}-{number:08x}.json")))
    }
}

/// Whole or not at all: an agent that is killed meanwhile leaves the old one.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let new = file.with_extension("new");
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    to.write_all(serde_json::to_string(kept)?.as_bytes())?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_env(set: &[(&str, &str)]) -> Option<PathBuf> {
        Positions::of_env(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
            .folder
    }

    #[test]
    fn the_folder_is_systemds_or_the_users() {
        let home = ("HOME", "/home/a");
        assert_eq!(of_env(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), home]), Some("/var/lib/a".into()));
        assert_eq!(of_env(&[("XDG_STATE_HOME", "/s"), home]), Some("/s/opsagent".into()));
        assert_eq!(of_env(&[("STATE_DIRECTORY", ""), home]), Some("/home/a/.local/state/opsagent".into()));
        assert_eq!(of_env(&[]), None);
    }

    #[test]
    fn a_position_is_kept_for_its_target_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let positions = Positions::within(folder.path().join("a/b"));
        let here = Position { cursor: Some("s=1".into()), mark: None };
        let load = |target, place| positions.load::<Vec<u32>>(target, place);
        assert_eq!(load("box", "journal of a"), None);
        positions.save("box", "journal of a", &here, &[1, 2]).unwrap();
        positions.save("b/x", "journal of a", &Position::default(), &"no numbers").unwrap();
        positions.save("b.x", "journal of a", &here, &[3]).unwrap();
        assert_eq!(load("box", "journal of a"), Some((here.clone(), vec![1, 2])));
        assert_eq!(load("box", "journal of b"), None, "another log");
        assert_eq!(load("b/x", "journal of a"), Some((Position::default(), Vec::new())));
        std::fs::write(positions.file("box").unwrap(), "{\"cut").unwrap();
        let of_before = r#"{"target":"b/x","place":"p","mark":null,"cursor":"s=1"}"#;
        std::fs::write(positions.file("b/x").unwrap(), of_before).unwrap();
        assert_eq!(load("b/x", "p"), Some((here, Vec::new())), "as an older agent kept it");
        assert_eq!(load("box", "journal of a"), None);
        let mut files: Vec<_> = std::fs::read_dir(folder.path().join("a/b")).unwrap().flatten().collect();
        assert_eq!(files.len(), 3, "nothing is left of writing: {files:?}");
        files.clear();
    }

    #[test]
    fn where_none_can_be_kept_that_is_told_with_what_would_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for positions in [Positions { folder: None }, Positions::within(folder.path().join("file/x"))] {
            let said = positions.save("box", "x", &Position::default(), &()).unwrap_err();
            assert!(said.contains("StateDirectory="), "{said}");
        }
    }
}
