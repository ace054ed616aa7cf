//! Which processes are servers of a known kind, by name and arguments, and which of those are parts
//! of another server. Pure.

use crate::procs::Process;
use crate::servers::Kind;
use crate::servers::processes::{api_port, kind_of, program, was_ollamas_child};

/// Servers that also listen on ports with other protocols (work between their parts): a question
/// there could disturb them. Only the port of their API is asked.
const CAREFUL: [&str; 5] =
    ["vllm", "sglang", "aphrodite", "text-generation-launcher", "text-generation-router"];

/// A process that is a server of a known kind, or part of one.
#[derive(Debug, Clone)]
pub(super) struct Suspect {
    pub(super) process: Process,
    pub(super) kind: &'static Kind,
    /// Whose part it is, in words: `child of ollama (pid 812)`. `None`: a server by itself.
    pub(super) part: Option<String>,
    /// Only the port of its API may be asked.
    careful: bool,
}

/// The suspects among the processes.
pub(super) fn suspects(processes: &[Process]) -> Vec<Suspect> {
    processes
        .iter()
        .filter_map(|process| {
            let (kind, name) = kind_of(process)?;
            let careful = CAREFUL.contains(&name);
            Some(Suspect { process: process.clone(), kind, part: part(process, processes), careful })
        })
        .collect()
}

impl Suspect {
    /// The port that its arguments name.
    pub(super) fn port(&self) -> Option<u16> {
        api_port(&self.process)
    }

    /// Whether a server may be asked for at that port of this process.
    pub(super) fn may_be_asked(&self, port: u16) -> bool {
        if !self.careful {
            return true;
        }
        self.port().map_or_else(|| self.kind.default_ports.contains(&port), |own| own == port)
    }

    /// What it is, in words: `process ollama, pid 812`.
    pub(super) fn why(&self) -> String {
        format!("process {}, pid {}", program(&self.process), self.process.pid)
    }
}

/// Whose part this process is, in words.
fn part(process: &Process, processes: &[Process]) -> Option<String> {
    let parent = processes.iter().find(|other| other.pid == process.parent);
    if let Some(parent) = parent
        && matches!(program(parent), "ollama" | "llama-server")
    {
        return Some(format!("child of {} (pid {})", program(parent), parent.pid));
    }
    was_ollamas_child(process).then(|| format!("left over by an ollama that is gone (pid {})", process.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, line: &str) -> Process {
        let args: Vec<String> = line.split('|').map(str::to_owned).collect();
        let name = args[0].rsplit('/').next().unwrap_or_default().to_owned();
        Process { pid, parent, started_ticks: 1, name, args }
    }

    #[test]
    fn parts_of_another_server_are_told_as_that() {
        let child =
            "/usr/lib/ollama/llama-server|--model|/m/blobs/sha256-94|--port|35431|--no-webui|--offline";
        let processes = [
            process(812, 1, "/usr/bin/ollama|serve"),
            process(900, 812, child),
            process(901, 1, child),
            process(902, 1, "/usr/bin/llama-server|-m|/m/blobs/sha256-94|--port|8080"),
            process(903, 902, "/usr/bin/llama-server|--port|4711"),
            process(904, 812, "/usr/bin/ollama|runner|--port|5000"),
            process(905, 1, "/usr/bin/ollama|runner|--port|5000"),
        ];
        let parts: Vec<Option<String>> = suspects(&processes).into_iter().map(|one| one.part).collect();
        let words: Vec<Option<&str>> = parts.iter().map(Option::as_deref).collect();
        assert_eq!(
            words,
            [
                None,
                Some("child of ollama (pid 812)"),
                Some("left over by an ollama that is gone (pid 901)"),
                None,
                Some("child of llama-server (pid 902)"),
                Some("child of ollama (pid 812)"),
                Some("left over by an ollama that is gone (pid 905)"),
            ]
        );
    }

    #[test]
    fn of_servers_with_other_protocols_only_the_api_is_asked() {
        let one = |line: &str| suspects(&[process(9, 1, line)]).remove(0);
        let named = one("vllm|serve|x|--port|8001");
        assert!(named.may_be_asked(8001) && !named.may_be_asked(8000) && !named.may_be_asked(29500));
        let unnamed = one("python3|-m|sglang.launch_server");
        assert!(unnamed.may_be_asked(30000) && !unnamed.may_be_asked(29500));
        assert!(one("ollama|serve").may_be_asked(29500));
        assert_eq!(one("llama-swap|-listen|127.0.0.1:9292").port(), Some(9292));
    }
}
