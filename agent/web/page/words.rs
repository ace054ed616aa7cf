//! Numbers and times as a person reads them. Pure.

use jiff::Timestamp;

/// A moment, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// For the machine: RFC 3339, UTC.
    pub(super) iso: String,
    /// Whole, for whoever points at it.
    pub(super) full: String,
    /// The clock's hand, with the day where that is another one.
    pub(super) clock: String,
    /// How long ago, or in how long.
    pub(super) age: String,
}

/// That moment, seen from `now`.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let day = |at: Timestamp| at.strftime("%F").to_string();
    let year = |at: Timestamp| at.strftime("%Y").to_string();
    let shape = if day(at) == day(now) {
        "%H:%M:%S UTC"
    } else if year(at) == year(now) {
        "%-d %b %H:%M UTC"
    } else {
        "%-d %b %Y %H:%M UTC"
    };
    let seconds = now.duration_since(at).as_secs();
    let age = match seconds {
        0 => "just now".into(),
        1.. => format!("{} ago", length(seconds.unsigned_abs())),
        _ => format!("in {}", length(seconds.unsigned_abs())),
    };
    Moment {
        iso: at.strftime("%FT%TZ").to_string(),
        full: at.strftime("%F %T UTC").to_string(),
        clock: at.strftime(shape).to_string(),
        age,
    }
}

/// A length of time in its two largest units.
pub(super) fn length(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    let two = |large: u64, name: &str, small: u64, small_name: &str| {
        let rest = seconds % large / small;
        let head = seconds / large;
        if rest == 0 { format!("{head} {name}") } else { format!("{head} {name} {rest} {small_name}") }
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        DAY..YEAR => two(DAY, "d", HOUR, "h"),
        _ => two(YEAR, "y", DAY, "d"),
    }
}

/// A time that may be short: `4 ms`, `1.2 s`.
pub(super) fn took(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => "under 1 ms".into(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 60.0 => format!("{s:.1} s"),
        s => length(s as u64),
    }
}

/// A beat as the config says it: `15 s`, `2.5 s`.
pub(super) fn every(seconds: f64) -> String {
    if seconds >= 60.0 || seconds.fract() == 0.0 { length(seconds as u64) } else { took(seconds) }
}

/// A size in binary units, three digits that matter.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.5 would round to four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A count: whole with separators, rounded beyond a million.
pub(super) fn count(value: f64) -> String {
    const LARGE: [(f64, &str); 3] = [(1e12, "T"), (1e9, "G"), (1e6, "M")];
    for (size, name) in LARGE {
        if value >= size {
            return format!("{:.2} {name}", value / size);
        }
    }
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::with_capacity(digits.len() + 1);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of one in percent. Never rounded to all or nothing where it is neither.
pub(super) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    match percent {
        p if p > 0.0 && p < 1.0 => "<1 %".into(),
        p if p > 99.0 && p < 100.0 => ">99 %".into(),
        p => format!("{p:.0} %"),
    }
}

/// The width of a bar of 100, inside its frame.
pub(super) fn width(ratio: f64) -> String {
    format!("{:.1}", (ratio * 100.0).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (11_520, "3 h 12 min"),
            (86_400, "1 d"),
            (100_000, "1 d 3 h"),
            (86_400 * 800, "2 y 70 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(length(seconds), text);
        }
        assert_eq!(
            (took(0.000_2), took(0.004), took(1.23)),
            ("under 1 ms".into(), "4 ms".into(), "1.2 s".into())
        );
        assert_eq!((every(15.0), every(2.5), every(90.0)), ("15 s".into(), "2.5 s".into(), "1 min".into()));
    }

    #[test]
    fn sizes_and_counts_are_short_and_never_wrong_by_a_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_064, "1.0 MiB"),
            (4_920_753_328, "4.6 GiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(bytes(u64::MAX), "16 EiB");
        let cases = [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (123_456.0, "123,456"),
            (2_500_000.0, "2.50 M"),
            (f64::NAN, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn a_part_is_not_rounded_to_the_whole() {
        let cases = [(0.0, "0 %"), (0.001, "<1 %"), (0.5, "50 %"), (0.999, ">99 %"), (1.0, "100 %")];
        for (ratio, text) in cases {
            assert_eq!(percent(ratio), text);
        }
        assert_eq!((width(-1.0), width(0.631), width(7.0)), ("0.0".into(), "63.1".into(), "100.0".into()));
    }

    #[test]
    fn a_moment_says_its_day_only_when_it_is_another() {
        let now: Timestamp = "2026-03-05T03:16:05Z".parse().unwrap();
        let cases = [
            ("2026-03-05T03:16:05.9Z", "03:16:05 UTC", "just now"),
            ("2026-03-05T03:12:00Z", "03:12:00 UTC", "4 min ago"),
            ("2026-03-05T03:21:05Z", "03:21:05 UTC", "in 5 min"),
            ("2026-03-04T23:16:05Z", "4 Mar 23:16 UTC", "4 h ago"),
            ("2024-03-05T03:16:05Z", "5 Mar 2024 03:16 UTC", "2 y ago"),
        ];
        for (at, clock, age) in cases {
            let at = moment(at.parse().unwrap(), now);
            assert_eq!((at.clock.as_str(), at.age.as_str()), (clock, age));
        }
        assert_eq!(moment(now, now).iso, "2026-03-05T03:16:05Z");
    }
}
