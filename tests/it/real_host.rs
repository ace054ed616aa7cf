//! The real host: where real servers keep their models, and the numbers that other readers give.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::host::{Host, Source};
use opsagent::poll::HostPoller;
use opsagent::view::HostView;

use crate::support::eye::agent;
use crate::support::real::{LlamaServer, Ollama};
use crate::support::tiny_model::TinyModel;

fn host(folders: &[&Path]) -> Host {
    let folders: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    Host::at("/proc", "/sys", &folders)
}

async fn look(folders: &[&Path]) -> HostView {
    let fleet = Fleet::new(agent(), 10);
    HostPoller::new(Arc::new(host(folders)), Duration::from_secs(15), fleet.clone()).once().await;
    fleet.view().hosts.remove(0)
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_folders_of_a_real_llama_server_and_a_real_ollama_are_found_and_its_childs_is_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::new().write(&path);
    let server = LlamaServer::start(&path, &[]);
    let ollama = Ollama::start(&[]);
    ollama.create("tiny", &path, &[]);
    ollama.generate("tiny", "a", 1);
    let places = host(&[]).places();
    let of = |pid: u32| {
        let end = format!(", pid {pid}");
        let own = places.folders.iter().filter(move |folder| folder.why.ends_with(&end));
        own.map(|folder| folder.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(server.pid()), [folder.path().display().to_string()], "{places:#?}");
    let [models] = &of(ollama.pid())[..] else { panic!("{places:#?}") };
    assert!(Path::new(models).join("blobs").is_dir(), "{models}");
    let blobs = places.folders.iter().filter(|folder| folder.name.ends_with("/blobs"));
    assert_eq!(blobs.count(), 0, "a child's folder is its Ollama's: {places:#?}");
}

/// The numbers of a command's output, of the line that begins with a word.
fn numbers(command: &str, args: &[&str], line: &str) -> Vec<u64> {
    let output = Command::new(command).args(args).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        text.lines().find(|one| one.trim_start().starts_with(line)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn disks_and_memory_are_as_df_and_free_tell_them() {
    let folder = tempfile::tempdir().unwrap();
    let host = look(&[folder.path()]).await;
    let disk = host.folders.iter().find(|one| Path::new(&one.folder) == folder.path()).unwrap().disk.unwrap();
    let path = folder.path().display().to_string();
    let df = numbers("df", &["-B1", "--output=size,used,avail", &path], &disk.size_bytes.to_string());
    // What others write meanwhile: the disk may change, but not by much.
    let near = |one: u64, other: u64| one.abs_diff(other) < 2 << 30;
    assert_eq!(disk.size_bytes, df[0]);
    assert!(near(disk.used_bytes, df[1]) && near(disk.available_bytes, df[2]), "{disk:?} {df:?}");

    let free = numbers("free", &["-b", "-w"], "Mem:");
    let memory = host.memory;
    assert_eq!(memory.total_bytes, Some(free[0]));
    assert!(near(memory.available_bytes.unwrap(), *free.last().unwrap()), "{memory:?} {free:?}");
    assert_eq!(memory.swap_total_bytes, Some(numbers("free", &["-b"], "Swap:")[0]));
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap().matches("\nprocessor").count() + 1;
    assert_eq!(host.cpus, Some(cpus as u32));
}
