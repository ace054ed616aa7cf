//! The options with which an Ollama runs a model, read off its process, so that a question can send them as they are.
//!
//! Ollama compares the runner's options of each request with those that the model is loaded with, and loads it anew
//! for everybody where they differ. `/api/ps` tells only the context; the rest stands in the child's arguments.

use serde_json::{Map, Value};

use crate::procs::Process;

/// What is sent to an Ollama along with each question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// `options` of the request.
    pub runner: Map<String, Value>,
    /// `shift` of the request. `None`: not known.
    pub shift: Option<bool>,
}

impl Options {
    /// Those of a model that is loaded with this context, by this child where it can be seen. What the config gives
    /// (`set`) counts above all.
    pub fn loaded(context: Option<u64>, child: Option<&Process>, set: &Map<String, Value>) -> Options {
        let mut options = Options::default();
        if let Some(context) = context {
            options.runner.insert("num_ctx".into(), context.into());
        }
        if let Some(child) = child.filter(|child| !child.args.is_empty()) {
            options.of(child);
        }
        options.runner.extend(set.clone());
        options
    }

    fn of(&mut self, child: &Process) {
        let number = |names: &[&str]| child.option(names)?.parse::<i64>().ok();
        let mut put = |key: &str, value: Option<i64>| {
            if let Some(value) = value {
                self.runner.insert(key.into(), value.into());
            }
        };
        put("num_batch", number(&["-b", "--batch-size"]));
        // Where Ollama decides itself it passes neither: -1 and 0 say so, whatever the model's own file asks for.
        put("num_gpu", Some(number(&["-ngl", "--n-gpu-layers"]).unwrap_or(-1)));
        put("num_thread", Some(number(&["-t", "--threads"]).unwrap_or(0)));
        put("main_gpu", number(&["-mg", "--main-gpu"]));
        put("draft_num_predict", number(&["--spec-draft-n-max"]));
        // Without the flag it may be on or undecided, which is not the same to Ollama: then it is not sent.
        if child.option(&["--load-mode"]) == Some("none") {
            self.runner.insert("use_mmap".into(), false.into());
        }
        self.shift = Some(child.args.iter().any(|arg| arg == "--context-shift"));
    }

    /// As a person would write them: `num_batch=64 num_ctx=2048`.
    pub fn words(&self) -> String {
        let mut all: Vec<String> = self.runner.iter().map(|(key, value)| format!("{key}={value}")).collect();
        all.sort_unstable();
        all.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn child(args: &str) -> Process {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        Process { pid: 1, parent: 2, started_ticks: 3, name: "llama-server".into(), args }
    }

    fn options(args: &str) -> Options {
        Options::loaded(Some(2048), Some(&child(args)), &Map::new())
    }

    #[test]
    fn what_the_child_was_started_with_is_sent_as_it_is() {
        let seen = options(
            "llama-server -c 4096 -np 2 --load-mode none -b 64 -ub 64 -ngl 12 -t 3 --main-gpu 1 --context-shift --keep 4",
        );
        let runner = json!({ "num_ctx": 2048, "num_batch": 64, "num_gpu": 12, "num_thread": 3, "main_gpu": 1,
            "use_mmap": false });
        assert_eq!(Value::Object(seen.runner.clone()), runner, "the context is that of one request");
        assert_eq!(seen.shift, Some(true));
        assert_eq!(
            seen.words(),
            "main_gpu=1 num_batch=64 num_ctx=2048 num_gpu=12 num_thread=3 use_mmap=false"
        );
    }

    #[test]
    fn what_it_was_not_started_with_is_left_to_ollama_and_said_so() {
        let seen = options("llama-server -c 4096 -np 1 -b 512 -ub 512");
        let runner = json!({ "num_ctx": 2048, "num_batch": 512, "num_gpu": -1, "num_thread": 0 });
        assert_eq!((Value::Object(seen.runner), seen.shift), (runner, Some(false)));
    }

    #[test]
    fn without_a_child_only_the_context_is_sent_and_the_config_counts_above_all() {
        let set = json!({ "num_ctx": 8192, "num_batch": 64 });
        let seen = Options::loaded(Some(2048), None, set.as_object().unwrap());
        assert_eq!((Value::Object(seen.runner), seen.shift), (set, None));
        assert_eq!(
            Options::loaded(Some(2048), Some(&child("")), &Map::new()).words(),
            "num_ctx=2048 num_gpu=-1 num_thread=0"
        );
        assert_eq!(Options::loaded(None, None, &Map::new()), Options::default());
    }
}
