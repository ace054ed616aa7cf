//! Texts that should stand in an answer, or be it.

use std::fmt;

use super::words::shown;

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The text.
    pub text: String,
    /// Whether `a` and `A` are the same.
    pub ignore_case: bool,
}

impl Wanted {
    /// The text as it is written.
    pub fn exactly(text: &str) -> Wanted {
        Wanted { text: text.to_owned(), ignore_case: false }
    }

    /// The text in any case.
    pub fn in_any_case(text: &str) -> Wanted {
        Wanted { text: text.to_owned(), ignore_case: true }
    }

    /// Whether it stands in the answer.
    pub fn is_in(&self, answer: &str) -> bool {
        if self.ignore_case {
            answer.to_lowercase().contains(&self.text.to_lowercase())
        } else {
            answer.contains(&self.text)
        }
    }

    /// Whether it is the answer, but for white space around it.
    pub fn is(&self, answer: &str) -> bool {
        let (answer, text) = (answer.trim(), self.text.trim());
        answer == text || self.ignore_case && answer.to_lowercase() == text.to_lowercase()
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = if self.ignore_case { " in any case" } else { "" };
        write!(f, "{}{case}", shown(&self.text))
    }
}

pub(super) fn any(all: &[Wanted], answer: &str) -> Option<String> {
    let found = all.iter().any(|wanted| wanted.is_in(answer));
    (!found).then(|| format!("contains none of {}", list(all)))
}

/// The texts in a row.
pub(super) fn list(all: &[Wanted]) -> String {
    /// Texts told: a fault is a line.
    const MOST: usize = 5;
    let told: Vec<String> = all.iter().take(MOST).map(|wanted| shown(&wanted.text)).collect();
    let more = if all.len() > MOST { ", …" } else { "" };
    let case = if all.iter().any(|wanted| wanted.ignore_case) { " in any case" } else { "" };
    format!("{}{more}{case}", told.join(", "))
}
