//! What each `[[canary]]` means.

use super::check::Check;
use super::error::quoted;
use super::names::Names;
use super::nearest::nearest;
use super::own_checks;
use super::raw_canary::{RawCanary, RawMessage};
use super::read::At;
use super::slos::{is_target, models, once, values};
use crate::sample::{Message, Prompt, Role};
use crate::servers::Target;
use crate::suite::{CATEGORIES, Canary, OPEN, OWN, Own, PROBES, SAMPLER, Suite};

/// Canaries of one's own: each is asked of every model, at its turn.
const MOST_CANARIES: usize = 200;

/// The longest prompt, all messages together: some 16,000 tokens.
const PROMPT_BYTES: usize = 64 << 10;

/// The longest conversation.
const MOST_MESSAGES: usize = 50;

/// From so many characters on a prompt is long: its numbers are not the same each time, and reading it takes time.
const LONG_CHARS: usize = 600;

/// The tokens of an answer where nobody says.
const TOKENS: u32 = 32;

/// The most tokens of an answer.
const MOST_TOKENS: u64 = 1024;

const ROLES: [(&str, Role); 3] =
    [("system", Role::System), ("user", Role::User), ("assistant", Role::Assistant)];

/// The canaries, in the file's order.
pub(super) fn all(raw: Vec<RawCanary>, targets: &[Target], check: &mut Check<'_>) -> Vec<Own> {
    if raw.is_empty() {
        return Vec::new();
    }
    if let Some(one) = raw.get(MOST_CANARIES) {
        let problem = format!("expected at most {MOST_CANARIES} canaries, found {}", raw.len());
        check.faults.add(one.line, one.path.clone(), problem);
    }
    let builtin = Suite::builtin();
    let mut names = Names::default();
    raw.into_iter().map(|raw| one(&raw, targets, &builtin, &mut names, check)).collect()
}

fn one(
    raw: &RawCanary,
    targets: &[Target],
    builtin: &Suite,
    names: &mut Names,
    check: &mut Check<'_>,
) -> Own {
    let name = names.take(raw.name.as_ref(), (&raw.path, raw.line, raw.faulty.contains(&"name")), check);
    if let Some(at) = &raw.name {
        let word = at.value.as_str();
        let is_open = OPEN.iter().any(|(name, _)| *name == word);
        let is_probe = PROBES.contains(&word) || word == SAMPLER;
        let taken = builtin.canary(word).is_some() || is_probe || is_open;
        if taken || CATEGORIES.contains(&word) {
            let problem = format!("{} is a name of the built-in suite, expected another", quoted(word));
            check.fault(at, problem);
        }
    }
    let messages = messages(raw, check);
    let chars: usize = messages.iter().map(|message| message.text.chars().count()).sum();
    let checks = own_checks::all(raw.checks.as_ref(), check);
    let fingerprint = raw.fingerprint.as_ref().is_some_and(|at| at.value);
    if raw.checks.is_none() && !fingerprint {
        let problem = "has no checks: say what a good answer is, such as checks = [{ contains = \"Paris\" }], or \
                       fingerprint = true to compare its first tokens alone";
        check.faults.add(raw.line, raw.path.clone(), problem);
    }
    once(&raw.targets, check);
    // Without targets in the file they are found, by names that nobody knows yet.
    for at in raw.targets.iter().filter(|_| !targets.is_empty()) {
        is_target(at, targets, check);
    }
    let canary = Canary {
        id: name.unwrap_or_default(),
        category: raw.category.as_ref().map_or(OWN, |at| category(at, check)),
        prompt: Prompt::Chat(messages),
        checks,
        max_tokens: raw.max_tokens.as_ref().map_or(TOKENS, |at| tokens(at, check)),
        fingerprint,
        long: raw.long.as_ref().map_or(chars >= LONG_CHARS, |at| at.value),
    };
    Own {
        canary,
        decided: raw.fingerprint.is_some(),
        targets: values(&raw.targets),
        models: models(&raw.models, check),
    }
}

fn messages(raw: &RawCanary, check: &mut Check<'_>) -> Vec<Message> {
    let messages: Vec<Message> = match (&raw.prompt, raw.messages.first()) {
        (Some(at), first) => {
            if first.is_some() {
                check.fault(at, "messages are given too: leave one out");
            }
            let system = raw.system.iter().map(|at| Message { role: Role::System, text: at.value.clone() });
            let prompt = Message { role: Role::User, text: at.value.clone() };
            if at.value.trim().is_empty() {
                check.fault(at, "empty, expected what is asked");
            }
            system.chain([prompt]).collect()
        }
        (None, Some(_)) => {
            if let Some(at) = &raw.system {
                check.fault(at, "has no prompt beside it: put it into messages, with role = \"system\"");
            }
            conversation(&raw.messages, check)
        }
        (None, None) => {
            if !raw.faulty.iter().any(|key| matches!(*key, "prompt" | "messages")) {
                let problem = "has neither prompt nor messages: what is asked?";
                check.faults.add(raw.line, raw.path.clone(), problem);
            }
            Vec::new()
        }
    };
    let bytes: usize = messages.iter().map(|message| message.text.len()).sum();
    if bytes > PROMPT_BYTES {
        let problem = format!("its prompt is {bytes} bytes, expected at most {PROMPT_BYTES}");
        check.faults.add(raw.line, raw.path.clone(), problem);
    }
    messages
}

fn conversation(raw: &[RawMessage], check: &mut Check<'_>) -> Vec<Message> {
    if let Some(one) = raw.get(MOST_MESSAGES) {
        let problem = format!("expected at most {MOST_MESSAGES} messages, found {}", raw.len());
        check.faults.add(one.line, one.path.clone(), problem);
    }
    let mut messages = Vec::new();
    for raw in raw {
        for (key, at) in [("role", &raw.role), ("content", &raw.content)] {
            if at.is_none() && !raw.faulty.contains(&key) {
                check.faults.add(raw.line, format!("{}.{key}", raw.path), "missing");
            }
        }
        let (Some(role), Some(content)) = (&raw.role, &raw.content) else { continue };
        if let Some((_, is)) = ROLES.iter().find(|(name, _)| *name == role.value) {
            messages.push(Message { role: *is, text: content.value.clone() });
        } else {
            let problem = format!("{} is no role, expected system, user or assistant", quoted(&role.value));
            check.fault(role, problem);
        }
    }
    if let (Some(last), Some(raw)) = (messages.last(), raw.last())
        && last.role != Role::User
    {
        check.faults.add(raw.line, raw.path.clone(), "the last message must be the user's: it is answered");
    }
    messages
}

fn category(at: &At<String>, check: &mut Check<'_>) -> &'static str {
    let mut known = CATEGORIES.into_iter().chain([OWN]);
    if let Some(name) = known.clone().find(|name| *name == at.value) {
        return name;
    }
    let then = match nearest(&at.value, known.clone()) {
        Some(name) => format!(", did you mean {name}?"),
        None => format!(", expected one of {}", known.by_ref().collect::<Vec<_>>().join(", ")),
    };
    check.fault(at, format!("no category is named {}{then}", quoted(&at.value)));
    OWN
}

fn tokens(at: &At<u64>, check: &mut Check<'_>) -> u32 {
    if !(1..=MOST_TOKENS).contains(&at.value) {
        check.fault(at, format!("expected 1 to {MOST_TOKENS} tokens, found {}", at.value));
    }
    at.value.clamp(1, MOST_TOKENS) as u32
}
