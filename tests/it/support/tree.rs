//! Machines as trees of small files: `tests/fixtures/sysfs/NAME.tree`, one text a machine, laid out in a folder of
//! its own with `sys` and `proc` in it. Git keeps neither files nobody may read nor many hundred tiny ones well.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use opsagent::gpus::Options;

use super::golden;

/// A machine, laid out.
pub struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    /// The machine of that name.
    ///
    /// `[folder]` begins a part. In it, `name = text`, `name -> where a link leads`, `name hex= bytes`; what is
    /// indented below goes on, a line each.
    pub fn of(name: &str) -> Tree {
        let tree = Tree { root: tempfile::tempdir().unwrap() };
        for root in ["sys", "proc"] {
            std::fs::create_dir_all(tree.file(root)).unwrap();
        }
        let path = golden::file("tests/fixtures/sysfs").join(name).with_extension("tree");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut folder = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(named) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                named.clone_into(&mut folder);
                continue;
            }
            let mut more = Vec::new();
            while let Some(next) = lines.next_if(|next| next.starts_with("  ")) {
                more.push(next.trim_start());
            }
            tree.entry(&folder, line, &more);
        }
        tree
    }

    fn entry(&self, folder: &str, line: &str, more: &[&str]) {
        if let Some((name, target)) = line.split_once(" -> ") {
            return self.link(&format!("{folder}/{name}"), target);
        }
        let (name, value) = line.split_once('=').expect(line);
        let (name, value) = (name.trim_end(), value.trim_start());
        let whole = || std::iter::once(value).chain(more.iter().copied()).filter(|part| !part.is_empty());
        let bytes = match name.strip_suffix(" hex") {
            Some(_) => bytes(&whole().collect::<String>()),
            None => whole().flat_map(|part| [part.as_bytes(), b"\n"].concat()).collect(),
        };
        self.write(&format!("{folder}/{}", name.trim_end_matches(" hex")), &bytes);
    }

    /// A file or folder of it.
    pub fn file(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Writes a file.
    pub fn write(&self, below: &str, bytes: impl AsRef<[u8]>) {
        let path = self.made(below);
        std::fs::write(path, bytes).unwrap();
    }

    /// Makes a link, instead of what was there.
    pub fn link(&self, below: &str, target: impl AsRef<Path>) {
        let path = self.made(below);
        std::fs::remove_file(&path).ok();
        symlink(target, path).unwrap();
    }

    /// Makes reading a file fail as it does where a card does not answer: with words of the kernel's.
    pub fn fail(&self, below: &str) {
        let path = self.file(below);
        let name = path.file_name().unwrap().to_owned();
        self.link(below, name);
    }

    fn made(&self, below: &str) -> PathBuf {
        let path = self.file(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// What a backend is told to look at this machine.
    pub fn options(&self) -> Options {
        Options { sysfs: self.file("sys"), procfs: self.file("proc"), ..Options::default() }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
