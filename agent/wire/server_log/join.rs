//! Which task answered which request. Ollama's access lines and its children's lines share no number: what joins
//! them is that a request ends after its task, and takes no less.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access::Access;
use super::dates::Date;
use super::load::Load;
use super::tasks::Answer;
use crate::sample::{End, Failure};

/// How long something waits: in time, and in lines that are read after it where they are read faster than they were
/// written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    time: Duration,
    lines: u64,
}

/// A request or an answer is joined when it is this old: then what else was written with it was read, too.
const RIPE: Wait = Wait { time: Duration::from_millis(900), lines: FEW };

/// A request waits so long for its answer's lines, which may be written a moment later.
pub(super) const REQUEST_WAITS: Wait = Wait { time: Duration::from_secs(3), lines: 3 * FEW };

/// The same while a task is under way that may be its: one whose client left is noticed after the batch that is
/// being computed.
pub(super) const REQUEST_WAITS_FOR_TASK: Wait = Wait { time: Duration::from_secs(15), lines: 15 * FEW };

/// An answer waits so long for its request's line: it is written when the client has read all.
pub(super) const ANSWER_WAITS: Wait = Wait { time: Duration::from_secs(10), lines: 10 * FEW };

/// An answer was just before a request, and likely its, if it was read no earlier before it.
const NEAR: Duration = Duration::from_millis(1500);

/// And no more lines before it: some are written between, of other tasks.
const FEW: u64 = 64;

/// Lines of two processes may change places by so much.
const SWAPPED: u64 = 16;

/// What clocks of two processes may differ by in one request.
const SLACK: Duration = Duration::from_millis(5);

/// How far the log is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) line: u64,
    /// On the reader's own clock, which stands still while nobody reads.
    pub(super) when: Duration,
    /// Lines are read faster than they were written: time tells nothing.
    pub(super) fast: bool,
}

impl Reached {
    /// Whether what was read there has waited for so long.
    pub(super) fn is_past(self, line: u64, when: Duration, wait: Wait) -> bool {
        let by_lines = self.fast && self.line.saturating_sub(line) >= wait.lines;
        by_lines || self.when.saturating_sub(when) >= wait.time
    }
}

/// A request that ended and may have an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) line: u64,
    pub(super) when: Duration,
    /// When it was written.
    pub(super) at: Date,
    pub(super) access: Access,
    pub(super) model: Option<String>,
    /// The load that it may have waited for.
    pub(super) load: Option<Load>,
}

/// Takes the pairs that are certain: where a request can have one answer alone, or only one of several was told just
/// before it; and where an answer that was can be only one request's.
pub(super) fn pairs<A: AsRef<Answer>>(
    requests: &mut Vec<Request>,
    answers: &mut Vec<A>,
    reached: Reached,
) -> Vec<(Request, A)> {
    let mut pairs = Vec::new();
    loop {
        let before = pairs.len();
        let mut at = 0;
        while at < requests.len() {
            let is_ripe = reached.is_past(requests[at].line, requests[at].when, RIPE);
            match only_answer(&requests[at], answers).filter(|_| is_ripe) {
                Some(answer) => pairs.push((requests.remove(at), answers.remove(answer))),
                None => at += 1,
            }
        }
        // What one has, another cannot have: that may leave it only one. Only where that leads to nothing more it is
        // looked at from the other side.
        if pairs.len() > before {
            continue;
        }
        let found = (0..answers.len())
            .find_map(|at| Some((only_request(answers[at].as_ref(), requests, reached)?, at)));
        match found {
            Some((request, answer)) => pairs.push((requests.remove(request), answers.remove(answer))),
            None => return pairs,
        }
    }
}

/// The one answer that a request can have; of several, the one that came just before it.
fn only_answer<A: AsRef<Answer>>(request: &Request, answers: &[A]) -> Option<usize> {
    let fit = |at: &usize| fits(request, answers[*at].as_ref());
    let near = |at: &usize| is_near(request, answers[*at].as_ref());
    only((0..answers.len()).filter(fit)).or_else(|| only((0..answers.len()).filter(fit).filter(near)))
}

/// The one request that an answer can be of, told just before it.
fn only_request(answer: &Answer, requests: &[Request], reached: Reached) -> Option<usize> {
    let fit = |at: &usize| fits(&requests[*at], answer);
    let is_ripe = |at: &usize| reached.is_past(requests[*at].line, requests[*at].when, RIPE);
    only((0..requests.len()).filter(fit)).filter(is_ripe).filter(|at| is_near(&requests[*at], answer))
}

fn only(mut all: impl Iterator<Item = usize>) -> Option<usize> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn is_near(request: &Request, answer: &Answer) -> bool {
    let since = request.when.saturating_sub(answer.when);
    since <= NEAR && answer.line.abs_diff(request.line) <= FEW
}

/// Takes the requests that are marked, and those that may have the same answers: when it is given up to tell which
/// has which, no other may have one for certain.
pub(super) fn take_with_rivals<A: AsRef<Answer>>(
    requests: &mut Vec<Request>,
    mut marked: Vec<bool>,
    answers: &[A],
) -> Vec<Request> {
    let mut marks: Vec<usize> = (0..marked.len()).filter(|at| marked[*at]).collect();
    let mut seen = vec![false; answers.len()];
    while let Some(one) = marks.pop() {
        for at in 0..answers.len() {
            let answer = answers[at].as_ref();
            if seen[at] || !fits(&requests[one], answer) {
                continue;
            }
            seen[at] = true;
            for rival in 0..requests.len() {
                if !marked[rival] && fits(&requests[rival], answer) {
                    marked[rival] = true;
                    marks.push(rival);
                }
            }
        }
    }
    let mut marked = marked.into_iter();
    let (taken, left) = requests.drain(..).partition(|_| marked.next() == Some(true));
    *requests = left;
    taken
}

/// Which answers may be a request's.
pub(super) fn fits(request: &Request, answer: &Answer) -> bool {
    let (asked, access) = (request.line, request.access);
    let began = |latest: u64| answer.launched.is_none_or(|launched| launched < latest);
    match answer.end {
        // Its times are written before the answer's last byte is sent, and its request took no less.
        End::Complete => {
            let is_longer = answer.total.is_none_or(|total| total <= access.at_most() + SLACK);
            began(asked) && answer.line <= asked + SWAPPED && is_longer && access.status < 400
        }
        // That the client left, or a process ended, is noticed when the request has ended.
        End::Cancelled(_) | End::Failed(Failure::Reset) => {
            began(asked) && answer.line + SWAPPED >= asked && access.status != 400
        }
        // One that fails at once may be told after its request.
        End::Failed(why) => {
            let too_long = why == Failure::ContextExceeded;
            began(asked + SWAPPED) && answer.line.abs_diff(asked) <= FEW && too_long == (access.status == 400)
        }
    }
}
