//! To come.
use super::{Kind, openai, recognise};

/// The row of the table.
pub(super) const KIND: Kind =
    Kind { name: "ollama", recognise: |probe| Box::pin(recognise::is_ollama(probe)), ..openai::KIND };
