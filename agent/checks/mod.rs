//! What a good answer must satisfy. Pure: the same answer has the same outcome, whatever bytes it holds.

use std::fmt;

mod degenerate;
mod json;
mod number;
mod pattern;
mod refusal;
mod scripts;
mod similar;
mod table;
mod text;
mod words;

pub use degenerate::{REPEATED, rep4};
pub use json::{Json, Schema};
pub use number::first_number;
pub use pattern::Pattern;
pub use scripts::Scripts;
pub use table::{Row, TABLE, row};
pub use text::Wanted;

/// What is looked at of an answer. Canaries ask for 1,024 tokens at most, of a few bytes each; what a server sends
/// beyond would only cost time.
pub const ANSWER_BYTES: usize = 32 << 10;

/// What is asked of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The text stands in it.
    Contains(Wanted),
    /// The text does not stand in it.
    NotContains(Wanted),
    /// At least one of the texts stands in it.
    ContainsAny(Vec<Wanted>),
    /// It is the text, but for white space before and after.
    Equals(Wanted),
    /// The pattern matches somewhere in it.
    Regex(Pattern),
    /// The pattern matches nowhere in it.
    NotRegex(Pattern),
    /// Its first number is this one.
    Numeric {
        /// The number.
        value: f64,
        /// How far it may be off.
        tolerance: f64,
        /// The decimal sign, where `1,234` and `1.234` are not to be told by their look.
        decimal: Option<char>,
    },
    /// Its first JSON value is such a one.
    Json(Json),
    /// It is like the text: the cosine of their character 3-grams, 0..1, is at least so much.
    Similar {
        /// The text.
        text: String,
        /// The least cosine.
        at_least: f64,
    },
    /// It has at most so many words, as white space parts them.
    MaxWords(usize),
    /// It has at most so many characters.
    MaxLength(usize),
    /// Its letters are of these scripts.
    Script(Scripts),
    /// It refuses.
    Refusal,
    /// It does not refuse.
    NotRefusal,
    /// It does not repeat itself.
    NotDegenerate {
        /// The fewest words.
        min_words: usize,
        /// [`rep4`] must be below it.
        below: f64,
    },
}

/// What came of one check: passed, or why not. The words quote nothing of an answer but a number found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The check's name, such as `contains`.
    pub check: &'static str,
    /// Why it failed. `None`: it passed.
    pub failed: Option<String>,
}

/// Holds an answer's text against each check, in their order. Of a long answer the first [`ANSWER_BYTES`] count.
pub fn all(checks: &[Check], text: &str) -> Vec<Outcome> {
    checks.iter().map(|check| Outcome { check: check.name(), failed: check.failed(text) }).collect()
}

impl Check {
    /// Why the text fails it. `None`: it passes.
    pub fn failed(&self, text: &str) -> Option<String> {
        let text = beginning(text);
        match self {
            Self::Contains(wanted) => (!wanted.is_in(text)).then(|| format!("does not contain {wanted}")),
            Self::NotContains(wanted) => wanted.is_in(text).then(|| format!("contains {wanted}")),
            Self::ContainsAny(all) => text::any(all, text),
            Self::Equals(wanted) => (!wanted.is(text)).then(|| format!("is not {wanted}")),
            Self::Regex(pattern) => (!pattern.matches(text)).then(|| format!("does not match {pattern}")),
            Self::NotRegex(pattern) => pattern.matches(text).then(|| format!("matches {pattern}")),
            Self::Numeric { value, tolerance, decimal } => number::failed(*value, *tolerance, *decimal, text),
            Self::Json(json) => json.failed(text),
            Self::Similar { text: wanted, at_least } => similar::failed(wanted, *at_least, text),
            Self::MaxWords(most) => more("word", text.split_whitespace().count(), *most),
            Self::MaxLength(most) => more("character", text.chars().count(), *most),
            Self::Script(scripts) => scripts.failed(text),
            Self::Refusal => (!refusal::is_refusal(text)).then(|| "does not refuse".to_owned()),
            Self::NotRefusal => refusal::is_refusal(text).then(|| "refuses".to_owned()),
            Self::NotDegenerate { min_words, below } => degenerate::failed(*min_words, *below, text),
        }
    }
}

