//! Whether an answer repeats itself, as broken models do.

use std::collections::HashSet;

use unicode_script::{Script, UnicodeScript as _};

/// The share of repeated 4-grams at which an answer is degenerate: clean answers of small models are at 0 to 0.05,
/// broken ones at 0.7.
pub const REPEATED: f64 = 0.3;

/// So many of one sign in a row are no word and no line: broken weights give hundreds of `!`.
const RUN: usize = 40;

pub(super) fn failed(min_words: usize, below: f64, text: &str) -> Option<String> {
    let words = words(text);
    if words.len() < min_words {
        let (found, s) = (words.len(), if words.len() == 1 { "" } else { "s" });
        return Some(format!("has {found} word{s}, at least {min_words} expected"));
    }
    let repeated = of(&words);
    if repeated >= below {
        let told = (repeated * 100.0).round();
        return Some(format!(
            "repeats itself: {told} % of its 4-grams, less than {} % expected",
            below * 100.0
        ));
    }
    let run = longest_run(text);
    (run >= RUN).then(|| format!("repeats one character {run} times"))
}

/// The share of 4-grams of words that stood there before, 0..1: `1 − distinct 4-grams / 4-grams`. 0 of a text of
/// fewer than four words.
pub fn rep4(text: &str) -> f64 {
    of(&words(text))
}

fn of(words: &[&str]) -> f64 {
    let all = words.len().saturating_sub(3);
    if all == 0 {
        return 0.0;
    }
    let distinct: HashSet<&[&str]> = words.windows(4).collect();
    1.0 - distinct.len() as f64 / all as f64
}

/// The words as white space parts them; where a script writes none between them, each character.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let mut begin = 0;
        for (at, c) in word.char_indices() {
            if !has_no_spaces(c) {
                continue;
            }
            if begin < at {
                words.push(&word[begin..at]);
            }
            begin = at + c.len_utf8();
            words.push(&word[at..begin]);
        }
        if begin < word.len() {
            words.push(&word[begin..]);
        }
    }
    words
}

fn has_no_spaces(c: char) -> bool {
    !c.is_ascii()
        && matches!(
            c.script(),
            Script::Han
                | Script::Hiragana
                | Script::Katakana
                | Script::Thai
                | Script::Lao
                | Script::Khmer
                | Script::Myanmar
        )
}

/// The longest run of one character that is none of those that lines and leaders are drawn with.
fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for c in text.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        if !c.is_whitespace() && !matches!(c, '-' | '=' | '_' | '*' | '.' | '#' | '─') {
            longest = longest.max(run);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_4_grams_are_counted() {
        assert!(rep4("").abs() < 1e-12);
        assert!(rep4("a b c").abs() < 1e-12);
        assert!(rep4("a b c d e f g h").abs() < 1e-12);
        // abcd bcda cdab dabc abcd: four of five are distinct.
        assert!((rep4("a b c d a b c d") - 0.2).abs() < 1e-12);
        assert!((rep4(&"the ".repeat(10)) - 6.0 / 7.0).abs() < 1e-12);
        assert!(rep4("我爱我爱我爱我爱我爱我爱") > 0.7, "Chinese has no spaces");
        assert!(rep4("海很大，也很蓝。").abs() < 1e-12);
    }

    #[test]
    fn broken_answers_fail_and_short_ones_where_that_is_asked() {
        let why = |min_words, text: &str| failed(min_words, REPEATED, text).unwrap_or_default();
        assert_eq!(why(0, "The sea is vast and blue, and it is deep."), "");
        assert_eq!(why(8, "The sea."), "has 2 words, at least 8 expected");
        assert_eq!(why(0, &"no ".repeat(50)), "repeats itself: 98 % of its 4-grams, less than 30 % expected");
        assert_eq!(why(0, &"!".repeat(64)), "repeats one character 64 times");
        assert_eq!(why(0, &format!("Title\n{}\nText", "-".repeat(80))), "");
    }
}
