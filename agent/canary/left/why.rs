//! The reasons for which a model may be asked, or may not.

/// Why a model may be asked, or may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It stays in memory whatever happens.
    Stays,
    /// Somebody else used it since our last run: that, not we, keeps it.
    Used,
    /// It was not asked before: one request puts its end off once.
    First,
    /// The config says that it may be loaded.
    MayLoad,
    /// The server does not list it.
    Unlisted,
    /// It is not in memory.
    NotLoaded,
    /// What is in memory under its name is an older model.
    Replaced,
    /// It is not told whether it is in memory.
    NotTold,
    /// It is being loaded.
    Loading,
    /// It sleeps.
    Asleep,
    /// The server is down or hangs.
    Away,
    /// It runs on somebody else's machine.
    Remote,
    /// Nobody used it since our last run: another one would keep it alive.
    Unused,
    /// Whether somebody used it cannot be seen, and another run may keep it alive.
    UseUnseen,
}

impl Why {
    /// Its word for labels and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::Used => "used",
            Self::First => "first",
            Self::MayLoad => "may_load",
            Self::Unlisted => "unlisted",
            Self::NotLoaded => "not_loaded",
            Self::Replaced => "replaced",
            Self::NotTold => "not_told",
            Self::Loading => "loading",
            Self::Asleep => "asleep",
            Self::Away => "away",
            Self::Remote => "remote",
            Self::Unused => "unused",
            Self::UseUnseen => "use_unseen",
        }
    }

    /// In a sentence, with what to do where something can be done.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stays => "the model stays in memory whatever happens",
            Self::Used => "somebody else used the model since the last run",
            Self::First => "the model was not asked before",
            Self::MayLoad => "the config says that the model may be loaded for canaries",
            Self::Unlisted => "the server does not list this model",
            Self::NotLoaded => "the model is not in memory, and a canary loads none",
            Self::Replaced => {
                "the name was given to another model, which the next request will load, and a canary loads none"
            }
            Self::NotTold => {
                "this server does not tell whether the model is in memory; if it always is, name it in may_load of [canaries]"
            }
            Self::Loading => "the model is being loaded",
            Self::Asleep => "the model sleeps, and a canary wakes none",
            Self::Away => "the server is down or hangs",
            Self::Remote => "the model runs on somebody else's machine and may cost money",
            Self::Unused => "nobody used the model since the last run, and a canary keeps none alive",
            Self::UseUnseen => {
                "whether somebody used the model since the last run cannot be seen, and a canary keeps none alive; \
                 if it always stays in memory, name it in may_load of [canaries] (on a llama.cpp target: sleeps = false)"
            }
        }
    }

    pub(super) const fn may_run(self) -> bool {
        matches!(self, Self::Stays | Self::Used | Self::First | Self::MayLoad)
    }
}
