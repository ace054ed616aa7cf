//! What came of the places that were asked, so that each is asked once and not on every beat.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::scan::{Place, Scan};
use crate::http::HttpError;
use crate::servers::Kind;

/// What did not answer may just be starting: asked again at the second beat of 10 s, so that a
/// server is found within 30 s of being ready. What was found is watched by then; if it is not, it
/// was forgotten, and has to show that it answers again.
const SOON: Duration = Duration::from_secs(15);

/// What answered as no known kind will hardly change its mind.
const LATE: Duration = Duration::from_secs(600);

/// What came of asking a place.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Where it was asked.
    pub(super) address: SocketAddr,
    /// Its kind, or why there is none.
    pub(super) result: Result<&'static Kind, HttpError>,
}

/// What came of the places that are there now.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<Key, (Told, Instant)>);

/// A place, until another server is there: its port and its sockets.
type Key = (u16, Vec<u64>);

impl Memory {
    /// Forgets the places that are gone; so it is never larger than a scan.
    pub(super) fn keep(&mut self, scan: &Scan) {
        let there: HashSet<Key> = scan.servers.iter().flatten().map(key).collect();
        self.0.retain(|key, _| there.contains(key));
    }

    /// What came of it.
    pub(super) fn of(&self, place: &Place) -> Option<&Told> {
        self.0.get(&key(place)).map(|(told, _)| told)
    }

    /// Whether it is time to ask it, for the first time or again.
    pub(super) fn is_due(&self, place: &Place, now: Instant) -> bool {
        self.0.get(&key(place)).is_none_or(|(told, at)| now.saturating_duration_since(*at) >= holds(told))
    }

    /// Remembers what came of it.
    pub(super) fn take(&mut self, place: &Place, told: Told, now: Instant) {
        self.0.insert(key(place), (told, now));
    }
}

fn key(place: &Place) -> Key {
    (place.port(), place.sockets.clone())
}

/// For how long an answer holds.
fn holds(told: &Told) -> Duration {
    match &told.result {
        // From 500 on: a proxy whose server is not ready.
        Ok(_) | Err(HttpError::Timeout(_) | HttpError::Reset | HttpError::Status { status: 500.., .. }) => {
            SOON
        }
        Err(error) if !error.connected() => SOON,
        Err(_) => LATE,
    }
}
