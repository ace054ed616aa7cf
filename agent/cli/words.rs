//! Times, sizes and counts in words. Pure: "now" is given.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A length of time in its largest fitting unit: `12 s`, `4 min`, `3 h`, `5 d`. Rounded down, so
/// that nothing is older than it is said to be; hours go up to 48.
pub fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..MINUTE => format!("{s} s"),
        s @ MINUTE..HOUR => format!("{} min", s / MINUTE),
        s if s < 2 * DAY => format!("{} h", s / HOUR),
        s => format!("{} d", s / DAY),
    }
}

/// How long before `now` it was: `3 min ago`, or `just now` (a clock that runs ahead included).
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_secs() {
        ..1 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// For how long it has been so: `3 min`.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(then).as_secs())
}

/// How long after `now` it will be: `in 4 min`, or `now` if it is due or overdue.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    match then.duration_since(now).as_secs() {
        ..1 => "now".to_owned(),
        seconds => format!("in {}", span(seconds)),
    }
}

/// A size: `17 B`, `1.0 KiB`, `12.3 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A size as a number of GiB, for pairs that share the unit: `12.3`.
pub fn gib(count: u64) -> String {
    format!("{:.1}", count as f64 / f64::from(1 << 30))
}

/// A part of a whole in percent, rounded down: what is not whole never reads `100 %`, and what is
/// not nothing never reads `0 %`.
pub fn percent(ratio: f64) -> String {
    let percent = (ratio * 100.0).clamp(0.0, 100.0);
    if percent > 0.0 && percent < 1.0 {
        return "<1 %".to_owned();
    }
    // 0.29 * 100 is 28.999…: what is that close to a whole number was meant to be it.
    let floor = if (percent.round() - percent).abs() < 1e-9 { percent.round() } else { percent.floor() };
    format!("{floor} %")
}

/// A number of things: `1 target`, `3 targets`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_span_takes_its_largest_unit_and_never_exaggerates() {
        let cases = [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (47 * 3600 + 3599, "47 h"),
            (48 * 3600, "2 d"),
            (i64::MAX, "106751991167300 d"),
        ];
        for (seconds, words) in cases {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn a_time_is_told_from_now() {
        assert_eq!(ago(at(100), at(290)), "3 min ago");
        assert_eq!(ago(at(100), at(100)), "just now");
        assert_eq!(since(at(100), at(112)), "12 s");
        assert_eq!(until(at(340), at(100)), "in 4 min");
        assert_eq!(until(at(100), at(100)), "now");
    }

    #[test]
    fn a_clock_set_back_gives_no_nonsense() {
        assert_eq!(ago(at(3700), at(100)), "just now");
        assert_eq!(since(at(3700), at(100)), "0 s");
        assert_eq!(until(at(100), at(3700)), "now");
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        assert!(until(Timestamp::MAX, Timestamp::MIN).starts_with("in "));
        assert!(ago(Timestamp::MIN, Timestamp::MAX).ends_with(" ago"));
    }

    #[test]
    fn sizes_have_one_decimal_and_a_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (2_019_393_189, "1.9 GiB"),
            (150_754_820_096, "140.4 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (size, words) in cases {
            assert_eq!(bytes(size), words);
        }
        assert_eq!(gib(150_754_820_096), "140.4");
    }

    #[test]
    fn almost_all_is_not_all_and_almost_nothing_is_not_nothing() {
        let cases =
            [(0.0, "0 %"), (0.001, "<1 %"), (0.29, "29 %"), (0.999, "99 %"), (1.0, "100 %"), (7.0, "100 %")];
        for (ratio, words) in cases {
            assert_eq!(percent(ratio), words);
        }
        assert_eq!((count(1, "target").as_str(), count(0, "model").as_str()), ("1 target", "0 models"));
    }
}
