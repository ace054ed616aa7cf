//! What identifies each thing that is asked, for itself: an edit of one canary ends what is known of that one alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hash::{checks, hex, prompt, sorted};
use super::{Canary, DRAWN_TOKENS, FINGERPRINT_TOKENS, PROBE_TOKENS, SAMPLER, Suite, TEXT_TOKENS, chat};
use crate::sample::Prompt;

/// Hex digits of a hash that are kept: 64 bits, for some hundred names that nobody forges.
const DIGITS: usize = 16;

/// What is asked: by the name of each canary and probe, the beginning of a SHA-256 of all that makes it what it is.
///
/// What is compared and what is graded are parted. The first tokens of a canary can be held against a baseline as long
/// as its prompt is the same, whatever its checks are; and how often its checks were passed says something as long as
/// its prompt, its checks and the most tokens of its answer are the same, whatever else is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The prompts of all: how many tokens one has, and how fast it is answered, depends on nothing else.
    pub prompts: BTreeMap<String, String>,
    /// What first tokens are compared of: canaries of the fingerprint, long ones, probes, open prompts, the sampler.
    pub compared: BTreeMap<String, String>,
    /// What is held against checks.
    pub graded: BTreeMap<String, String>,
}

impl Asked {
    /// Whether it is not known what was asked.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }
}

impl Suite {
    /// What is asked, each thing by a hash of its own.
    pub fn asked(&self) -> Asked {
        let mut asked = Asked::default();
        for canary in &self.canaries {
            asked.prompts.insert(canary.id.clone(), hash(&prompt(&canary.prompt)));
            if canary.fingerprint || canary.long {
                asked.compared.insert(canary.id.clone(), hash(&compared(canary)));
            }
            if !canary.checks.is_empty() {
                asked.graded.insert(canary.id.clone(), hash(&graded(canary)));
            }
        }
        let raw = |text: &String| prompt(&Prompt::Raw(text.clone()));
        let probes = self.probes.iter().map(|(name, text)| (*name, raw(text), PROBE_TOKENS));
        let open = self.open.iter().map(|(name, text)| (*name, prompt(&chat(text)), TEXT_TOKENS));
        for (name, prompt, tokens) in probes.chain(open) {
            asked.prompts.insert(name.to_owned(), hash(&prompt));
            asked.compared.insert(name.to_owned(), hash(&json!([prompt, tokens])));
        }
        // Of the two, the server decides which is asked.
        let sampler = json!([self.sampler, PROBE_TOKENS, self.drawn, DRAWN_TOKENS]);
        asked.prompts.insert(SAMPLER.to_owned(), hash(&sampler));
        asked.compared.insert(SAMPLER.to_owned(), hash(&sampler));
        asked
    }
}

/// As many tokens as the server's way of telling them asks for; long ones are compared apart.
fn compared(canary: &Canary) -> Value {
    json!([prompt(&canary.prompt), [FINGERPRINT_TOKENS, TEXT_TOKENS], canary.long])
}

fn graded(canary: &Canary) -> Value {
    json!([prompt(&canary.prompt), checks(canary), canary.max_tokens])
}

fn hash(of: &Value) -> String {
    let mut hex = hex(&sorted(of));
    hex.truncate(DIGITS);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names whose hashes are others after a change: of prompts, of what is compared, of what is graded.
    fn changed(change: impl Fn(&mut Suite)) -> [Vec<String>; 3] {
        let (before, mut suite) = (Suite::builtin().asked(), Suite::builtin());
        change(&mut suite);
        let now = suite.asked();
        let names = |before: &BTreeMap<String, String>, now: &BTreeMap<String, String>| {
            let gone = before.iter().filter(|(name, hash)| now.get(*name) != Some(hash));
            let new = now.keys().filter(|name| !before.contains_key(*name));
            gone.map(|(name, _)| name.clone()).chain(new.cloned()).collect::<Vec<_>>()
        };
        [
            names(&before.prompts, &now.prompts),
            names(&before.compared, &now.compared),
            names(&before.graded, &now.graded),
        ]
    }

    fn edit(id: &str, change: impl Fn(&mut Canary)) -> [Vec<String>; 3] {
        changed(|suite| {
            let canary = suite.canaries.iter_mut().find(|canary| canary.id == id);
            change(canary.expect("it is built in"));
        })
    }

    #[test]
    fn an_edit_of_checks_is_one_of_what_is_graded_and_of_that_canary_alone() {
        assert_eq!(edit("js1", |js1| drop(js1.checks.pop())), [vec![], vec![], vec!["js1".to_owned()]]);
        assert_eq!(edit("js1", |js1| js1.max_tokens += 1), [vec![], vec![], vec!["js1".to_owned()]]);
        assert_eq!(edit("js1", |js1| js1.category = "own"), [vec![] as Vec<String>, vec![], vec![]]);
    }

    #[test]
    fn an_edit_of_a_prompt_is_one_of_what_is_compared_only_where_it_is() {
        let other = |canary: &mut Canary| canary.prompt = chat("x");
        let (js1, js2) = (vec!["js1".to_owned()], vec!["js2".to_owned()]);
        assert_eq!(edit("js1", other), [js1.clone(), js1.clone(), js1]);
        assert_eq!(edit("js2", other), [js2.clone(), vec![], js2], "its first tokens are not asked for");
        assert_eq!(edit("ar2", |ar2| ar2.fingerprint = false), [vec![], vec!["ar2".to_owned()], vec![]]);
        assert_eq!(edit("lc1", |lc1| lc1.long = false), [vec![], vec!["lc1".to_owned()], vec![]]);
    }

    #[test]
    fn probes_open_prompts_and_the_sampler_are_compared_and_order_is_nothing() {
        let only = |name: &str| [vec![name.to_owned()], vec![name.to_owned()], vec![]];
        assert_eq!(changed(|suite| suite.probes[0].1.push('x')), only("p0"));
        assert_eq!(changed(|suite| suite.open[2].1.push('x')), only("op3"));
        assert_eq!(changed(|suite| suite.drawn.push('x')), only(SAMPLER));
        assert_eq!(changed(|suite| suite.canaries.reverse()), [vec![] as Vec<String>, vec![], vec![]]);
        let asked = Suite::builtin().asked();
        assert_eq!((asked.graded.len(), asked.compared.len()), (30, 8 + 3 + 4 + 10 + 1));
    }
}
