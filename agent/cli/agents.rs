//! Asks running agents for their views.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use url::Url;

use super::flags::DEFAULT_PORT;
use super::text;
use crate::http::{Access, Clients, HttpError};
use crate::view::{SCHEMA_VERSION, View};

/// A running agent, as far as its address goes.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    url: Url,
}

/// Why an agent gave no view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoView {
    /// Nothing listens there: no agent runs.
    Refused,
    /// Anything else, in a clause.
    Because(String),
}

/// The way to agents: what all questions share.
pub(super) struct Ways {
    clients: Clients,
    ca_pem: Option<Vec<u8>>,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Schema {
    schema_version: u32,
}

impl Agent {
    /// The agent at that address.
    pub(super) fn at(url: Url) -> Agent {
        Agent { url }
    }

    /// Its address without secrets.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        // Both fail only on addresses that cannot have them.
        url.set_username("").ok();
        url.set_password(None).ok();
        text::clean(url.as_str().trim_end_matches('/'))
    }

    /// What its targets are marked with when several agents are asked.
    pub(super) fn name(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) if port != DEFAULT_PORT => format!("{host}:{port}"),
            _ => host.to_owned(),
        }
    }
}

impl Ways {
    /// No agent asked yet.
    ///
    /// # Errors
    /// The file of certificates cannot be read.
    pub(super) fn new(ca_file: Option<&Path>, timeout: Duration) -> anyhow::Result<Ways> {
        let ca_pem = ca_file
            .map(|file| std::fs::read(file).with_context(|| format!("cannot read {}", file.display())))
            .transpose()?;
        Ok(Ways { clients: Clients::new(), ca_pem, timeout })
    }

    /// How long a question may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What the agent sees now.
    pub(super) async fn ask(&self, agent: &Agent) -> Result<View, NoView> {
        let mut access = Access::plain(agent.url.clone(), self.timeout);
        access.ca_pem.clone_from(&self.ca_pem);
        let http = self.clients.connect(&access).map_err(NoView::Because)?;
        let reply =
            http.get("/api/v1/view").await.and_then(crate::http::Reply::ok).map_err(|error| why(&error))?;
        let schema: Schema = reply.json().map_err(|error| why(&error))?;
        if schema.schema_version != SCHEMA_VERSION {
            return Err(NoView::Because(format!(
                "it tells schema {}, this opsagent ({}) reads {SCHEMA_VERSION}: use the same version",
                schema.schema_version,
                env!("CARGO_PKG_VERSION")
            )));
        }
        reply.json().map_err(|error| why(&error))
    }
}

fn why(error: &HttpError) -> NoView {
    NoView::Because(match error {
        HttpError::Refused => return NoView::Refused,
        HttpError::Unauthorized(_) => {
            "it wants a password: give it in the URL, http://USER:PASSWORD@HOST:PORT".into()
        }
        HttpError::Status { status: 404, .. } => "it answers, but not as an opsagent (status 404)".into(),
        HttpError::Malformed(what) => format!("it answers, but not as an opsagent: {what}"),
        HttpError::Tls(what) => format!("TLS: {what} (--ca-file names a certificate to trust)"),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_shown_without_its_password_and_named_by_its_host() {
        let agent = |url: &str| Agent::at(url.parse().unwrap());
        assert_eq!(agent("http://me:secret@box:10434/").shown(), "http://box:10434");
        assert_eq!(agent("http://me:secret@box:10434/").name(), "box");
        assert_eq!(agent("http://box:9000/").name(), "box:9000");
        assert_eq!(agent("https://box/").name(), "box");
    }
}
