//! The first number of an answer.

/// Two numbers that differ by less than this share of them are the same: what writing them in decimals costs.
const ROUNDING: f64 = 1e-9;

pub(super) fn failed(value: f64, tolerance: f64, decimal: Option<char>, text: &str) -> Option<String> {
    let Some(found) = first_number(text, decimal) else {
        return Some(format!("has no number, {} expected", expected(value, tolerance)));
    };
    let off = (found - value).abs();
    let passed = off <= tolerance + ROUNDING * value.abs();
    (!passed).then(|| format!("its first number is {found}, {} expected", expected(value, tolerance)))
}

/// The number as it is told: `43`, or `2.75 ± 0.01`.
pub(super) fn expected(value: f64, tolerance: f64) -> String {
    if tolerance > 0.0 { format!("{value} ± {tolerance}") } else { value.to_string() }
}

/// The first number of a text.
///
/// Separators of thousands are left out: `1,932`, `1.234.567`, `12'000`, and spaces that do not break. Where a sign
/// stands once and could be either, a comma before three digits is one of thousands and a full stop is decimal, as in
/// English; `decimal` settles it. A minus counts where no letter or digit stands before it.
pub fn first_number(text: &str, decimal: Option<char>) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let end = start + length(&text[start..]);
    let mut digits = plain(&text[start..end], decimal);
    let mut before = text[..start].chars().rev();
    let mut last = before.next();
    if last == Some('.') && decimal != Some(',') && !digits.contains('.') {
        let earlier = before.clone().next();
        if earlier.is_none_or(|c| c.is_whitespace() || is_minus(c)) {
            digits.insert_str(0, "0.");
            last = before.next();
        }
    }
    if last.is_some_and(is_minus) && before.next().is_none_or(|c| !c.is_alphanumeric()) {
        digits.insert(0, '-');
    }
    digits.push_str(exponent(&text[end..]));
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Bytes of digits and signs between them.
fn length(text: &str) -> usize {
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let digit_follows = chars.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        if !(c.is_ascii_digit() || is_separator(c) && digit_follows) {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | '.' | '\'' | '’' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

fn is_minus(c: char) -> bool {
    matches!(c, '-' | '−' | '–')
}

/// The digits with at most one full stop. What reads as no number but as a list, such as `1,2,3`, is its first.
fn plain(written: &str, decimal: Option<char>) -> String {
    let mut signs = written.chars().filter(|c| !c.is_ascii_digit());
    let (first, last) = (signs.next(), written.chars().rfind(|c| !c.is_ascii_digit()));
    let (Some(first), Some(last)) = (first, last) else { return written.to_owned() };
    let count = |sign: char| written.matches(sign).count();
    let point = match decimal {
        Some(sign) => (count(sign) == 1).then_some(sign),
        None if first != last => (count(last) == 1 && matches!(last, ',' | '.')).then_some(last),
        None if count(last) > 1 => None,
        None => match last {
            '.' => Some('.'),
            ',' if !groups(written) => Some(','),
            _ => None,
        },
    };
    let (whole, part) = match point {
        Some(sign) => written.rsplit_once(sign).unwrap_or((written, "")),
        None => (written, ""),
    };
    if !groups(whole) {
        // No number's thousands: what stands before the first sign is a number of its own.
        let end = whole.find(|c: char| !c.is_ascii_digit()).unwrap_or(whole.len());
        return whole[..end].to_owned();
    }
    let mut digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    if !part.is_empty() {
        digits.push('.');
        digits.push_str(part);
    }
    digits
}

/// Whether it is written as thousands are: groups of three behind one of one to three, or no groups at all.
fn groups(whole: &str) -> bool {
    let mut parts = whole.split(is_separator);
    let head = parts.next().map_or(0, str::len);
    let mut parts = parts.peekable();
    parts.peek().is_none() || (1..=3).contains(&head) && parts.all(|part| part.len() == 3)
}

/// `e5`, `E-10` right behind the digits.
fn exponent(rest: &str) -> &str {
    let Some(tail) = rest.strip_prefix(['e', 'E']) else { return "" };
    let digits = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let word_goes_on = digits[count..].starts_with(char::is_alphanumeric);
    if !(1..=3).contains(&count) || word_goes_on {
        return "";
    }
    &rest[..rest.len() - digits.len() + count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let cases: &[(&str, Option<f64>)] = &[
            ("43", Some(43.0)),
            ("The answer is **43**.", Some(43.0)),
            ("1,932 km", Some(1932.0)),
            ("1.234.567,89 EUR", Some(1_234_567.89)),
            ("1,234,567.89", Some(1_234_567.89)),
            ("12'000 CHF", Some(12_000.0)),
            ("1\u{202f}234\u{202f}567", Some(1_234_567.0)),
            ("2,75", Some(2.75)),
            ("2.75", Some(2.75)),
            ("1.234", Some(1.234)),
            ("1,234", Some(1234.0)),
            ("1, 2, 3", Some(1.0)),
            ("1,2,3", Some(1.0)),
            ("2024-11-22", Some(2024.0)),
            ("1.2.3", Some(1.0)),
            ("-5 degrees", Some(-5.0)),
            ("−5", Some(-5.0)),
            ("x=-5", Some(-5.0)),
            ("GPT-4 says", Some(4.0)),
            ("17-26", Some(17.0)),
            (".5", Some(0.5)),
            ("is -.5", Some(-0.5)),
            ("end.5", Some(5.0)),
            ("6.02e23 per mole", Some(6.02e23)),
            ("48EUR", Some(48.0)),
            ("5 e", Some(5.0)),
            ("7e", Some(7.0)),
            ("1e999", None),
            ("43,", Some(43.0)),
            ("none", None),
            ("", None),
        ];
        for (text, number) in cases {
            assert_eq!(first_number(text, None), *number, "{text}");
        }
        assert_eq!(first_number("1.234", Some(',')), Some(1234.0));
        assert_eq!(first_number("1,234", Some(',')), Some(1.234));
        assert_eq!(first_number("1,234", Some('.')), Some(1234.0));
        assert_eq!(first_number("1.234,5", Some(',')), Some(1234.5));
    }

    #[test]
    fn a_number_may_be_off_by_its_tolerance() {
        assert_eq!(failed(0.3, 0.0, None, "0.30"), None);
        assert_eq!(failed(2.75, 0.01, None, "about 2.76"), None);
        assert_eq!(failed(2.75, 0.01, None, "2.8").unwrap(), "its first number is 2.8, 2.75 ± 0.01 expected");
        assert_eq!(failed(43.0, 0.0, None, "forty").unwrap(), "has no number, 43 expected");
    }
}
