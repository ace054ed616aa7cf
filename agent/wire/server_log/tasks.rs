//! The tasks of llama-server that are under way, by the lines that tell of them, and what came of each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::dates::Date;
use super::slots::{Event, Line, Task};
use crate::sample::{End, Failure, Phase, ServerTimes, Tokens, Truncation};

/// Tasks under way at once: a server has some dozens of slots, and what never ends must not stay for ever.
const MAX_TASKS: usize = 1024;

/// Prompts that were cut and whose task is to come.
const MAX_CUTS: usize = 64;

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct At {
    /// The line's number since the log is read.
    pub(super) line: u64,
    /// When it was read, on the reader's own clock.
    pub(super) when: Duration,
    /// When it was written.
    pub(super) date: Date,
    /// The server's time since its start.
    pub(super) stamp: Option<Duration>,
    /// Which of a router's children wrote it.
    pub(super) child: Option<u16>,
}

/// A task, and which of a router's children has it.
pub(super) type Key = (Option<u16>, Task);

/// What came of a task that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The line that began it, if that was read.
    pub(super) launched: Option<u64>,
    /// The line that told its times, or its end.
    pub(super) line: u64,
    pub(super) when: Duration,
    /// When its last line was written. `None`: the log does not tell.
    pub(super) date: Option<Timestamp>,
    pub(super) end: End,
    /// The server's time on it, without its queue. `None`: the log does not tell.
    pub(super) total: Option<Duration>,
    /// The same, or how long it was seen.
    pub(super) took: Duration,
    pub(super) tokens: Tokens,
    pub(super) told: ServerTimes,
    pub(super) truncated: Option<Truncation>,
}

#[derive(Debug, Default)]
pub(super) struct Tasks {
    open: BTreeMap<Key, Open>,
    /// The task that was named last: times may follow in lines of their own.
    named: Option<Key>,
    /// Tokens that are left of prompts that were cut.
    cuts: VecDeque<u64>,
}

/// A task that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    launched: Option<At>,
    seen: At,
    timed: Option<u64>,
    input: Option<u64>,
    cached: Option<u64>,
    told: ServerTimes,
    total: Option<Duration>,
    decoding: bool,
    cancelled: bool,
    failed: Option<Failure>,
    cut: bool,
    /// Two processes have a task of this number: what is told of which cannot be said.
    muddled: bool,
}

impl Tasks {
    /// A prompt was cut to so many tokens; its task follows.
    pub(super) fn prompt_cut(&mut self, tokens: u64) {
        if self.cuts.len() == MAX_CUTS {
            self.cuts.pop_front();
        }
        self.cuts.push_back(tokens);
    }

    /// The last that began of those under way, at most so many.
    pub(super) fn open(&self, most: usize) -> Vec<(Key, Open)> {
        let mut all: Vec<(Key, Open)> = self.open.iter().map(|(key, open)| (*key, open.clone())).collect();
        all.sort_by_key(|(_, open)| std::cmp::Reverse(open.seen.line));
        all.truncate(most);
        all
    }

    /// With these under way.
    pub(super) fn of(open: Vec<(Key, Open)>) -> Tasks {
        Tasks { open: open.into_iter().collect(), ..Tasks::default() }
    }

    /// Takes a line; gives what came of a task that ends by it.
    pub(super) fn hear(&mut self, line: Line, at: At) -> Option<Answer> {
        match line {
            Line::Of(task, Event::Launched) => self.launch((at.child, task), at),
            Line::Of(task, Event::Released { tokens, full }) => {
                return self.open.remove(&(at.child, task))?.close(tokens, full, at);
            }
            Line::Of(task, event) => {
                self.named = Some((at.child, task));
                self.change((at.child, task), event, at);
            }
            Line::More(event) => {
                if let Some(task) = self.named {
                    self.change(task, event, at);
                }
            }
            Line::Cancel(task) => self.only(task, at, |open| open.cancelled = true),
            Line::Failed { task, too_long } => {
                let why = if too_long { Failure::ContextExceeded } else { Failure::ServerError };
                self.only(task, at, |open| open.failed = Some(why));
            }
            Line::Starts => {}
        }
        None
    }

    /// The process that had them is gone: what came of all that were under way.
    pub(super) fn die(&mut self, at: At) -> Vec<Answer> {
        self.named = None;
        let (dead, left): (BTreeMap<Key, Open>, BTreeMap<Key, Open>) =
            std::mem::take(&mut self.open).into_iter().partition(|((child, _), _)| *child == at.child);
        self.open = left;
        dead.into_values().filter_map(|open| open.die(at)).collect()
    }

    /// Whether one is under way that began before this line.
    pub(super) fn any_before(&self, line: u64) -> bool {
        self.open.values().any(|open| open.launched.is_some_and(|at| at.line < line))
    }

