//! What `opsagent explain` says of canaries and drift: the matters, and every closed word of them.

use super::gpu_topics::Matter;
use super::topics::Topic;

/// A closed word of canaries and drift.
#[derive(Debug)]
pub(super) struct Said {
    /// What it is asked for by: its sort, and its name.
    pub(super) topic: &'static str,
    /// What it is.
    pub(super) is: &'static str,
    /// What to do.
    pub(super) does: &'static str,
    /// The metric that it stands in, and its label there.
    series: (&'static str, &'static str),
}

const fn said(
    topic: &'static str,
    series: (&'static str, &'static str),
    is: &'static str,
    does: &'static str,
) -> Said {
    Said { topic, is, does, series }
}

/// What there is to know of the whole.
pub(super) static MATTERS: [Matter; 6] = [
    Matter {
        name: "canary",
        is: "A known prompt that the agent asks a model itself, to see whether it still answers as it did.",
        how: "Off by default: [canaries] in the config turns it on. 30 are built in, in 10 categories; [[canary]] adds \
              your own, with their checks. Each beat asks the first tokens of eight and two whole answers, which are \
              graded; once an hour the long ones. They have a budget of tokens, and series of their own: they are \
              never counted among users' requests. No canary loads a model, or is what keeps one in memory.",
        does: "Ask by hand from any shell: opsagent canary, or opsagent canary --url http://box:8080 with nothing else. \
               It does not see: tokens that no canary touches, prompts longer than the longest canary, images, tools, \
               or a replica behind a balancer that canaries do not reach: give each replica its own [[target]].",
        series: "opsagent_canary_runs_total, opsagent_canary_pass_ratio, opsagent_canary_tokens_total",
    },
    Matter {
        name: "drift",
        is: "A model that answers otherwise than it did in its baseline, by more than the baseline's own spread.",
        how: "Each run counts only as within or beyond a tolerance, and bets against the highest rate of runs beyond it \
              that the baseline allows. An alarm comes when the evidence is so strong that a model that did not change \
              reaches it less than once in ten years (false_alarms_per_year). After a full baseline a change of every \
              answer takes 4 runs; one that hits a fifth of the runs some 40.",
        does: "Read what moved and what most likely caused it: opsagent status, or the page. Meant? Then opsagent \
               baseline accept TARGET/MODEL. Not meant? Put back what was, and it ends by itself after 12 clean runs.",
        series: "opsagent_drift_state, opsagent_drift_cause, opsagent_drift_alarms_total",
    },
    Matter {
        name: "evidence",
        is: "How strongly a stream speaks against the baseline: the logarithm of a bet's gain, in nats.",
        how: "It grows with each run beyond the tolerance, falls with each within, and never counts for more than it is \
              worth: the mean gain of a model that did not change is 1 a run. The threshold is the logarithm of the \
              runs of a year over the false alarms that are allowed, shared out among the streams.",
        does: "Alert on opsagent_drift_state. A graph of evidence with its threshold shows how near it is.",
        series: "opsagent_drift_evidence, opsagent_drift_evidence_threshold",
    },
    Matter {
        name: "kld",
        is: "KLD equivalent: how far the likelihoods of the next token are from the baseline's, in nats, as \
             llama-perplexity tells the Kullback-Leibler divergence of a quantized model.",
        how: "Mean over the positions of the fingerprint's answers, told by the 20 likeliest tokens; the rest is taken to \
              move as they do. Where few answers leave it open, the words say from where to where. Published for 8B models against f16: 0.001 like q8_0, 0.005 q6_K, 0.01 q5_K_M, 0.03 q4_K_M, \
              0.1 q3_K_M, 0.45 q2_K; small models move more. Only where the server tells log probabilities.",
        does: "It tells how far, not whether it is worse: below 0.01 it never is called a loss of quality. Whether it is \
               worse say the checks.",
        series: "opsagent_canary_kld, opsagent_canary_distance_nats",
    },
    Matter {
        name: "baseline",
        is: "What a model did while all was well: every numeric state of each answer, checks passed, facts of the server.",
        how: "It makes itself while all is quiet: a first one after 20 runs, larger ones after 40, 100 and 300. \
              opsagent baseline capture TARGET/MODEL makes a full one at once, a part of it under load. Each is kept, \
              with a number, and never changed; another suite of canaries begins a new one.",
        does: "opsagent baseline list; show tells what is in it, diff what differs between two. accept takes what the \
               model does now, rollback goes back to an earlier one.",
        series: "opsagent_baseline_age_seconds, opsagent_baseline_runs, opsagent_baseline_states",
    },
    Matter {
        name: "confident flips",
        is: "Answers whose text first differs at a token of which the baseline was sure (by 0.8 nat or more).",
        how: "Where two tokens are nearly as likely, any change of arithmetic flips the choice. Where one was far ahead, \
              nothing harmless did in 2,861 looks; a change to 4 bits flipped a tenth of them, one to 2 bits most.",
        does: "One is enough to call a change one of behaviour.",
        series: "opsagent_canary_confident_flips",
    },
];

