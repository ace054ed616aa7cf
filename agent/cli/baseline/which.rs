//! Which model of the store is meant.

use std::path::Path;

use crate::cli::failure::{BAD_CONFIG, Failure, USAGE};
use crate::cli::kept;
use crate::cli::nearest::nearest;
use crate::cli::text;
use crate::config::Config;
use crate::store::{Db, Key, StoreError};

/// Names told where one must be chosen.
const SHOWN: usize = 12;

/// The store of this machine's agent.
#[derive(Debug)]
pub(in crate::cli) struct Stored {
    pub(in crate::cli) db: Db,
    pub(in crate::cli) config: Config,
}

impl Stored {
    /// Opens it.
    ///
    /// # Errors
    /// The config has faults, or there is no store that could be read.
    pub(in crate::cli) fn open(config: Option<&Path>) -> Result<Stored, Failure> {
        let config =
            Config::load(config).map_err(|faults| Failure::faults(BAD_CONFIG, &faults, "find the store"))?;
        let db = kept::place(&config).and_then(|path| Db::open_existing(&path)).map_err(failed)?;
        Ok(Stored { db, config })
    }

    /// Every model that something is stored of.
    ///
    /// # Errors
    /// It cannot be read.
    pub(in crate::cli) fn keys(&self) -> Result<Vec<Key>, Failure> {
        self.db.keys().map_err(failed)
    }
}

/// A failure of the store as one of the command.
pub(in crate::cli) fn failed(error: StoreError) -> Failure {
    Failure::new(1, anyhow::Error::new(error).context("cannot use the store"))
}

/// The key that is meant by `TARGET/MODEL`, a model alone, or a target alone, where only one can be meant. Names may
/// hold `/` and `:` themselves.
///
/// # Errors
/// None or several can be meant: which there are.
pub(in crate::cli) fn key(keys: &[Key], typed: &str) -> Result<Key, Failure> {
    let whole = |key: &&Key| {
        key.target.len() + 1 + key.model.len() == typed.len()
            && typed.starts_with(&key.target)
            && typed.ends_with(&key.model)
            && typed.as_bytes().get(key.target.len()) == Some(&b'/')
    };
    if let Some(key) = keys.iter().find(whole) {
        return Ok(key.clone());
    }
    let part: Vec<&Key> = keys.iter().filter(|key| key.model == typed || key.target == typed).collect();
    let names: Vec<String> = keys.iter().map(name).collect();
    let why = match &part[..] {
        [one] => return Ok((*one).clone()),
        [] if keys.is_empty() => {
            "nothing is stored yet: the agent keeps what it finds, opsagent canary --save yours".to_owned()
        }
        [] => match nearest(typed, names.iter().map(String::as_str)) {
            Some(near) => format!("nothing is stored of it; did you mean {near}?"),
            None => format!("nothing is stored of it; there is {}", list(&names)),
        },
        several => {
            let names: Vec<String> = several.iter().map(|key| name(key)).collect();
            format!("it may be any of {}", list(&names))
        }
    };
    let typed = text::fit(&text::clean(typed), 80);
    Err(Failure::say(USAGE, format!("cannot tell which model {typed:?} is: {why}")))
}

/// `TARGET/MODEL`, fit to be shown.
pub(in crate::cli) fn name(key: &Key) -> String {
    text::clean(&format!("{}/{}", key.target, key.model))
}

fn list(names: &[String]) -> String {
    match names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_as_the_on_call_text_prints_it() {
        let keys = [
            Key::new("llm-a", "qwen3:8b"),
            Key::new("llm-b", "qwen3:8b"),
            Key::new("a/b", "hf.co/org/model:Q4_K_M"),
            Key::new("solo", "/srv/models/x.gguf"),
        ];
        let found =
            |typed: &str| key(&keys, typed).map(|key| (key.target, key.model)).map_err(|error| error.text());
        assert_eq!(found("llm-b/qwen3:8b").unwrap().0, "llm-b");
        assert_eq!(found("a/b/hf.co/org/model:Q4_K_M").unwrap().0, "a/b");
        assert_eq!(found("hf.co/org/model:Q4_K_M").unwrap().0, "a/b");
        assert_eq!(found("solo").unwrap().1, "/srv/models/x.gguf");
        assert_eq!(found("solo//srv/models/x.gguf").unwrap().0, "solo");
        assert!(found("qwen3:8b").unwrap_err().contains("any of llm-a/qwen3:8b, llm-b/qwen3:8b"));
        assert!(found("llm-a/qwen:8b").unwrap_err().contains("did you mean llm-a/qwen3:8b?"));
        let strange = found("zz\u{1b}[2J").unwrap_err();
        assert!(strange.contains("there is llm-a/qwen3:8b") && !strange.contains('\u{1b}'), "{strange}");
        assert!(key(&[], "x").unwrap_err().text().contains("nothing is stored yet"));
    }
}
