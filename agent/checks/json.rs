//! JSON in an answer: that it is there, what it holds, and whether it fits a schema.

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::words::shown;

/// Places at which a value is looked for: answers wrap theirs in prose or code, not in hundreds of brackets. Each may
/// cost a look at the whole.
const STARTS: usize = 256;

/// The largest pattern of a schema when compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// What the first JSON value of an answer must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Json {
    /// Keys that an object must have.
    pub keys: Vec<String>,
    /// Keys that must have these values; `37` and `37.0` are the same.
    pub values: Vec<(String, Value)>,
    /// The schema that it must fit.
    pub schema: Option<Schema>,
    /// Whether the answer must be the value and nothing else; else prose and code fences around it do not matter.
    pub whole: bool,
}

/// A JSON schema, compiled once.
#[derive(Clone)]
pub struct Schema {
    /// What it was compiled of.
    source: Value,
    validator: Arc<Validator>,
}

impl Schema {
    /// Compiles it. Nothing is fetched: what it refers to must stand in it.
    ///
    /// # Errors
    /// What is wrong with it, and what would do.
    pub fn new(source: Value) -> Result<Schema, String> {
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let built = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .build(&source);
        match built {
            Ok(validator) => Ok(Schema { source, validator: Arc::new(validator) }),
            Err(error) => Err(problem(&error)),
        }
    }

    /// As it was written.
    pub fn source(&self) -> &Value {
        &self.source
    }
}

fn problem(error: &jsonschema::ValidationError<'_>) -> String {
    if let jsonschema::error::ValidationErrorKind::Referencing(reference) = error.kind() {
        // The library's words are `Resource 'https://…' is not present …`: what is meant stands in the quotes.
        let said = reference.to_string();
        let what = said.split('\'').nth(1).unwrap_or(&said);
        return format!(
            "refers to {}, which is not in it: nothing is fetched, put it under $defs",
            shown(what)
        );
    }
    format!("is no JSON schema: {} at {}", shown(&error.to_string()), place(error.instance_path().as_str()))
}

fn place(path: &str) -> &str {
    if path.is_empty() { "its top" } else { path }
}

impl Json {
    pub(super) fn failed(&self, text: &str) -> Option<String> {
        let value = if self.whole {
            match serde_json::from_str(text) {
                Ok(value) => value,
                Err(_) if first_value(text).is_some() => return Some("has more than JSON in it".to_owned()),
                Err(_) => return Some("has no valid JSON".to_owned()),
            }
        } else {
            match first_value(text) {
                Some(value) => value,
                None => return Some("has no valid JSON".to_owned()),
            }
        };
        self.misses(&value)
    }

    fn misses(&self, value: &Value) -> Option<String> {
        if !value.is_object() && (!self.keys.is_empty() || !self.values.is_empty()) {
            return Some(format!("its JSON is {}, an object expected", sort(value)));
        }
        if let Some(key) = self.keys.iter().find(|key| value.get(key).is_none()) {
            return Some(format!("its JSON has no key {}", shown(key)));
        }
        for (key, wanted) in &self.values {
            match value.get(key) {
                None => return Some(format!("its JSON has no key {}", shown(key))),
                Some(found) if !same(found, wanted) => {
                    return Some(format!(
                        "its JSON has another {} than {}",
                        shown(key),
                        shown(&wanted.to_string())
                    ));
                }
                Some(_) => {}
            }
        }
        let schema = self.schema.as_ref()?;
        let error = schema.validator.validate(value).err()?;
        // The path in the schema: what stands in the answer, names of keys too, is not quoted.
        Some(format!("its JSON does not fit the schema at {}", shown_path(error.schema_path().as_str())))
    }
}

fn shown_path(path: &str) -> String {
    if path.is_empty() { "its top".to_owned() } else { shown(path) }
}

/// The first object or array in the text that is JSON; where there is none, the text itself.
fn first_value(text: &str) -> Option<Value> {
    for (at, _) in text.match_indices(['{', '[']).take(STARTS) {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            return Some(value);
        }
    }
    serde_json::from_str(text).ok()
}

/// Equal as JSON means it: numbers by their value, not by their type.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(json: &Json, text: &str) -> String {
        json.failed(text).unwrap_or_default()
    }

    #[test]
    fn the_first_value_counts_wherever_it_stands() {
        let json = Json { values: vec![("age".into(), json!(37))], ..Json::default() };
        for good in [r#"{"age":37}"#, "Sure:\n```json\n{\"age\": 37.0}\n```", r#"{oops {"age":37}"#] {
            assert_eq!(failed(&json, good), "", "{good}");
        }
        assert_eq!(failed(&json, r#"{"age":"37"}"#), r#"its JSON has another "age" than "37""#);
        assert_eq!(failed(&json, "{}"), r#"its JSON has no key "age""#);
        assert_eq!(failed(&json, "[37]"), "its JSON is an array, an object expected");
        assert_eq!(failed(&json, r#"{"age":37"#), "has no valid JSON");
        let any = Json::default();
        assert_eq!(failed(&any, " 12 "), "");
        assert_eq!(failed(&any, "twelve"), "has no valid JSON");
    }

    #[test]
    fn the_whole_answer_is_json_where_that_is_asked() {
        let json = Json { whole: true, ..Json::default() };
        assert_eq!(failed(&json, " [1]\n"), "");
        assert_eq!(failed(&json, "```json\n[1]\n```"), "has more than JSON in it");
        assert_eq!(failed(&json, "[1"), "has no valid JSON");
    }

    #[test]
    fn a_schema_says_where_it_is_not_met_and_quotes_nothing() {
        let schema = Schema::new(json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}}
        }));
        let json = Json { schema: Some(schema.unwrap()), ..Json::default() };
        assert_eq!(failed(&json, r#"{"name":"Ada"}"#), "");
        let said = failed(&json, r#"{"name":"private"}"#);
        assert_eq!(said, r#"its JSON does not fit the schema at "/properties/name/pattern""#);
        assert!(!failed(&json, r#"{"name":"Ada","quokka":1}"#).contains("quokka"));
    }

    #[test]
    fn a_schema_that_is_none_or_refers_elsewhere_is_told() {
        let problem = |schema: Value| Schema::new(schema).unwrap_err();
        for elsewhere in ["https://example.org/person.json", "file:///etc/passwd"] {
            let said = format!(
                "refers to {elsewhere:?}, which is not in it: nothing is fetched, put it under $defs"
            );
            assert_eq!(problem(json!({"$ref": elsewhere})), said);
        }
        let missing = problem(json!({"$ref": "#/$defs/none"}));
        assert!(missing.starts_with("refers to ") && missing.contains("none"), "{missing}");
        let wrong = problem(json!({"type": "strin"}));
        assert!(wrong.starts_with("is no JSON schema: ") && wrong.ends_with(" at /type"), "{wrong}");
        let pattern = problem(json!({"pattern": "(a"}));
        assert!(pattern.starts_with("is no JSON schema: "), "{pattern}");
        assert!(Schema::new(json!({"$defs": {"a": {"type": "null"}}, "$ref": "#/$defs/a"})).is_ok());
    }
}
