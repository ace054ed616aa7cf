//! What a server's own log tells of its requests: Ollama's access lines, and the lines that llama-server writes of
//! each task, on its own or as Ollama's child. Pure: lines and instants in, [`Generation`]s out; of a line nothing
//! is kept but numbers and the name of a model.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::sample::{Dialect, End, Failure, Generation, Phase, Truncation};

mod access;
mod dates;
mod join;
mod kept;
mod load;
mod models;
mod notices;
mod slots;
mod tasks;
#[cfg(test)]
mod tests;
mod wrap;

use dates::Dates;
use join::{Reached, Request};
pub use kept::Kept;
use load::{Load, Loads};
pub use models::Loaded;
use models::Models;
use notices::Notice;
use slots::Line;
use tasks::{Answer, At, Tasks};

/// Requests that wait for their answers' lines, and answers that wait for their requests': some seconds of a busy
/// server. Each is held against each.
const MAX_WAITING: usize = 256;

/// So many lines are read between two settlings where they are read faster than they were written.
const LINES_A_SETTLE: u64 = 64;

/// Models of a router of which the port is known.
const MAX_CHILDREN: usize = 256;

/// Who writes the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speaker {
    /// Ollama: each request has an access line.
    Ollama,
    /// llama-server alone: a request is its task.
    LlamaServer,
}

/// How a line came.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// When it was read.
    pub now: Instant,
    /// When it was written, where who keeps the log tells it, or since it was just written. `None`: the line itself
    /// may tell.
    pub at: Option<Timestamp>,
    /// It was just written: what is known of the server now held then.
    pub live: bool,
}

/// A request that ended, or tokens of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// What the log tells of it.
    pub generation: Generation,
    /// When it ended. `None`: some time before the log was read, and not since.
    pub at: Option<Timestamp>,
}

/// A server's log, as far as it was read.
#[derive(Debug, Default)]
pub struct ServerLog {
    speaker: Option<Speaker>,
    dates: Dates,
    clock: Clock,
    /// That clock at the last line.
    heard: Duration,
    /// The line at which was looked last for what ended.
    settled: u64,
    models: Models,
    /// Which model a router has at which port.
    children: BTreeMap<u16, String>,
    tasks: Tasks,
    lines: u64,
    loads: Loads,
    /// Prompts that were cut by an Ollama that writes no line of tasks.
    cuts: u32,
    /// Requests whose client left in the queue, and whose access line is to come.
    aborted: u32,
    requests: Vec<Request>,
    answers: Vec<Waiting>,
    ended: Vec<Ended>,
}

/// The reader's own clock: it stands still while nobody reads, so that what waited over a restart waits on.
#[derive(Debug, Default)]
struct Clock {
    last: Option<Instant>,
    when: Duration,
}

