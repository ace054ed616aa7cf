//! What identifies a suite as a whole. What can be compared is decided by each thing that is asked, for itself:
//! [`super::Asked`].

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Canary, DRAWN_TOKENS, Suite, TEXT_TOKENS};
use crate::sample::{Prompt, Role};

/// Raised when canonical JSON itself changes, so that old hashes are no longer met.
const FORM: u32 = 1;

impl Suite {
    /// SHA-256, in hex, of the canonical JSON of all that is asked and how it is judged. The order in which canaries
    /// stand does not matter. A run of a part of a suite carries the hash of the whole: its questions are the same.
    pub fn hash(&self) -> String {
        let mut canaries: Vec<&Canary> = self.canaries.iter().collect();
        canaries.sort_by(|a, b| a.id.cmp(&b.id));
        let canaries: Vec<Value> = canaries.into_iter().map(of_canary).collect();
        // A text of other length is another text: its tokens are part of what is asked.
        let texts = json!([self.open, TEXT_TOKENS, self.drawn, DRAWN_TOKENS]);
        hex(&sorted(&json!([FORM, canaries, self.probes, self.sampler, texts])))
    }
}

/// What makes a prompt what it is.
pub(super) fn prompt(of: &Prompt) -> Value {
    match of {
        Prompt::Raw(text) => json!(text),
        Prompt::Chat(messages) => {
            messages.iter().map(|message| json!([role(message.role), message.text])).collect()
        }
    }
}

/// What makes a canary's checks what they are.
pub(super) fn checks(canary: &Canary) -> Value {
    canary.checks.iter().map(crate::checks::Check::identity).collect()
}

/// SHA-256 of JSON, in hex.
pub(super) fn hex(of: &Value) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, of.to_string().as_bytes());
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

fn of_canary(canary: &Canary) -> Value {
    let Canary { id, category, max_tokens, fingerprint, long, .. } = canary;
    json!([id, category, prompt(&canary.prompt), checks(canary), max_tokens, fingerprint, long])
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// With the keys of all objects in order, whatever order a map keeps.
pub(super) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(sorted).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_the_built_in_suite_is_the_same_in_every_version() {
        // Another one here means that every baseline out there begins anew: only for a reason.
        assert_eq!(
            Suite::builtin().hash(),
            "f40951be513f24e10e8918d1dd8d3c101ee4ec7d2c915ddb5a761a51f9e32365"
        );
    }

    #[test]
    fn all_that_is_asked_or_judged_changes_the_hash_and_order_does_not() {
        let hash = Suite::builtin().hash();
        let changed = |change: &dyn Fn(&mut Suite)| {
            let mut suite = Suite::builtin();
            change(&mut suite);
            suite.hash()
        };
        assert_eq!(changed(&|suite| suite.canaries.reverse()), hash);
        let changes: [&dyn Fn(&mut Suite); 10] = [
            &|suite| drop(suite.open.pop()),
            &|suite| suite.drawn.push('x'),
            &|suite| drop(suite.canaries.pop()),
            &|suite| suite.canaries[0].id.push('x'),
            &|suite| suite.canaries[0].max_tokens += 1,
            &|suite| suite.canaries[0].prompt = Prompt::Raw("x".into()),
            &|suite| suite.canaries[0].checks.clear(),
            &|suite| suite.canaries[0].fingerprint ^= true,
            &|suite| suite.probes[0].1.push('x'),
            &|suite| suite.sampler.push('x'),
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            assert_ne!(changed(change), hash, "{nth}");
        }
    }
}
