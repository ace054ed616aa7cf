//! Names for what was found. Pure.

use crate::servers::Kind;

/// `ollama` at the kind's usual port, else `ollama-21434`; with `-2`, `-3` … where that is taken.
pub(super) fn unique(kind: &Kind, port: u16, taken: &[String]) -> String {
    let base = usual(kind, port);
    let mut name = base.clone();
    let mut nth = 1;
    while taken.contains(&name) {
        nth += 1;
        name = format!("{base}-{nth}");
    }
    name
}

/// What the only server of that kind at that port is called.
pub fn usual(kind: &Kind, port: u16) -> String {
    let usual = kind.default_ports.first() == Some(&port);
    if usual { kind.name.to_owned() } else { format!("{}-{port}", kind.name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::kind;

    #[test]
    fn names_are_the_kind_then_the_port_then_a_number() {
        let ollama = kind("ollama").unwrap();
        let name = |port, taken: &[&str]| {
            unique(ollama, port, &taken.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(name(11434, &[]), "ollama");
        assert_eq!(name(11434, &["ollama"]), "ollama-2");
        assert_eq!(name(11434, &["ollama", "ollama-2"]), "ollama-3");
        assert_eq!(name(21434, &["ollama"]), "ollama-21434");
        assert_eq!(name(21434, &["ollama-21434"]), "ollama-21434-2");
    }
}
