//! Numbers and booleans as they stand in JSON.

/// Whether it is `true`.
#[inline]
pub(super) fn is_true(raw: &[u8]) -> bool {
    raw == b"true"
}

/// A number that counts or measures: finite, and not below zero.
pub(super) fn number(raw: &[u8]) -> Option<f64> {
    if !raw.first()?.is_ascii_digit() {
        return None;
    }
    // Counts are short, and digits alone: these need no care.
    if raw.len() <= 15 && raw.iter().all(u8::is_ascii_digit) {
        return Some(raw.iter().fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0')) as f64);
    }
    let value: f64 = std::str::from_utf8(raw).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A count out of a number: servers write some as `12.0`.
pub(super) fn whole(value: f64) -> Option<u64> {
    // Above this not every whole number can be told, and no count is.
    (value < 9e15).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_count_is_a_number() {
        assert_eq!(number(b"12").and_then(whole), Some(12));
        assert_eq!(number(b"000000000000012").and_then(whole), Some(12));
        assert_eq!(number(b"999999999999999").and_then(whole), Some(999_999_999_999_999));
        assert_eq!(number(b"9999999999999999").and_then(whole), None, "one more than can be told exactly");
        assert_eq!(number(b"12.0").and_then(whole), Some(12));
        assert_eq!(number(b"0.5"), Some(0.5));
        for odd in [&b"-1"[..], b"null", b"NaN", b"1e999", b"1.2.3", b"", b"true", b"inf"] {
            assert_eq!(number(odd), None, "{}", String::from_utf8_lossy(odd));
        }
        assert_eq!(number(b"1e18").and_then(whole), None);
    }
}
