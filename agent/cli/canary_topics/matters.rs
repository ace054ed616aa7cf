//! What there is to know of canaries and drift as a whole.

use crate::cli::gpu_topics::Matter;

/// What there is to know of the whole.
pub(in crate::cli) static MATTERS: [Matter; 6] = [
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
              with a number, and never changed. A canary that is edited or added is learned beside it, and the others \
              go on; where most prompts are others, a new one is learned, and an alarm that holds stays.",
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
