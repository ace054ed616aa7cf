//! How a generation ended: what HTTP says, what the answer says, and who left first, put together.

use super::answer::Answer;
use super::frames::Form;
use super::meter::Close;
use crate::sample::{Dialect, End, Failure, Phase};

/// What decides about the end.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    pub(super) dialect: Dialect,
    pub(super) status: Option<u16>,
    /// How the answer is framed, once its head came.
    pub(super) form: Option<Form>,
    /// What it told.
    pub(super) answer: &'a Answer,
    /// The only document of an answer that is no stream is whole.
    pub(super) whole: bool,
    /// It was not read to its end.
    pub(super) faulty: bool,
    /// How far it was.
    pub(super) phase: Phase,
}

impl Ending<'_> {
    /// The one end.
    pub(super) fn end(&self, close: Close) -> End {
        let Some(status) = self.status else {
            return match close {
                Close::Broken(reason) => End::Failed(reason),
                Close::ClientGone => End::Cancelled(self.phase),
                // A message without a head is none.
                Close::Whole => End::Failed(Failure::Malformed),
            };
        };
        if !(200..300).contains(&status) {
            return End::Failed(refused(status, self.answer.context_error));
        }
        if self.answer.error {
            return End::Failed(match self.is_stream() {
                _ if self.answer.context_error => Failure::ContextExceeded,
                true => Failure::StreamError,
                false => Failure::Malformed,
            });
        }
        if self.is_complete(close) {
            return End::Complete;
        }
        match close {
            Close::Whole if self.faulty => End::Complete,
            Close::Whole => End::Failed(Failure::CutShort),
            Close::Broken(reason) => End::Failed(reason),
            Close::ClientGone => End::Cancelled(self.phase),
        }
    }

    /// Whether the answer itself says that it is whole.
    pub(super) fn is_complete(&self, close: Close) -> bool {
        if !self.is_stream() {
            return self.whole;
        }
        let answer = self.answer;
        answer.ended
            || match self.dialect {
                // After `finish_reason` only usage and the marker follow. Some servers leave the marker out, and
                // some clients leave without it; but a break before it is seen by those who wait for it.
                Dialect::OpenaiChat | Dialect::OpenaiCompletions => {
                    answer.finish.is_some() && (answer.marker || !matches!(close, Close::Broken(_)))
                }
                _ => false,
            }
    }

    fn is_stream(&self) -> bool {
        matches!(self.form, Some(Form::Events | Form::Lines))
    }
}

/// What a status other than success means.
fn refused(status: u16, context_error: bool) -> Failure {
    match status {
        // 529 is Anthropic's word for it.
        429 | 503 | 529 => Failure::Overloaded,
        401 | 403 => Failure::Unauthorized,
        404 => Failure::NotFound,
        400.. if context_error => Failure::ContextExceeded,
        500.. => Failure::ServerError,
        _ => Failure::ClientError,
    }
}
