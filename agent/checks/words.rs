//! What checks are called and how they are told; and what identifies one.

use std::fmt;

use serde_json::{Value, json};

use super::{Check, number, text};

impl Check {
    /// Its name, as the config writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Contains(_) => "contains",
            Self::NotContains(_) => "not_contains",
            Self::ContainsAny(_) => "contains_any",
            Self::Equals(_) => "equals",
            Self::Regex(_) => "regex",
            Self::NotRegex(_) => "not_regex",
            Self::Numeric { .. } => "numeric",
            Self::Json(_) => "json",
            Self::Similar { .. } => "similar",
            Self::MaxWords(_) => "max_words",
            Self::MaxLength(_) => "max_length",
            Self::Script(_) => "script",
            Self::Refusal => "refusal",
            Self::NotRefusal => "not_refusal",
            Self::NotDegenerate { .. } => "not_degenerate",
        }
    }

    /// All that makes it this check and no other, as JSON with its keys in order: what a suite's hash is made of.
    pub fn identity(&self) -> Value {
        let wanted = |wanted: &super::Wanted| json!([wanted.text, wanted.ignore_case]);
        let pattern = |pattern: &super::Pattern| json!([pattern.as_str(), pattern.ignores_case()]);
        let what = match self {
            Self::Contains(text) | Self::NotContains(text) | Self::Equals(text) => wanted(text),
            Self::ContainsAny(all) => all.iter().map(wanted).collect(),
            Self::Regex(one) | Self::NotRegex(one) => pattern(one),
            Self::Numeric { value, tolerance, decimal } => json!([value, tolerance, decimal]),
            Self::Json(json) => {
                let values: Vec<Value> = json.values.iter().map(|(key, value)| json!([key, value])).collect();
                json!([json.keys, values, json.schema.as_ref().map(super::Schema::source), json.whole])
            }
            Self::Similar { text, at_least } => json!([text, at_least]),
            Self::MaxWords(most) | Self::MaxLength(most) => json!([most]),
            Self::Script(scripts) => json!([scripts.names(), scripts.at_least()]),
            Self::Refusal | Self::NotRefusal => json!([]),
            Self::NotDegenerate { min_words, below } => json!([min_words, below]),
        };
        json!([self.name(), what])
    }
}

/// The check in a few words, such as `contains "Paris"` or `numeric 3.14 ± 0.01`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Contains(wanted) | Self::NotContains(wanted) | Self::Equals(wanted) => {
                write!(f, "{name} {wanted}")
            }
            Self::ContainsAny(all) => write!(f, "{name} {}", text::list(all)),
            Self::Regex(pattern) | Self::NotRegex(pattern) => write!(f, "{name} {pattern}"),
            Self::Numeric { value, tolerance, .. } => {
                write!(f, "{name} {}", number::expected(*value, *tolerance))
            }
            Self::Json(json) if json.schema.is_some() => write!(f, "{name} that fits its schema"),
            Self::Json(json) => {
                let keys = json.keys.iter().map(|key| shown(key));
                let values =
                    json.values.iter().map(|(key, value)| format!("{} = {}", shown(key), shown_value(value)));
                let told: Vec<String> = keys.chain(values).take(5).collect();
                if told.is_empty() { f.write_str(name) } else { write!(f, "{name} with {}", told.join(", ")) }
            }
            Self::Similar { text, at_least } => write!(f, "{name} to {}, at least {at_least}", shown(text)),
            Self::MaxWords(most) | Self::MaxLength(most) => write!(f, "{name} {most}"),
            Self::Script(scripts) => write!(f, "{name} {}", scripts.names().join(", ")),
            Self::Refusal | Self::NotRefusal | Self::NotDegenerate { .. } => f.write_str(name),
        }
    }
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => cut(&other.to_string()).to_owned(),
    }
}

/// A text of the config as it is told: quoted, on one line, not endless.
pub(super) fn shown(text: &str) -> String {
    let cut = cut(text);
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

fn cut(text: &str) -> &str {
    const MOST: usize = 80;
    text.char_indices().nth(MOST).map_or(text, |(end, _)| &text[..end])
}
