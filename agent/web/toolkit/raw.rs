//! The file as it is typed: the exporter-toolkit's format, key by key. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::{SnippetMode, Spanned};

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) tls_server_config: Option<Spanned<RawTls>>,
    pub(super) http_server_config: Option<RawHttp>,
    pub(super) basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) rate_limit: Option<Spanned<IgnoredAny>>,
}

/// `tls_server_config`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) cert: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) client_ca: Option<Spanned<String>>,
    pub(super) cert_file: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<String>>,
    pub(super) client_ca_file: Option<Spanned<String>>,
    pub(super) client_auth_type: Option<Spanned<String>>,
    pub(super) client_allowed_sans: Option<Spanned<Vec<String>>>,
    pub(super) min_version: Option<Spanned<String>>,
    pub(super) max_version: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) cipher_suites: Vec<Spanned<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    #[serde(default)]
    pub(super) curve_preferences: Vec<Spanned<String>>,
}

/// `http_server_config`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) http2: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
}

/// Reads the text. A fault is its line, its path and the problem.
pub(super) fn read(text: &str) -> Result<Raw, (usize, String, String)> {
    // A file of nothing but comments asks for nothing.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Raw::default());
    }
    let mut path = String::new();
    let result = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    });
    result.map_err(|error| {
        let line = error.location().map_or(1, |location| location.line() as usize);
        (line, keys(&path), plain(&error))
    })
}

/// The path of keys alone: a value with its place is a struct of its own on the way.
fn keys(path: &str) -> String {
    let path = path.replacen("tls_server_config.value", "tls_server_config", 1);
    let path = path.strip_suffix(".?").unwrap_or(&path);
    let path = path.strip_suffix(".value").unwrap_or(path);
    if path == "." { String::new() } else { path.to_owned() }
}

/// The error's words on one line, without its place and without an excerpt: an excerpt of this
/// file may hold a key.
fn plain(error: &serde_saphyr::Error) -> String {
    let options = serde_saphyr::render_options! { snippets: SnippetMode::Off };
    let text = error.without_snippet().render_with_options(options);
    let text = text.lines().next().unwrap_or_default();
    // What follows is the place, said already, or what a programmer could do.
    let end = [" at line ", ", set "].iter().filter_map(|mark| text.find(mark)).min();
    match text[..end.unwrap_or(text.len())].trim() {
        "expected mapping start" => "expected a mapping (key: value)".into(),
        "expected sequence start" => "expected a list".into(),
        "invalid boolean" => "expected true or false".into(),
        text => text.to_owned(),
    }
}

/// The line of a value, from 1.
pub(super) fn line<T>(value: &Spanned<T>) -> usize {
    value.referenced.line() as usize
}
