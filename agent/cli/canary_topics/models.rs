//! What is said of a model: what holds, how bad it is, what caused it.

use super::{Said, said};

const STATE: (&str, &str) = ("opsagent_drift_state", "severity");
const CAUSE: (&str, &str) = ("opsagent_drift_cause", "cause");

/// What holds of a model.
pub(in crate::cli) static VERDICTS: [Said; 5] = [
    said(
        "verdict learning",
        ("opsagent_baseline_runs", ""),
        "Its baseline is being made: there is nothing yet to compare with. Checks are graded all the same.",
        "Wait, or make one at once: opsagent baseline capture TARGET/MODEL.",
    ),
    said("verdict steady", STATE, "It answers as it did.", "Nothing."),
    said(
        "verdict suspect",
        STATE,
        "Something moved, and it is not sure yet that it is more than chance.",
        "Wait for the next runs, or ask at once: opsagent canary --quick.",
    ),
    said(
        "verdict drifting",
        STATE,
        "It answers otherwise than it did, beyond what chance explains. How bad it is says the severity.",
        "Read what moved and its cause. Meant? opsagent baseline accept. Not meant? Put back what was.",
    ),
    said(
        "verdict failing",
        STATE,
        "Several runs in a row brought no answer that could be judged: refused, broken off, empty, or no numbers.",
        "Ask it yourself: opsagent canary shows what the server says. Look at the server's log.",
    ),
];

/// How bad a drift is.
pub(in crate::cli) static SEVERITIES: [Said; 3] = [
    said(
        "severity info",
        STATE,
        "The numbers moved, the answers did not: another kernel, driver or version. It asks for nobody.",
        "Nothing; opsagent baseline accept ends it, and small announced changes are accepted by themselves.",
    ),
    said(
        "severity warning",
        STATE,
        "The behaviour changed: texts differ where the model was sure, a template, a default or the context is another, \
         or one or two checks are lost.",
        "Find out who changed what, in working hours.",
    ),
    said(
        "severity critical",
        STATE,
        "Quality is lost: as far off as a strong quantization (0.1 nat and more), checks fail that always passed, \
         prompts are cut, numbers are none, or the answers go round in circles.",
        "Put back what was, now.",
    ),
];

/// What most likely happened.
pub(in crate::cli) static CAUSES: [Said; 8] = [
    said(
        "cause weights",
        CAUSE,
        "Other weights, an adapter, or kernels that compute otherwise: the first token of a one-token prompt moved, \
         which knows neither template nor cache.",
        "Compare digest and quantization: opsagent baseline diff. A type of the V cache looks the same.",
    ),
    said(
        "cause attention_path",
        CAUSE,
        "The cache's type, RoPE or the attention kernel: prompts of several tokens moved, that of one token did not.",
        "Compare the server's arguments: cache-type-k, flash-attn, rope-*. An update may have changed defaults.",
    ),
    said(
        "cause template",
        CAUSE,
        "The chat template or the system prompt: conversations moved, raw prompts did not; or counts of prompt tokens did.",
        "Compare template and system prompt: ollama show --modelfile MODEL, or --chat-template of llama-server. At midnight, \
         on a server that shows no template: it may print today's date.",
    ),
    said(
        "cause sampling",
        CAUSE,
        "The defaults by which tokens are chosen: texts moved, the likelihoods did not. Temperature, top-p, penalties.",
        "Compare the parameters: PARAMETER lines of the Modelfile, or the arguments of llama-server.",
    ),
    said(
        "cause context",
        CAUSE,
        "A smaller context, or prompts that are cut: long prompts fail, or count fewer tokens.",
        "Compare context per request: num_ctx, OLLAMA_CONTEXT_LENGTH, -c divided by -np.",
    ),
    said(
        "cause corruption",
        CAUSE,
        "Numbers that are none where likelihoods should be: memory or file are corrupt.",
        "Restart the server; if it stays, fetch the model anew and test the machine's memory (opsagent explain xid).",
    ),
    said(
        "cause chunking",
        CAUSE,
        "Long prompts are cut into other pieces (batch size), which moves their numbers a little and nothing else.",
        "Harmless. Compare batch sizes if it was not you: -b, -ub, num_batch.",
    ),
    said(
        "cause unknown",
        CAUSE,
        "What moved fits none of the known causes alone.",
        "Look what was changed lately; several changes at once look so.",
    ),
];
