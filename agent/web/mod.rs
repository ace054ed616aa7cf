//! What is served: the status page, the metrics, the view as JSON, health and reload.
//!
//! Each answer is a function of the view; nothing here asks a server.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;

use crate::fleet::Fleet;
use crate::http::{Hosts, machine_name};

pub mod auth;
mod guard;
pub mod page;
mod ready;
mod routes;
pub mod tls;
pub mod toolkit;

/// The largest body that is taken. No route reads one; somebody may send one all the same.
const BODY_LIMIT: usize = 1 << 20;

/// Reads the config anew; the faults, a line each, if it was refused. Whoever asked may leave
/// before it is done and drops the future then: the reload must not depend on being awaited.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Vec<String>>> + Send + Sync>;

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    /// What is known.
    pub fleet: Fleet,
    /// Reads the config anew.
    pub reload: Reload,
    /// Names that a browser may use for this agent beside loopback, addresses and the machine's own
    /// name: `ops.example.org`, or `*.example.org` for all below it.
    pub allow_hosts: Vec<String>,
    /// Where it listens; the page says so.
    pub listen: Vec<SocketAddr>,
    /// Cancelled when the agent stops.
    pub stopping: CancellationToken,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Web({:?})", self.listen)
    }
}

/// What the routes share.
#[derive(Debug)]
struct Site {
    web: Web,
    hosts: Hosts,
    /// Once ready, ready until it stops: a target that a reload adds takes nothing from the others.
    was_ready: AtomicBool,
}

/// The routes, with all that stands before them.
pub fn router(web: Web) -> Router {
    let hosts = Hosts::new(&web.allow_hosts, machine_name().as_deref());
    let fleet = web.fleet.clone();
    let site = Arc::new(Site { web, hosts, was_ready: AtomicBool::new(false) });
    Router::new()
        .route("/", get(routes::page))
        .route("/page.css", get(routes::style))
        .route("/page.js", get(routes::script))
        .route("/metrics", get(routes::metrics))
        .route("/api/v1/view", get(routes::view))
        .route("/-/healthy", get(routes::healthy))
        .route("/-/ready", get(ready::answer))
        .route("/-/reload", post(routes::reload).put(routes::reload))
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::wrong_method)
        .with_state(Arc::clone(&site))
        // The last one added is the first that a request meets.
        .layer(from_fn_with_state(site, guard::check))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| answer_panic(&fleet, &*panic)))
        // A scrape of 10,000 series is a megabyte: the fastest level keeps it at a few milliseconds.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(map_response(guard::headers))
}

fn answer_panic(fleet: &Fleet, panic: &(dyn Any + Send)) -> Response {
    fleet.counted().count_panic("web");
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    tracing::error!(panic = what, "an answer to a browser or a scraper failed; the agent goes on");
    (StatusCode::INTERNAL_SERVER_ERROR, "this answer failed: a fault of the agent; its log says more\n")
        .into_response()
}
