//! Single bytes of JSON, and the end of a string.

use memchr::memchr2;

/// Where the string that began before `at` ends: its closing quote. `None`: not in these bytes.
#[inline]
pub(in crate::wire) fn quote(bytes: &[u8], mut at: usize, escaped: &mut bool) -> Option<usize> {
    if std::mem::take(escaped) {
        at += 1;
    }
    loop {
        let found = at + quote_or_backslash(bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
        if at > bytes.len() {
            *escaped = true;
            return None;
        }
    }
}

/// The first quote or backslash. Keys and most values are short: these are found eight bytes at a time without a
/// call, the others by `memchr`.
#[inline]
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of the lowest byte that is zero, and maybe of some above it.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().take(3).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let read = words.len().min(3) * 8;
    memchr2(b'"', b'\\', &bytes[read..]).map(|found| read + found)
}

#[inline]
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[inline]
pub(super) const fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