const STATE: (&str, &str) = ("opsagent_drift_state", "severity");
const CAUSE: (&str, &str) = ("opsagent_drift_cause", "cause");
const STREAM: (&str, &str) = ("opsagent_drift_evidence", "stream");
const SKIPPED: (&str, &str) = ("opsagent_canary_skips_total", "reason");
const FACT: (&str, &str) = ("opsagent_identity_changes_total", "fact");

/// What holds of a model.
pub(super) static VERDICTS: [Said; 5] = [
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
pub(super) static SEVERITIES: [Said; 3] = [
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
pub(super) static CAUSES: [Said; 8] = [
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
        "Compare template and system prompt: ollama show --modelfile MODEL, or --chat-template of llama-server.",
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

/// What is watched apart.
pub(super) static STREAMS: [Said; 6] = [
    said(
        "stream identity",
        FACT,
        "What the server tells of itself and the model. A change is an event and no alarm.",
        "opsagent canary history shows them.",
    ),
    said(
        "stream fingerprint_fast",
        STREAM,
        "The first tokens of eight canaries and the probes, each run for itself: finds a full change within runs.",
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
pub(super) static SKIPS: [Said; 9] = [
    said(
        "skip busy",
        SKIPPED,
        "The server works for others, or reads a model into memory. Users go first.",
        "Nothing, unless it never has a slot free: then ask less often, or in quiet times.",
    ),
    said(
        "skip not_loaded",
        SKIPPED,
        "The model is not in memory, and a canary loads none.",
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
        "A run made the server load the model anew, with other options than it was loaded with. That must not happen twice.",
        "Tell the options that your clients send, or reload the agent's config once it is mended.",
    ),
    said(
        "skip unsupported",
        SKIPPED,
        "The server or the model cannot be asked: no chat, or on somebody else's machine.",
        "Leave it out with models of [canaries].",
    ),
];

/// What a server tells of a model.
pub(super) static FACTS: [Said; 7] = [
    said("fact digest", FACT, "What identifies the weights: a digest, else file, size and shape.", WHO),
    said("fact quantization", FACT, "How the weights are quantized.", WHO),
    said("fact version", FACT, "The server's kind and version.", WHO),
    said("fact template", FACT, "The chat template and the system prompt, as a hash.", WHO),
    said("fact context", FACT, "Tokens of context that a request has.", WHO),
    said("fact sampling", FACT, "The defaults by which tokens are chosen.", WHO),
    said("fact adapter", FACT, "Adapters (LoRA) and their weight.", WHO),
];

const WHO: &str = "A change is a line on the page and in opsagent canary history, and no alarm by itself.";

fn groups_of() -> [(&'static str, &'static [Said]); 6] {
    [
        ("What holds of a model (verdict)", &VERDICTS),
        ("How bad a drift is (severity)", &SEVERITIES),
        ("What most likely caused it (cause)", &CAUSES),
        ("What is watched apart (stream)", &STREAMS),
        ("Why a canary was not asked (skip)", &SKIPS),
        ("What a server tells of a model (fact)", &FACTS),
    ]
}

/// The groups, with their titles.
pub(super) fn groups() -> Vec<(&'static str, Vec<Topic>)> {
    let mut groups = vec![("Canaries and drift", MATTERS.iter().map(Topic::Matter).collect())];
    groups.extend(groups_of().map(|(title, all)| (title, all.iter().map(Topic::Said).collect())));
    groups
}

/// The topic of that name: a matter, `cause weights`, or, where nothing else is called so, `weights`.
pub(super) fn find(word: &str) -> Option<Topic> {
    let spaced = word.replace('_', " ");
    let name = match spaced.as_str() {
        "canaries" | "known prompt" => "canary",
        "kl" | "kld equivalent" | "distance" => "kld",
        "baselines" => "baseline",
        "confident flip" | "flips" => "confident flips",
        other => other,
    };
    let matter = MATTERS.iter().find(|matter| matter.name == name).map(Topic::Matter);
    let all = || groups_of().into_iter().flat_map(|(_, all)| all);
    let whole = || all().find(|said| said.topic.replace('_', " ") == spaced);
    let alone = || all().find(|said| said.name().replace('_', " ") == spaced);
    matter.or_else(|| whole().or_else(alone).map(Topic::Said))
}

/// The group that a word alone asks for, such as `verdict` or `skip`.
pub(super) fn group(word: &str) -> Option<(&'static str, Vec<Topic>)> {
    let word = word.trim().to_lowercase();
    let singular = word.strip_suffix('s').filter(|rest| !rest.is_empty()).unwrap_or(&word);
    let singular = match singular {
        "severitie" => "severity",
        other => other,
    };
    let is_it = |all: &[Said]| all.iter().any(|said| said.sort() == singular);
    let (title, all) = groups_of().into_iter().find(|(_, all)| is_it(all))?;
    Some((title, all.iter().map(Topic::Said).collect()))
}

impl Said {
    /// `cause` of `cause weights`.
    fn sort(&self) -> &'static str {
        self.topic.split_once(' ').map_or(self.topic, |(sort, _)| sort)
    }

    /// `weights` of `cause weights`.
    fn name(&self) -> &'static str {
        self.topic.split_once(' ').map_or(self.topic, |(_, name)| name)
    }

    /// All there is to say of it.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let (metric, label) = self.series;
        let series = if label.is_empty() {
            metric.to_owned()
        } else {
            format!("{metric}{{{label}=\"{}\"}}", self.name())
        };
        let series = if self.sort() == "verdict" { metric.to_owned() } else { series };
        vec![("is", self.is.to_owned()), ("do", self.does.to_owned()), ("series", series)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{Cause, Severity, Stream, Verdict};
    use crate::metrics;
    use crate::sample::Fact;
    use crate::view::Skip;

    #[test]
    fn every_closed_word_is_explained_in_its_order() {
        fn names(all: &[Said]) -> Vec<&'static str> {
            all.iter().map(Said::name).collect()
        }
        assert_eq!(names(&VERDICTS), Verdict::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&SEVERITIES), Severity::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&CAUSES), Cause::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&STREAMS), Stream::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&SKIPS), Skip::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
        assert_eq!(names(&FACTS), Fact::ALL.iter().map(|one| one.name()).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_word_names_as_its_series_has_that_label() {
        for said in groups_of().into_iter().flat_map(|(_, all)| all) {
            let (metric, label) = said.series;
            let spec = metrics::spec(metric).unwrap_or_else(|| panic!("{metric} of {}", said.topic));
            assert!(label.is_empty() || spec.labels.contains(&label), "{metric} has no {label}");
        }
    }

    #[test]
    fn words_are_found_alone_and_by_their_sort() {
        let name = |typed: &str| find(typed).map(|topic| topic.name());
        assert_eq!(name("cause_weights"), Some("cause weights"));
        assert_eq!(name("weights"), Some("cause weights"));
        assert_eq!(name("fingerprint_slow"), Some("stream fingerprint_slow"));
        assert_eq!(name("skip busy"), Some("skip busy"));
        assert_eq!(name("canaries"), Some("canary"));
        assert_eq!(group("causes").map(|(_, all)| all.len()), Some(8));
        assert_eq!(group("verdict").map(|(_, all)| all.len()), Some(5));
        assert!(group("").is_none() && group("s").is_none());
    }
}
