//! What is served: the view as JSON. The page and the metrics come beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::view::View;

pub mod auth;
pub mod tls;
pub mod toolkit;

/// Reads the config anew; the faults, a line each, if it was refused.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Vec<String>>> + Send + Sync>;

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    /// What is known.
    pub fleet: Fleet,
    /// Reads the config anew.
    pub reload: Reload,
    /// Names that a browser may use beside loopback and addresses.
    pub allow_hosts: Vec<String>,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Completes when the agent stops.
    pub stopping: CancellationToken,
}

/// The routes.
pub fn router(web: Web) -> Router {
    Router::new().route("/api/v1/view", get(view)).with_state(web)
}

async fn view(State(web): State<Web>) -> axum::Json<View> {
    axum::Json(web.fleet.view())
}