fn beginning(text: &str) -> &str {
    if text.len() <= ANSWER_BYTES {
        return text;
    }
    // A character is at most four bytes, so one of the last four places is between two.
    let end = (ANSWER_BYTES - 3..=ANSWER_BYTES).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

fn more(what: &str, found: usize, most: usize) -> Option<String> {
    let s = if found == 1 { "" } else { "s" };
    (found > most).then(|| format!("has {found} {what}{s}, at most {most} expected"))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failed {
            None => write!(f, "{}: passed", self.check),
            Some(why) => write!(f, "{}: {why}", self.check),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn wanted(text: &str) -> Wanted {
        Wanted { text: text.into(), ignore_case: true }
    }

    /// Compiling patterns without optimization takes most of the time of these tests.
    static ONE_OF_EACH: LazyLock<Vec<Check>> = LazyLock::new(one_of_each);

    fn one_of_each() -> Vec<Check> {
        let schema =
            serde_json::json!({"type": "object", "properties": {"a": {"type": "array", "pattern": "x+"}}});
        let json = Json { schema: Some(Schema::new(schema).unwrap()), ..Json::default() };
        vec![
            Check::Contains(wanted("ß")),
            Check::NotContains(wanted("x")),
            Check::ContainsAny(vec![wanted("İ"), wanted("")]),
            Check::Equals(wanted("ok")),
            Check::Regex(Pattern::new(r"(\w+\s*){3,9}$", true).unwrap()),
            Check::NotRegex(Pattern::new(r"^\W*$", false).unwrap()),
            Check::Numeric { value: 1.0, tolerance: 0.5, decimal: None },
            Check::Numeric { value: 1.0, tolerance: 0.5, decimal: Some(',') },
            Check::Json(json),
            Check::Json(Json { whole: true, ..Json::default() }),
            Check::Similar { text: "the sea".into(), at_least: 0.8 },
            Check::MaxWords(2),
            Check::MaxLength(2),
            Check::Script(Scripts::new(&["Latin"], 0.9).unwrap()),
            Check::Refusal,
            Check::NotRefusal,
            Check::NotDegenerate { min_words: 8, below: REPEATED },
        ]
    }

    #[test]
    fn each_kind_of_check_is_in_the_table_and_in_these_tests() {
        let mut names: Vec<&str> = ONE_OF_EACH.iter().map(Check::name).collect();
        names.dedup();
        let told: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names, told);
    }

    #[test]
    fn a_long_answer_takes_no_longer_than_its_beginning() {
        let most = Check::MaxLength(10);
        let endless = "é".repeat(10 << 20);
        let said = most.failed(&endless).unwrap();
        assert_eq!(said, format!("has {} characters, at most 10 expected", ANSWER_BYTES / 2));
        let hard =
            ["[".repeat(1 << 20), "[\"".repeat(1 << 20), "{\"a\":".repeat(1 << 20), "1,".repeat(1 << 20)];
        for text in hard.iter().chain([&"a ".repeat(1 << 20), &"-".repeat(1 << 20)]) {
            assert_eq!(all(&ONE_OF_EACH, text).len(), ONE_OF_EACH.len());
        }
    }

    #[test]
    fn why_a_check_failed_quotes_no_answer() {
        let secret = "Zebra77zz quokka";
        for check in ONE_OF_EACH.iter() {
            let said = check.failed(secret).unwrap_or_default();
            assert!(!said.contains("Zebra") && !said.contains("quokka"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_outcome(text in any::<String>()) {
            prop_assert_eq!(all(&ONE_OF_EACH, &text), all(&ONE_OF_EACH, &text));
        }

        #[test]
        fn text_near_to_json_and_numbers_has_an_outcome(text in "[\\[\\]{}\":,.0-9e'\u{a0}−\\- a\\\\\n]{0,80}") {
            prop_assert_eq!(all(&ONE_OF_EACH, &text).len(), ONE_OF_EACH.len());
        }
    }
}
