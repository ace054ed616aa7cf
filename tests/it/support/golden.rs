//! Golden files: what a person would open, as it was last looked at and found good.
//! `UPDATE_GOLDEN=1` writes them anew.

use std::path::PathBuf;

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether golden files are to be written instead of compared.
pub fn updates() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Fails, with the first line that differs, unless the text is what `tests/golden/NAME` says.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let path = file("tests/golden").join(name);
    if updates() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if golden != text {
        let at = golden.lines().zip(text.lines()).position(|(golden, now)| golden != now);
        let at = at.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
        let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
        panic!(
            "tests/golden/{name}, line {}:\n  golden: {}\n  now:    {}\nUPDATE_GOLDEN=1 writes it anew",
            at + 1,
            line(&golden),
            line(text)
        );
    }
}
