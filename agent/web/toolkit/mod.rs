//! `--web.config.file`: TLS, passwords and headers in the exporter-toolkit's format, so that one
//! file serves all exporters of a machine.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::auth::Users;

mod ciphers;
mod raw;
mod server_tls;

/// Headers that the format knows, with the values it allows. An empty list: any value.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// The dearest bcrypt cost taken: at 18 one check takes seconds, and each step doubles it.
const MAX_COST: u32 = 18;

/// How the agent's own pages are served: the checked content of the file. The default is plain
/// HTTP without passwords.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// TLS. `None`: plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Who may look. Empty: everybody.
    pub users: Users,
    /// Headers that every answer carries.
    pub headers: HeaderMap,
    /// The file it came from.
    file: Option<PathBuf>,
    /// What it was read from (the file first, then certificates and keys), and how that looked.
    sources: Vec<(PathBuf, Option<Stamp>)>,
}

/// The config in use: shared by the listeners, replaced by a reload.
pub type SharedWeb = Arc<ArcSwap<WebConfig>>;

/// How a file looked when it was read: enough to see that it was replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl WebConfig {
    /// Reads and checks a file and what it names. Paths in it are relative to its folder. Blocks.
    ///
    /// # Errors
    /// Every fault, each a line of `file:line: path: problem`. Where the text is not YAML of this
    /// shape, only the first.
    pub fn load(file: &Path) -> Result<WebConfig, Vec<String>> {
        let mut faults = Faults { file, lines: Vec::new() };
        // Looked at before it is read: what is written in between is seen as a change later.
        let mut sources = vec![(file.to_owned(), stamp(file))];
        let bytes = fs::read(file).map_err(|error| vec![format!("{}: {error}", file.display())])?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let bytes = error.as_bytes();
            let line = bytes[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
            vec![format!("{}:{line}: not UTF-8 text", file.display())]
        })?;
        let raw = raw::read(&text).map_err(|(line, path, problem)| {
            faults.add(line, &path, problem);
            std::mem::take(&mut faults.lines)
        })?;
        let tls = raw.tls_server_config.and_then(|tls| {
            let line = raw::line(&tls);
            server_tls::build(&tls.value, line, &mut faults, &mut sources)
        });
        let http = raw.http_server_config.unwrap_or_default();
        if http.http2.as_ref().is_some_and(|http2| http2.value) {
            tracing::warn!(file = %file.display(), "http_server_config.http2 is ignored: HTTP/1.1 is what is spoken");
        }
        let headers = headers(&http, &mut faults);
        let users = users(raw.basic_auth_users.unwrap_or_default(), &mut faults);
        if let Some(limit) = &raw.rate_limit {
            faults.add(raw::line(limit), "rate_limit", "not supported: remove it");
        }
        if faults.lines.is_empty() {
            Ok(WebConfig { tls, users, headers, file: Some(file.to_owned()), sources })
        } else {
            Err(faults.lines)
        }
    }

    /// As a handle that listeners share.
    pub fn shared(self) -> SharedWeb {
        Arc::new(ArcSwap::from_pointee(self))
    }

    /// The config anew, if something it was read from has changed since.
    fn reread(&self) -> Option<WebConfig> {
        let file = self.file.as_ref()?;
        let now: Vec<_> = self.sources.iter().map(|(path, _)| (path.clone(), stamp(path))).collect();
        if now == self.sources {
            return None;
        }
        match WebConfig::load(file) {
            Ok(new) => {
                tracing::info!(file = %file.display(), "the web config or a certificate changed and was read again");
                Some(new)
            }
            Err(faults) => {
                // The new look is kept with the old content: the next try is at the next change.
                for fault in faults {
                    tracing::error!("the web config changed and cannot be used, the old one stays: {fault}");
                }
                Some(WebConfig { sources: now, ..self.clone() })
            }
        }
    }
}

/// The config as it holds now: read again first, if its file, a certificate or a key has changed.
/// One that cannot be used is logged once, and the old one stays.
pub async fn current(web: &SharedWeb) -> Arc<WebConfig> {
    let known = web.load_full();
    if known.file.is_none() {
        return known;
    }
    let old = known.clone();
    // Files may lie on a slow disk. A panic in there is answered with what is known.
    if let Ok(Some(new)) = tokio::task::spawn_blocking(move || old.reread()).await {
        // A reload that came in between knows better.
        web.compare_and_swap(&known, Arc::new(new));
        return web.load_full();
    }
    known
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("file", &self.file)
            .field("tls", &self.tls.is_some())
            .field("users", &self.users)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Collects what is wrong, so that all of it is said at once.
struct Faults<'a> {
    file: &'a Path,
    lines: Vec<String>,
}

impl Faults<'_> {
    fn add(&mut self, line: usize, path: &str, problem: impl fmt::Display) {
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        self.lines.push(format!("{}:{line}: {path}{problem}", self.file.display()));
    }

    /// A path of the file, relative to its folder.
    fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

fn headers(http: &raw::RawHttp, faults: &mut Faults<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in &http.headers {
        let path = format!("http_server_config.headers.{name}");
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known: Vec<_> = HEADERS.iter().map(|(known, _)| *known).collect();
            faults.add(
                raw::line(value),
                &path,
                format!("unknown header, expected one of {}", known.join(", ")),
            );
            continue;
        };
        if value.value.is_empty() {
            continue;
        }
        if !allowed.is_empty() && !allowed.contains(&value.value.as_str()) {
            let problem = format!("{:?} is not allowed, expected {}", value.value, allowed.join(" or "));
            faults.add(raw::line(value), &path, problem);
            continue;
        }
        match (HeaderName::try_from(name.as_str()), HeaderValue::from_str(&value.value)) {
            (Ok(name), Ok(value)) => drop(map.insert(name, value)),
            _ => faults.add(raw::line(value), &path, "has characters that no header may have"),
        }
    }
    map
}

fn users(
    raw: std::collections::BTreeMap<String, serde_saphyr::Spanned<String>>,
    faults: &mut Faults<'_>,
) -> Users {
    let mut hashes = Vec::new();
    for (name, hash) in raw {
        let path = format!("basic_auth_users.{name}");
        let line = raw::line(&hash);
        let hash = hash.value;
        // The hash itself is never shown: it is what an attacker needs to guess at home.
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
        match hash.parse::<bcrypt::HashParts>() {
            Ok(parts) if known && (4..=MAX_COST).contains(&parts.get_cost()) => hashes.push((name, hash)),
            Ok(parts) if known => {
                let problem =
                    format!("bcrypt cost {} is not taken, expected 4 to {MAX_COST}", parts.get_cost());
                faults.add(line, &path, problem);
            }
            _ => {
                let problem = "not a bcrypt hash ($2a$, $2b$ or $2y$): make one with `htpasswd -nBC 10 NAME`";
                faults.add(line, &path, problem);
            }
        }
    }
    Users::new(hashes)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: meta.ino(),
        length: meta.len(),
        seconds: meta.mtime(),
        nanoseconds: meta.mtime_nsec(),
    })
}
