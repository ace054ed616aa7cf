//! A server whose kind may have to be found out first, and again after it was gone or changed.

use futures_util::future::BoxFuture;

use super::{Endpoint, Kind, Probe, Server, recognise};
use crate::http::HttpError;
use crate::sample::ServerSample;

/// A server of a kind that is given, or found out from its answers.
pub struct Auto {
    fixed: Option<&'static Kind>,
    /// What it was when it was found; holds until it answers as another.
    found: Option<&'static Kind>,
    endpoint: Endpoint,
    server: Option<Box<dyn Server>>,
}

impl std::fmt::Debug for Auto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Auto({:?})", self.fixed)
    }
}

impl Auto {
    /// A server at that place, of that kind or of one to be found out.
    pub fn new(fixed: Option<&'static Kind>, endpoint: Endpoint) -> Auto {
        Auto { fixed, found: None, endpoint, server: None }
    }

    /// A server that was just recognised as that kind, and may be another later.
    pub fn found(kind: Option<&'static Kind>, endpoint: Endpoint) -> Auto {
        Auto { fixed: None, found: kind, endpoint, server: None }
    }

    async fn look(&mut self) -> Result<ServerSample, HttpError> {
        if self.server.is_none() {
            let kind = match self.fixed.or(self.found.take()) {
                Some(kind) => kind,
                None => recognise(&mut Probe::new(self.endpoint.http.clone())).await?,
            };
            self.server = Some((kind.connect)(self.endpoint.clone()));
        }
        let Some(server) = self.server.as_mut() else { return Err(HttpError::Refused) };
        let result = server.poll().await;
        let other = match &result {
            Err(HttpError::Refused | HttpError::Malformed(_)) => true,
            // It lacks a path that its kind has: another may have taken its place between two polls.
            Err(HttpError::Status { status: 404, .. }) => self.fixed.is_none(),
            _ => false,
        };
        if other {
            // Another server may come up at this address, or has: what was learned is void.
            self.server = None;
        }
        result
    }
}

impl Server for Auto {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(self.look())
    }
}
