//! The real servers of the bench, for tests. `tests/real/install` puts them in place.
//!
//! Every start blocks until the server is ready, a fraction of a second. All compute on one thread: with two, on a
//! busy machine of two cores, they wait for each other and fall from 130 tokens a second to 3. No test may assume
//! a speed all the same.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::process::{Process, Recipe, free_port};

/// llama.cpp's own server.
pub struct LlamaServer(Process);

impl LlamaServer {
    /// Serves this model, as by default: without `/metrics`, unless `--metrics` is among `args`.
    pub fn start(model: &Path, args: &[&str]) -> Self {
        Self::with(&["-m", text(model)], args)
    }

    /// A router: serves each `NAME.gguf` of the folder as NAME, by a child of its own that the first request for
    /// it starts.
    pub fn router(models: &Path, args: &[&str]) -> Self {
        Self::with(&["--models-dir", text(models)], args)
    }

    fn with(what: &[&str], args: &[&str]) -> Self {
        let port = free_port();
        let number = port.to_string();
        let common = ["--host", "127.0.0.1", "--port", &number, "--threads", "1", "--offline"];
        let args = [what, &common, args].concat();
        Self(start("bin/llama-server", port, "/health", &args, &[], folder()))
    }

    /// `/completion` at temperature 0: the first `length` tokens of the answer. The whole JSON of it.
    pub fn complete(&self, prompt: &str, length: u32) -> Value {
        self.post(
            "/completion",
            &json!({ "prompt": prompt, "n_predict": length, "temperature": 0, "n_probs": 1 }),
        )
    }
}

/// Ollama with a home, and models, of its own.
pub struct Ollama(Process);

impl Ollama {
    /// With these variables beside the ones it needs. `LLAMA_ARG_ENDPOINT_METRICS=1` lets its children answer
    /// `/metrics`.
    pub fn start(env: &[(&str, &str)]) -> Self {
        let (port, folder) = (free_port(), folder());
        let (host, models) = (format!("127.0.0.1:{port}"), folder.path().join("models"));
        let own =
            [("OLLAMA_HOST", host.as_str()), ("OLLAMA_MODELS", text(&models)), ("OLLAMA_NO_CLOUD", "1")];
        Self(start("bin/ollama", port, "/api/version", &["serve"], &[&own, env].concat(), folder))
    }

    /// Makes a model of a GGUF file. `lines` go into its Modelfile. It runs on one thread: a call that asks for
    /// another number loads it anew.
    pub fn create(&self, name: &str, gguf: &Path, lines: &[&str]) {
        let modelfile = format!("FROM {}\nPARAMETER num_thread 1\n{}\n", gguf.display(), lines.join("\n"));
        std::fs::write(self.folder().join("Modelfile"), modelfile).expect("the folder is ours");
        self.run(&["create", name, "-f", "Modelfile"]);
    }

    /// Runs the `ollama` command against this server and returns what it printed. Panics if it fails.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().expect("the server runs from the same file");
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "ollama {args:?}: {}: {printed}", output.status);
        printed
    }

    /// `/api/generate` at temperature 0, not streamed: the first `length` tokens of the answer. The whole JSON.
    pub fn generate(&self, model: &str, prompt: &str, length: u32) -> Value {
        let options = json!({ "temperature": 0, "num_predict": length });
        self.post(
            "/api/generate",
            &json!({ "model": model, "prompt": prompt, "stream": false, "options": options }),
        )
    }
}

/// Prometheus with an empty database.
pub struct Prometheus(Process);

impl Prometheus {
    /// `config` is the text of prometheus.yml; file names in it must be absolute. It scrapes nothing in its first
    /// five seconds: wait for what you ask for.
    pub fn start(config: &str) -> Self {
        let (port, folder) = (free_port(), folder());
        let config = written(&folder, "prometheus.yml", config);
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        // Without the switch it reads exemplars and forgets them.
        let args = [&config, "--storage.tsdb.path=tsdb", "--enable-feature=exemplar-storage", &listen];
        Self(start("prometheus", port, "/-/ready", &args, &[], folder))
    }

    /// The result of an instant query: an array, empty when nothing matches.
    pub fn query(&self, promql: &str) -> Vec<Value> {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("query", promql).finish();
        let answer = self.get(&format!("/api/v1/query?{query}"));
        let mut answer: Value = serde_json::from_str(&answer).expect("Prometheus answers JSON");
        serde_json::from_value(answer["data"]["result"].take())
            .expect("an instant query has a list of results")
    }
}

/// Alertmanager, alone: no cluster.
pub struct Alertmanager(Process);

impl Alertmanager {
    /// `config` is the text of alertmanager.yml.
    pub fn start(config: &str) -> Self {
        let (port, folder) = (free_port(), folder());
        let config = written(&folder, "alertmanager.yml", config);
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        let args = [&config, "--storage.path=data", "--cluster.listen-address=", &listen];
        Self(start("prometheus-alertmanager", port, "/-/ready", &args, &[], folder))
    }

    /// The alerts it holds.
    pub fn alerts(&self) -> Vec<Value> {
        serde_json::from_str(&self.get("/api/v2/alerts")).expect("Alertmanager answers a JSON list")
    }
}

macro_rules! is_a_process {
    ($($server:ident)*) => { $(
        impl Deref for $server {
            type Target = Process;
            fn deref(&self) -> &Process {
                &self.0
            }
        }
        impl DerefMut for $server {
            fn deref_mut(&mut self) -> &mut Process {
                &mut self.0
            }
        }
    )* };
}
is_a_process!(LlamaServer Ollama Prometheus Alertmanager);

/// SmolLM2-135M-Instruct, Q4_1: small, and speaks English.
pub fn smollm2() -> PathBuf {
    installed("models/smollm2.gguf")
}

/// A part of the bench: a path in its folder, or the name of a command. Panics if it is not there.
pub fn installed(part: &str) -> PathBuf {
    let places: Vec<PathBuf> = if part.contains('/') {
        vec![bench()]
    } else {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
    };
    let found = places.iter().map(|place| place.join(part)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{part} of the bench ({}) is missing: run tests/real/install", bench().display())
    })
}

fn bench() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").unwrap_or_default().join(".cache");
    set("OPSAGENT_BENCH").unwrap_or_else(|| set("XDG_CACHE_HOME").unwrap_or_else(home).join("opsagent-bench"))
}

fn start(
    what: &str,
    port: u16,
    ready: &'static str,
    args: &[&str],
    env: &[(&str, &str)],
    folder: tempfile::TempDir,
) -> Process {
    let args = args.iter().map(|&arg| arg.into()).collect();
    let env = env.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    Process::start(folder, Recipe { program: installed(what), args, env, port, ready })
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("opsagent-real-").tempdir().expect("a temporary folder")
}

/// Writes a config file and returns the flag that names it.
fn written(folder: &tempfile::TempDir, name: &str, config: &str) -> String {
    std::fs::write(folder.path().join(name), config).expect("the folder is ours");
    format!("--config.file={name}")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}
