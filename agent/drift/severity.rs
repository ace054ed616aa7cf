//! How bad a change is: by how far the answers moved, and apart from that by what they lost.

use super::picture::{FaultKind, Picture};
use super::{Cause, Severity};

/// Nats of KLD below which nobody is to be told that quality is lost: displacement is not direction.
pub(super) const SMALL: f64 = 0.01;

/// Nats of KLD from which on quality is lost: what Q3 is to F16 on a model of 8 billion parameters.
const LARGE: f64 = 0.1;

/// Checks that the baseline always passed: so many lost are no accident.
const MANY_LOST: usize = 3;

/// What beside the last picture decides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses {
    /// Checks that the baseline always passed and that fail now.
    pub lost: usize,
    /// Whether one of them is about degeneration.
    pub degenerates: bool,
    /// Whether the stream of quality has an alarm.
    pub quality: bool,
    /// Whether only the stream of performance has one.
    pub only_slow: bool,
}

/// How bad it is.
pub(super) fn severity(picture: &Picture, cause: Option<Cause>, losses: Losses) -> Severity {
    let kld = picture.kld.unwrap_or(0.0);
    let broken = [FaultKind::BadLogprob, FaultKind::Empty, FaultKind::TooLong, FaultKind::ServerError]
        .iter()
        .any(|kind| picture.has(*kind));
    let truncated = cause == Some(Cause::Context) && picture.counts.1 > 0;
    if kld >= LARGE || losses.quality || losses.lost >= MANY_LOST || losses.degenerates || broken || truncated
    {
        return Severity::Critical;
    }
    let behaviour = matches!(cause, Some(Cause::Template | Cause::Sampling | Cause::Context));
    let flips = picture.flips.is_some_and(|flips| flips > 0);
    // Without probabilities there is no distance: texts that differ are a change of behaviour.
    let texts = picture.kld.is_none() && picture.texts.1 > 0 && picture.texts.0 < picture.texts.1;
    let faults = !picture.faults.is_empty();
    if kld >= SMALL || flips || behaviour || losses.lost > 0 || losses.only_slow || texts || faults {
        return Severity::Warning;
    }
    Severity::Info
}
