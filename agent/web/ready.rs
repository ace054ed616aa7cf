//! Whether the agent is ready: what it was told to watch has been looked at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Site;
use crate::view::View;

/// So many names are said; the page has the others.
const NAMES: usize = 5;

/// `/-/ready`: 200, or 503 and a sentence.
pub(super) async fn answer(State(site): State<Arc<Site>>) -> Response {
    if site.web.stopping.is_cancelled() {
        return no("stopping\n".into());
    }
    if !site.was_ready.load(Ordering::Relaxed) {
        if let Some(wait) = waits_for(&site.web.fleet.view()) {
            return no(wait);
        }
        site.was_ready.store(true, Ordering::Relaxed);
    }
    "ready\n".into_response()
}

fn no(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

/// What it still waits for. Servers that were found by themselves are no promise to anybody.
fn waits_for(view: &View) -> Option<String> {
    let asked_for: Vec<_> = view.targets.iter().filter(|target| !target.discovered).collect();
    let open: Vec<&str> = asked_for
        .iter()
        .filter(|target| target.last_poll_at.is_none())
        .map(|target| target.name.as_str())
        .collect();
    if open.is_empty() {
        return None;
    }
    let more = open.len().saturating_sub(NAMES);
    let named = open[..open.len() - more].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("not ready: {} of {} targets not polled yet: {named}{more}\n", open.len(), asked_for.len()))
}
