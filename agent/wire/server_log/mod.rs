//! What a server's own log tells of its requests: Ollama's access lines, and the lines that llama-server writes of
//! each task, on its own or as Ollama's child. Pure: lines and instants in, [`Generation`]s out; of a line nothing
//! is kept but numbers and the name of a model.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sample::{Dialect, End, Failure, Generation, Phase, Truncation};

mod access;
mod join;
mod models;
mod notices;
mod slots;
mod tasks;
#[cfg(test)]
mod tests;
mod wrap;

use join::Request;
pub use models::Loaded;
use models::Models;
use notices::Notice;
use slots::Line;
use tasks::{Answer, At, Tasks};

/// Requests that wait for their answers' lines, and answers that wait for their requests': some seconds of a busy
/// server. Each is held against each.
const MAX_WAITING: usize = 256;

/// Models of a router of which the port is known.
const MAX_CHILDREN: usize = 256;

/// Who writes the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Ollama: each request has an access line.
    Ollama,
    /// llama-server alone: a request is its task.
    LlamaServer,
}

/// A server's log, as far as it was read.
#[derive(Debug, Default)]
pub struct ServerLog {
    speaker: Option<Speaker>,
    models: Models,
    /// Which model a router has at which port.
    children: BTreeMap<u16, String>,
    tasks: Tasks,
    lines: u64,
    /// How long the load took that no request was seen to have waited for yet.
    load: Option<Duration>,
    /// Prompts that were cut by an Ollama that writes no line of tasks.
    cuts: u32,
    /// Requests whose client left in the queue, and whose access line is to come.
    aborted: u32,
    requests: Vec<Request>,
    answers: Vec<Waiting>,
    ended: Vec<Generation>,
}

#[derive(Debug)]
struct Waiting {
    answer: Answer,
    model: Option<String>,
}

impl AsRef<Answer> for Waiting {
    fn as_ref(&self) -> &Answer {
        &self.answer
    }
}

impl ServerLog {
    /// What is known of the server by other ways: who it is, and what it has loaded.
    pub fn knows(&mut self, speaker: Option<Speaker>, loaded: Option<Loaded>) {
        self.speaker = speaker.or(self.speaker);
        self.models.polled(loaded);
    }

    /// Takes a line, read at `now`; `live`: it was just written.
    pub fn hear(&mut self, line: &[u8], now: Instant, live: bool) {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let bare = wrap::bare(&text);
        let at = At { line: self.lines, when: now, stamp: bare.stamp, child: bare.child };
        if let Some(access) = access::access(&bare.text) {
            self.speaker = Some(Speaker::Ollama);
            self.request(access, now, live);
        } else if let Some(notice) = notices::notice(&bare.text) {
            self.notice(&notice, at, live);
        } else if let Some((port, model)) = slots::proxied(&bare.text) {
            if self.children.len() < MAX_CHILDREN || self.children.contains_key(&port) {
                self.children.insert(port, model.to_owned());
            }
        } else if let Some(line) = slots::slots(&bare.text) {
            self.task(line, at, live);
        }
    }

    /// What ended, as far as that is certain by now. To be called after each look at the log, each second or so.
    pub fn settle(&mut self, now: Instant) -> Vec<Generation> {
        let pairs = join::pairs(&mut self.requests, &mut self.answers, now);
        self.ended.extend(pairs.into_iter().map(|(request, waiting)| joined(&request, &waiting.answer)));
        self.give_up_requests(now);
        self.give_up_answers(now);
        std::mem::take(&mut self.ended)
    }

    fn request(&mut self, access: access::Access, now: Instant, live: bool) {
        let load = self.load.take().filter(|load| *load <= access.at_most());
        let request = Request { line: self.lines, when: now, access, model: self.models.now(live), load };
        if self.aborted > 0 && access.status == 500 {
            self.aborted -= 1;
            let alone = self.alone(&request);
            self.ended.push(Generation { end: End::Cancelled(Phase::Queued), ..alone });
        } else if access.may_have_run() && self.requests.len() < MAX_WAITING {
            self.requests.push(request);
        } else {
            let alone = self.alone(&request);
            self.ended.push(alone);
        }
    }

    fn notice(&mut self, notice: &Notice, at: At, live: bool) {
        self.speaker.get_or_insert(Speaker::Ollama);
        self.models.hear(notice, at.when);
        match notice {
            Notice::Started(took) => self.load = Some(*took),
            Notice::Loading => self.load = None,
            Notice::PromptCut(tokens) => {
                self.tasks.prompt_cut(*tokens);
                self.cuts = self.cuts.saturating_add(1);
            }
            Notice::Aborted => self.aborted = self.aborted.saturating_add(1),
            // Of several children it is not known which.
            Notice::Gone if self.models.is_alone() => self.died(at, live),
            Notice::Begins => self.died(at, live),
            _ => {}
        }
    }

    fn task(&mut self, line: Line, at: At, live: bool) {
        self.cuts = 0;
        if line == Line::Starts && self.speaker != Some(Speaker::Ollama) {
            return self.died(at, live);
        }
        if let Some(answer) = self.tasks.hear(line, at) {
            self.answer(answer, at, live);
        }
    }

