//! What `opsagent explain` says of targets: what they are doing, and why one is not up.

use crate::sample::ServerState;

/// What it means, and what to do.
pub(super) fn of_state(state: ServerState) -> (&'static str, &'static str) {
    match state {
        ServerState::Loading => (
            "It answers, and is reading a model into memory.",
            "Wait: minutes, for a large model on a slow disk. If it never ends, read the server's log.",
        ),
        ServerState::Ready => ("It answers and has nothing to do.", "Nothing."),
        ServerState::Busy => {
            ("It answers and works on at least one request.", "Nothing, unless the queue grows.")
        }
        ServerState::Sleeping => (
            "It answers; its model is unloaded until somebody asks. Polls do not wake it.",
            "Nothing. The first request waits for the model to load.",
        ),
        ServerState::Hung => (
            "Something answers, but no work moves: the port accepts and nobody reads, the health check is fine \
             and nothing else is, or requests are in flight and no counter moves.",
            "Look whether its process is stopped (state T), out of GPU, or waits for a disk; then restart it.",
        ),
        ServerState::Down => (
            "It does not answer, or not as its kind answers; the reason tells which.",
            "See the reason in `opsagent status`, and `opsagent explain REASON`.",
        ),
    }
}

/// What it means, and what to do. A test holds this to `HttpError::REASONS`.
pub(super) fn of_reason(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "refused" => (
            "Nothing listens at that address.",
            "Start the server, or correct the url. Ollama and others listen on loopback only, until told otherwise.",
        ),
        "unreachable" => (
            "There is no route to the machine, or the network is down.",
            "Look at the machine, the network and the firewall between.",
        ),
        "dns" => ("The name does not resolve.", "Correct the url's host, or give an IP address."),
        "tls" => (
            "No agreement on TLS, or the certificate is not trusted.",
            "Give the certificate's authority as ca_file; look whether the certificate has run out.",
        ),
        "timeout" => (
            "No connection, or no whole answer, within the target's timeout.",
            "A server that accepts and never answers is hung; one on a slow network needs a longer timeout.",
        ),
        "reset" => (
            "The connection broke before the answer was whole.",
            "The server or a proxy closed it: it may have crashed or restarted. Read its log.",
        ),
        "unauthorized" => (
            "The server wants a key, or another one.",
            "Set token or token_file of its [[target]] in the config.",
        ),
        "redirect" => {
            ("The server points elsewhere; the agent does not follow.", "Give the url it points to.")
        }
        "status" => (
            "It answered with an error's status code.",
            "Read the server's log; is the url the server itself?",
        ),
        "malformed" => (
            "It answered with success, but not as a server of this kind answers.",
            "Is it another program, or a proxy's page? Correct url or kind; kind = \"auto\" finds out.",
        ),
        "too_large" => (
            "Its answer is larger than any of its kind should be (16 MiB).",
            "Something else answers at that address, or the server is broken.",
        ),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpError;

    #[test]
    fn every_reason_has_its_sentences() {
        for reason in HttpError::REASONS {
            let (is, cure) = of_reason(reason);
            assert!(!is.is_empty() && !cure.is_empty(), "{reason}");
        }
    }
}
