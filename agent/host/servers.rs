//! Which processes are model servers, as far as their folders and limits go. Pure.

use std::path::Path;

use crate::procs::Process;

/// What sort of server a process is, as far as its folders go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Ollama,
    LlamaServer,
    LmStudio,
    /// One that takes its models from the Hugging Face hub.
    Hub,
}

/// The model servers among the processes: not their children.
pub(super) fn servers(processes: &[Process]) -> Vec<&Process> {
    let is_server = |pid: u32| processes.iter().any(|other| other.pid == pid && sort(other).is_some());
    processes.iter().filter(|process| sort(process).is_some() && !is_server(process.parent)).collect()
}

/// What sort of server the process is, by its name and arguments. `None`: none.
pub(super) fn sort(process: &Process) -> Option<Sort> {
    let base = |arg: &String| Path::new(arg).file_name().map(|name| name.to_string_lossy().into_owned());
    let args = &process.args;
    let program = args.first().and_then(base).unwrap_or_else(|| process.name.clone());
    // Behind an interpreter stands the module or the script.
    let script = match args.iter().position(|arg| arg == "-m").filter(|_| program.starts_with("python")) {
        Some(at) => args.get(at + 1).cloned(),
        None if program.starts_with("python") => {
            args.iter().skip(1).find(|arg| !arg.starts_with('-')).and_then(base)
        }
        None => None,
    };
    let named = |name: &str| {
        let is =
            |own: &String| own == name || own.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        is(&program) || script.as_ref().is_some_and(is)
    };
    match () {
        () if named("ollama") => args.get(1).is_some_and(|arg| arg == "serve").then_some(Sort::Ollama),
        () if named("llama-server") => Some(Sort::LlamaServer),
        () if ["lm-studio", "llmster", "LM Studio"].into_iter().any(named) => Some(Sort::LmStudio),
        () if ["vllm", "sglang", "aphrodite", "text-generation-launcher"].into_iter().any(named) => {
            Some(Sort::Hub)
        }
        () => None,
    }
}
