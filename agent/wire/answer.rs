//! What an answer told so far: collected as its documents pass, whichever the dialect.

use super::json::Reader;
use super::place::Place;
use super::scalars::{is_true, number, whole};
use super::words::{Kind, Stopped, is_context_error, model_name};
use crate::sample::Finish;

/// What is particular to a dialect: where things stand, and which document is the last.
pub(super) trait Grammar {
    /// Which place the member `key` of `parent` is.
    fn member(parent: Place, key: &[u8]) -> Place;
    /// What the document that just became whole was.
    fn told(document: &Document) -> Told;
}

/// What one document held, until it is whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Document {
    /// Generated text for the reader.
    pub(super) answer: bool,
    /// Generated text of the model's thinking.
    pub(super) reasoning: bool,
    /// Generated text that calls a tool.
    pub(super) tool: bool,
    /// Generated text, of the kind that `kind` says.
    pub(super) piece: bool,
    /// It has an id, or names itself or its model.
    pub(super) named: bool,
    /// It says that the answer is whole.
    pub(super) done: bool,
    /// It is an error.
    pub(super) error: bool,
    /// What its type is.
    pub(super) kind: Kind,
    /// Why generating stopped, as it says.
    pub(super) stopped: Option<Stopped>,
}

impl Document {
    /// What it told, if that was a piece and nothing else.
    pub(super) fn only_piece<G: Grammar>(&self) -> Option<Told> {
        let told = G::told(self);
        (told.piece && !told.end && !told.error && self.stopped.is_none()).then_some(told)
    }
}

/// What a document was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// It carried generated text.
    pub(super) piece: bool,
    /// It carried text for the reader.
    pub(super) visible: bool,
    /// With it the answer is whole.
    pub(super) end: bool,
    /// It is an error.
    pub(super) error: bool,
}

/// What an answer told so far. Of what is told several times the last counts.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The document that is under way.
    pub(super) document: Document,
    /// Documents with generated text since it was asked last.
    pub(super) pieces: u32,
    /// One of those had text for the reader.
    pub(super) visible: bool,
    /// The model's name.
    pub(super) model: Option<Box<str>>,
    /// Why generating stopped.
    pub(super) finish: Option<Finish>,
    /// The last document that is due came.
    pub(super) ended: bool,
    /// OpenAI's marker of the end came.
    pub(super) marker: bool,
    /// An error came.
    pub(super) error: bool,
    /// The error says that the prompt does not fit.
    pub(super) context_error: bool,
    /// The context was full: said, not concluded.
    pub(super) context_full: bool,
    /// The length of the context.
    pub(super) context: Option<u64>,
    /// Tokens.
    pub(super) counts: Counts,
    /// Times.
    pub(super) times: Times,
}

/// Tokens as servers count them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) input: Option<u64>,
    pub(super) input_uncached: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) cache_written: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) reasoning: Option<u64>,
    pub(super) timed_cached: Option<u64>,
    pub(super) timed_prompt: Option<u64>,
    pub(super) timed_output: Option<u64>,
}

/// Times as servers tell them, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) load: Option<f64>,
    pub(super) prompt: Option<f64>,
    pub(super) decode: Option<f64>,
}

impl Answer {
    /// The document is whole.
    #[inline]
    pub(super) fn document_ended<G: Grammar>(&mut self) {
        self.told(G::told(&self.document));
        match self.document.stopped {
            None => {}
            Some(Stopped::Broken) => self.error = true,
            Some(Stopped::ContextFull) => {
                self.finish = Some(Finish::Length);
                self.context_full = true;
            }
            Some(Stopped::For(finish)) => self.finish = Some(finish),
        }
    }

    /// A document told this.
    #[inline]
    pub(super) fn told(&mut self, told: Told) {
        self.pieces += u32::from(told.piece);
        self.visible |= told.visible;
        self.ended |= told.end;
        self.error |= told.error;
    }

    /// Another document begins.
    #[inline]
    pub(super) fn document_begins(&mut self) {
        self.document = Document::default();
    }

    fn count(&mut self, place: Place, value: f64) {
        let tokens = whole(value);
        let seconds = |scale: f64| Some(value * scale);
        let (counts, times) = (&mut self.counts, &mut self.times);
        match place {
            Place::Input => counts.input = tokens,
            Place::InputUncached => counts.input_uncached = tokens,
            Place::Cached => counts.cached = tokens,
            Place::CacheWritten => counts.cache_written = tokens,
            Place::Output => counts.output = tokens,
            Place::OutputReasoning => counts.reasoning = tokens,
            Place::TimedCached => counts.timed_cached = tokens,
            Place::TimedPrompt => counts.timed_prompt = tokens,
            Place::TimedOutput => counts.timed_output = tokens,
            Place::ContextLength => self.context = tokens,
            Place::LoadNanos => times.load = seconds(1e-9),
            Place::LoadSeconds => times.load = seconds(1.0),
            Place::PromptNanos => times.prompt = seconds(1e-9),
            Place::DecodeNanos => times.decode = seconds(1e-9),
            Place::TimedPromptMillis => times.prompt = seconds(1e-3),
            Place::TimedOutputMillis => times.decode = seconds(1e-3),
            _ => {}
        }
    }
}

/// An [`Answer`] that reads a dialect.
pub(super) struct Reading<'a, G> {
    pub(super) answer: &'a mut Answer,
    pub(super) grammar: std::marker::PhantomData<G>,
}

impl<G: Grammar> Reader for Reading<'_, G> {
    #[inline]
    fn member(&mut self, parent: Place, key: &[u8]) -> Place {
        G::member(parent, key)
    }

    fn text(&mut self, place: Place, raw: &[u8]) {
        let document = &mut self.answer.document;
        match place {
            Place::Model => {
                document.named = true;
                if self.answer.model.is_none() {
                    self.answer.model = model_name(raw).map(String::into_boxed_str);
                }
            }
            Place::Kind => document.kind = Kind::of(raw),
            Place::Object => {
                document.named = true;
                document.error |= raw == b"error";
            }
            Place::Finish => document.stopped = Stopped::of(raw).or(document.stopped),
            Place::Status if raw == b"failed" => document.error = true,
            Place::Status if raw == b"completed" => document.stopped = Some(Stopped::For(Finish::Stop)),
            Place::Error | Place::ErrorText => {
                document.error |= place == Place::Error;
                self.answer.context_error |= is_context_error(raw);
            }
            _ => {}
        }
    }

    #[inline]
    fn filled(&mut self, place: Place) {
        let document = &mut self.answer.document;
        match place {
            Place::Answer => document.answer = true,
            Place::Reasoning => document.reasoning = true,
            Place::Tool => document.tool = true,
            Place::Piece => document.piece = true,
            Place::Id => document.named = true,
            _ => {}
        }
    }

    fn scalar(&mut self, place: Place, raw: &[u8]) {
        match place {
            Place::Done => self.answer.document.done |= is_true(raw),
            Place::Truncated => self.answer.context_full |= is_true(raw),
            _ => {
                if let Some(value) = number(raw) {
                    self.answer.count(place, value);
                }
            }
        }
    }

    fn opened(&mut self, place: Place) {
        self.answer.document.error |= place == Place::Error;
    }
}
