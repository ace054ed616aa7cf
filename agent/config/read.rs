//! Reads keys out of a TOML document and goes on after a fault, so that all faults of a file are
//! told at once. Each value carries its line and path. Pure.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Faults, quoted};
use super::nearest::nearest;

mod node;

pub(super) use node::{Is, Node};

/// A value with its place.
#[derive(Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
    pub(super) path: String,
}

/// A number, or strings.
pub(super) enum NumberOrStrings {
    Number(At<u64>),
    Strings(Vec<At<String>>),
}

/// Turns offsets of a text into lines.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Lines {
        Lines(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

/// A table that is being read. What is asked for is what is known: [`Section::finish`] reports
/// every other key.
pub(super) struct Section<'a> {
    pub(super) path: String,
    pub(super) line: usize,
    table: &'a DeTable<'a>,
    lines: &'a Lines,
    faults: &'a mut Faults,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(table: &'a DeTable<'a>, lines: &'a Lines, faults: &'a mut Faults) -> Section<'a> {
        Section { path: String::new(), line: 1, table, lines, faults, asked: Vec::new() }
    }

    /// Whether the key stands there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Of keys that were read or not: those that stand there all the same, so that their fault is told already.
    pub(super) fn faulty(&self, read: &[(&'static str, bool)]) -> Vec<&'static str> {
        read.iter().filter(|(key, read)| !read && self.has(key)).map(|(key, _)| *key).collect()
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str) -> Option<At<String>> {
        self.typed(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A duration, as it is typed.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<At<String>> {
        self.typed(key, "a duration in quotes, such as \"15s\"", |value| value.as_str().map(str::to_owned))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<At<bool>> {
        self.typed(key, "true or false", |value| match value {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        })
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, key: &'static str) -> Option<At<u64>> {
        self.typed(key, "a whole number", whole)
    }

    /// A number with or without a fraction.
    pub(super) fn fraction(&mut self, key: &'static str) -> Option<At<f64>> {
        self.typed(key, "a number", |value| match value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => whole(value).map(|number| number as f64),
        })
    }

    /// A whole number that is not negative, or an array of strings.
    pub(super) fn number_or_strings(&mut self, key: &'static str, expected: &str) -> Option<NumberOrStrings> {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(_)) => self.strings(key).map(NumberOrStrings::Strings),
            _ => self.typed(key, expected, whole).map(NumberOrStrings::Number),
        }
    }

    /// A string, or an array of strings. `None`: not given; faulty ones are left out.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let at = self.find(key)?;
        let expected = "a string or an array of strings";
        match at.value {
            DeValue::String(text) => Some(vec![At { value: text.to_string(), line: at.line, path: at.path }]),
            DeValue::Array(array) => {
                let mut strings = Vec::new();
                for (i, item) in array.iter().enumerate() {
                    let (line, path) = (self.lines.at(item.span().start), format!("{}[{i}]", at.path));
                    match item.get_ref().as_str() {
                        Some(text) => strings.push(At { value: text.to_owned(), line, path }),
                        None => self.wrong_type(line, path, "a string", item.get_ref()),
                    }
                }
                Some(strings)
            }
            other => {
                self.wrong_type(at.line, at.path, expected, other);
                None
            }
        }
    }

    /// An array of numbers, whole or not; none that holds something else.
    pub(super) fn numbers(&mut self, key: &'static str) -> Option<At<Vec<f64>>> {
        let at = self.find(key)?;
        let DeValue::Array(array) = at.value else {
            self.wrong_type(at.line, at.path, "an array of numbers", at.value);
            return None;
        };
        let mut value = Vec::new();
        for (i, item) in array.iter().enumerate() {
            if let Some(number) = real(item.get_ref()) {
                value.push(number);
            } else {
                let (line, path) = (self.lines.at(item.span().start), format!("{}[{i}]", at.path));
                self.wrong_type(line, path, "a number", item.get_ref());
            }
        }
        (value.len() == array.len()).then_some(At { value, line: at.line, path: at.path })
    }

    /// A table of strings with names of the user's choice.
    pub(super) fn map(&mut self, key: &'static str) -> Vec<(String, At<String>)> {
        let Some(at) = self.find(key) else { return Vec::new() };
        let DeValue::Table(table) = at.value else {
            self.wrong_type(at.line, at.path, "a table of strings", at.value);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            let (line, path) = (self.lines.at(value.span().start), join(&at.path, name.get_ref()));
            match value.get_ref().as_str() {
                Some(text) => {
                    entries.push((name.get_ref().to_string(), At { value: text.to_owned(), line, path }));
                }
                None => self.wrong_type(line, path, "a string", value.get_ref()),
            }
        }
        entries
    }

    /// A table, read by `read`.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let at = self.find(key)?;
        let DeValue::Table(table) = at.value else {
            self.wrong_type(at.line, at.path, "a table", at.value);
            return None;
        };
        Some(self.within(table, at.path, at.line, read))
    }

    /// An array of tables, each read by `read`.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let Some(at) = self.find(key) else { return Vec::new() };
        let DeValue::Array(array) = at.value else {
            let problem = format!("expected [[{key}]] with two pairs of brackets, found {}", found(at.value));
            self.faults.add(at.line, at.path, problem);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (i, item) in array.iter().enumerate() {
            let (line, path) = (self.lines.at(item.span().start), format!("{}[{i}]", at.path));
            match item.get_ref() {
                DeValue::Table(table) => all.push(self.within(table, path, line, &mut read)),
                other => self.wrong_type(line, path, "a table", other),
            }
        }
        all
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let meant = nearest(name, self.asked.iter().copied());
            let meant = meant.map_or(", ".into(), |word| format!(", did you mean {word}? "));
            let problem = format!("unknown key{meant}known here: {}", self.asked.join(", "));
            // A table's own span is its header; a key's is the key.
            let start = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => key.span().start.max(value.span().start),
                _ => key.span().start,
            };
            self.faults.add(self.lines.at(start), join(&self.path, name), problem);
        }
    }

    fn within<T>(
        &mut self,
        table: &DeTable<'_>,
        path: String,
        line: usize,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut inner =
            Section { path, line, table, lines: self.lines, faults: self.faults, asked: Vec::new() };
        let value = read(&mut inner);
        inner.finish();
        value
    }

    fn typed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<At<T>> {
        let at = self.find(key)?;
        if let Some(value) = read(at.value) {
            return Some(At { value, line: at.line, path: at.path });
        }
        self.wrong_type(at.line, at.path, expected, at.value);
        None
    }

    fn find(&mut self, key: &'static str) -> Option<At<&'a DeValue<'a>>> {
        self.asked.push(key);
        let path = join(&self.path, key);
        let value = self.table.get(key)?;
        let line = self.lines.at(Spanned::span(value).start);
        Some(At { value: value.get_ref(), line, path })
    }

    fn wrong_type(&mut self, line: usize, path: String, expected: &str, value: &DeValue<'_>) {
        self.faults.add(line, path, format!("expected {expected}, found {}", found(value)));
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn real(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Float(number) => number.as_str(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        _ => return None,
    };
    number.parse().ok()
}

/// A key below a path, quoted where it is no bare word.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare && key.len() <= 60 { key.to_owned() } else { quoted(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// What a value is. Strings are not shown: one may be a token.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".into(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "an array".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
