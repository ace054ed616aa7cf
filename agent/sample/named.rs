//! Names of models, as servers list them and as people write them.

/// Whether a model that its server lists by that name is the one that was written: Ollama's `llama3` is
/// `llama3:latest`.
pub fn is_called(listed: &str, written: &str) -> bool {
    listed == written || listed.strip_suffix(":latest") == Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_is_that_of_the_latest_and_of_no_other() {
        assert!(is_called("llama3:latest", "llama3") && is_called("llama3", "llama3"));
        assert!(is_called("llama3:8b", "llama3:8b"));
        assert!(!is_called("llama3:8b", "llama3") && !is_called("llama3", "llama"));
        assert!(!is_called("llama3", "llama3:latest"), "a server that lists it without has no tags");
    }
}
