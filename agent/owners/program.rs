//! What a process is called where people see it. Pure.

use crate::procs::Process;
use crate::servers::processes::program;

/// A column of a table; names of modules are the longest.
const MOST_CHARS: usize = 64;

/// The program, and behind an interpreter the module or script: of all arguments these are the only
/// ones that are shown, since any other may hold a secret. `None`: it has no name.
pub(super) fn shown(process: &Process) -> Option<String> {
    let name = first_word(program(process));
    let runs = if name.starts_with("python") || name == "node" { script(process) } else { None };
    let shown = match runs {
        Some(script) => format!("{name} {script}"),
        None => name.to_owned(),
    };
    let clean: String = shown.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() <= MOST_CHARS {
        return Some(clean).filter(|clean| !clean.is_empty());
    }
    Some(clean.chars().take(MOST_CHARS - 1).chain(['…']).collect())
}

/// A process may write a sentence in place of its arguments, such as `name: who does what`.
fn first_word(name: &str) -> &str {
    name.split([' ', ':']).next().filter(|word| !word.is_empty() && !name.contains("::")).unwrap_or(name)
}

/// What an interpreter runs. Code that is given in an argument is not shown.
fn script(process: &Process) -> Option<String> {
    let mut args = process.args.iter().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-m" => return args.next().map(|module| format!("-m {module}")),
            "-c" | "-e" | "-p" | "--eval" | "--print" => return Some(arg.clone()),
            // Options with a value.
            "-W" | "-X" | "-r" | "--require" | "--import" => drop(args.next()),
            option if option.starts_with('-') => {}
            path => return path.rsplit('/').next().map(str::to_owned),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<String> {
        let args: Vec<String> = line.split('|').map(str::to_owned).collect();
        let name = args[0].rsplit('/').next().unwrap_or_default().to_owned();
        shown(&Process { pid: 9, parent: 1, started_ticks: 1, name, args })
    }

    #[test]
    fn the_program_is_shown_and_of_its_arguments_only_what_an_interpreter_runs() {
        for (line, wanted) in [
            ("/usr/lib/ollama/llama-server|--model|/m/blobs/sha256-94|--api-key|secret", "llama-server"),
            (
                "/usr/bin/python3|-m|vllm.entrypoints.openai.api_server|--api-key|secret",
                "python3 -m vllm.entrypoints.openai.api_server",
            ),
            ("/usr/bin/python3.12|-u|/srv/app/serve.py|--token=secret", "python3.12 serve.py"),
            ("/usr/bin/python3|-X|importtime|/srv/serve.py", "python3 serve.py"),
            ("python3|-c|key = 'secret'|--multiprocessing-fork", "python3 -c"),
            ("node|--require|./hook.js|server.js", "node server.js"),
            ("VLLM::EngineCore_DP0", "VLLM::EngineCore_DP0"),
            ("/opt/LM Studio/lm-studio --type=utility --token=secret", "lm-studio"),
            ("worker: serves secret", "worker"),
            ("bash|-c|secret", "bash"),
        ] {
            assert_eq!(told(line).as_deref(), Some(wanted), "{line}");
        }
    }

    #[test]
    fn a_name_of_any_bytes_is_short_and_of_one_line() {
        let long = told(&format!("python3|-m|{}", "x".repeat(500))).unwrap();
        assert_eq!((long.chars().count(), long.chars().last()), (MOST_CHARS, Some('…')));
        assert_eq!(told("a\n\u{1b}[31mb").as_deref(), Some("a[31mb"));
        assert_eq!(told("\u{7}"), None);
    }
}
