//! What a server said in place of an answer.

use serde_json::Value;

/// The most characters of a server's words that are kept.
const MOST: usize = 200;

/// The server's own words of an error, in one short line: `{"error": "…"}`, `{"error": {"message": "…"}}`, or the
/// older `{"message": "…"}`; Ollama wraps the words of its child, JSON and all. Of anything else only the length: it may
/// hold a piece of an answer, and those are told to nobody.
pub(super) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim()).find_map(error_of);
    line.map_or_else(|| format!("no reason in {} bytes", body.len()), |line| short(&line))
}

fn error_of(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let error = match value.get("error") {
        None | Some(Value::Null) if value.get("object").and_then(Value::as_str) != Some("error") => {
            return None;
        }
        None | Some(Value::Null) => &value,
        Some(error) => error,
    };
    let said = error.as_str().or_else(|| error.get("message")?.as_str())?;
    Some(error_of(said).unwrap_or_else(|| said.to_owned()))
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_quoted_in_its_own_words() {
        for (body, said) in [
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
            (r#"{"error":{"code":400,"message":"too long","type":"t"}}"#, "too long"),
            (
                r#"{"error":"{\"error\":{\"code\":400,\"message\":\"request (6010 tokens) …\"}}"}"#,
                "request (6010 tokens) …",
            ),
            (r#"{"object":"error","message":"bad","code":400}"#, "bad"),
            ("data: {\"choices\":[]}\n\ndata: {\"error\":{\"message\":\"died\"}}\n\n", "died"),
            ("<h1>502</h1>\n", "no reason in 13 bytes"),
            (r#"{"choices":[{"text":"a secret"}]}"#, "no reason in 33 bytes"),
            ("", "no reason in 0 bytes"),
        ] {
            assert_eq!(words(body.as_bytes()), said);
        }
        assert_eq!(words(format!(r#"{{"error":"{}"}}"#, "x".repeat(1000)).as_bytes()).chars().count(), 201);
    }
}
