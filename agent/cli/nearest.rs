//! Which known name was probably meant. Pure.

/// Below this a name is no misspelling of another (Jaro-Winkler, 0..1).
const ALIKE: f64 = 0.8;

/// The known name that is most like it, if one is alike.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed: String = typed.chars().take(200).collect::<String>().to_lowercase();
    let likeness = |known: &str| {
        let known: String = known.chars().take(200).collect::<String>().to_lowercase();
        let whole_part = typed.len() > 2 && known.contains(&typed);
        if whole_part { 1.0 } else { strsim::jaro_winkler(&typed, &known) }
    };
    let scored = known.map(|known| (likeness(known), known)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["llm-a/qwen3:8b", "llm-b/qwen3:8b", "box/llama3.1:8b"];
        assert_eq!(nearest("llm-a/qwen:8b", known.into_iter()), Some("llm-a/qwen3:8b"));
        assert_eq!(nearest("llama3.1", known.into_iter()), Some("box/llama3.1:8b"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
    }
}
