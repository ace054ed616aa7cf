//! What of a baseline can be held against what is asked now: each thing as long as it is asked as it was.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Baseline, Probe};
use crate::suite::Asked;

/// How much of what is compared now a baseline knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of it.
    Whole,
    /// At least half of its short canaries, of which a run's mean distance can be told.
    Part,
    /// Less: nobody can tell by it whether the answers are as they were.
    Nothing,
}

impl Baseline {
    /// An earlier version kept no more than the hash of all canaries: where that is this one, they are these.
    pub(super) fn was_asked(&mut self, suite: &str, asked: &Asked) {
        if self.asked.is_empty() && self.suite == suite {
            self.asked = asked.clone();
        }
    }

    /// It without what is asked otherwise now, or no more. Where fewer than half of its short canaries are left, their
    /// mean is none that its tolerance is of, and none of them is. It stays as it is where nothing was asked since.
    pub(super) fn held(&self, now: &Asked) -> Cow<'_, Baseline> {
        if now.is_empty() || self.is_asked_wholly(now) {
            return Cow::Borrowed(self);
        }
        let mut held = self.clone();
        held.canaries.retain(|name, _| self.compares(name, now));
        held.prompt_tokens.retain(|name, _| self.asks(name, now));
        held.checks.retain(|name, _| self.grades(name, now));
        if held.chat_canaries() * 2 < self.chat_canaries() {
            held.canaries.retain(|_, known| known.probe != Probe::Chat);
        }
        Cow::Owned(held)
    }

    /// How much of what is compared now it knows.
    pub(super) fn fit(&self, now: &Asked) -> Fit {
        if now.is_empty() {
            return Fit::Whole;
        }
        let chat = self.canaries.iter().filter(|(_, known)| known.probe == Probe::Chat);
        let left = chat.filter(|(name, _)| self.compares(name, now)).count();
        let all = self.chat_canaries();
        // Of a model whose template prints the date there are only prompts without one.
        let has_none = if all == 0 { !self.has_any(now) } else { left * 2 < all };
        if has_none {
            Fit::Nothing
        } else if self.lacks(now).next().is_some() {
            Fit::Part
        } else {
            Fit::Whole
        }
    }

    fn has_any(&self, now: &Asked) -> bool {
        self.canaries.keys().any(|name| self.compares(name, now))
    }

    /// What is compared now and was not asked, or asked otherwise, when it was made.
    pub(super) fn lacks<'a>(&'a self, now: &'a Asked) -> impl Iterator<Item = &'a str> {
        now.compared.keys().map(String::as_str).filter(|name| !self.compares(name, now))
    }

    /// Whether the first tokens of that name are asked for as they were.
    pub(super) fn compares(&self, name: &str, now: &Asked) -> bool {
        is_same(&self.asked.compared, &now.compared, name)
    }

    /// Whether that prompt is the one that it was.
    pub(super) fn asks(&self, name: &str, now: &Asked) -> bool {
        is_same(&self.asked.prompts, &now.prompts, name)
    }

    /// Whether that canary is graded as it was.
    pub(super) fn grades(&self, name: &str, now: &Asked) -> bool {
        is_same(&self.asked.graded, &now.graded, name)
    }

    fn is_asked_wholly(&self, now: &Asked) -> bool {
        self.canaries.keys().all(|name| self.compares(name, now))
            && self.prompt_tokens.keys().all(|name| self.asks(name, now))
            && self.checks.keys().all(|name| self.grades(name, now))
    }
}

fn is_same(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>, name: &str) -> bool {
    before.get(name).is_some_and(|hash| now.get(name) == Some(hash))
}
