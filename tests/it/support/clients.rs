//! The real clients of the bench: Python's and JavaScript's of Ollama, OpenAI and Anthropic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::real::installed;

/// What a client made of each case, by its name: see `tests/real/clients/ask.py`.
pub type Made = BTreeMap<String, Value>;

/// A client library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    PythonOllama,
    PythonOpenai,
    PythonAnthropic,
    JsOllama,
    JsOpenai,
}

impl Client {
    /// Asks that server these cases, all there are if none is named. Waits for the end.
    pub fn ask(self, url: &str, model: &str, cases: &[&str]) -> Made {
        let python = (installed("lib/python-clients/openai/__init__.py"), 2);
        let js = (installed("lib/js-clients/node_modules/openai/package.json"), 3);
        let (program, script, variable, folder, name) = match self {
            Self::PythonOllama => ("python3", "ask.py", "PYTHONPATH", python, "ollama"),
            Self::PythonOpenai => ("python3", "ask.py", "PYTHONPATH", python, "openai"),
            Self::PythonAnthropic => ("python3", "ask.py", "PYTHONPATH", python, "anthropic"),
            Self::JsOllama => ("node", "ask.mjs", "CLIENTS", js, "ollama"),
            Self::JsOpenai => ("node", "ask.mjs", "CLIENTS", js, "openai"),
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/clients").join(script);
        // A client that hangs is a fault to be told, not to be waited for.
        let done = Command::new("timeout")
            .args(["150", program])
            .arg(script)
            .args([name, url, model, KEY])
            .args(cases)
            .env_clear()
            .envs(["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default())))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(variable, parent(folder))
            .stdin(Stdio::null())
            .output()
            .expect("the bench has it");
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{self:?}: {}\n{told}{errors}", done.status);
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("it prints JSON"));
        lines.map(|line| (line["case"].as_str().expect("a name").to_owned(), line)).collect()
    }
}

/// The key that the clients send, where they send one.
pub const KEY: &str = "right";

fn parent((path, levels): (PathBuf, usize)) -> PathBuf {
    path.ancestors().nth(levels).expect("it lies in folders").to_owned()
}
