//! The one HTTP client for all that the agent asks: time limits, size caps, and errors whose
//! [`HttpError::reason`] is a closed set, fit for a label.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

/// The largest body that is read. 10,000 models in Ollama's `/api/tags` are 5 MB.
pub const BODY_CAP: usize = 16 << 20;

/// How long a connection may take to be made. A server on the same network takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections are kept for the questions of one poll, not from one poll to the next: an idle one
/// holds a thread of a llama-server and 10 KB here, and must not be reused when the other side is
/// just closing it (the servers' own limit is 5 s).
const IDLE: Duration = Duration::from_millis(500);

/// Why a question to a server came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nothing listens at that address.
    #[error("connection refused")]
    Refused,
    /// No route, or the network is down.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The name does not resolve.
    #[error("name does not resolve")]
    Dns,
    /// No agreement on TLS, or a certificate that is not trusted.
    #[error("TLS: {0}")]
    Tls(String),
    /// Nobody accepted the connection in time.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection was accepted, and the answer did not come (or not whole) in time.
    #[error("connected, but no whole answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke before the answer was whole.
    #[error("connection broken in mid-answer")]
    Reset,
    /// The server wants a key, or another one.
    #[error("unauthorized (status {0}): set token or token_file")]
    Unauthorized(u16),
    /// It points elsewhere; the agent does not follow.
    #[error("redirected to {0}, not followed: give that url if it is the server")]
    Redirect(String),
    /// Another status than success.
    #[error("status {status}{}", .text.as_deref().map(|t| format!(": {t}")).unwrap_or_default())]
    Status {
        /// The status code.
        status: u16,
        /// The server's own words, shortened.
        text: Option<String>,
    },
    /// It answered with success, but not as this kind of server answers.
    #[error("not the expected answer: {0}")]
    Malformed(String),
    /// The body is larger than [`BODY_CAP`].
    #[error("answer larger than {0} bytes")]
    TooLarge(usize),
}

impl HttpError {
    /// Every reason, for labels that are initialised.
    pub const REASONS: [&'static str; 11] = [
        "refused",
        "unreachable",
        "dns",
        "tls",
        "timeout",
        "reset",
        "unauthorized",
        "redirect",
        "status",
        "malformed",
        "too_large",
    ];

    /// The reason as a label: one of [`HttpError::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Dns => "dns",
            Self::Tls(_) => "tls",
            Self::ConnectTimeout(_) | Self::Timeout(_) => "timeout",
            Self::Reset => "reset",
            Self::Unauthorized(_) => "unauthorized",
            Self::Redirect(_) => "redirect",
            Self::Status { .. } => "status",
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too_large",
        }
    }

    /// Whether somebody accepted the connection: the sign of a process that hangs, not one that is gone.
    pub fn connected(&self) -> bool {
        !matches!(
            self,
            Self::Refused | Self::Unreachable(_) | Self::Dns | Self::Tls(_) | Self::ConnectTimeout(_)
        )
    }
}

/// An answer, whole, of whatever status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`BODY_CAP`] bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply if its status is a success.
    pub fn ok(self) -> Result<Reply, HttpError> {
        match self.status {
            200..=299 => Ok(self),
            401 | 403 => Err(HttpError::Unauthorized(self.status)),
            300..=399 => {
                let to = self.headers.get("location").and_then(|v| v.to_str().ok()).unwrap_or("nowhere");
                Err(HttpError::Redirect(excerpt(to.as_bytes())))
            }
            status => Err(HttpError::Status { status, text: error_text(&self.body) }),
        }
    }

    /// The body as JSON of this shape. Invalid UTF-8 inside strings is replaced, not refused:
    /// one odd model name must not hide a server.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_str(&self.text())
            .map_err(|error| HttpError::Malformed(format!("{error} in {:?}", excerpt(&self.body))))
    }

    /// The body as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// A header's value, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A client bound to one server: its address, credentials and time limit.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
}

