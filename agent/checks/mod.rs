//! What a good answer must satisfy. Pure.

/// What is asked of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The text stands in it, as written.
    Contains(String),
}

/// What came of one check: passed, or why not. The words quote nothing of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The check's name, such as `contains`.
    pub check: &'static str,
    /// Why it failed. `None`: it passed.
    pub failed: Option<String>,
}

/// Holds an answer's text against each check, in their order.
pub fn all(checks: &[Check], text: &str) -> Vec<Outcome> {
    let one = |check: &Check| match check {
        Check::Contains(wanted) => Outcome {
            check: "contains",
            failed: (!text.contains(wanted.as_str())).then(|| format!("does not contain {wanted:?}")),
        },
    };
    checks.iter().map(one).collect()
}
