//! What a beat looks at, what it may find changed, and why it may ask nothing.

use super::{Said, said};

const STREAM: (&str, &str) = ("opsagent_drift_evidence", "stream");
const SKIPPED: (&str, &str) = ("opsagent_canary_skips_total", "reason");
const FACT: (&str, &str) = ("opsagent_identity_changes_total", "fact");

/// What is watched apart.
pub(in crate::cli) static STREAMS: [Said; 6] = [
    said(
        "stream identity",
        FACT,
        "What the server tells of itself and the model: a change is an event and no alarm. An alarm at once, without any \
         test, is a known prompt that it cuts, counts otherwise, refuses or fails at since, twice in a row.",
        "opsagent canary history shows both.",
    ),
    said(
        "stream fingerprint_fast",
        STREAM,
        "The first tokens of eight canaries and the probes, each run for itself: finds a full change within runs. Where \
         the server tells no log probabilities, ten texts of 15 tokens.",
        "opsagent explain drift.",
    ),
    said(
        "stream fingerprint_slow",
        STREAM,
        "The same over medians of 12 runs: finds less, later, on servers whose numbers are noisy.",
        "opsagent explain drift.",
    ),
    said(
        "stream quality",
        STREAM,
        "Checks that the baseline passed. Where they fail again and again, it is worse, whatever the numbers say.",
        "See which checks were lost: opsagent canary --only quality's categories, such as --only code,json.",
    ),
    said(
        "stream sampling",
        STREAM,
        "The likelihoods after the samplers where the server tells them (llama.cpp), else answers by its own defaults.",
        "opsagent explain cause sampling.",
    ),
    said(
        "stream performance",
        STREAM,
        "Speed while nobody else used the server, against the slowest hundredth of the baseline. A warning at most.",
        "Look at clocks and heat of the GPU, and whether layers left it: opsagent status.",
    ),
];

/// Why a beat asked nothing. Not a failure: the next beat tries again.
pub(in crate::cli) static SKIPS: [Said; 9] = [
    said(
        "skip busy",
        SKIPPED,
        "The server works for others, or reads a model into memory; or they came in the midst of a run, which was \
         broken off. Users go first.",
        "Nothing, unless it never has a slot free: then ask less often, or in quiet times.",
    ),
    said(
        "skip not_loaded",
        SKIPPED,
        "The model is not in memory, or left it in the midst of a run, and a canary loads none.",
        "Nothing. Name it in may_load of [canaries] if canaries may load it.",
    ),
    said(
        "skip asleep",
        SKIPPED,
        "The server's model sleeps until somebody asks; a canary would wake it.",
        "Nothing: it is asked when somebody woke it.",
    ),
    said(
        "skip unreachable",
        SKIPPED,
        "The server does not answer, or its last poll is too old.",
        "opsagent status tells why.",
    ),
    said(
        "skip quiet_hours",
        SKIPPED,
        "The config says that nothing is asked at this time of the day.",
        "Nothing.",
    ),
    said(
        "skip budget",
        SKIPPED,
        "The tokens that canaries may take in an hour are spent.",
        "Ask less often (every), or raise the budget in [canaries].",
    ),
    said(
        "skip unused",
        SKIPPED,
        "Nobody else used the model since the last run: one more canary would be what keeps it in memory.",
        "Nothing. A model that stays for ever (keep-alive -1) is always asked.",
    ),
    said(
        "skip reload_caused",
        SKIPPED,
        "A run made the server load the model anew, with other options than it was loaded with; or twice in a row it was \
         loaded anew, or its process ended, while a canary asked it.",
        "See the server's log for a process that ended. Else write the options that your clients send into options of [canaries]: with them it is asked again.",
    ),
    said(
        "skip unsupported",
        SKIPPED,
        "The server or the model cannot be asked: no chat, or on somebody else's machine.",
        "Leave it out with models of [canaries].",
    ),
];

/// What a server tells of a model.
pub(in crate::cli) static FACTS: [Said; 7] = [
    said("fact digest", FACT, "What identifies the weights: a digest, else file, size and shape.", WHO),
    said("fact quantization", FACT, "How the weights are quantized.", WHO),
    said("fact version", FACT, "The server's kind and version.", WHO),
    said("fact template", FACT, "The chat template and the system prompt, as a hash.", WHO),
    said("fact context", FACT, "Tokens of context that a request has.", WHO),
    said("fact sampling", FACT, "The defaults by which tokens are chosen.", WHO),
    said("fact adapter", FACT, "Adapters (LoRA) and their weight.", WHO),
];

const WHO: &str = "A change is a line on the page and in opsagent canary history, and no alarm by itself.";
