//! The one HTTP client for all that the agent asks: time limits, size caps, and errors whose
//! [`HttpError::reason`] is a closed set, fit for a label.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

mod clients;
mod error;
mod hosts;
mod opened;
mod reply;
mod resolve;

pub use clients::{Access, Clients};
pub use error::HttpError;
use error::classify;
pub use hosts::{Hosts, machine_name};
pub use opened::Opened;
pub use reply::{Reply, excerpt};
pub use resolve::Resolver;

/// A server that can be reached accepts in milliseconds.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest body that is read. 10,000 models in Ollama's `/api/tags` are 5 MB.
pub const BODY_CAP: usize = 16 << 20;

/// A client bound to one server: its address, credentials and time limit.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
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
            let response = match self.ask(Method::GET, path, None).await {
                Err(HttpError::Reset) => self.ask(Method::GET, path, None).await,
                other => other,
            };
            whole(response?).await
        };
        self.limited(work).await
    }

    /// POST of a JSON body, once.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Reply, HttpError> {
        self.limited(async { whole(self.ask(Method::POST, path, Some(body)).await?).await }).await
    }

    /// POST of a JSON text, once; its answer is read as it comes. The caller limits the time and the size: dropped,
    /// at whichever point, it closes the connection. That is not kept for others either: llama-server ends one that
    /// carried a stream, and a question that meets its end would be lost.
    pub async fn open(&self, path: &str, json: Vec<u8>) -> Result<Opened, HttpError> {
        let request = self.request(Method::POST, path)?;
        let request = request.header(CONTENT_TYPE, "application/json").header(CONNECTION, "close").body(json);
        request.send().await.map(Opened::new).map_err(|error| classify(&error))
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
            Err(_) if self.accepts().await => Err(HttpError::Timeout(self.timeout)),
            Err(_) => Err(HttpError::ConnectTimeout(self.timeout)),
        }
    }

    /// Whether somebody accepts connections there. Asked only after a limit that is no longer than
    /// a connection may take: then nothing else tells a server that hangs from one that is gone.
    async fn accepts(&self) -> bool {
        let (Some(host), Some(port)) = (self.base.host_str(), self.base.port_or_known_default()) else {
            return true;
        };
        let host = host.trim_matches(['[', ']']);
        self.timeout > clients::CONNECT_TIMEOUT
            || matches!(timeout(ACCEPT_TIMEOUT, TcpStream::connect((host, port))).await, Ok(Ok(_)))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Response, HttpError> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_err(|error| classify(&error))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, HttpError> {
        let url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|error| HttpError::Malformed(error.to_string()))?;
        Ok(self.client.request(method, url).headers(self.headers.clone()))
    }
}

/// The answer with its body. One that breaks in the middle is not asked for again.
async fn whole(mut response: Response) -> Result<Reply, HttpError> {
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
        if body.len() + chunk.len() > BODY_CAP {
            return Err(HttpError::TooLarge(BODY_CAP));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body })
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}
