//! Makes text of other programs fit for a label, a table and a page. Pure.

/// The longest label value. Model names are far shorter; a longer one is an accident or an attack.
const MAX_BYTES: usize = 200;

/// The text as it is, if it is printable and at most 200 bytes; else the part of it that is,
/// followed by `~` and a hash of the whole, so that two names never become one.
pub fn label(text: &str) -> String {
    if text.len() <= MAX_BYTES && !text.chars().any(is_bad) {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars().map(|c| if is_bad(c) { '?' } else { c }) {
        if kept.len() + c.len_utf8() > MAX_BYTES - 9 {
            break;
        }
        kept.push(c);
    }
    format!("{kept}~{:08x}", fnv1a(text.as_bytes()))
}

/// The longest line of a note. The agent's own words are far shorter; names of models may stand in them.
const MAX_LINE: usize = 400;

/// The text in one harmless line of bounded length, for people to read.
pub(super) fn line(text: &str) -> String {
    let mut kept: String = text.chars().take(MAX_LINE).map(|c| if is_bad(c) { '?' } else { c }).collect();
    if text.chars().nth(MAX_LINE).is_some() {
        kept.push('…');
    }
    kept
}

/// Control characters (they would steer a terminal) and those that turn the direction of text.
fn is_bad(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// FNV-1a, 32 bit: stable over versions and machines, which std's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay() {
        for name in ["llama3.2:3b", "/srv/models/a b \"c\".gguf", "größe", ""] {
            assert_eq!(label(name), name);
        }
    }

    #[test]
    fn long_and_odd_names_are_cut_and_stay_apart() {
        let (a, b) = (format!("{}a", "x".repeat(4096)), format!("{}b", "x".repeat(4096)));
        assert!(label(&a).len() <= 200 && label(&a) != label(&b));
        assert!(label("a\nb").starts_with("a?b~"));
        assert_ne!(label("a\nb"), label("a\tb"));
        assert!(label(&"é".repeat(300)).len() <= 200);
    }
}
