//! What `checks` of a canary mean: `"json"`, `{ contains = "Paris" }`, `{ numeric = { value = 3, tolerance = 1 } }`.

use serde_json::Value;

use super::check::Check as Checking;
use super::error::quoted;
use super::files;
use super::nearest::nearest;
use super::read::{Is, Node};
use crate::checks::{Check, Json, Pattern, REPEATED, Schema, Scripts, TABLE, Wanted};

mod args;

use args::{Args, number};

/// Checks of one canary.
const MOST_CHECKS: usize = 50;

/// The largest file of a schema.
const SCHEMA_BYTES: u64 = 1 << 20;

/// How alike a text must be where nobody says.
const SIMILAR: f64 = 0.8;

/// The share of letters in the script where nobody says.
const IN_SCRIPT: f64 = 0.95;

/// The checks, in the file's order; those that share a table, by their names.
pub(super) fn all(node: Option<&Node>, to: &mut Checking<'_>) -> Vec<Check> {
    let Some(node) = node else { return Vec::new() };
    let items: &[Node] = match &node.is {
        Is::Array(items) => items,
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        to.fault(&node.at(()), "empty, expected checks such as { contains = \"Paris\" }");
    }
    if let Some(item) = items.get(MOST_CHECKS) {
        to.fault(&item.at(()), format!("expected at most {MOST_CHECKS} checks, found {}", items.len()));
    }
    let mut checks = Vec::new();
    for item in items {
        match &item.is {
            Is::Text(name) => {
                if is_known(name, item, to) {
                    let bare = Node { line: item.line, path: item.path.clone(), is: Is::Bool(true) };
                    checks.extend(one(name, &bare, to));
                }
            }
            Is::Table(entries) => {
                if entries.is_empty() {
                    to.fault(&item.at(()), "empty, expected a check such as { contains = \"Paris\" }");
                }
                for (name, node) in entries {
                    if is_known(name, node, to) {
                        checks.extend(one(name, node, to));
                    }
                }
            }
            _ => {
                let problem =
                    format!("expected a check such as {{ contains = \"Paris\" }}, found {}", item.found());
                to.fault(&item.at(()), problem);
            }
        }
    }
    checks
}

fn is_known(name: &str, node: &Node, to: &mut Checking<'_>) -> bool {
    let names = || TABLE.iter().map(|row| row.name);
    if names().any(|known| known == name) {
        return true;
    }
    let then = match nearest(name, names()) {
        Some(known) => format!(", did you mean {known}?"),
        None => format!(", known here: {}", names().collect::<Vec<_>>().join(", ")),
    };
    to.fault(&node.at(()), format!("no check is named {}{then}", quoted(name)));
    false
}

fn one(name: &str, node: &Node, to: &mut Checking<'_>) -> Option<Check> {
    match name {
        "contains" => wanted(node, to).map(Check::Contains),
        "not_contains" => wanted(node, to).map(Check::NotContains),
        "equals" => wanted(node, to).map(Check::Equals),
        "contains_any" => {
            let args = Args::of(node, "texts", &["texts", "ignore_case"], to);
            let ignore_case = args.bool("ignore_case", to);
            let texts = args.texts("texts", to)?;
            Some(Check::ContainsAny(texts.into_iter().map(|text| Wanted { text, ignore_case }).collect()))
        }
        "regex" => pattern(node, to).map(Check::Regex),
        "not_regex" => pattern(node, to).map(Check::NotRegex),
        "numeric" => numeric(node, to),
        "json" => json(node, to).map(Check::Json),
        "similar" => {
            let args = Args::of(node, "text", &["text", "at_least"], to);
            let at_least = args.share("at_least", to).unwrap_or(SIMILAR);
            Some(Check::Similar { text: args.text("text", to)?, at_least })
        }
        "max_words" => most(node, to).map(Check::MaxWords),
        "max_length" => most(node, to).map(Check::MaxLength),
        "script" => script(node, to),
        "refusal" => bare(node, to).then_some(Check::Refusal),
        "not_refusal" => bare(node, to).then_some(Check::NotRefusal),
        _ => {
            if matches!(node.is, Is::Bool(_)) {
                return bare(node, to).then_some(Check::NotDegenerate { min_words: 0, below: REPEATED });
            }
            let args = Args::of(node, "", &["min_words", "below"], to);
            let min_words = args.get("min_words").and_then(|node| most(node, to)).unwrap_or(0);
            Some(Check::NotDegenerate { min_words, below: args.share("below", to).unwrap_or(REPEATED) })
        }
    }
}

fn wanted(node: &Node, to: &mut Checking<'_>) -> Option<Wanted> {
    let args = Args::of(node, "text", &["text", "ignore_case"], to);
    let ignore_case = args.bool("ignore_case", to);
    Some(Wanted { text: args.text("text", to)?, ignore_case })
}

