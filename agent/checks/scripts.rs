//! The scripts of an answer's letters: one that slips into another script is broken, or cut wrong.

use unicode_script::{Script, UnicodeScript as _};

/// What people call a language's way to write, which is several scripts.
const TOGETHER: [(&str, &[Script]); 2] = [
    ("japanese", &[Script::Han, Script::Hiragana, Script::Katakana]),
    ("korean", &[Script::Hangul, Script::Han]),
];

/// Scripts that letters should be of.
#[derive(Debug, Clone, PartialEq)]
pub struct Scripts {
    names: Vec<String>,
    all: Vec<Script>,
    at_least: f64,
}

impl Scripts {
    /// The scripts of these names: of Unicode (`Latin`, `Han`), of ISO 15924 (`Latn`), `Japanese` or `Korean`.
    /// `at_least`: the share of letters, 0..1.
    ///
    /// # Errors
    /// The number of the name that is none, from 0.
    pub fn new(names: &[&str], at_least: f64) -> Result<Scripts, usize> {
        let mut all = Vec::new();
        for (nth, name) in names.iter().enumerate() {
            all.extend(of_name(name).ok_or(nth)?);
        }
        Ok(Scripts { names: names.iter().map(|name| (*name).to_owned()).collect(), all, at_least })
    }

    /// The names, as they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The least share of letters in them, 0..1.
    pub fn at_least(&self) -> f64 {
        self.at_least
    }

    pub(super) fn failed(&self, text: &str) -> Option<String> {
        let (mut letters, mut expected) = (0_u64, 0_u64);
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            let script = c.script();
            if matches!(script, Script::Common | Script::Inherited) {
                continue;
            }
            letters += 1;
            expected += u64::from(self.all.contains(&script));
        }
        if letters == 0 {
            return Some("has no letters".to_owned());
        }
        let share = expected as f64 / letters as f64;
        // Rounded down, so that what fails never reads as if it passed.
        let told = (share * 100.0).floor();
        let names = self.names.join(", ");
        (share < self.at_least).then(|| {
            format!("{told} % of its letters are {names}, at least {} % expected", self.at_least * 100.0)
        })
    }
}

fn of_name(name: &str) -> Option<Vec<Script>> {
    let lower = name.to_lowercase();
    if let Some((_, scripts)) = TOGETHER.iter().find(|(known, _)| *known == lower) {
        return Some(scripts.to_vec());
    }
    // Unicode writes Old_Italic and Latn: each word with a capital.
    let words = lower.split(['_', ' ', '-']).map(|word| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default()
    });
    let written = words.collect::<Vec<_>>().join("_");
    let script = Script::from_full_name(&written).or_else(|| Script::from_short_name(&written))?;
    (!matches!(script, Script::Common | Script::Inherited | Script::Unknown)).then(|| vec![script])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(names: &[&str], at_least: f64, text: &str) -> String {
        Scripts::new(names, at_least).unwrap().failed(text).unwrap_or_default()
    }

    #[test]
    fn letters_count_and_signs_and_digits_do_not() {
        assert_eq!(failed(&["Latin"], 1.0, "Größe: 12 €, naïve!"), "");
        assert_eq!(failed(&["cyrillic"], 1.0, "Привет, 2 мира"), "");
        assert_eq!(failed(&["Japanese"], 1.0, "東京はひろいトシです。"), "");
        assert_eq!(failed(&["Hang", "old italic"], 1.0, "안녕"), "");
        assert_eq!(failed(&["Latin"], 0.9, "42 !"), "has no letters");
        assert_eq!(
            failed(&["Latin"], 0.9, "abcของ"),
            "50 % of its letters are Latin, at least 90 % expected"
        );
        assert_eq!(failed(&["Latin"], 0.5, "abc абв"), "");
    }

    #[test]
    fn a_name_that_is_no_script_is_told() {
        assert_eq!(Scripts::new(&["Latin", "English"], 0.9), Err(1));
        assert_eq!(Scripts::new(&["Common"], 0.9), Err(0));
        assert_eq!(Scripts::new(&[""], 0.9), Err(0));
    }
}
