//! What of real traffic a person should know. Pure.

use super::Traffic;
use crate::sample::{Failure, Note};

/// From so many failures of one reason on, if they are also one of so many requests: what fails once may have been
/// an accident.
const MANY: (u64, u64) = (5, 10);

impl Traffic {
    /// What is odd now, of the target's taps and logs and of the requests in the window.
    pub(in crate::fleet) fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        if let Some((tap, error)) = self.tap.as_ref().and_then(|tap| Some((tap, tap.error.as_ref()?))) {
            let text = format!("the tap does not listen at {}: {error}", tap.listen);
            notes.push(Note::warning("tap_down", text, Some("give `tap` another address in the config")));
        }
        if let Some((tap, why)) = self.tap.as_ref().and_then(|tap| Some((tap, self.deaf()?))) {
            let text = format!("the tap at {} accepts nobody: {why}", tap.listen);
            let remedy = "allow the agent more open files (LimitNOFILE, ulimit -n): a stream takes two; or fewer connections (max_connections under [tap])";
            notes.push(Note::warning("tap_deaf", text, Some(remedy)));
        }
        if let Some((log, error)) = self.log.as_ref().and_then(|log| Some((log, log.error.as_ref()?))) {
            let text = format!("{} cannot be read: {error}", log.place);
            let remedy = "let the agent's user read it, or correct `log` in the config";
            notes.push(Note::warning("log_unread", text, Some(remedy)));
        }
        let all = self.window.requests();
        for (reason, count) in self.window.failures() {
            notes.extend(failed(reason, count, all));
        }
        if let full @ 1.. = self.window.full() {
            let text =
                format!("{}: prompt or answer was cut", of("filled the context of their model", full, all));
            let remedy = "load the model with a larger context (Ollama's num_ctx or OLLAMA_CONTEXT_LENGTH, llama-server's -c)";
            notes.push(Note::info("context_full", text, Some(remedy)));
        }
        notes
    }
}

fn failed(reason: Failure, count: u64, all: u64) -> Option<Note> {
    let many = count >= MANY.0 && count * MANY.1 >= all;
    let name = reason.name();
    let told = |what: &str| of(what, count, all);
    match reason {
        Failure::NotFound => {
            let text = told("asked for a model or path that is not there (404)");
            Some(Note::info(
                "requests_not_found",
                text,
                Some("install the model, or correct what the client asks for"),
            ))
        }
        Failure::Unauthorized if many => {
            let text = told("were not let in by the server (401, 403)");
            Some(Note::info("requests_unauthorized", text, Some("look at the key that the client sends")))
        }
        _ if many && !reason.is_clients() && !reason.is_ours() => {
            let text = told(&format!("failed: {name}"));
            Some(Note::warning("requests_fail", text, Some(remedy(reason))))
        }
        _ => None,
    }
}

fn of(what: &str, count: u64, all: u64) -> String {
    format!("of the last {all} requests (5 min at most) {count} {what}")
}

/// What would do.
fn remedy(reason: Failure) -> &'static str {
    match reason {
        Failure::Refused | Failure::Unreachable | Failure::ConnectTimeout => {
            "look whether the server runs and listens"
        }
        Failure::FirstByteTimeout | Failure::IdleTimeout => {
            "look whether the server hangs or its queue is long; `[tap]` in the config has the limits"
        }
        Failure::Overloaded => "its queue is full: send less at once, or let it work on more in parallel",
        _ => "look into the server's log",
    }
}
