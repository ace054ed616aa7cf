//! Durations as Prometheus writes them: `500ms`, `15s`, `1h30m`, `7d`. Pure.

use std::time::Duration;

/// The units, the largest first: they stand in this order, each at most once.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest duration taken: far beyond any use, far below where sums with clocks overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Reads a duration. `None`: it is none, or longer than ten years.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut units, mut sum) = (text, UNITS.as_slice(), 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = &rest[..rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())];
        let at = units.iter().position(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[unit.len()..];
    }
    Some(Duration::from_millis(sum)).filter(|duration| *duration <= LONGEST)
}

/// Writes a duration as it is read.
pub fn write(duration: Duration) -> String {
    let mut left = duration.as_millis() as u64;
    let mut parts = Vec::new();
    // Years and weeks read worse than days.
    for (name, millis) in UNITS.iter().filter(|(name, _)| !["y", "w"].contains(name)) {
        if left >= *millis {
            parts.push(format!("{}{name}", left / millis));
            left %= millis;
        }
    }
    if parts.is_empty() { "0s".into() } else { parts.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_writes_is_read() {
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("15s", 15_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1m30s500ms", 90_500),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
            ("1y", 31_536_000_000),
            ("007s", 7000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let texts =
            ["", "15", "s", "15 s", " 15s", "15s ", "1.5h", "-1s", "+1s", "15S", "1s1m", "1m1m", "1é"];
        let long = ["11y", "99999999999999999999s", "18446744073709551615y", "9223372036854775807y1s"];
        for text in texts.iter().chain(&long).chain(&["15sec", "1h30", "½h", "ms"]) {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for millis in [0, 1, 999, 1000, 61_001, 3_600_000, 90_061_000, 604_800_000, 31_536_000_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&write(duration)), Some(duration), "{}", write(duration));
        }
        assert_eq!(write(Duration::from_secs(5400)), "1h30m");
    }
}