    fn launch(&mut self, task: Key, at: At) {
        self.named = Some(task);
        let mut open = Open::new(at);
        open.launched = Some(at);
        open.muddled = self.open.contains_key(&task);
        self.insert(task, open);
    }

    fn insert(&mut self, task: Key, open: Open) {
        if self.open.len() >= MAX_TASKS {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.seen.line).map(|(task, _)| *task);
            oldest.map(|task| self.open.remove(&task));
        }
        self.open.insert(task, open);
    }

    fn change(&mut self, task: Key, event: Event, at: At) {
        // It began before the log was read.
        if !self.open.contains_key(&task) {
            self.insert(task, Open::new(at));
        }
        let Some(open) = self.open.get_mut(&task) else { return };
        match event {
            Event::Prompt(tokens) => {
                open.input = Some(tokens);
                let cut = self.cuts.iter().position(|cut| *cut == tokens);
                open.cut = cut.and_then(|at| self.cuts.remove(at)).is_some();
            }
            Event::Cached(tokens) => drop(open.cached.get_or_insert(tokens)),
            Event::PromptTime(took, tokens) => {
                (open.told.prompt, open.told.prompt_tokens) = (Some(took), Some(tokens));
                open.timed = Some(at.line);
            }
            Event::DecodeTime(took, tokens) => {
                (open.told.decode, open.told.decode_tokens) = (Some(took), Some(tokens));
            }
            Event::Total(total) => open.total = Some(total),
            Event::Decoding => open.decoding = true,
            Event::Launched | Event::Released { .. } | Event::Times => {}
        }
    }

    /// Changes the task of this number, if one alone has it.
    fn only(&mut self, task: u64, at: At, change: impl FnOnce(&mut Open)) {
        let is_it = |(child, (_, number)): &Key| *child == at.child && *number == task;
        let mut all = self.open.iter_mut().filter(|(key, _)| is_it(key));
        if let (Some((_, open)), None) = (all.next(), all.next()) {
            change(open);
        }
    }
}

impl Open {
    fn new(seen: At) -> Open {
        Open {
            launched: None,
            seen,
            timed: None,
            input: None,
            cached: None,
            told: ServerTimes::default(),
            total: None,
            decoding: false,
            cancelled: false,
            failed: None,
            cut: false,
            muddled: false,
        }
    }

    /// `None`: it was no generation (an embedding has no times), or it is not known whose it was.
    fn close(self, held: Option<u64>, full: bool, at: At) -> Option<Answer> {
        let output = match self.told.decode_tokens {
            Some(output) => Some(output),
            // The slot holds the prompt and all tokens but the last.
            None => held.zip(self.input).and_then(|(held, input)| held.saturating_add(1).checked_sub(input)),
        };
        let output = output.filter(|output| *output > 0);
        let end = match (self.failed, self.cancelled, self.told.decode) {
            (Some(why), ..) => End::Failed(why),
            (None, true, _) => End::Cancelled(self.phase(output)),
            (None, false, Some(_)) => End::Complete,
            (None, false, None) => return None,
        };
        let whole = held.filter(|_| !full && end == End::Complete);
        let input = self.input.or_else(|| whole?.saturating_add(1).checked_sub(output?));
        let cut = full || self.cut;
        let output = output.filter(|_| self.failed.is_none());
        self.answer(end, at, input, output, cut)
    }

    fn die(self, at: At) -> Option<Answer> {
        let input = self.input;
        self.answer(End::Failed(Failure::Reset), at, input, None, false)
    }

    fn answer(self, end: End, at: At, input: Option<u64>, output: Option<u64>, cut: bool) -> Option<Answer> {
        let computed = self.told.prompt_tokens;
        let cached = self.cached.or_else(|| input?.checked_sub(computed?));
        let launched = self.launched;
        let stamps = launched.and_then(|from| at.stamp?.checked_sub(from.stamp?));
        let seen = at.when.saturating_sub(launched.unwrap_or(self.seen).when);
        (!self.muddled).then(|| Answer {
            launched: launched.map(|at| at.line),
            line: self.timed.unwrap_or(at.line),
            when: at.when,
            date: at.date.written,
            end,
            total: self.total.filter(|_| end == End::Complete),
            took: self.total.or(stamps).unwrap_or(seen),
            tokens: Tokens {
                input,
                cached: cached.filter(|cached| input.is_none_or(|input| *cached <= input)),
                output,
                ..Tokens::default()
            },
            told: self.told,
            truncated: cut.then_some(Truncation::Context),
        })
    }

    /// How far it was, as far as the log tells.
    fn phase(&self, output: Option<u64>) -> Phase {
        if self.decoding || self.told.decode.is_some() || output.is_some() {
            Phase::Decode
        } else {
            Phase::Prefill
        }
    }
}
