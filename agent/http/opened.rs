//! An answer that is read as it comes.

use bytes::Bytes;
use http::header::HeaderMap;
use reqwest::Response;

use super::{HttpError, classify};

/// An answer of which the head came. Dropped before its end it closes the connection, which is how a server learns
/// that nobody waits any more.
#[derive(Debug)]
pub struct Opened {
    response: Response,
}

impl Opened {
    pub(super) fn new(response: Response) -> Opened {
        Opened { response }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next bytes of the body. `None`: it is whole.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.response.chunk().await.map_err(|error| classify(&error))
    }
}
