//! Patterns: regular expressions whose time grows with the length of the answer and not faster.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::words::shown;

/// The longest pattern. One that is longer is a program.
const PATTERN_BYTES: usize = 2000;

/// The largest pattern when compiled: `\w{1,50}` takes a third of it.
const COMPILED_BYTES: usize = 1 << 20;

/// A regular expression, compiled once.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    ignore_case: bool,
    regex: Regex,
}

impl Pattern {
    /// Compiles it, in the syntax of the `regex` crate: no look-around, no back-references.
    ///
    /// # Errors
    /// What is wrong with it, and what would do.
    pub fn new(text: &str, ignore_case: bool) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("an empty pattern matches everything, expected one such as (?i)^yes".to_owned());
        }
        if text.len() > PATTERN_BYTES {
            return Err(format!("is longer than {PATTERN_BYTES} bytes, expected a shorter pattern"));
        }
        let built = RegexBuilder::new(text)
            .case_insensitive(ignore_case)
            .size_limit(COMPILED_BYTES)
            .dfa_size_limit(COMPILED_BYTES)
            .build();
        let regex = built.map_err(|error| problem(&error))?;
        Ok(Pattern { text: text.to_owned(), ignore_case, regex })
    }

    /// Whether it matches somewhere in the answer.
    pub fn matches(&self, answer: &str) -> bool {
        self.regex.is_match(answer)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `a` and `A` are the same, apart from what the pattern itself says.
    pub fn ignores_case(&self) -> bool {
        self.ignore_case
    }
}

/// The library draws the pattern over several lines; the last of them says what is wrong.
fn problem(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            "is too large when compiled, expected fewer or smaller repetitions".to_owned()
        }
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            let said = last.strip_prefix("error: ").unwrap_or(last);
            format!("is no regular expression: {said}")
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        (&self.text, self.ignore_case) == (&other.text, other.ignore_case)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = if self.ignore_case { " in any case" } else { "" };
        write!(f, "{}{case}", shown(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_is_told_in_a_line() {
        let problem = |text: &str| Pattern::new(text, false).unwrap_err();
        assert_eq!(problem("(a"), "is no regular expression: unclosed group");
        assert!(
            problem("a(?=b)").starts_with("is no regular expression: look-around"),
            "{}",
            problem("a(?=b)")
        );
        assert_eq!(
            problem(r"(\w{1000}){1000}"),
            "is too large when compiled, expected fewer or smaller repetitions"
        );
        assert!(problem("").starts_with("an empty pattern"));
        assert!(problem(&"a".repeat(3000)).contains("2000 bytes"));
    }

    #[test]
    fn case_is_ignored_where_it_is_said() {
        assert!(Pattern::new("^yes", true).unwrap().matches("YES, it is"));
        assert!(!Pattern::new("^yes", false).unwrap().matches("YES, it is"));
        assert_ne!(Pattern::new("yes", true), Pattern::new("yes", false));
    }
}
