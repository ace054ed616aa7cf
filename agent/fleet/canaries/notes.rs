//! What of canaries a person should know. Pure.

use super::Canaries;
use crate::sample::Note;
use crate::view::Skip;

impl Canaries {
    /// What keeps models from being asked and will not pass by itself. How a model answers is told apart.
    pub(in crate::fleet) fn notes(&self) -> Vec<Note> {
        let is = |skipped: &Option<String>, reason: Skip| skipped.as_deref() == Some(reason.name());
        let stopped = self.0.values().filter(|canary| is(&canary.skipped, Skip::ReloadCaused));
        let notes = stopped.map(|canary| {
            let text = format!(
                "{}: a canary made the server load it anew, so it is not asked any more",
                canary.model
            );
            Note::warning("canary_reload", text, canary.skipped_words.as_deref())
        });
        notes.collect()
    }
}
