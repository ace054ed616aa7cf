//! The text of a config: syntax first, then keys, then what they mean.

use std::path::Path;

use toml::de::DeTable;

use super::error::{ConfigError, Faults};
use super::raw::Raw;
use super::read::{Lines, Section};
use super::{Config, check};

/// Reads bytes that should be text.
pub(super) fn bytes(file: &Path, bytes: &[u8]) -> Result<Config, Vec<ConfigError>> {
    let good = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut faults = Faults::new(file.to_owned());
    if good.len() < bytes.len() {
        let line = Lines::of(good).at(good.len());
        let problem = format!("not UTF-8 text (byte 0x{:02x}): save the file as UTF-8", bytes[good.len()]);
        faults.add(line, "", problem);
        return Err(faults.into_sorted());
    }
    if let Some(at) = good.find('\0') {
        faults.add(Lines::of(good).at(at), "", "a NUL byte: this is no text file");
        return Err(faults.into_sorted());
    }
    text(file, good)
}

/// Reads a config's text.
pub(super) fn text(file: &Path, text: &str) -> Result<Config, Vec<ConfigError>> {
    let mut faults = Faults::new(file.to_owned());
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut root = Section::root(document.get_ref(), &lines, &mut faults);
    let raw = Raw::read(&mut root);
    root.finish();
    let config = check::config(raw, file, &mut faults);
    let mut broken: Vec<(usize, &str)> = errors
        .iter()
        .map(|error| (error.span().map_or(1, |span| lines.at(span.start.min(text.len()))), error.message()))
        .collect();
    broken.sort_by_key(|(line, _)| *line);
    // What follows from a fault in the same line is not told again.
    broken.dedup_by_key(|(line, _)| *line);
    if let Some((first, _)) = broken.first() {
        // The section with the first of them was not read as it was meant, nor anything below.
        let section = text
            .lines()
            .take(*first)
            .enumerate()
            .filter(|(_, text)| text.trim_start().starts_with('['))
            .last()
            .map_or(*first, |(at, _)| at + 1);
        faults.keep_above(section);
    }
    for (line, message) in broken {
        faults.add(line, "", message);
    }
    let found = faults.into_sorted();
    if found.is_empty() { Ok(config) } else { Err(found) }
}
