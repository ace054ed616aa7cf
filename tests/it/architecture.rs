//! The layers of `agent/lib.rs`: a module uses only those above its own group; the thinking ones do
//! no I/O and read no clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/agent");

/// The modules that think: any bytes give an answer, and the same ones each time.
const PURE: &[&str] = &["sample", "checks", "suite", "view", "wire"];

/// What thinking needs none of.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "::now()",
    "async ",
    "reqwest",
    "Mutex",
    "println!",
];

/// Each module of lib.rs with the number of its group, from the top.
fn groups(lib: &str) -> BTreeMap<String, usize> {
    let mut groups = BTreeMap::new();
    let mut group = 0;
    for line in lib.lines() {
        if line.trim().is_empty() {
            group += 1;
        }
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            groups.insert(name.to_owned(), group);
        }
    }
    groups
}

/// Every source file, with the top module it is in.
fn sources(folder: &Path, module: Option<&str>, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = module.unwrap_or(&stem);
        if path.is_dir() {
            sources(&path, Some(module), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((module.to_owned(), path));
        }
    }
}

/// The code of a file without its comments and without its tests, which stand at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    lines.join("\n")
}

/// The names behind each `crate::`, those of a group in braces too.
fn uses(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let ends = if rest.starts_with('{') { usize::MAX } else { 1 };
        for one in list.split(',').take(ends) {
            let name: String = one.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.push(name);
        }
    }
    names
}

fn faults(lib: &str, files: &[(String, String, String)]) -> Vec<String> {
    let groups = groups(lib);
    let mut faults = Vec::new();
    for (module, path, code) in files {
        let Some(own) = groups.get(module) else { continue };
        for used in uses(code) {
            let allowed = groups.get(&used).is_none_or(|group| group < own || used == *module);
            if !allowed {
                faults.push(format!("{path}: {module} may not use {used}"));
            }
        }
        if PURE.contains(&module.as_str()) {
            let found = IMPURE.iter().filter(|word| code.contains(**word));
            faults.extend(found.map(|word| format!("{path}: {module} thinks, and may not use {word:?}")));
        }
    }
    faults
}

#[test]
fn every_module_uses_only_those_above_it_and_the_thinking_ones_do_no_io() {
    let mut found = Vec::new();
    sources(Path::new(AGENT), None, &mut found);
    assert!(found.len() > 40, "the sources were found");
    let files: Vec<(String, String, String)> =
        found.iter().map(|(module, path)| (module.clone(), path.display().to_string(), code(path))).collect();
    let lib = std::fs::read_to_string(format!("{AGENT}/lib.rs")).unwrap();
    assert!(groups(&lib).len() > 10);
    let faults = faults(&lib, &files);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_fault_is_caught() {
    let lib = "pub mod low;\n\npub mod sample;\n\npub mod high;\n";
    let file = |module: &str, code: &str| (module.to_owned(), format!("{module}.rs"), code.to_owned());
    let files = [
        file("low", "use crate::high::Thing;"),
        file("high", "use crate::{low, sample};"),
        file("sample", "use std::fs; use crate::{high};"),
    ];
    assert_eq!(
        faults(lib, &files),
        [
            "low.rs: low may not use high",
            "sample.rs: sample may not use high",
            "sample.rs: sample thinks, and may not use \"std::fs\"",
        ]
    );
}
