//! What a check of a canary is told, in short or in long.

use super::{Checking, Is, Node, nearest};

/// Texts of one check.
const MOST_TEXTS: usize = 200;

/// What a check is told: a table of all, or the one thing that matters.
pub(super) struct Args<'a> {
    node: &'a Node,
    main: &'static str,
}

impl<'a> Args<'a> {
    /// `main`: what a value that is no table is. Empty: there is no such thing.
    pub(super) fn of(
        node: &'a Node,
        main: &'static str,
        known: &[&'static str],
        to: &mut Checking<'_>,
    ) -> Args<'a> {
        match &node.is {
            Is::Table(entries) => {
                for (key, node) in entries.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
                    let meant = nearest(key, known.iter().copied());
                    let meant = meant.map_or(", ".into(), |word| format!(", did you mean {word}? "));
                    let problem = format!("unknown key{meant}known here: {}", known.join(", "));
                    to.fault(&node.at(()), problem);
                }
            }
            _ if main.is_empty() => {
                let problem =
                    format!("expected true or a table of {}, found {}", known.join(", "), node.found());
                to.fault(&node.at(()), problem);
            }
            _ => {}
        }
        Args { node, main }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        match &self.node.is {
            Is::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => (key == self.main).then_some(self.node),
        }
    }

    pub(super) fn required(&self, key: &str, expected: &str, to: &mut Checking<'_>) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            to.fault(&self.node.at(()), format!("has no {key}, expected {expected}"));
        }
        node
    }

    pub(super) fn fault(&self, key: &str, problem: String, to: &mut Checking<'_>) {
        to.fault(&self.get(key).unwrap_or(self.node).at(()), problem);
    }

    pub(super) fn text(&self, key: &str, to: &mut Checking<'_>) -> Option<String> {
        let node = self.required(key, "a string", to)?;
        match &node.is {
            Is::Text(text) if text.is_empty() => to.fault(&node.at(()), "empty, expected a text"),
            Is::Text(text) => return Some(text.clone()),
            _ => to.fault(&node.at(()), format!("expected a string, found {}", node.found())),
        }
        None
    }

    pub(super) fn texts(&self, key: &str, to: &mut Checking<'_>) -> Option<Vec<String>> {
        let node = self.required(key, "a string or an array of strings", to)?;
        let items = match &node.is {
            Is::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() || items.len() > MOST_TEXTS {
            to.fault(&node.at(()), format!("expected 1 to {MOST_TEXTS} strings, found {}", items.len()));
        }
        let mut texts = Vec::new();
        for item in items {
            match &item.is {
                Is::Text(text) if text.is_empty() => to.fault(&item.at(()), "empty, expected a text"),
                Is::Text(text) => texts.push(text.clone()),
                _ => to.fault(&item.at(()), format!("expected a string, found {}", item.found())),
            }
        }
        Some(texts)
    }

    pub(super) fn bool(&self, key: &str, to: &mut Checking<'_>) -> bool {
        let Some(node) = self.get(key) else { return false };
        if let Is::Bool(value) = node.is {
            return value;
        }
        to.fault(&node.at(()), format!("expected true or false, found {}", node.found()));
        false
    }

    pub(super) fn number(&self, key: &str, to: &mut Checking<'_>) -> Option<f64> {
        self.get(key).and_then(|node| number(node, to))
    }

    pub(super) fn share(&self, key: &str, to: &mut Checking<'_>) -> Option<f64> {
        let share = self.number(key, to)?;
        if !(share > 0.0 && share <= 1.0) {
            self.fault(key, format!("expected more than 0 and at most 1, found {share}"), to);
        }
        Some(share)
    }
}

/// A number.
pub(super) fn number(node: &Node, to: &mut Checking<'_>) -> Option<f64> {
    if let Is::Number(number) = node.is {
        return Some(number);
    }
    to.fault(&node.at(()), format!("expected a number, found {}", node.found()));
    None
}
