//! What several reads of the GPUs, and what is heard of them besides, tell together.

mod xids;

pub(super) use xids::Xids;
