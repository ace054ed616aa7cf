//! Where models lie: the folders that the config names, and those of the model servers that run here,
//! by their arguments and environment. What cannot be seen (another user's environment) is not guessed,
//! but for Ollama's own service, whose folder is always the same.

use std::path::{Path, PathBuf};

use super::Folder;
use super::mounts::Mounts;
use super::servers::{Sort, sort};
use crate::procs::{Machine, Process};

/// Folders kept: each is a question to a disk at each beat, and three series.
pub(super) const MAX_FOLDERS: usize = 16;

/// Where Ollama's installer lets its service keep models.
const OLLAMA_SERVICE: &str = "/usr/share/ollama/.ollama/models";

/// The folders: first those of the config, then those of the servers; none is within another on the
/// same disk.
pub(super) fn folders(procfs: &Path, configured: &[PathBuf], servers: &[&Process]) -> Vec<Folder> {
    let mounts = Mounts::read(procfs);
    let mut found: Vec<Folder> = Vec::new();
    let mut add = |folder: Folder| {
        let has = |other: &Folder| {
            let within = Path::new(&folder.name).starts_with(&other.name);
            folder.name == other.name || (within && mounts.of(&folder.path) == mounts.of(&other.path))
        };
        if !found.iter().any(has) && found.len() < MAX_FOLDERS {
            found.push(folder);
        }
    };
    for path in configured {
        add(Folder { name: path.display().to_string(), path: path.clone(), why: "configured".into() });
    }
    for process in servers {
        let seen = Seen { procfs, machine: Machine::at(procfs), process };
        for path in seen.folders() {
            let why = format!("{}, pid {}", process.name, process.pid);
            add(Folder { name: path.display().to_string(), path: seen.reached(&path), why });
        }
    }
    found
}

/// A server, and what can be seen of it.
struct Seen<'a> {
    procfs: &'a Path,
    machine: Machine,
    process: &'a Process,
}

