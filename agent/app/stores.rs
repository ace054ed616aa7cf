//! The agent's store: opened where the config says, told to the fleet, closed at the end.

use std::time::Duration;

use crate::config::Config;
use crate::store::{self, Store};
use crate::view::StoreView;

/// What may wait for the disk at the end: then it is left.
const CLOSE: Duration = Duration::from_secs(2);

/// Opens it; or says why there is none.
pub(super) async fn open(config: &Config) -> Result<Store, StoreView> {
    let place = store::of_agent(config.store.path.as_deref(), |name| std::env::var_os(name));
    let shown = place.as_ref().ok().map(|path| path.display().to_string());
    let retention = config.store.retention;
    // A large store takes some seconds, and a disk may hang.
    let opened = tokio::task::spawn_blocking(move || Store::open(&place?, retention)).await;
    let error = match opened {
        Ok(Ok(store)) => return Ok(store),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(StoreView { path: shown, error: Some(error), ..StoreView::default() })
}

/// How it fares.
pub(super) fn view(store: &Store) -> StoreView {
    let health = store.health();
    let bytes = health.bytes.map(|bytes| bytes.saturating_add(health.wal_bytes.unwrap_or(0)));
    StoreView {
        path: Some(store.path().display().to_string()),
        up: health.failing.is_none(),
        error: health.failing.map(|(_, error)| error.to_string()),
        size_bytes: bytes,
        writes_lost: health.lost_runs.saturating_add(health.lost_events),
    }
}

/// Writes what waits, and closes it.
pub(super) async fn close(store: Store) {
    let closed = tokio::task::spawn_blocking(move || store.close(CLOSE)).await;
    if !matches!(closed, Ok(true)) {
        tracing::warn!("the store was not closed in time; what waited for it is lost");
    }
}