fn pattern(node: &Node, to: &mut Checking<'_>) -> Option<Pattern> {
    let args = Args::of(node, "pattern", &["pattern", "ignore_case"], to);
    let ignore_case = args.bool("ignore_case", to);
    let text = args.text("pattern", to)?;
    Pattern::new(&text, ignore_case).map_err(|problem| args.fault("pattern", problem, to)).ok()
}

fn numeric(node: &Node, to: &mut Checking<'_>) -> Option<Check> {
    let args = Args::of(node, "value", &["value", "tolerance", "decimal"], to);
    let tolerance = args.number("tolerance", to).unwrap_or(0.0);
    if tolerance < 0.0 {
        args.fault("tolerance", format!("expected 0 or more, found {tolerance}"), to);
    }
    let decimal = args.get("decimal").and_then(|_| args.text("decimal", to)).and_then(|sign| {
        let known = [",", "."].into_iter().find(|known| *known == sign).and_then(|sign| sign.chars().next());
        if known.is_none() {
            args.fault("decimal", format!("expected \",\" or \".\", found {}", quoted(&sign)), to);
        }
        known
    });
    let value = args.required("value", "a number", to)?;
    let value = number(value, to)?;
    Some(Check::Numeric { value, tolerance, decimal })
}

fn json(node: &Node, to: &mut Checking<'_>) -> Option<Json> {
    if matches!(node.is, Is::Bool(_)) {
        return bare(node, to).then(Json::default);
    }
    let args = Args::of(node, "", &["keys", "values", "schema", "whole"], to);
    let keys = args.get("keys").and_then(|_| args.texts("keys", to)).unwrap_or_default();
    let mut values = Vec::new();
    match args.get("values").map(|node| (&node.is, node)) {
        Some((Is::Table(entries), _)) => {
            for (key, node) in entries {
                values.extend(value(node, to).map(|value| (key.clone(), value)));
            }
        }
        Some((_, node)) => {
            to.fault(
                &node.at(()),
                format!("expected a table of keys and their values, found {}", node.found()),
            );
        }
        None => {}
    }
    let schema = args.get("schema").and_then(|node| schema(node, to));
    Some(Json { keys, values, schema, whole: args.bool("whole", to) })
}

/// A table is the schema itself, a string the path of its file.
fn schema(node: &Node, to: &mut Checking<'_>) -> Option<Schema> {
    let source = match &node.is {
        Is::Table(_) => value(node, to)?,
        Is::Text(path) => {
            let path = to.resolve(path);
            let bytes = files::read(&path, SCHEMA_BYTES).map_err(|error| error.to_string());
            let parsed = bytes.and_then(|bytes| {
                serde_json::from_slice(&bytes).map_err(|error| format!("is no JSON: {error}"))
            });
            let fault = |problem| to.fault(&node.at(()), format!("{}: {problem}", path.display()));
            parsed.map_err(fault).ok()?
        }
        _ => {
            let found = node.found();
            to.fault(
                &node.at(()),
                format!("expected a JSON schema as a table, or a file's path, found {found}"),
            );
            return None;
        }
    };
    Schema::new(source).map_err(|problem| to.fault(&node.at(()), problem)).ok()
}

fn value(node: &Node, to: &mut Checking<'_>) -> Option<Value> {
    let bad = |bad: &Node| to.fault(&bad.at(()), format!("JSON has no word for {}", bad.found()));
    node.json().map_err(bad).ok()
}

fn script(node: &Node, to: &mut Checking<'_>) -> Option<Check> {
    let args = Args::of(node, "names", &["names", "at_least"], to);
    let at_least = args.share("at_least", to).unwrap_or(IN_SCRIPT);
    let names = args.texts("names", to)?;
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    match Scripts::new(&borrowed, at_least) {
        Ok(scripts) => Some(Check::Script(scripts)),
        Err(nth) => {
            let problem = format!(
                "{} is no script, expected Unicode's name of one, such as Latin, Cyrillic or Han, or Japanese or Korean",
                quoted(borrowed[nth])
            );
            args.fault("names", problem, to);
            None
        }
    }
}

/// A whole number, of words or characters.
fn most(node: &Node, to: &mut Checking<'_>) -> Option<usize> {
    match node.is {
        Is::Number(number) if number >= 0.0 && number.fract() == 0.0 && number < 1e9 => Some(number as usize),
        _ => {
            to.fault(&node.at(()), format!("expected a whole number, found {}", node.found()));
            None
        }
    }
}

/// Whether it is `true`, as a check that has nothing to say is written.
fn bare(node: &Node, to: &mut Checking<'_>) -> bool {
    let is = matches!(node.is, Is::Bool(true));
    if !is {
        to.fault(&node.at(()), format!("expected true, or leave it out, found {}", node.found()));
    }
    is
}
