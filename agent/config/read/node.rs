//! A value whose form is not known beforehand: checks of canaries are written in short or in long. Pure.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{At, Lines, Section, found, join, whole};

/// A value with its place and those of all in it.
pub(in crate::config) struct Node {
    pub(in crate::config) line: usize,
    pub(in crate::config) path: String,
    pub(in crate::config) is: Is,
}

/// What a value is.
pub(in crate::config) enum Is {
    Text(String),
    Number(f64),
    Bool(bool),
    Array(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// A date, or a number beyond all bounds; in words.
    Other(String),
}

impl Section<'_> {
    /// Whatever stands there.
    pub(in crate::config) fn node(&mut self, key: &'static str) -> Option<Node> {
        let at = self.find(key)?;
        Some(node(at.value, at.line, at.path, self.lines))
    }
}

fn node(value: &DeValue<'_>, line: usize, path: String, lines: &Lines) -> Node {
    let is = match value {
        DeValue::String(text) => Is::Text(text.to_string()),
        DeValue::Boolean(value) => Is::Bool(*value),
        DeValue::Integer(number) => {
            let negative = || number.as_str().parse::<i64>().ok().map(|number| number as f64);
            let number = whole(value).map(|number| number as f64).or_else(negative);
            number.map_or_else(|| Is::Other(found(value)), Is::Number)
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Is::Number(number),
            _ => Is::Other(found(value)),
        },
        DeValue::Datetime(_) => Is::Other(found(value)),
        DeValue::Array(array) => {
            let one = |(nth, item): (usize, &toml::Spanned<DeValue<'_>>)| {
                node(item.get_ref(), lines.at(item.span().start), format!("{path}[{nth}]"), lines)
            };
            Is::Array(array.iter().enumerate().map(one).collect())
        }
        DeValue::Table(table) => Is::Table(entries(table, &path, lines)),
    };
    Node { line, path, is }
}

fn entries(table: &DeTable<'_>, path: &str, lines: &Lines) -> Vec<(String, Node)> {
    let one = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
        let name = key.get_ref().to_string();
        let place = join(path, &name);
        (name, node(value.get_ref(), lines.at(value.span().start), place, lines))
    };
    table.iter().map(one).collect()
}

impl Node {
    /// The same place with another value.
    pub(in crate::config) fn at<T>(&self, value: T) -> At<T> {
        At { value, line: self.line, path: self.path.clone() }
    }

    /// What it is, in words. Strings are not shown.
    pub(in crate::config) fn found(&self) -> String {
        match &self.is {
            Is::Text(_) => "a string".into(),
            Is::Number(number) => format!("the number {number}"),
            Is::Bool(value) => value.to_string(),
            Is::Array(_) => "an array".into(),
            Is::Table(_) => "a table".into(),
            Is::Other(words) => words.clone(),
        }
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// The part that JSON has no word for.
    pub(in crate::config) fn json(&self) -> Result<Value, &Node> {
        Ok(match &self.is {
            Is::Text(text) => Value::from(text.as_str()),
            // What is whole is written so: a schema's minItems may not be 3.0.
            Is::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Value::from(*number as i64),
            Is::Number(number) => Value::from(*number),
            Is::Bool(value) => Value::from(*value),
            Is::Array(all) => Value::Array(all.iter().map(Node::json).collect::<Result<_, _>>()?),
            Is::Table(all) => {
                let one = |(key, node): &'_ (String, Node)| -> Option<(String, Value)> {
                    Some((key.clone(), node.json().ok()?))
                };
                // The first part that is none is told; then the rest is of no use.
                if let Some(bad) = all.iter().find_map(|(_, node)| node.json().err()) {
                    return Err(bad);
                }
                Value::Object(all.iter().filter_map(one).collect::<Map<_, _>>())
            }
            Is::Other(_) => return Err(self),
        })
    }
}
