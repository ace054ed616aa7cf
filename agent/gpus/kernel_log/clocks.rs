//! Wall time out of what the kernel marks its lines with. Pure.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What the machine's clocks say at one moment.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    /// The wall.
    pub(super) now: Timestamp,
    /// Since boot, by the clock with which the kernel marks its lines. It stands still while the machine sleeps.
    pub(super) awake: Duration,
    /// Since boot, sleep included.
    pub(super) up: Duration,
    /// What the machine calls local: times of syslog are in it.
    pub(super) zone: TimeZone,
}

impl Clocks {
    /// The wall's time of a line that bears so long since boot. The kernel's clock does not count sleep, and goes
    /// wrong by seconds in weeks: a line from before the last sleep seems later by its length.
    pub(super) fn wall(&self, since_boot: Duration) -> Timestamp {
        self.back(self.awake.saturating_sub(since_boot))
    }

    /// When the machine was started.
    pub(super) fn boot(&self) -> Timestamp {
        self.back(self.up)
    }

    fn back(&self, ago: Duration) -> Timestamp {
        let ago = SignedDuration::try_from(ago).unwrap_or_default();
        self.now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Up for an hour, of which it slept ten minutes.
    pub(in super::super) fn clocks() -> Clocks {
        Clocks {
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            awake: Duration::from_secs(3000),
            up: Duration::from_secs(3600),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        }
    }

    #[test]
    fn times_since_boot_become_wall_times() {
        let clocks = clocks();
        assert_eq!(clocks.wall(Duration::from_secs(2940)).to_string(), "2026-11-22T11:59:00Z");
        assert_eq!(clocks.wall(Duration::from_secs(9999)), clocks.now, "a line is not from the future");
        assert_eq!(clocks.boot().to_string(), "2026-11-22T11:00:00Z");
    }
}
