//! How like two texts are, by their characters: no model is needed.

use std::collections::HashMap;

pub(super) fn failed(wanted: &str, at_least: f64, text: &str) -> Option<String> {
    let found = cosine(wanted, text);
    // Rounded down, so that what fails never reads as if it passed.
    let told = (found * 100.0).floor() / 100.0;
    (found < at_least).then(|| format!("is {told:.2} like the text, at least {at_least} expected"))
}

/// The cosine of the counts of character 3-grams, 0..1. Case and the amount of white space do not count; a space
/// before and after makes the first and the last word as good as any.
pub(super) fn cosine(a: &str, b: &str) -> f64 {
    let (a, b) = (grams(a), grams(b));
    if a.is_empty() || b.is_empty() {
        return f64::from(u8::from(a.is_empty() && b.is_empty()));
    }
    let dot: u64 = a.iter().map(|(gram, count)| count * b.get(gram).copied().unwrap_or(0)).sum();
    let square = |counts: &HashMap<[char; 3], u64>| counts.values().map(|count| count * count).sum::<u64>();
    dot as f64 / ((square(&a) as f64).sqrt() * (square(&b) as f64).sqrt())
}

fn grams(text: &str) -> HashMap<[char; 3], u64> {
    let mut chars = vec![' '];
    for word in text.to_lowercase().split_whitespace() {
        chars.extend(word.chars());
        chars.push(' ');
    }
    let mut counts = HashMap::new();
    for gram in chars.windows(3) {
        *counts.entry([gram[0], gram[1], gram[2]]).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_like_as_their_3_grams() {
        assert!((cosine("The sea is blue.", "the  sea is BLUE.") - 1.0).abs() < 1e-12);
        assert!((cosine("", " ") - 1.0).abs() < 1e-12);
        assert!(cosine("", "blue").abs() < 1e-12);
        assert!(cosine("abc", "xyz").abs() < 1e-12);
        // " ab", "abc", "bc " against " ab", "abd", "bd ": one of three.
        assert!((cosine("abc", "abd") - 1.0 / 3.0).abs() < 1e-12);
        assert!(cosine("Paris is the capital of France.", "The capital of France is Paris.") > 0.7);
        assert!(cosine("Paris is the capital of France.", "Bananas grow on tall plants.") < 0.2);
    }
}
