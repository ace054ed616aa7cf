//! Answers that were recorded from real servers: `tests/fixtures`.

use std::path::PathBuf;

/// A recorded answer, taken apart.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `200 OK`.
    pub status: String,
    /// Headers in their order, without those that frame the body.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Where the fixtures are.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A fixture's bytes, such as `ollama/0.34.0/child-cmdline.txt`.
pub fn bytes(path: &str) -> Vec<u8> {
    let file = folder().join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A recorded answer, such as `ollama/0.34.0/version.http`.
pub fn recorded(path: &str) -> Recorded {
    let all = bytes(path);
    let end =
        all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{path}: no head"));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().to_owned();
    let mut body = all[end + 4..].to_vec();
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => body.truncate(value.trim().parse().unwrap()),
            "transfer-encoding" => {}
            _ => headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    Recorded { status, headers, body }
}
