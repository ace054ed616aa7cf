//! Tells the kind of an unknown server, on parsed bodies, never on status codes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{KINDS, Kind};
use crate::http::{Http, HttpError, Reply};

/// The answers of an unknown server so far: each path is asked at most once, since LM Studio logs
/// an error for every path that it does not know.
#[derive(Debug)]
pub struct Probe {
    http: Http,
    seen: HashMap<&'static str, Result<Arc<Reply>, HttpError>>,
}

impl Probe {
    /// Nothing asked yet.
    pub fn new(http: Http) -> Probe {
        Probe { http, seen: HashMap::new() }
    }

    /// The answer to a GET of that path, of whatever status; asked at most once.
    pub async fn get(&mut self, path: &'static str) -> Result<Arc<Reply>, HttpError> {
        if let Some(reply) = self.seen.get(path) {
            return reply.clone();
        }
        let reply = self.http.get(path).await.map(Arc::new);
        self.seen.insert(path, reply.clone());
        reply
    }

    /// The answer as JSON, if it is some; the status does not matter.
    pub async fn json(&mut self, path: &'static str) -> Option<Value> {
        self.get(path).await.ok()?.json().ok()
    }
}

/// Asks the rows of the table in their order; the first that knows the answers as its own is it.
///
/// # Errors
/// Nothing answers at that address (the reason why), or no kind knows the answers.
pub async fn recognise(probe: &mut Probe) -> Result<&'static Kind, HttpError> {
    // Every row asks this first; if nothing comes of it, nothing else will be asked.
    let first = probe.get("/v1/models").await?;
    for kind in KINDS {
        if (kind.recognise)(probe).await {
            return Ok(kind);
        }
    }
    match Arc::unwrap_or_clone(first).ok() {
        Err(error) => Err(error),
        Ok(_) => Err(HttpError::Malformed("no known kind of server answers like this".into())),
    }
}
