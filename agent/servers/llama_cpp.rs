//! To come.
use super::{Kind, openai, recognise};

/// The row of the table.
pub(super) const KIND: Kind =
    Kind { name: "llama_cpp", recognise: |probe| Box::pin(recognise::is_llama_cpp(probe)), ..openai::KIND };