    fn died(&mut self, at: At, live: bool) {
        for answer in self.tasks.die(at) {
            self.answer(answer, at, live);
        }
    }

    fn answer(&mut self, answer: Answer, at: At, live: bool) {
        let model = match at.child {
            Some(port) => self.children.get(&port).cloned(),
            None => self.models.now(live),
        };
        let waiting = Waiting { answer, model };
        if self.speaker == Some(Speaker::LlamaServer) {
            self.ended.push(told(Dialect::Unknown, waiting));
        } else if self.answers.len() < MAX_WAITING {
            self.answers.push(waiting);
        } else {
            self.ended.push(Generation { loose: true, ..told(Dialect::Unknown, waiting) });
        }
    }

    /// Requests that waited for long enough are told by their access lines alone.
    fn give_up_requests(&mut self, now: Instant) {
        let (tasks, answers) = (&self.tasks, &self.answers);
        let waits = |request: &Request| {
            let known = answers.iter().any(|waiting| join::fits(request, &waiting.answer));
            let may_come = !known && tasks.any_before(request.line);
            let most = if may_come { join::REQUEST_WAITS_FOR_TASK } else { join::REQUEST_WAITS };
            now.saturating_duration_since(request.when) < most
        };
        let gone = self.requests.iter().map(|request| !waits(request)).collect();
        for request in join::take_with_rivals(&mut self.requests, gone, &self.answers) {
            let end = self.agreed(&request);
            let alone = self.alone(&request);
            self.ended.push(Generation { end: end.unwrap_or(alone.end), ..alone });
            self.part_with_one(&request);
        }
    }

    /// The end of a request of which several answers may be, where they all ended alike.
    fn agreed(&self, request: &Request) -> Option<End> {
        let mut ends = self.answers.iter().map(AsRef::as_ref).filter(|answer| join::fits(request, answer));
        let first = ends.next()?.end;
        ends.all(|answer| answer.end == first).then(|| end(request, first))
    }

    /// One of the answers that may be this request's is told without it, so that it confuses no later one.
    fn part_with_one(&mut self, request: &Request) {
        let fits = |waiting: &Waiting| join::fits(request, &waiting.answer);
        if let Some(at) = self.answers.iter().rposition(fits) {
            let waiting = self.answers.remove(at);
            self.ended.push(Generation { loose: true, ..told(Dialect::Unknown, waiting) });
        }
    }

    fn give_up_answers(&mut self, now: Instant) {
        let waits =
            |waiting: &Waiting| now.saturating_duration_since(waiting.answer.when) < join::ANSWER_WAITS;
        let (left, gone): (Vec<Waiting>, Vec<Waiting>) = self.answers.drain(..).partition(waits);
        self.answers = left;
        let loose = self.speaker == Some(Speaker::Ollama);
        self.ended
            .extend(gone.into_iter().map(|waiting| Generation { loose, ..told(Dialect::Unknown, waiting) }));
    }

    /// A request by its access line alone.
    fn alone(&mut self, request: &Request) -> Generation {
        let access = request.access;
        let mut generation = Generation::new(access.dialect, access.end(), access.latency);
        generation.status = Some(access.status);
        generation.model.clone_from(&request.model);
        generation.told.load = request.load.filter(|_| self.models.is_alone());
        if self.cuts > 0 && access.status < 400 && !access.dialect.embeds() {
            self.cuts -= 1;
            generation.truncated = Some(Truncation::Context);
        }
        generation
    }
}

/// A request and its task.
fn joined(request: &Request, answer: &Answer) -> Generation {
    let access = request.access;
    let end = end(request, answer.end);
    let mut generation = Generation { end, ..Generation::new(access.dialect, end, access.latency) };
    generation.status = Some(access.status);
    generation.model.clone_from(&request.model);
    (generation.tokens, generation.told, generation.truncated) =
        (answer.tokens, answer.told, answer.truncated);
    let waited = access.at_most().saturating_sub(answer.took);
    generation.told.load = request.load.filter(|load| *load <= waited);
    generation
}

/// A task alone.
fn told(dialect: Dialect, waiting: Waiting) -> Generation {
    let Waiting { answer, model } = waiting;
    let Answer { end, took, tokens, told, truncated, .. } = answer;
    Generation { model, truncated, tokens, told, ..Generation::new(dialect, end, took) }
}

/// How a request ended whose task ended so. An answer's status is sent before its end is known.
fn end(request: &Request, task: End) -> End {
    let access = request.access;
    match task {
        End::Failed(Failure::ContextExceeded) | End::Cancelled(_) => task,
        End::Failed(_) if access.status >= 400 => access.end(),
        // Ollama's own API tells an error in the stream; the others end without their sign of the end.
        End::Failed(_) if is_native(access.dialect) => End::Failed(Failure::StreamError),
        End::Failed(_) => End::Failed(Failure::CutShort),
        End::Complete => access.end(),
    }
}

fn is_native(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::OllamaGenerate | Dialect::OllamaChat)
}
