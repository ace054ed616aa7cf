//! What kinds of server there are, and how each is looked at.
//!
//! An open set: a trait and a table. One more kind is one more file and one more row.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http::{Access, Clients, Http, HttpError};
use crate::procs::{Machine, is_own};
use crate::sample::ServerSample;

mod auto;
mod lax;
mod llama_cpp;
mod lm_studio;
mod ollama;
mod openai;
pub mod processes;
mod recognise;

pub use auto::Auto;
pub use llama_cpp::{llama_server, sleeps};
pub use ollama::{is_for_ever, ps_is_safe};
pub use recognise::{Probe, recognise};

/// A server that is being looked at. It may remember what it learned from one poll to the next;
/// one job owns it, so it needs no lock.
pub trait Server: Send {
    /// Looks at the server once. Loads no model, wakes none, and asks for no token.
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>>;
}

/// What a server needs to be looked at.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The way to it.
    pub http: Http,
    /// This machine's processes, if the server runs on it.
    pub machine: Option<Machine>,
    /// What the config says of sleeping: `Some(false)`, the server never puts its model to sleep,
    /// so that endpoints which would wake it may be asked.
    pub sleeps: Option<bool>,
}

/// A kind of server: a row of [`KINDS`].
pub struct Kind {
    /// Its name in config, labels and tables.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What is polled and what never is, for `opsagent explain KIND`.
    pub contract: &'static str,
    /// The ports it listens on when nobody says otherwise, the usual one first.
    pub default_ports: &'static [u16],
    /// Names of its processes, as in `/proc/PID/comm` or the last part of an argument's path.
    pub processes: &'static [&'static str],
    /// Whether the answers are this kind's. Rows are asked in the table's order.
    pub recognise: for<'a> fn(&'a mut Probe) -> BoxFuture<'a, bool>,
    /// A server of this kind at that place.
    pub connect: fn(Endpoint) -> Box<dyn Server>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name == other.name
    }
}

/// Every kind, in the order in which an unknown server is tried: the certain signs first, the
/// server that all others imitate last.
pub const KINDS: &[&Kind] = &[&llama_cpp::KIND, &lm_studio::KIND, &ollama::KIND, &openai::KIND];

/// The row of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// A target as it was asked for: by the config, or by discovery. Two that are equal need no restart.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name: unique, and the label of its series.
    pub name: String,
    /// Its kind. `None`: to be found out from its answers.
    pub kind: Option<&'static Kind>,
    /// Where it is.
    pub url: Url,
    /// A bearer token.
    pub token: Option<SecretString>,
    /// More headers.
    pub headers: Vec<(String, SecretString)>,
    /// Certificates to trust, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// From one poll to the next.
    pub every: Duration,
    /// How long one question may take.
    pub timeout: Duration,
    /// How long work may stand still before it is called hung.
    pub hung_after: Duration,
    /// Whether the server may put its model to sleep, where the config says so.
    pub sleeps: Option<bool>,
    /// Found by itself, not named in the config.
    pub discovered: bool,
}

impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        let secret = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        self.name == other.name
            && self.kind == other.kind
            && self.url == other.url
            && self.ca_pem == other.ca_pem
            && (self.every, self.timeout, self.hung_after, self.sleeps, self.discovered)
                == (other.every, other.timeout, other.hung_after, other.sleeps, other.discovered)
            && match (&self.token, &other.token) {
                (Some(a), Some(b)) => secret(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
            && self.headers.len() == other.headers.len()
            && self.headers.iter().zip(&other.headers).all(|(a, b)| a.0 == b.0 && secret(&a.1, &b.1))
    }
}

impl Target {
    /// A target with nothing but a name and an address; the rest is the defaults.
    pub fn new(name: impl Into<String>, url: Url) -> Target {
        Target {
            name: name.into(),
            kind: None,
            url,
            token: None,
            headers: Vec::new(),
            ca_pem: None,
            every: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            hung_after: Duration::from_secs(120),
            sleeps: None,
            discovered: false,
        }
    }

    /// The server behind it, ready to be polled.
    ///
    /// # Errors
    /// The certificates or a header cannot be used.
    pub fn connect(&self, clients: &Clients, machine: Machine) -> Result<Box<dyn Server>, String> {
        let endpoint = self.endpoint(clients, machine)?;
        let auto =
            if self.discovered { Auto::found(self.kind, endpoint) } else { Auto::new(self.kind, endpoint) };
        Ok(Box::new(auto))
    }

    /// What it takes to look at it.
    ///
    /// # Errors
    /// The certificates or a header cannot be used.
    pub fn endpoint(&self, clients: &Clients, machine: Machine) -> Result<Endpoint, String> {
        let http = clients.connect(&Access {
            base: self.url.clone(),
            token: self.token.clone(),
            headers: self.headers.clone(),
            ca_pem: self.ca_pem.clone(),
            timeout: self.timeout,
        })?;
        // What was found by itself was found here, whatever address it is bound to.
        let machine = (self.discovered || is_here(&self.url)).then_some(machine);
        Ok(Endpoint { http, machine, sleeps: self.sleeps })
    }

    /// The address without user, password, query and fragment, fit to be shown.
    pub fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Both fail only on addresses that cannot have them.
        url.set_username("").ok();
        url.set_password(None).ok();
        url.set_query(None);
        url.set_fragment(None);
        url.as_str().trim_end_matches('/').to_owned()
    }
}

/// Whether the address is this machine's own, as far as can be told without asking for a name.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => is_own(ip.into()),
        Some(url::Host::Ipv6(ip)) => is_own(ip.into()),
        None => false,
    }
}
