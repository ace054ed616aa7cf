//! What `opsagent explain` says of why a request failed.

use crate::sample::Failure;

/// A reason why a request failed, and what to do.
#[derive(Debug)]
pub(super) struct Failed {
    /// The reason.
    pub(super) reason: Failure,
    /// What it is asked for by: some reasons are also those of a target that is not up.
    pub(super) topic: &'static str,
    /// What it means.
    pub(super) is: &'static str,
    /// What to do.
    pub(super) does: &'static str,
}

/// Why requests fail. A test holds this to `Failure::ALL`.
pub(super) static FAILURES: [Failed; 16] = [
    failed(
        Failure::Refused,
        "request refused",
        "The server refused the connection: nothing listens at the target's address.",
        "Start the server.",
    ),
    failed(
        Failure::Unreachable,
        "request unreachable",
        "There is no way to the server: no route, no such name, or no agreement on TLS.",
        "Look at the target's url, the network between, and the server's certificate.",
    ),
    failed(
        Failure::ConnectTimeout,
        "request connect_timeout",
        "The server did not accept the connection in time.",
        "Its machine is gone or far too busy, or a firewall drops what comes.",
    ),
    failed(
        Failure::FirstByteTimeout,
        "request first_byte_timeout",
        "No answer began within the tap's limit.",
        "A large model on a slow disk takes minutes to load, and a queue may be long; else the server hangs: restart it.",
    ),
    failed(
        Failure::IdleTimeout,
        "request idle_timeout",
        "An answer began, and then nothing came for as long as the tap allows.",
        "The server hangs in the midst of an answer: look at its log and at its GPU.",
    ),
    failed(
        Failure::Reset,
        "request reset",
        "The connection broke before the answer was whole.",
        "The server crashed, was restarted or was killed: read its log, and the kernel's for the OOM killer.",
    ),
    failed(
        Failure::CutShort,
        "request cut_short",
        "The answer ended without the sign that it is whole ([DONE], \"done\": true, a reason to stop).",
        "Clients may take such an answer for a whole one. The server's log tells why it stopped.",
    ),
    failed(
        Failure::StreamError,
        "request stream_error",
        "An error stood in the midst of an answer that had begun with success.",
        "Read the server's log. Whoever counts by the status alone sees a success here.",
    ),
    failed(
        Failure::Overloaded,
        "request overloaded",
        "The server takes no more (429 or 503).",
        "Its queue is full (Ollama: OLLAMA_MAX_QUEUE) or it still loads its model: fewer clients, or more slots.",
    ),
    failed(
        Failure::Unauthorized,
        "request unauthorized",
        "The server said 401 or 403.",
        "The client's key is wrong or missing. The tap adds none: the target's token is for the agent's own polls.",
    ),
    failed(
        Failure::NotFound,
        "request not_found",
        "The server said 404: no such model, or no such path.",
        "Look at the model's name at the client; pull or load it.",
    ),
    failed(
        Failure::ContextExceeded,
        "request context_exceeded",
        "The prompt is longer than the context, says the server.",
        "A larger context (--ctx-size, num_ctx), or shorter conversations.",
    ),
    failed(
        Failure::ClientError,
        "request client_error",
        "The server did not take the request (another 4xx).",
        "Look at the client: a field or a value that this server does not know.",
    ),
    failed(
        Failure::ServerError,
        "request server_error",
        "The server failed (another 5xx).",
        "Read its log: out of memory, a crashed model process, a model that does not load.",
    ),
    failed(
        Failure::Malformed,
        "request malformed",
        "What came is no HTTP, or a success with an error inside.",
        "Is the target's url that of the server itself?",
    ),
    failed(
        Failure::AgentStopped,
        "request agent_stopped",
        "The agent stopped, and cut what was not done within its grace.",
        "Stop it when nothing is in flight, or give it a longer grace.",
    ),
];

const fn failed(reason: Failure, topic: &'static str, is: &'static str, does: &'static str) -> Failed {
    Failed { reason, topic, is, does }
}

/// The reason of that name, as it stands in the metrics.
pub(super) fn of_reason(name: &str) -> Option<&'static Failed> {
    let name = name.replace(' ', "_");
    FAILURES.iter().find(|failed| failed.reason.name() == name)
}

/// All there is to say of a reason.
pub(super) fn of_failed(failed: &Failed) -> Vec<(&'static str, String)> {
    let series = format!("opsagent_request_failures_total{{reason=\"{}\"}}", failed.reason.name());
    vec![("is", failed.is.to_owned()), ("do", failed.does.to_owned()), ("series", series)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::traffic_topics;

    #[test]
    fn every_reason_has_its_sentences_and_is_found_by_its_name() {
        assert_eq!(FAILURES.each_ref().map(|failed| failed.reason), Failure::ALL);
        for failed in &FAILURES {
            let name = failed.reason.name();
            assert_eq!(failed.topic, format!("request {name}"));
            for asked in [name.to_owned(), failed.topic.to_owned(), name.replace('_', " ")] {
                assert_eq!(
                    traffic_topics::find(&asked).map(|topic| topic.name()),
                    Some(failed.topic),
                    "{asked}"
                );
            }
        }
    }
}
