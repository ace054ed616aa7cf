//! When the lines of a log were written, as far as it tells. Pure.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::wrap::Bare;

/// When a line was written. `None`: that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Date {
    /// By whoever knows.
    pub(super) written: Option<Timestamp>,
    /// By the server's own clock, where it tells: to hold lines against each other.
    pub(super) own: Option<Timestamp>,
}

/// What is known of a log's dates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Dates {
    /// The zone of those who write without one.
    #[serde(skip)]
    zone: Option<TimeZone>,
    /// Seconds east of UTC, as the server's own lines tell, where that is not as in this machine's zone.
    offset_seconds: Option<i32>,
    /// Of the last line that had one.
    last: Option<Timestamp>,
    /// When the clock of a server that marks its lines with the time since its start stood at zero.
    zero: Option<Timestamp>,
}

impl Dates {
    /// The zone of this machine. A server's own word goes before it.
    pub(super) fn zone(&mut self, zone: TimeZone) {
        self.zone = Some(zone);
    }

    /// The server began anew, and so did its clock.
    pub(super) fn begins(&mut self) {
        self.zero = None;
    }

    /// When a line was written. `known`: by who keeps the log, or since it was read at once. A line without a date
    /// is no older than the one before it. `has_one_clock`: its lines are marked by one process.
    pub(super) fn of(&mut self, line: &Bare<'_>, known: Option<Timestamp>, has_one_clock: bool) -> Date {
        let own = self.own(&line.text);
        let stamp = line.stamp.filter(|_| has_one_clock && line.child.is_none()).and_then(signed);
        let by_stamp = || self.zero?.checked_add(stamp?).ok();
        let found = known.or(line.date).or(own).or_else(by_stamp);
        if let (Some(at), Some(stamp)) = (known.or(line.date), stamp) {
            // What is read soonest after it was written tells it best.
            let zero = at.checked_sub(stamp).ok();
            self.zero = [self.zero, zero].into_iter().flatten().min();
        }
        self.last = found.or(self.last);
        Date { written: self.last, own }
    }

    /// The date that the server itself wrote.
    fn own(&mut self, text: &str) -> Option<Timestamp> {
        if let Some(rest) = text.strip_prefix("time=") {
            let pieces = Pieces::parse(rest.split(' ').next()?).ok()?;
            let offset = pieces.to_numeric_offset()?;
            let at = offset.to_timestamp(DateTime::from_parts(pieces.date(), pieces.time()?)).ok()?;
            // A zone knows when its summer ends.
            let is_here = self.zone.as_ref().is_some_and(|zone| zone.to_offset(at) == offset);
            self.offset_seconds = (!is_here).then_some(offset.seconds());
            return Some(at);
        }
        let local = local(text.strip_prefix("[GIN] ")?)?;
        match (self.offset_seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()), &self.zone) {
            (Some(offset), _) => offset.to_timestamp(local).ok(),
            (None, Some(zone)) => zone.to_timestamp(local).ok(),
            (None, None) => None,
        }
    }
}

fn signed(stamp: Duration) -> Option<SignedDuration> {
    SignedDuration::try_from(stamp).ok()
}

/// `2026/11/22 - 16:11:48 | …`.
fn local(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once('|')?.0.trim().split_once(" - ")?;
    let (date, time) = (three(date, '/')?, three(time, ':')?);
    let small = |number: i16| i8::try_from(number).ok();
    let (year, [month, day]) = (date[0], [small(date[1])?, small(date[2])?]);
    DateTime::new(year, month, day, small(time[0])?, small(time[1])?, small(time[2])?, 0).ok()
}

fn three(text: &str, between: char) -> Option<[i16; 3]> {
    let mut parts = text.splitn(3, between).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::super::wrap::bare;
    use super::*;

    const ACCESS: &str = "[GIN] 2026/11/22 - 16:11:48 | 200 |  1s |  127.0.0.1 | POST  \"/api/chat\"";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_is_dated_by_whoever_knows_and_else_as_the_one_before() {
        let mut dates = Dates::default();
        let mut of = |line: &str, known| dates.of(&bare(line), known, true).written;
        assert_eq!(of("slot x", None), None);
        assert_eq!(of(ACCESS, None), None, "in which zone?");
        let later = at("2026-11-22T15:00:00Z");
        assert_eq!(of(ACCESS, Some(later)), Some(later));
        let of_runtime = "2026-11-22T15:00:01.5Z stderr F [GIN] x";
        assert_eq!(of(of_runtime, None), Some(at("2026-11-22T15:00:01.5Z")));
        let of_docker =
            "{\"log\":\"slot x\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T15:00:02.123456789Z\"}";
        assert_eq!(of(of_docker, None), Some(at("2026-11-22T15:00:02.123456789Z")));
        assert_eq!(of("slot x", None), Some(at("2026-11-22T15:00:02.123456789Z")));
    }

    #[test]
    fn an_access_line_is_in_the_servers_zone_or_else_in_this_machines() {
        let mut dates = Dates::default();
        dates.zone(TimeZone::fixed(jiff::tz::offset(-5)));
        assert_eq!(dates.of(&bare(ACCESS), None, true).written, Some(at("2026-11-22T21:11:48Z")));
        let own = "time=2026-11-22T16:11:47.602+01:00 level=INFO source=x msg=y";
        assert_eq!(dates.of(&bare(own), None, true).written, Some(at("2026-11-22T15:11:47.602Z")));
        assert_eq!(dates.of(&bare(ACCESS), None, true).written, Some(at("2026-11-22T15:11:48Z")));
        dates.of(&bare("time=2026-11-22T16:11:47.602Z level=INFO"), None, true);
        assert_eq!(dates.of(&bare(ACCESS), None, true).written, Some(at("2026-11-22T16:11:48Z")));
    }

    #[test]
    fn a_servers_clock_that_was_read_with_a_date_dates_what_was_missed_until_it_begins_anew() {
        let mut dates = Dates::default();
        dates.of(&bare("0.10.000.000 I slot x"), Some(at("2026-11-22T15:00:11Z")), true);
        dates.of(&bare("0.20.000.000 I slot x"), Some(at("2026-11-22T15:00:20.5Z")), true);
        let kept = serde_json::to_string(&dates).unwrap();
        let mut dates: Dates = serde_json::from_str(&kept).unwrap();
        assert_eq!(
            dates.of(&bare("1.30.000.000 I slot x"), None, true).written,
            Some(at("2026-11-22T15:01:30.5Z"))
        );
        dates.begins();
        let last = Some(at("2026-11-22T15:01:30.5Z"));
        assert_eq!(
            dates.of(&bare("0.00.000.000 I slot x"), None, true).written,
            last,
            "no older than the one before"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "\\PC{0,60}", numbers in "[0-9/: -]{0,30}") {
            let mut dates = Dates::default();
            dates.zone(TimeZone::UTC);
            for line in [format!("[GIN] {numbers} | x"), format!("time={text}"), text] {
                dates.of(&bare(&line), None, true);
            }
        }
    }
}
