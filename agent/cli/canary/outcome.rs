//! What a run of the command found, and the exit code that says the same. Pure.

use super::silence::Silence;
use crate::canary::Spent;
use crate::cli::failure::UNKNOWN;
use crate::cli::kept::Compared;
use crate::drift::{Proportion, Severity, Verdict};

/// Whole answers of which one at least should be right, whatever the model: with fewer, none of them may be by chance.
const LEAST_GRADED: u64 = 6;

/// How the model stands to its baseline.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing to compare with, and why, with what would do.
    None { why: String },
    /// Compared, as far as there is a baseline.
    Compared(Compared),
}

/// What the command found.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) target: &'a str,
    pub(super) model: &'a str,
    pub(super) kind: &'static str,
    pub(super) version: Option<&'a str>,
    pub(super) url: String,
    pub(super) suite: String,
    pub(super) standing: Standing,
    pub(super) speed: crate::canary::Speed,
    /// Tokens spent, as the server tells, or else as were asked for.
    pub(super) spent: Spent,
    pub(super) busy: bool,
    pub(super) own_fails: bool,
    /// Whole answers that passed their checks, and all.
    pub(super) passed: Proportion,
    pub(super) silence: Silence,
    /// That it was kept, in words.
    pub(super) saved: Option<String>,
    pub(super) code: u8,
}

impl Outcome<'_> {
    /// Whether not one answer is right, where no baseline tells what to expect of the model.
    pub(super) fn nothing_is_right(&self) -> bool {
        let unknown = matches!(self.standing, Standing::None { .. });
        unknown && self.passed.of == 0 && self.passed.all >= LEAST_GRADED
    }

    /// The exit code that says the same as the verdict.
    pub(super) fn code(&self) -> u8 {
        if self.silence.is_most() {
            return UNKNOWN;
        }
        let by_itself = u8::from(self.own_fails);
        let by_drift = match &self.standing {
            Standing::None { .. } => 0,
            Standing::Compared(Compared { sure: true, .. }) => 2,
            Standing::Compared(Compared { report, exceeding, .. }) => match (report.verdict, report.severity)
            {
                (Verdict::Suspect, _) | (Verdict::Drifting, Some(Severity::Info)) => 1,
                (Verdict::Failing | Verdict::Drifting, _) => 2,
                (Verdict::Learning | Verdict::Steady, _) => u8::from(*exceeding > 0),
            },
        };
        let by_silence = if self.silence.is_failing() || self.nothing_is_right() {
            2
        } else {
            u8::from(self.silence.unanswered + self.silence.empty > 0)
        };
        by_itself.max(by_drift).max(by_silence)
    }
}
