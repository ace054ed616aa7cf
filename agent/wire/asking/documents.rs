//! The JSON documents of a whole answer: one, a line each, or an event each.
//!
//! The meter reads frames as they pass and holds nothing; here the body is whole, so cutting it at its lines is
//! enough.

use serde_json::Value;

/// The documents of a body, in their order. Comments, names of events and OpenAI's `[DONE]` are none.
///
/// # Errors
/// What stands where a document should is no JSON: why, and how long it is. It may be a piece of an answer, so it is not
/// quoted.
pub(super) fn documents(body: &[u8]) -> Result<Vec<Value>, String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with(['{', '[']) {
        if let Ok(whole) = parse(text) {
            return Ok(vec![whole]);
        }
        return text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect();
    }
    let events = events(text);
    if events.is_empty() && !text.is_empty() {
        return Err(format!("no JSON in {} bytes", text.len()));
    }
    events.iter().map(|event| event.trim()).filter(|event| *event != "[DONE]").map(parse).collect()
}

/// The data of each event: its lines of data, joined.
fn events(text: &str) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("data:") {
            Some(data) if open => {
                if let Some(event) = events.last_mut() {
                    event.push('\n');
                    event.push_str(data);
                }
            }
            Some(data) => {
                events.push(data.to_owned());
                open = true;
            }
            // An empty line ends an event; comments and names of events are passed over.
            None => open = open && !line.trim().is_empty(),
        }
    }
    events
}

/// JSON, and what Python writes in its place: bare `NaN` and `Infinity`.
fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|error| {
        let found = || format!("{error} of {} bytes", text.len());
        let plain = without_python(text).ok_or_else(found)?;
        serde_json::from_str(&plain).map_err(|_| found())
    })
}

/// The text with Python's words for what is no number replaced outside of strings: `NaN` and `Infinity` are no log
/// probability, `-Infinity` is that of what never comes. `None`: there are none.
fn without_python(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 3] =
        [("-Infinity", "-1e300"), ("Infinity", "\"Infinity\""), ("NaN", "\"NaN\"")];
    let (mut plain, mut rest, mut found) = (String::with_capacity(text.len()), text, false);
    let (mut quoted, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        if !quoted && let Some((word, with)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            plain.push_str(with);
            rest = &rest[word.len()..];
            found = true;
            continue;
        }
        quoted ^= next == '"' && !escaped;
        escaped = quoted && next == '\\' && !escaped;
        plain.push(next);
        rest = &rest[next.len_utf8()..];
    }
    found.then_some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_found_in_every_frame() {
        let two = Ok(vec![json!({ "a": 1 }), json!({ "a": 2 })]);
        for body in [
            "{\"a\":1}\n{\"a\":2}\n",
            "{\"a\":1}\r\n\r\n{\"a\":2}",
            ": ping\n\ndata: {\"a\":1}\n\nevent: x\ndata:{\"a\":2}\r\n\r\ndata: [DONE]\n\n",
            "data: {\"a\":\ndata: 1}\n\ndata: {\"a\":2}",
        ] {
            assert_eq!(documents(body.as_bytes()), two, "{body}");
        }
        assert_eq!(documents(b" {\n \"a\": 1\n}\n"), Ok(vec![json!({ "a": 1 })]));
        assert_eq!(documents(b""), Ok(Vec::new()));
        for odd in ["<html>", "data: {", "{\"a\":1}\n{"] {
            assert!(documents(odd.as_bytes()).is_err(), "{odd}");
        }
        for secret in ["{\"content\":\"a secret", "data: {\"content\":\"a secret", "a secret"] {
            assert!(!documents(secret.as_bytes()).unwrap_err().contains("secret"), "{secret}");
        }
    }

    #[test]
    fn what_python_writes_for_no_number_is_read_and_the_same_words_in_texts_are_not_touched() {
        let body = r#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" Infinity","\\":NaN}"#;
        let read = json!({ "a": "NaN", "b": [-1e300, "Infinity"], "c": "NaN \" Infinity", "\\": "NaN" });
        assert_eq!(documents(body.as_bytes()), Ok(vec![read]));
    }
}
