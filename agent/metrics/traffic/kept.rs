//! What was counted of requests, read back to be kept over restarts.

use super::Traffic;
use crate::metrics::family::Gathered;

/// One counter as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The target.
    pub target: String,
    /// The model's label.
    pub model: String,
    /// The source's label.
    pub source: String,
    /// What is counted: `requests`, `input_tokens` and so on.
    pub what: &'static str,
    /// How much, since the series began.
    pub value: f64,
}

impl Traffic {
    /// Requests and tokens by target, model and source. Requests have a line a dialect.
    pub fn standing(&self) -> Vec<Standing> {
        let all: [(&'static str, Gathered); 5] = [
            ("requests", self.requests_total.gather()),
            ("input_tokens", self.input_tokens_total.gather()),
            ("cached_tokens", self.cached_input_tokens_total.gather()),
            ("output_tokens", self.output_tokens_total.gather()),
            ("reasoning_tokens", self.reasoning_tokens_total.gather()),
        ];
        let read = |(what, gathered): &(&'static str, Gathered)| {
            let standing = |(labels, value): (Vec<&str>, f64)| match labels.as_slice() {
                [target, model, source, ..] => Some(Standing {
                    target: (*target).into(),
                    model: (*model).into(),
                    source: (*source).into(),
                    what,
                    value,
                }),
                _ => None,
            };
            gathered.values().filter_map(standing).collect::<Vec<_>>()
        };
        all.iter().flat_map(read).collect()
    }
}