impl Clock {
    fn at(&mut self, now: Instant) -> Duration {
        self.when += self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.when
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

    /// The zone of this machine: an access line tells its time without one.
    pub fn zone(&mut self, zone: TimeZone) {
        self.dates.zone(zone);
    }

    /// Takes a line.
    pub fn hear(&mut self, line: &[u8], read: Read) {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let bare = wrap::bare(&text);
        let when = self.clock.at(read.now);
        self.heard = when;
        // Of Ollama's children each has a clock of its own.
        let has_one_clock = self.speaker == Some(Speaker::LlamaServer);
        let date = self.dates.of(&bare, read.at, has_one_clock);
        let at = At { line: self.lines, when, date, stamp: bare.stamp, child: bare.child };
        if let Some(access) = access::access(&bare.text) {
            self.speaker = Some(Speaker::Ollama);
            self.request(access, at, read.live);
        } else if let Some(notice) = notices::notice(&bare.text) {
            self.notice(&notice, at, read);
        } else if let Some((port, model)) = slots::proxied(&bare.text) {
            if self.children.len() < MAX_CHILDREN || self.children.contains_key(&port) {
                self.children.insert(port, model.to_owned());
            }
        } else if let Some(line) = slots::slots(&bare.text) {
            self.task(line, at, read.live);
        }
        // So many lines in one look that all cannot wait for its end, or it would be told of none how it ended.
        let is_pressed = !read.live || self.requests.len().max(self.answers.len()) > MAX_WAITING / 2;
        if is_pressed && self.lines - self.settled >= LINES_A_SETTLE {
            self.settle_at(Reached { line: self.lines, when, fast: true });
        }
    }

    /// What ended, as far as that is certain by now. To be called after each look at the log, each second or so.
    pub fn settle(&mut self, now: Instant) -> Vec<Ended> {
        let when = self.clock.at(now);
        self.settle_at(Reached { line: self.lines, when, fast: false });
        std::mem::take(&mut self.ended)
    }

    fn settle_at(&mut self, reached: Reached) {
        self.settled = self.lines;
        for (request, waiting) in join::pairs(&mut self.requests, &mut self.answers, reached) {
            let joined = self.joined(&request, &waiting.answer);
            self.tell(joined, request.at.written);
        }
        self.give_up_requests(reached);
        self.give_up_answers(reached);
    }

    fn request(&mut self, access: access::Access, at: At, live: bool) {
        let load = self.loads.of(access.at_most(), at.date.own);
        let model = self.models.now(live);
        let request = Request { line: at.line, when: at.when, at: at.date, access, model, load };
        if self.aborted > 0 && access.status == 500 {
            self.aborted -= 1;
            let alone = self.alone(&request);
            self.tell(Generation { end: End::Cancelled(Phase::Queued), ..alone }, request.at.written);
        } else if access.may_have_run() && self.requests.len() < MAX_WAITING {
            self.requests.push(request);
        } else {
            let alone = self.alone(&request);
            self.tell(alone, request.at.written);
        }
    }

    fn notice(&mut self, notice: &Notice, at: At, read: Read) {
        self.speaker.get_or_insert(Speaker::Ollama);
        self.models.hear(notice, read.now);
        match notice {
            Notice::Started(took) => self.loads.hear(Load { line: at.line, took: *took, ended: at.date.own }),
            Notice::PromptCut(tokens) => {
                self.tasks.prompt_cut(*tokens);
                self.cuts = self.cuts.saturating_add(1);
            }
            Notice::Aborted => self.aborted = self.aborted.saturating_add(1),
            // Of several children it is not known which.
            Notice::Gone if self.models.is_alone() => self.died(at, read.live),
            Notice::Begins => self.died(at, read.live),
            _ => {}
        }
    }

    fn tell(&mut self, generation: Generation, at: Option<Timestamp>) {
        self.ended.push(Ended { generation, at });
    }

    fn task(&mut self, line: Line, at: At, live: bool) {
        self.cuts = 0;
        if line == Line::Starts && self.speaker != Some(Speaker::Ollama) {
            self.dates.begins();
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
        let date = waiting.answer.date;
        if self.speaker == Some(Speaker::LlamaServer) {
            self.tell(told(Dialect::Unknown, waiting), date);
        } else if self.answers.len() < MAX_WAITING {
            self.answers.push(waiting);
        } else {
            self.tell(Generation { loose: true, ..told(Dialect::Unknown, waiting) }, date);
        }
    }

    /// Requests that waited for long enough are told by their access lines alone.
    fn give_up_requests(&mut self, reached: Reached) {
        let (tasks, answers) = (&self.tasks, &self.answers);
        let is_over = |request: &Request| {
            let known = answers.iter().any(|waiting| join::fits(request, &waiting.answer));
            let may_come = !known && tasks.any_before(request.line);
            let most = if may_come { join::REQUEST_WAITS_FOR_TASK } else { join::REQUEST_WAITS };
            reached.is_past(request.line, request.when, most)
        };
        let gone = self.requests.iter().map(is_over).collect();
        for request in join::take_with_rivals(&mut self.requests, gone, &self.answers) {
            let end = self.agreed(&request);
            let alone = self.alone(&request);
            self.tell(Generation { end: end.unwrap_or(alone.end), ..alone }, request.at.written);
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
            let date = waiting.answer.date;
            self.tell(Generation { loose: true, ..told(Dialect::Unknown, waiting) }, date);
        }
    }

    fn give_up_answers(&mut self, reached: Reached) {
        let is_over =
            |Waiting { answer, .. }: &Waiting| reached.is_past(answer.line, answer.when, join::ANSWER_WAITS);
        let (gone, left): (Vec<Waiting>, Vec<Waiting>) = self.answers.drain(..).partition(is_over);
        self.answers = left;
        let loose = self.speaker == Some(Speaker::Ollama);
        for waiting in gone {
            let date = waiting.answer.date;
            self.tell(Generation { loose, ..told(Dialect::Unknown, waiting) }, date);
        }
    }

    /// A request by its access line alone.
    fn alone(&mut self, request: &Request) -> Generation {
        let access = request.access;
        let mut generation = Generation::new(access.dialect, access.end(), access.latency);
        generation.status = Some(access.status);
        generation.model.clone_from(&request.model);
        let load = request.load.filter(|_| self.models.is_alone());
        let at_most = access.at_most();
        generation.told.load =
            load.and_then(|load| self.loads.claim(load, at_most, (at_most, request.at.own), false));
        if self.cuts > 0 && access.status < 400 && !access.dialect.embeds() {
            self.cuts -= 1;
            generation.truncated = Some(Truncation::Context);
        }
        generation
    }

    /// A request and its task.
    fn joined(&mut self, request: &Request, answer: &Answer) -> Generation {
        let access = request.access;
        let end = end(request, answer.end);
        let mut generation = Generation::new(access.dialect, end, access.latency);
        generation.status = Some(access.status);
        generation.model.clone_from(&request.model);
        (generation.tokens, generation.told, generation.truncated) =
            (answer.tokens, answer.told, answer.truncated);
        let at_most = access.at_most();
        let waited = at_most.saturating_sub(answer.took);
        let load = request.load;
        generation.told.load =
            load.and_then(|load| self.loads.claim(load, waited, (at_most, request.at.own), true));
        generation
    }
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
