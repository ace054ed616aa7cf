//! One function a path.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, VARY};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::{Site, page};
use crate::metrics::{self, Format};
use crate::usage::ProcessStats;

/// The paths that a person may want, for whoever missed one.
const KNOWN: &str = "\
/              the status page
/metrics       for Prometheus
/api/v1/view   all that is known, as JSON (?pretty)
/-/healthy     200 while the agent lives
/-/ready       200 once every configured target was polled
/-/reload      POST: reads the config anew
";

/// The page's address of them has their hash in it, so an old copy is never taken for a new one.
const KEEP: &str = "private, max-age=86400, immutable";

/// `/`
pub(super) async fn page(State(site): State<Arc<Site>>) -> Response {
    let html = page::render(&site.web.fleet.view(), &site.web.listen);
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// `/page.css`
pub(super) async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, KEEP)], page::STYLE).into_response()
}

/// `/page.js`
pub(super) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, KEEP)], page::SCRIPT).into_response()
}

/// `/metrics`
pub(super) async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let accepts: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let format = Format::negotiate((!accepts.is_empty()).then(|| accepts.join(",")).as_deref());
    let fleet = &site.web.fleet;
    let page = metrics::render(&fleet.view(), fleet.counted(), Some(&ProcessStats::read()), format);
    ([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], page).into_response()
}

/// `/api/v1/view`
pub(super) async fn view(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let view = site.web.fleet.view();
    let pretty = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes())
            .any(|(key, value)| key == "pretty" && !matches!(&*value, "0" | "false"))
    });
    let json = if pretty { serde_json::to_string_pretty(&view) } else { serde_json::to_string(&view) };
    match json {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "the view cannot be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, "the view cannot be written as JSON\n").into_response()
        }
    }
}

/// `/-/healthy`
pub(super) async fn healthy() -> &'static str {
    "healthy\n"
}

/// `/-/reload`
pub(super) async fn reload(State(site): State<Arc<Site>>) -> Response {
    match (site.web.reload)().await {
        Ok(()) => "the config was read anew\n".into_response(),
        Err(faults) => (StatusCode::BAD_REQUEST, faults.join("\n") + "\n").into_response(),
    }
}

/// Any other path.
pub(super) async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, format!("there is nothing at this path. Known:\n\n{KNOWN}")).into_response()
}

/// A known path, asked in a way that it does not take.
pub(super) async fn wrong_method(method: Method) -> Response {
    let asked: String = method.as_str().chars().take(20).collect();
    (StatusCode::METHOD_NOT_ALLOWED, format!("this path does not take {asked}; the Allow header says what\n"))
        .into_response()
}