impl Seen<'_> {
    fn folders(&self) -> Vec<PathBuf> {
        let sort = sort(self.process);
        let paths = match sort {
            Some(Sort::Ollama) => vec![self.ollama()],
            Some(Sort::LlamaServer) => self.llama_server(),
            Some(Sort::LmStudio) => vec![self.home(".lmstudio/models")],
            Some(Sort::Hub) => self.hub(),
            None => Vec::new(),
        };
        let whole = |path: PathBuf| path.is_absolute().then_some(path);
        paths.into_iter().flatten().filter_map(whole).collect()
    }

    fn ollama(&self) -> Option<PathBuf> {
        match self.machine.variable(self.process.pid, "OLLAMA_MODELS") {
            Ok(Some(folder)) if !folder.is_empty() => self.whole(&folder),
            Ok(_) => self.home(".ollama/models"),
            Err(_) => Some(PathBuf::from(OLLAMA_SERVICE)).filter(|folder| folder.is_dir()),
        }
    }

    fn llama_server(&self) -> Vec<Option<PathBuf>> {
        let model = self.process.option(&["-m", "--model"]).map(str::to_owned);
        let model = model.or_else(|| self.variable("LLAMA_ARG_MODEL"));
        // Ollama's and the cache's names of weights are links or blobs: the folder of each is theirs.
        let folder = |file: &str| self.whole(file)?.parent().map(Path::to_owned);
        let many = self.process.option(&["--models-dir"]).and_then(|folder| self.whole(folder));
        let fetched = ["-hf", "-hfr", "--hf-repo", "-mu", "--model-url"];
        let fetches = self.process.args.iter().any(|arg| fetched.contains(&arg.as_str()));
        let cache = fetches.then(|| {
            let own = self.variable("LLAMA_CACHE").and_then(|folder| self.whole(&folder));
            own.or_else(|| self.home(".cache/llama.cpp"))
        });
        vec![model.as_deref().and_then(folder), many, cache.flatten()]
    }

    fn hub(&self) -> Vec<Option<PathBuf>> {
        let given = self.process.option(&["--model", "--model-path", "--model-id"]);
        let after_serve = || {
            let at = self.process.args.iter().position(|arg| arg == "serve")?;
            self.process.args.get(at + 1).map(String::as_str)
        };
        // A path that begins at the root is a folder; anything else is a name on the hub.
        let local = given.or_else(after_serve).filter(|model| model.starts_with('/')).map(PathBuf::from);
        if local.is_some() {
            return vec![local];
        }
        let own = self.process.option(&["--download-dir", "--huggingface-hub-cache"]).map(str::to_owned);
        let own = own.or_else(|| self.variable("HF_HUB_CACHE")).and_then(|folder| self.whole(&folder));
        let of_home = || self.variable("HF_HOME").and_then(|home| Some(self.whole(&home)?.join("hub")));
        vec![own.or_else(of_home).or_else(|| self.home(".cache/huggingface/hub"))]
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.machine.variable(self.process.pid, name).ok().flatten().filter(|value| !value.is_empty())
    }

    fn home(&self, below: &str) -> Option<PathBuf> {
        self.variable("HOME").map(|home| Path::new(&home).join(below))
    }

    /// The path from the root, for one that is relative to where the process runs.
    fn whole(&self, path: &str) -> Option<PathBuf> {
        if Path::new(path).is_absolute() {
            return Some(PathBuf::from(path));
        }
        Some(std::fs::read_link(self.of_process("cwd")).ok()?.join(path))
    }

    /// The same folder as it is reached from here: one in another container, through its process.
    fn reached(&self, folder: &Path) -> PathBuf {
        let namespace = |link: PathBuf| std::fs::read_link(link).ok();
        let (own, theirs) =
            (namespace(self.procfs.join("self/ns/mnt")), namespace(self.of_process("ns/mnt")));
        match (own, theirs) {
            (Some(own), Some(theirs)) if own != theirs => {
                self.of_process("root").join(folder.strip_prefix("/").unwrap_or(folder))
            }
            _ => folder.to_owned(),
        }
    }

    fn of_process(&self, what: &str) -> PathBuf {
        self.procfs.join(self.process.pid.to_string()).join(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::servers::servers;

    /// A process on paper: its arguments and environment, each written with `|` between.
    fn put(procfs: &Path, pid: u32, parent: u32, args: &str, environ: Option<&str>) {
        let folder = procfs.join(pid.to_string());
        std::fs::create_dir_all(folder.join("ns")).unwrap();
        let zeros = "0 ".repeat(48);
        std::fs::write(folder.join("stat"), format!("{pid} (x) S {parent} {zeros}\n")).unwrap();
        std::fs::write(folder.join("cmdline"), args.replace('|', "\0") + "\0").unwrap();
        if let Some(environ) = environ {
            std::fs::write(folder.join("environ"), environ.replace('|', "\0") + "\0").unwrap();
        }
        std::os::unix::fs::symlink("/srv/run", folder.join("cwd")).unwrap();
    }

    fn names(procfs: &Path, configured: &[&str]) -> Vec<String> {
        let processes = Machine::at(procfs).processes().unwrap();
        let configured: Vec<PathBuf> = configured.iter().map(PathBuf::from).collect();
        let folders = folders(procfs, &configured, &servers(&processes));
        folders.into_iter().map(|folder| folder.name).collect()
    }

    #[test]
    fn each_sort_of_server_keeps_its_models_where_it_is_told_to() {
        let cases: [(&str, Option<&str>, &[&str]); 14] = [
            ("/usr/bin/ollama|serve", Some("OLLAMA_MODELS=/big/models|HOME=/h"), &["/big/models"]),
            ("ollama|serve", Some("HOME=/home/a"), &["/home/a/.ollama/models"]),
            ("ollama|run|x", Some("HOME=/home/a"), &[]),
            ("llama-server|-m|/m/a.gguf", Some(""), &["/m"]),
            ("llama-server|--model=here/a.gguf", None, &["/srv/run/here"]),
            ("llama-server|--models-dir|/many", Some("HOME=/h"), &["/many"]),
            ("llama-server|-hf|org/model", Some("HOME=/h"), &["/h/.cache/llama.cpp"]),
            ("llama-server|-hf|org/model", Some("LLAMA_CACHE=/c|HOME=/h"), &["/c"]),
            ("llama-server|-hf|org/model", None, &[]),
            (
                "python3|-m|vllm.entrypoints.openai.api_server|--model|org/x",
                Some("HOME=/h"),
                &["/h/.cache/huggingface/hub"],
            ),
            ("/usr/bin/python3|-u|/usr/bin/vllm|serve|/local/x", Some("HOME=/h"), &["/local/x"]),
            ("python3|-m|sglang.launch_server|--model-path|o/x", Some("HF_HOME=/hf"), &["/hf/hub"]),
            ("lm-studio", Some("HOME=/home/b"), &["/home/b/.lmstudio/models"]),
            ("vim|ollama", Some("HOME=/h"), &[]),
        ];
        for (args, environ, wanted) in cases {
            let procfs = tempfile::tempdir().unwrap();
            put(procfs.path(), 9, 1, args, environ);
            assert_eq!(names(procfs.path(), &[]), wanted, "{args} {environ:?}");
        }
    }

    #[test]
    fn a_folder_within_another_and_a_child_add_nothing() {
        let procfs = tempfile::tempdir().unwrap();
        put(procfs.path(), 9, 1, "ollama|serve", Some("OLLAMA_MODELS=/models/ollama"));
        put(procfs.path(), 10, 9, "/lib/llama-server|--model|/elsewhere/blobs/sha256-1", Some(""));
        put(procfs.path(), 11, 1, "llama-server|-m|/models/a.gguf", Some(""));
        assert_eq!(names(procfs.path(), &["/models"]), ["/models"]);
        assert_eq!(names(procfs.path(), &[]), ["/models/ollama", "/models"]);
    }

    #[test]
    fn a_folder_within_another_on_a_disk_of_its_own_is_one_of_its_own() {
        let procfs = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(procfs.path().join("self")).unwrap();
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /models/nas rw - nfs nas:/m rw\n";
        std::fs::write(procfs.path().join("self/mountinfo"), mounts).unwrap();
        let wanted = ["/models", "/models/nas/gguf"];
        assert_eq!(names(procfs.path(), &["/models", "/models/nas/gguf", "/models/own", "/models"]), wanted);
    }

    #[test]
    fn a_folder_in_another_container_is_reached_through_its_process() {
        let procfs = tempfile::tempdir().unwrap();
        put(procfs.path(), 2, 1, "opsagent", None);
        put(procfs.path(), 9, 1, "ollama|serve", Some("HOME=/root"));
        let link =
            |target: &str, at: &str| std::os::unix::fs::symlink(target, procfs.path().join(at)).unwrap();
        link("2", "self");
        link("mnt:[1]", "2/ns/mnt");
        link("mnt:[2]", "9/ns/mnt");
        let processes = Machine::at(procfs.path()).processes().unwrap();
        let folder = folders(procfs.path(), &[], &servers(&processes)).remove(0);
        assert_eq!(folder.name, "/root/.ollama/models");
        assert_eq!(folder.path, procfs.path().join("9/root/root/.ollama/models"));
    }
}
