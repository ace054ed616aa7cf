//! Which one is meant of several: the one that is named, or the only one that can be. Pure.

use crate::cli::nearest::nearest;
use crate::cli::text;
use crate::sample::{ModelSample, UNNAMED};
use crate::view::{TargetView, View};

/// Names told where one must be chosen.
const SHOWN: usize = 12;

/// The target that is meant: the one that is named, the only one, or the only one that has the model.
pub(super) fn choose<'a>(
    view: &'a View,
    name: Option<&str>,
    model: Option<&str>,
) -> Result<&'a TargetView, String> {
    let names = || view.targets.iter().map(|target| target.name.as_str());
    if let Some(name) = name {
        let found = view.targets.iter().find(|target| target.name == name);
        return found.ok_or_else(|| {
            let nearest =
                nearest(name, names()).map_or_else(|| list(names()), |near| format!("did you mean {near}?"));
            format!("cannot ask target {:?}: there is none of that name; {}", text::clean(name), nearest)
        });
    }
    let up: Vec<&TargetView> = view.targets.iter().filter(|target| target.up == Some(true)).collect();
    let has = |target: &&&TargetView| {
        target.models.iter().any(|known| model.is_some_and(|model| is(&known.name, model)))
    };
    let with_model: Vec<&TargetView> = up.iter().filter(has).copied().collect();
    let loaded = |target: &&&TargetView| target.models.iter().any(|model| model.loaded == Some(true));
    let with_any: Vec<&TargetView> = up.iter().filter(loaded).copied().collect();
    match (&up[..], &with_model[..], &with_any[..]) {
        ([one], _, _) | (_, [one], _) => Ok(one),
        (_, [], [one]) if model.is_none() => Ok(one),
        ([], ..) if view.targets.is_empty() => {
            Err("cannot ask: no server was found; name one: opsagent canary --url http://HOST:PORT".into())
        }
        ([], ..) => {
            Err(format!("cannot ask: none of the servers is up ({}); see opsagent status", list(names())))
        }
        (several, [], _) if model.is_some() => Err(format!(
            "cannot ask {:?}: none of the {} servers that are up lists it; see opsagent status --json",
            text::clean(model.unwrap_or_default()),
            several.len()
        )),
        (several, ..) => {
            let names = several.iter().map(|target| target.name.as_str());
            Err(format!("cannot ask: which server? Say --target with one of {}", list(names)))
        }
    }
}

/// The model that is meant: the one that is named, or the only one in memory.
pub(super) fn model(models: &[ModelSample], wanted: Option<&str>, load: bool) -> Result<String, String> {
    // Of a server that tells digests (Ollama), the entry for processes of no listed model.
    let digests = models.iter().any(|model| model.digest.is_some());
    let is_process = |model: &&ModelSample| model.name == UNNAMED && digests && model.digest.is_none();
    let named: Vec<&ModelSample> = models.iter().filter(|model| !is_process(model)).collect();
    let models = named.as_slice();
    let names = || models.iter().map(|model| model.name.as_str());
    if let Some(wanted) = wanted {
        let Some(found) = models.iter().find(|model| is(&model.name, wanted)) else {
            let nearest = nearest(wanted, names()).map_or_else(
                || format!("it has {}", list(names())),
                |near| format!("did you mean {}?", text::clean(near)),
            );
            return Err(format!("it has no model {:?}; {nearest}", text::clean(wanted)));
        };
        return if found.loaded == Some(false) && !load {
            Err(format!("{} is not in memory; --load lets the question load it", text::clean(&found.name)))
        } else {
            Ok(found.name.clone())
        };
    }
    let loaded: Vec<&str> =
        models.iter().filter(|model| model.loaded == Some(true)).map(|model| model.name.as_str()).collect();
    let untold = models.iter().all(|model| model.loaded.is_none());
    match (&loaded[..], models) {
        ([one], _) => Ok((*one).to_owned()),
        ([], [one]) if untold => Ok(one.name.clone()),
        ([], []) => Err("it lists no model".into()),
        ([], _) if untold => Err(format!("which model? Say --model with one of {}", list(names()))),
        ([], _) if load => Err(format!("no model is in memory; say --model with one of {}", list(names()))),
        ([], _) => Err(format!(
            "no model is in memory, and none is loaded for this; --load --model NAME does, with one of {}",
            list(names())
        )),
        (several, _) => {
            Err(format!("which model? Say --model with one of {}", list(several.iter().copied())))
        }
    }
}

/// Whether that name is meant: Ollama leaves `:latest` out.
fn is(name: &str, wanted: &str) -> bool {
    name == wanted || name.strip_suffix(":latest") == Some(wanted)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(text::clean).collect();
    match names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        _ if names.is_empty() => "none".into(),
        None => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(all: &[(&str, Option<bool>)]) -> Vec<ModelSample> {
        let sample = |(name, loaded): &(&str, Option<bool>)| ModelSample {
            name: (*name).into(),
            loaded: *loaded,
            ..ModelSample::default()
        };
        all.iter().map(sample).collect()
    }

    #[test]
    fn the_only_model_in_memory_is_taken_and_of_several_one_must_be_named() {
        let two = models(&[("a", Some(true)), ("b:latest", Some(false))]);
        assert_eq!(model(&two, None, false), Ok("a".into()));
        assert_eq!(model(&two, Some("b"), true), Ok("b:latest".into()));
        assert!(model(&two, Some("b"), false).unwrap_err().contains("--load"));
        let several = models(&[("a", Some(true)), ("b", Some(true))]);
        assert_eq!(model(&several, None, false).unwrap_err(), "which model? Say --model with one of a, b");
        assert_eq!(model(&several, Some("b"), false), Ok("b".into()));
        let mut replaced = models(&[("a", Some(true)), (UNNAMED, Some(true))]);
        assert!(model(&replaced, None, false).is_err(), "it may be called so");
        replaced[0].digest = Some("1d3f".into());
        assert_eq!(model(&replaced, None, false), Ok("a".into()), "an old process is no choice");
        let none = models(&[("a", Some(false)), ("b", Some(false))]);
        assert!(
            model(&none, None, false).unwrap_err().starts_with("no model is in memory, and none is loaded")
        );
        assert_eq!(model(&models(&[("x", None)]), None, false), Ok("x".into()));
        assert!(
            model(&models(&[("x", None), ("y", None)]), None, false).unwrap_err().contains("which model?")
        );
        assert_eq!(model(&[], None, false), Err("it lists no model".into()));
    }

    #[test]
    fn a_misspelt_model_is_told_the_nearest_and_no_name_steers_the_terminal() {
        let all = models(&[("qwen3:8b", Some(true)), ("evil\u{1b}[2J", Some(true))]);
        assert!(model(&all, Some("qwen:8b"), false).unwrap_err().ends_with("did you mean qwen3:8b?"));
        assert!(!model(&all, Some("zzz"), false).unwrap_err().contains('\u{1b}'));
    }
}
