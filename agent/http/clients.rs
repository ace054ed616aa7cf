//! The clients that all questions share, and what it takes to speak to one server.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::chain;
use super::{Http, with_slash};

/// How long a connection may take to be made. A server on the same network takes milliseconds.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections are kept for the questions of one poll, not from one poll to the next: an idle one
/// holds a thread of a llama-server and 10 KB here, and must not be reused when the other side is
/// just closing it (the servers' own limit is 5 s).
const IDLE: Duration = Duration::from_millis(500);

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