/// The clients that all [`Http`]s share, so that a thousand targets have one pool.
#[derive(Debug, Clone)]
pub struct Clients {
    plain: Client,
    tls: Arc<std::sync::OnceLock<Client>>,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients {
    /// The clients. The one that speaks TLS is made when first needed: the system's certificates
    /// are megabytes that most installations never use.
    pub fn new() -> Clients {
        // A second call answers Err with the provider that stands already: just what is wanted.
        drop(rustls::crypto::ring::default_provider().install_default());
        let plain = builder()
            .tls_built_in_root_certs(false)
            .build()
            .expect("a client without certificates can be built");
        Clients { plain, tls: Arc::default() }
    }

    /// A client for one server. `ca_pem` is the text of a file of certificates to trust besides
    /// the system's.
    ///
    /// # Errors
    /// The certificates cannot be read, or the token has characters that no header may have.
    pub fn connect(&self, access: &Access) -> Result<Http, String> {
        let client = match (&access.ca_pem, access.base.scheme()) {
            (Some(pem), _) => {
                let mut builder = builder();
                let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| chain(&e))?;
                if certificates.is_empty() {
                    return Err("holds no certificate".into());
                }
                for certificate in certificates {
                    builder = builder.add_root_certificate(certificate);
                }
                builder.build().map_err(|e| chain(&e))?
            }
            (None, "https") => {
                self.tls.get_or_init(|| builder().build().unwrap_or_else(|_| self.plain.clone())).clone()
            }
            _ => self.plain.clone(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &access.headers {
            let name: http::HeaderName = name.parse().map_err(|_| format!("{name:?} is no header name"))?;
            let mut value: HeaderValue = value
                .expose_secret()
                .parse()
                .map_err(|_| format!("the value of header {name} has characters that no header may have"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if let Some(token) = &access.token {
            let mut value: HeaderValue = format!("Bearer {}", token.expose_secret())
                .parse()
                .map_err(|_| "the token has characters that no header may have".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Http { client, base: with_slash(access.base.clone()), headers, timeout: access.timeout })
    }
}

/// What it takes to speak to one server.
#[derive(Debug, Clone)]
pub struct Access {
    /// Its address; a path in it is kept as a prefix.
    pub base: Url,
    /// A bearer token.
    pub token: Option<SecretString>,
    /// More headers, by name.
    pub headers: Vec<(String, SecretString)>,
    /// Certificates to trust, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// How long one question may take, connection and whole body included.
    pub timeout: Duration,
}

impl Access {
    /// Access without credentials.
    pub fn plain(base: Url, timeout: Duration) -> Access {
        Access { base, token: None, headers: Vec::new(), ca_pem: None, timeout }
    }
}

impl Http {
    /// The server's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// How long one question may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same client with another time limit.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Http {
        Http { timeout, ..self.clone() }
    }

    /// The same client for another port of the same machine, without this one's credentials.
    #[must_use]
    pub fn at(&self, base: Url) -> Http {
        Http { base: with_slash(base), headers: HeaderMap::new(), ..self.clone() }
    }

    /// GET of a path under the server's address, whatever the status. Asked a second time, at once,
    /// if the connection broke before a byte of the answer came: servers drop idle ones.
    pub async fn get(&self, path: &str) -> Result<Reply, HttpError> {
        let work = async {
            match self.ask(Method::GET, path, None).await {
                Err(HttpError::Reset) => self.ask(Method::GET, path, None).await,
                other => other,
            }
        };
        self.limited(work).await
    }

    /// POST of a JSON body, once.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Reply, HttpError> {
        self.limited(self.ask(Method::POST, path, Some(body))).await
    }

    /// GET that must answer with success and JSON of this shape.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.get(path).await?.ok()?.json()
    }

    async fn limited(
        &self,
        work: impl Future<Output = Result<Reply, HttpError>>,
    ) -> Result<Reply, HttpError> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout(self.timeout)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Reply, HttpError> {
        let url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|error| HttpError::Malformed(error.to_string()))?;
        let mut request = self.client.request(method, url).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| classify(&error))?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| match classify(&error) {
            // A break in mid-body is not asked again: half an answer was there.
            HttpError::Reset => HttpError::Malformed("the connection broke in mid-answer".into()),
            other => other,
        })? {
            if body.len() + chunk.len() > BODY_CAP {
                return Err(HttpError::TooLarge(BODY_CAP));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }
}

fn builder() -> reqwest::ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(2)
        .redirect(Policy::none())
        // What is asked here is on this machine or network; a proxy for the internet is not on the way.
        .no_proxy()
        .user_agent(concat!("opsagent/", env!("CARGO_PKG_VERSION")))
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

fn classify(error: &reqwest::Error) -> HttpError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return HttpError::Tls(tls.to_string());
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = tls_within(io) {
                return HttpError::Tls(tls.to_string());
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return HttpError::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted => {
                    return HttpError::Reset;
                }
                _ => {}
            }
        }
        if cause.to_string().contains("dns error") {
            return HttpError::Dns;
        }
        source = cause.source();
    }
    if error.is_timeout() {
        return HttpError::ConnectTimeout(CONNECT_TIMEOUT);
    }
    if error.is_connect() {
        return HttpError::Unreachable(chain(error));
    }
    let text = chain(error);
    if text.contains("incomplete") || text.contains("closed before") || text.contains("unexpected end") {
        return HttpError::Reset;
    }
    HttpError::Malformed(text)
}

/// The TLS error that an I/O error wraps, maybe in another one of its like. A chain of `source()`
/// does not come by it: that of an I/O error begins behind what it wraps.
fn tls_within(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| tls_within(inner.downcast_ref()?))
}

/// An error and its causes in one clause, without the url (it may hold a secret).
fn chain(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    match parts.pop() {
        Some(last) => last,
        None => "no cause told".into(),
    }
}

/// The server's own words in an error body: `{"error": "…"}` or `{"error": {"message": "…"}}`.
fn error_text(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").or_else(|| value.get("message"))?;
    let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
    Some(excerpt(text.as_bytes()))
}

/// The first bytes of a body, for an error message: one line, printable, at most 80 characters.
pub fn excerpt(body: &[u8]) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(320)]);
    let mut text: String = head.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    if body.len() > text.len() {
        text.push('…');
    }
    text
}

/// Reads the text of a file of certificates.
///
/// # Errors
/// The file cannot be read.
pub fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}
