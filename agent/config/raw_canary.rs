//! What is typed of one's own canaries: `[[canary]]`. Pure.

use super::read::{At, Node, Section};

/// `[[canary]]`.
pub(super) struct RawCanary {
    pub(super) path: String,
    pub(super) line: usize,
    /// Keys that stand there but not as they should: their fault is told, they are not missing.
    pub(super) faulty: Vec<&'static str>,
    pub(super) name: Option<At<String>>,
    pub(super) category: Option<At<String>>,
    pub(super) prompt: Option<At<String>>,
    pub(super) system: Option<At<String>>,
    pub(super) messages: Vec<RawMessage>,
    pub(super) checks: Option<Node>,
    pub(super) max_tokens: Option<At<u64>>,
    pub(super) fingerprint: Option<At<bool>>,
    pub(super) long: Option<At<bool>>,
    pub(super) targets: Vec<At<String>>,
    pub(super) models: Vec<At<String>>,
}

/// One of `messages`.
pub(super) struct RawMessage {
    pub(super) path: String,
    pub(super) line: usize,
    /// Keys that stand there but not as they should.
    pub(super) faulty: Vec<&'static str>,
    pub(super) role: Option<At<String>>,
    pub(super) content: Option<At<String>>,
}

impl RawCanary {
    pub(super) fn read(section: &mut Section<'_>) -> RawCanary {
        let (name, prompt) = (section.string("name"), section.string("prompt"));
        let messages = section.tables("messages", RawMessage::read);
        let read =
            [("name", name.is_some()), ("prompt", prompt.is_some()), ("messages", !messages.is_empty())];
        RawCanary {
            path: section.path.clone(),
            line: section.line,
            faulty: section.faulty(&read),
            name,
            category: section.string("category"),
            prompt,
            system: section.string("system"),
            messages,
            checks: section.node("checks"),
            max_tokens: section.number("max_tokens"),
            fingerprint: section.boolean("fingerprint"),
            long: section.boolean("long"),
            targets: section.strings("targets").unwrap_or_default(),
            models: section.strings("models").unwrap_or_default(),
        }
    }
}

impl RawMessage {
    fn read(section: &mut Section<'_>) -> RawMessage {
        let (role, content) = (section.string("role"), section.string("content"));
        let read = [("role", role.is_some()), ("content", content.is_some())];
        RawMessage {
            path: section.path.clone(),
            line: section.line,
            faulty: section.faulty(&read),
            role,
            content,
        }
    }
}
