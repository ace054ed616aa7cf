//! To come.
use super::{Kind, openai};

/// The row of the table.
pub(super) const KIND: Kind =
    Kind { name: "lm_studio", recognise: |_| Box::pin(async { false }), ..openai::KIND };
