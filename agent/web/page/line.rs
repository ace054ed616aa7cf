//! A server in a line: what the table of all servers shows, and the head of its own part. Pure.

use jiff::Timestamp;

use super::badge::Badge;
use super::{traffic, words};
use crate::view::TargetView;

/// A server in a line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) target: &'a TargetView,
    /// Its place on the page.
    pub(super) anchor: String,
    pub(super) badge: Badge,
    /// For how long it is in that state.
    pub(super) held: Option<String>,
    /// Version and build.
    pub(super) version: Option<String>,
    pub(super) slots: Option<String>,
    pub(super) queue: Option<u64>,
    /// Models in memory; `None` where none tells.
    pub(super) in_memory: Option<usize>,
    /// What is under way; `None` where nobody watches.
    pub(super) traffic: Option<String>,
}

impl<'a> Line<'a> {
    pub(super) fn new(target: &'a TargetView, now: Timestamp) -> Line<'a> {
        let held = |since| words::length(now.duration_since(since).as_secs().max(0).unsigned_abs());
        let mut queues = target.models.iter().filter_map(|model| model.queue_depth);
        let told = target.models.iter().any(|model| model.loaded.is_some());
        let loaded = target.models.iter().filter(|model| model.loaded == Some(true));
        Line {
            target,
            anchor: anchor(&target.name),
            badge: Badge::of_target(target),
            held: target.state_since.map(held),
            version: match (&target.version, &target.build) {
                (Some(version), Some(build)) if version != build => Some(format!("{version}, build {build}")),
                (version, build) => version.as_ref().or(build.as_ref()).cloned(),
            },
            slots: target.slots().map(|(busy, all)| format!("{busy} of {all}")),
            queue: queues.next().map(|first| queues.fold(first, u64::saturating_add)),
            in_memory: told.then(|| loaded.count()),
            traffic: traffic::brief(target),
        }
    }
}

/// A server's place on the page, fit for an address: it is the same at every refresh.
pub(super) fn anchor(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    // Two names that differ in their odd characters alone must not share a place.
    if plain == name { format!("s-{name}") } else { format!("s-{plain}-{:x}", hash(name.as_bytes())) }
}

/// FNV-1a, 64 bit.
pub(super) const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_have_places_of_their_own() {
        assert_eq!(anchor("box7"), "s-box7");
        assert_ne!(anchor("a.b"), anchor("a b"));
        let odd = anchor("\"><script>");
        assert!(odd.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{odd}");
    }
}
