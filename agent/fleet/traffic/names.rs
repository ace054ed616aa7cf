//! Which of a target's models a request meant: a client can send any name, and only the inventory's become
//! labels. Pure.

/// What stands for every name that the inventory does not have.
pub(in crate::fleet) const OTHER: &str = "other";

/// The tag that Ollama takes where a name has none.
const LATEST: &str = ":latest";

/// What Ollama takes for granted before a name.
const OLLAMA_HOMES: [&str; 2] = ["registry.ollama.ai/", "library/"];

/// The names that a target answers to.
#[derive(Debug, Clone, Copy)]
pub(in crate::fleet) struct Inventory<'m> {
    /// Its kind, by name.
    pub(in crate::fleet) kind: &'m str,
    /// The one model of a server that answers to any name, whatever is asked for.
    pub(in crate::fleet) only: Option<&'m str>,
}

impl<'m> Inventory<'m> {
    /// The inventory's spelling of the model that was asked for; `has` says which names there are. `None`: there
    /// is no such model.
    pub(in crate::fleet) fn resolve(
        &self,
        asked: Option<&str>,
        names: &(impl Iterator<Item = &'m str> + Clone),
    ) -> Option<&'m str> {
        let Some(asked) = asked.filter(|_| self.only.is_none()) else { return self.only };
        let is = |wanted: &str| {
            let exact = names.clone().find(|name| *name == wanted);
            exact.or_else(|| names.clone().find(|name| name.eq_ignore_ascii_case(wanted)))
        };
        is(asked).or_else(|| if self.kind == "ollama" { is(&in_full(asked)) } else { None })
    }
}

/// A name as Ollama's lists have it.
fn in_full(asked: &str) -> String {
    let mut short = asked;
    for home in OLLAMA_HOMES {
        short = short.strip_prefix(home).unwrap_or(short);
    }
    let tagged = short.rsplit('/').next().is_some_and(|last| last.contains(':'));
    format!("{short}{}", if tagged { "" } else { LATEST })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["llama3.2:latest", "llama3.2:3B", "hf.co/a/B-GGUF:latest", "Qwen", "qwen"];

    fn resolve(kind: &'static str, asked: &str) -> Option<&'static str> {
        Inventory { kind, only: None }.resolve(Some(asked), &NAMES.iter().copied())
    }

    #[test]
    fn a_name_is_told_as_the_inventory_spells_it() {
        let cases = [
            ("llama3.2:3B", Some("llama3.2:3B")),
            ("LLAMA3.2:3b", Some("llama3.2:3B")),
            ("llama3.2", Some("llama3.2:latest")),
            ("library/llama3.2", Some("llama3.2:latest")),
            ("registry.ollama.ai/library/llama3.2:3b", Some("llama3.2:3B")),
            ("hf.co/a/b-gguf", Some("hf.co/a/B-GGUF:latest")),
            ("qwen", Some("qwen")),
            ("Qwen", Some("Qwen")),
            ("llama3.2:1b", None),
            ("llama3", None),
            (":latest", None),
            ("", None),
        ];
        for (asked, wanted) in cases {
            assert_eq!(resolve("ollama", asked), wanted, "{asked}");
        }
    }

    #[test]
    fn only_ollama_takes_a_tag_for_granted() {
        assert_eq!(resolve("openai", "llama3.2"), None);
        assert_eq!(resolve("lm_studio", "QWEN"), Some("Qwen"));
        assert_eq!(Inventory { kind: "ollama", only: None }.resolve(None, &NAMES.iter().copied()), None);
    }

    #[test]
    fn a_server_of_one_model_answers_to_any_name() {
        let one = Inventory { kind: "llama_cpp", only: Some("/srv/qwen.gguf") };
        for asked in [None, Some("gpt-4o"), Some("")] {
            assert_eq!(one.resolve(asked, &["/srv/qwen.gguf"].into_iter()), Some("/srv/qwen.gguf"));
        }
    }
}
