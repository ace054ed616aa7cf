//! What a tap is told: a plain value, swapped whole by a reload while streams go on.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Network;
use crate::fleet::Live;

/// What one tap is told.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The target's name.
    pub target: String,
    /// Where the server is.
    pub upstream: Url,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Names in `Host` that are let in, beside loopback, addresses and the machine's own name.
    pub allow_hosts: Vec<String>,
    /// Its limits.
    pub limits: Limits,
    /// The clients that have a name.
    pub clients: Vec<Client>,
    /// Where what passes is written down.
    pub live: Arc<Live>,
}

/// How much a tap takes, and how long it waits. There is no limit on the whole of a request: an answer may take
/// an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients open at once; one more is told 503.
    pub connections: usize,
    /// The largest head of a request or an answer, in bytes.
    pub head_bytes: usize,
    /// The largest body of a request, in bytes. `None`: any.
    pub body_bytes: Option<u64>,
    /// How long the server may take to accept a connection.
    pub connect: Duration,
    /// How long an answer may take to begin. Reading a large model from a slow disk takes minutes.
    pub first_byte: Duration,
    /// How long nothing may come, once an answer began.
    pub idle: Duration,
    /// Whether the server is told the client's address (`X-Forwarded-For`, `-Host`, `-Proto`).
    pub forwarded: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            head_bytes: 64 << 10,
            body_bytes: None,
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(15 * 60),
            idle: Duration::from_secs(10 * 60),
            forwarded: false,
        }
    }
}

/// A client that has a name, by what it shows or where it comes from.
#[derive(Debug, Clone)]
pub struct Client {
    /// The name: a label's value.
    pub name: String,
    /// The key it sends as `Authorization: Bearer`, `x-api-key` or `api-key`.
    pub token: Option<SecretString>,
    /// The networks that it comes from.
    pub networks: Vec<Network>,
}

impl PartialEq for Client {
    fn eq(&self, other: &Client) -> bool {
        let token = |client: &Client| client.token.as_ref().map(|token| token.expose_secret().to_owned());
        (&self.name, &self.networks, token(self)) == (&other.name, &other.networks, token(other))
    }
}
