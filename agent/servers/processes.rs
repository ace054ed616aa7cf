//! What a process is, by its name and arguments: which kind of server, or a part of one. Pure.

use std::path::Path;

use super::{KINDS, Kind, ollama};
use crate::procs::Process;

/// The row whose process this is, and the name in it that fits.
pub fn kind_of(process: &Process) -> Option<(&'static Kind, &'static str)> {
    let names = names(process);
    KINDS.iter().find_map(|kind| {
        let name = kind.processes.iter().find(|name| names.iter().any(|own| fits(own, name)))?;
        Some((*kind, *name))
    })
}

/// The program's name. Chromium's children (LM Studio's) have all their arguments in the first one.
pub fn program(process: &Process) -> &str {
    let first = process.args.first().map(|arg| arg.split(" --").next().unwrap_or(arg));
    first.and_then(last_part).unwrap_or(&process.name)
}

/// The port of a server's API that its arguments name.
pub fn api_port(process: &Process) -> Option<u16> {
    let address = process.option(&["--port", "--listen", "-listen"])?;
    address.rsplit(':').next()?.parse().ok()
}

/// Whether it is an Ollama: the server, not one of its commands.
pub fn is_ollama(process: &Process) -> bool {
    ollama::is_ollama(process)
}

/// Whether it was started as only Ollama starts the processes of its models; where its parent is no
/// Ollama, that one is gone.
pub fn was_ollamas_child(process: &Process) -> bool {
    let runner = program(process) == "ollama" && process.args.get(1).is_some_and(|arg| arg == "runner");
    runner || ollama::is_child(process)
}

/// The folder of blobs that such a process reads its model from: its Ollama's own.
pub fn blob_folder(process: &Process) -> Option<String> {
    ollama::blob_folder(process)
}

/// `vllm` fits `vllm` and the module `vllm.entrypoints.openai.api_server`.
fn fits(own: &str, name: &str) -> bool {
    own.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names that a process goes by: its program's, and behind an interpreter the script's or module's.
fn names(process: &Process) -> Vec<&str> {
    let program = program(process);
    let mut names = vec![program];
    if program.starts_with("python") || program == "node" {
        let mut args = process.args.iter().skip(1);
        while let Some(arg) = args.next() {
            if arg == "-m" {
                names.extend(args.next().map(String::as_str));
                break;
            }
            if !arg.starts_with('-') {
                names.extend(last_part(arg));
                break;
            }
        }
    }
    names
}

fn last_part(path: &str) -> Option<&str> {
    Path::new(path).file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(line: &str) -> Process {
        let args: Vec<String> = line.split('|').map(str::to_owned).collect();
        let name = last_part(&args[0]).unwrap_or_default().to_owned();
        Process { pid: 9, parent: 1, started_ticks: 1, name, args }
    }

    fn told(line: &str) -> Option<&'static str> {
        kind_of(&process(line)).map(|(kind, _)| kind.name)
    }

    #[test]
    fn servers_are_known_by_program_script_and_module() {
        for (line, kind) in [
            ("/usr/local/bin/ollama|serve", Some("ollama")),
            ("llama-server|-m|x.gguf", Some("llama_cpp")),
            ("/opt/LM Studio/lm-studio", Some("lm_studio")),
            ("/tmp/.mount_LM/lm-studio --type=utility --user-data-dir=/srv/a/b", Some("lm_studio")),
            ("python3|-m|vllm.entrypoints.openai.api_server|--model|x", Some("openai")),
            ("/usr/bin/python3.12|-u|-m|sglang.launch_server", Some("openai")),
            ("/usr/bin/python3|/usr/local/bin/vllm|serve|x", Some("openai")),
            ("/opt/llama-swap|--listen|:8080", Some("openai")),
            ("ollama-exporter", None),
            ("vim|/etc/ollama", None),
            ("python3|app.py|vllm", None),
            ("grep|llama-server", None),
            ("", None),
        ] {
            assert_eq!(told(line), kind, "{line}");
        }
    }

    #[test]
    fn an_ollamas_children_are_known_by_their_arguments_old_and_new() {
        let new = "/usr/lib/ollama/llama-server|--model|/m/blobs/sha256-94|--port|35431|--no-webui|--offline";
        let old = "/usr/bin/ollama|runner|--ollama-engine|--model|/m/blobs/sha256-94|--port|35431";
        let by_hand = "/usr/bin/llama-server|-m|/m/blobs/sha256-94|--port|8080";
        for (line, child, folder) in [
            (new, true, Some("/m/blobs")),
            (old, true, Some("/m/blobs")),
            (by_hand, false, Some("/m/blobs")),
            ("ollama|serve", false, None),
        ] {
            let process = process(line);
            assert_eq!(was_ollamas_child(&process), child, "{line}");
            assert_eq!(blob_folder(&process).as_deref(), folder, "{line}");
        }
        assert!(is_ollama(&process("/usr/bin/ollama|serve")) && !is_ollama(&process("ollama|run|smol")));
    }
}
