//! The checks there are, for those who write them: what each is, how it is written, and an answer either way.

/// One kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its name, as the config writes it.
    pub name: &'static str,
    /// What it asks of an answer, in a sentence.
    pub is: &'static str,
    /// What else is to know.
    pub how: &'static str,
    /// What stands in `checks = [...]`, each in short and in long where there are two.
    pub config: &'static [&'static str],
    /// An answer that passes each of them.
    pub passes: &'static str,
    /// An answer that fails each of them.
    pub fails: &'static str,
}

/// The row of that name.
pub fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Every kind of check.
pub static TABLE: [Row; 15] = [
    Row {
        name: "contains",
        is: "The text stands in the answer.",
        how: "As it is written; with ignore_case in any case.",
        config: &[r#"{ contains = "Paris" }"#, r#"{ contains = { text = "paris", ignore_case = true } }"#],
        passes: "It is Paris.",
        fails: "It is Lyon.",
    },
    Row {
        name: "not_contains",
        is: "The text does not stand in the answer.",
        how: "As it is written; with ignore_case in any case.",
        config: &[
            r#"{ not_contains = "```" }"#,
            r#"{ not_contains = { text = "AS AN AI", ignore_case = true } }"#,
        ],
        passes: "42",
        fails: "As an AI:\n```\n42\n```",
    },
    Row {
        name: "contains_any",
        is: "At least one of the texts stands in the answer.",
        how: "As they are written; with ignore_case in any case.",
        config: &[
            r#"{ contains_any = ["car", "vehicle"] }"#,
            r#"{ contains_any = { texts = ["Car", "Vehicle"], ignore_case = true } }"#,
        ],
        passes: "A red car.",
        fails: "A red bird.",
    },
    Row {
        name: "equals",
        is: "The answer is the text.",
        how: "White space before and after does not count; with ignore_case the case neither.",
        config: &[r#"{ equals = "ready" }"#, r#"{ equals = { text = "READY", ignore_case = true } }"#],
        passes: " ready\n",
        fails: "ready now",
    },
    Row {
        name: "regex",
        is: "The pattern matches somewhere in the answer.",
        how: "The syntax is that of Rust's regex crate, near to Perl's: (?i) ignores case, ^ and $ are the ends of the \
              answer, (?m) makes them those of a line. No look-around and no back-references: the time stays in \
              proportion to the answer. In TOML write patterns in single quotes.",
        config: &["{ regex = '(?i)^yes\\b' }", "{ regex = { pattern = '^yes\\b', ignore_case = true } }"],
        passes: "Yes, it is.",
        fails: "No: yes would be wrong.",
    },
    Row {
        name: "not_regex",
        is: "The pattern matches nowhere in the answer.",
        how: "Patterns are those of regex.",
        config: &["{ not_regex = '\\d' }", "{ not_regex = { pattern = '\\d' } }"],
        passes: "none",
        fails: "7 of them",
    },
    Row {
        name: "numeric",
        is: "The first number of the answer is this one, give or take the tolerance.",
        how: "1,932 and 1.234.567,89 and 12'000 are read as people write them. Of 1,234 the comma is one of thousands \
              and of 1.234 the full stop is decimal, as in English: decimal = \",\" turns that round.",
        config: &["{ numeric = 3.14 }", "{ numeric = { value = 3.1, tolerance = 0.05, decimal = \".\" } }"],
        passes: "About 3.14.",
        fails: "About 3 or 3.14.",
    },
    Row {
        name: "json",
        is: "The answer has valid JSON, with these keys and values, that fits a schema.",
        how: "The first JSON value counts; prose and code fences around it do not matter, unless whole = true. keys \
              must be there, values must be equal, schema is a JSON Schema: a table, or a file's path, relative to the \
              config. It is read once and nothing is fetched: what it refers to stands in it.",
        config: &[
            r#""json""#,
            r#"{ json = { keys = ["name"], values = { age = 37 } } }"#,
            r#"{ json = { schema = { type = "object", required = ["age"] }, whole = true } }"#,
        ],
        passes: r#"{"name": "Ada", "age": 37}"#,
        fails: r#"{"name": "Ada", "age": 37"#,
    },
    Row {
        name: "similar",
        is: "The answer is like the text, by the cosine of their character 3-grams (1: the same, 0: nothing alike).",
        how: "At least 0.8 unless at_least says otherwise. No model is asked: other words for the same thing are not \
              alike. Case and the amount of white space do not count.",
        config: &[
            r#"{ similar = "Paris is the capital of France." }"#,
            r#"{ similar = { text = "Paris is the capital of France.", at_least = 0.7 } }"#,
        ],
        passes: "Paris is the capital of France!",
        fails: "I do not know that.",
    },
    Row {
        name: "max_words",
        is: "The answer has at most so many words.",
        how: "Words are what white space parts.",
        config: &["{ max_words = 3 }"],
        passes: "only three words",
        fails: "these are four words",
    },
    Row {
        name: "max_length",
        is: "The answer has at most so many characters.",
        how: "Characters are those of Unicode, white space among them.",
        config: &["{ max_length = 5 }"],
        passes: "Größe",
        fails: "larger",
    },
    Row {
        name: "script",
        is: "The answer's letters are of this script, or of these.",
        how: "By Unicode's names (Latin, Cyrillic, Han), or Japanese and Korean for all that they are written in. At \
              least 0.95 of the letters, unless at_least says otherwise; digits and signs do not count.",
        config: &[
            r#"{ script = "Latin" }"#,
            r#"{ script = { names = ["Latin", "Greek"], at_least = 0.9 } }"#,
        ],
        passes: "Guten Morgen!",
        fails: "Доброе утро!",
    },
    Row {
        name: "refusal",
        is: "The answer refuses.",
        how: "Known by the words that models refuse with, at its beginning, in English, German, French, Spanish, \
              Italian, Portuguese, Russian, Chinese, Japanese and Korean.",
        config: &[r#""refusal""#, "{ refusal = true }"],
        passes: "I'm sorry, but I can't assist with that.",
        fails: "Sure, here it is.",
    },
    Row {
        name: "not_refusal",
        is: "The answer does not refuse.",
        how: "By the same words as refusal: to refuse what is harmless is a loss too.",
        config: &[r#""not_refusal""#, "{ not_refusal = true }"],
        passes: "Use kill with its process id.",
        fails: "I’m sorry, I can’t help with killing.",
    },
    Row {
        name: "not_degenerate",
        is: "The answer does not repeat itself.",
        how: "Less than 0.3 (below) of its 4-grams of words stood there before, no character comes 40 times in a row, \
              and it has at least min_words words (0 unless said). Healthy answers are at 0 to 0.05.",
        config: &[r#""not_degenerate""#, "{ not_degenerate = { min_words = 4, below = 0.2 } }"],
        passes: "The sea is wide and blue.",
        fails: "the sea the sea the sea the sea the sea the sea",
    },
];
