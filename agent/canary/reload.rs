//! Whether a canary made its server load the model anew, and what to configure then. Pure.

use jiff::Timestamp;

use super::asker::{Presence, Waits};
use super::left::Mark;

/// Kinds that load a model by themselves on a request with other options. All others load only when a person starts
/// them, or puts another file in their place: that is what canaries are there to look at, not to stop for.
const LOADS_BY_ITSELF: [&str; 2] = ["ollama", "lm_studio"];

/// Whether a server of that kind loads what it is asked for.
pub fn loads_by_itself(kind: &str) -> bool {
    LOADS_BY_ITSELF.contains(&kind)
}

/// What is known after questions of which nobody knows whether they loaded the model.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The kind of the server.
    pub kind: &'a str,
    /// When the first question was asked.
    pub at: Timestamp,
    /// What our own answers tell of loads.
    pub waits: Waits,
    /// The model was in memory before, and the server told this of it.
    pub before: &'a Presence,
    /// What the server told afterwards. `None`: it could not be looked at.
    pub after: Option<&'a Presence>,
    /// Somebody else used the server since it was looked at: this model or another.
    pub others: bool,
}

/// Why a model was loaded anew, or left memory, while a canary asked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The canary sent other options than its users do.
    Options,
    /// It was loaded with the options that it had, or its process ended, twice in a row.
    Twice,
}

/// Whose load it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// None, or somebody else's.
    NotOurs,
    /// It may be that of a user who asked meanwhile, or a process that ended. A second one in a row is ours.
    Doubtful,
    /// A canary made it.
    Ours,
}

/// What is noticed of one model, run by run.
#[derive(Debug, Default)]
pub struct Loads {
    /// In the last run it was loaded anew, by us or by a user who asked meanwhile.
    doubted: bool,
}

impl Loads {
    /// Why questions to a model that was in memory before them made the server load it anew. `None`: they did not.
    pub fn ours(&mut self, seen: Seen<'_>) -> Option<Cause> {
        let load = judge(seen);
        let doubted = std::mem::replace(&mut self.doubted, load == Load::Doubtful);
        match load {
            Load::Ours => Some(Cause::Options),
            Load::Doubtful if doubted => Some(Cause::Twice),
            Load::Doubtful | Load::NotOurs => None,
        }
    }
}

/// What to say of a model that a canary made its server load. `sent`: the options it was sent, as a person would write
/// them.
pub fn words(cause: Cause, model: &str, sent: &str) -> String {
    let sent = if sent.is_empty() { "no options" } else { sent };
    let write = format!(
        "write those that its users send into options of [canaries], as {model:?} = \"num_ctx=8192 num_batch=512\""
    );
    match cause {
        Cause::Options => format!(
            "a canary made the server load {model} anew, so it is not asked until its options in [canaries] are others: \
             it was sent {sent}; {write}"
        ),
        Cause::Twice => format!(
            "twice in a row {model} was loaded anew, or left memory, while a canary asked it, so it is not asked until \
             its options in [canaries] are others: if the server's log says that its process ended, see to that first; \
             else it was sent {sent}, and its users send what cannot be seen from here: {write}"
        ),
    }
}

/// Judges questions to a model that was in memory before them.
fn judge(seen: Seen<'_>) -> Load {
    let Some(after) = seen.after.filter(|_| loads_by_itself(seen.kind)) else { return Load::NotOurs };
    let pairs = |of: fn(&Mark) -> Option<&String>| of(&seen.before.mark).zip(of(&after.mark));
    let process = pairs(|mark| mark.process.as_ref());
    let same_process = !after.mark.gone && process.is_some_and(|(was, is)| was == is);
    let other_weights = pairs(|mark| mark.digest.as_ref()).is_some_and(|(was, is)| was != is);
    // Its time was over between the look and the question: that was a first load.
    let had_gone = seen.before.mark.expires_at.is_some_and(|at| at <= seen.at);
    if same_process || other_weights || had_gone {
        return Load::NotOurs;
    }
    // What runs for a request is not made to leave memory by another one: it ended, or somebody ended it.
    let ended = seen.waits.failed && (after.mark.gone || process.is_some_and(|(was, is)| was != is));
    // A question after one that was answered at once did not cause it: it was sent with the same options.
    if !seen.waits.first {
        return if ended { Load::Doubtful } else { Load::NotOurs };
    }
    let options = seen.before.loaded_with.as_ref().zip(after.loaded_with.as_ref());
    let as_before = options.is_some_and(|(was, is)| was == is);
    // Where no process is seen, as of a server on another machine, our own wait for a load is all there is.
    let unsure = options.is_none() && seen.waits.short && !after.mark.gone;
    if seen.others || as_before || unsure { Load::Doubtful } else { Load::Ours }
}

#[cfg(test)]
mod tests;
