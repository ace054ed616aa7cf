//! The metrics of canaries and drift, and of the store that they stand on: read off the view.
//!
//! Up to 89 series a model that is asked, and none of any other. Counters are there at zero from the start on. What
//! needs a comparison is there once there was one: a model that is being learned is not said to be steady.

use super::declare::metrics;

mod fill;

metrics! {
    /// What canaries found of each model, and how the store fares.
    pub(super) struct OfCanaries<'a> in "opsagent_" {
        /// Evidence that the model answers otherwise than its baseline, by stream: ln M. An alarm is raised where it reaches drift_evidence_threshold, and it stays there while the alarm holds. No series of a stream that cannot tell yet: fingerprint_slow warms up for a week.
        drift_evidence: Gauge ["target", "model", "stream"],
        /// Evidence of a model at which an alarm is raised, by stream: ln A. It grows with the runs of a year and falls with the false alarms that the config allows.
        drift_evidence_threshold: Gauge ["target", "model", "stream"],
        /// 1 for how bad the alarm is that holds for the model, 0 for the others: info (the numbers moved, the answers did not), warning (the behaviour changed), critical (quality is lost). All 0: none holds. No series before a first baseline.
        drift_state: Gauge ["target", "model", "severity"],
        /// 1 for what most likely happened to the model while an alarm holds or something moved, 0 for the others: weights, attention_path, template, sampling, context, corruption, chunking, unknown. No series before a first baseline.
        drift_cause: Gauge ["target", "model", "cause"],
        /// Alarms of drift that the agent raised, by stream (identity: a prompt that is cut, refused or counted otherwise, or that the server fails at, since, twice in a row; fingerprint_fast, fingerprint_slow, quality, sampling, performance) and severity (info, warning, critical).
        drift_alarms_total: Counter ["target", "model", "stream", "severity"],
        /// 1 for what holds of the model by its canaries, 0 for the others: learning, steady, suspect, drifting, failing (no answer that could be judged, several runs in a row).
        canary_verdict: Gauge ["target", "model", "verdict"],
        /// Mean distance of the model's answers to the states known from its baseline, in nats, by probe, each as it was last asked: p0 (one raw token), p1 (a few), long (long prompts), chat (chat canaries), sampling (what shows the sampler).
        canary_distance_nats: Gauge ["target", "model", "probe"],
        /// Kullback-Leibler divergence of the model's first tokens, as they were last asked, from its baseline, in nats: comparable with what llama-perplexity measures, and of a few answers only: /api/v1/view tells as kld_low and kld_high between which numbers it is. No series where the server tells no log probabilities.
        canary_kld: Gauge ["target", "model"],
        /// Chat canaries whose greedy text is one that is known of the model, of all of the last run that asked them, 0..1.
        canary_text_match_ratio: Gauge ["target", "model"],
        /// Canaries of the last run that asked them whose text first differs at a token of which the model was sure in its baseline.
        canary_confident_flips: Gauge ["target", "model"],
        /// Canaries that the model passes, of all of the category, 0..1, each as it was last asked.
        canary_pass_ratio: Gauge ["target", "model", "category"],
        /// Prompts that the model refused, of those that it should refuse (expected="refuse") and should answer (expected="answer"), 0..1.
        canary_refusal_ratio: Gauge ["target", "model", "expected"],
        /// Runs of canaries by the agent, by result: ok, exceed (farther off than the baseline's own spread), error (nothing could be judged), skipped (nothing was asked).
        canary_runs_total: Counter ["target", "model", "result"],
        /// Runs that were due and in which the agent asked the model nothing, or broke off as others came, by reason: busy, not_loaded, asleep, unreachable, quiet_hours, budget, unused (nobody else used the model since, so a canary would be what keeps it in memory), reload_caused (a canary made the server load it anew), unsupported. The hourly run of the long prompts and looks again at what moved count each time that they are tried: they are, at each beat that asks.
        canary_skips_total: Counter ["target", "model", "reason"],
        /// Canaries and probes of the model that are never asked, or never for their whole answer, since no run has room for them by max_completion_tokens_per_run, max_completion_tokens_per_hour and max_prompt_tokens_per_hour. 0: all are asked. No series before the first run.
        canary_left_out: Gauge ["target", "model"],
        /// Tokens that canaries took, by kind: prompt, completion; warm-ups and the questions that find out what a server can be asked for among them. As the server tells; of an answer that did not come whole, as many as were asked for, since it may have been generated all the same.
        canary_tokens_total: Counter ["target", "model", "kind"],
        /// Tokens a second of the last run's graded answers of the model, the median.
        canary_tokens_per_second: Gauge ["target", "model"],
        /// To the first token of the last run's graded answers, in seconds, the median.
        canary_ttft_seconds: Gauge ["target", "model"],
        /// When the model was last asked, in seconds since the Unix epoch.
        canary_last_run_timestamp_seconds: Gauge ["target", "model"],
        /// Age of the baseline in force, in seconds since its last run.
        baseline_age_seconds: Gauge ["target", "model"],
        /// Runs of the model that are in the baseline in force.
        baseline_runs: Gauge ["target", "model"],
        /// Upper bound of the part of the model's runs that exceed its baseline although nothing changed, 0..1.
        baseline_exceedance_bound: Gauge ["target", "model"],
        /// Numeric states of the model's answers that the baseline in force knows, over all canaries and probes.
        baseline_states: Gauge ["target", "model"],
        /// Facts of the server and the model that became another, by fact: digest, quantization, version, template, context, sampling, adapter.
        identity_changes_total: Counter ["target", "model", "fact"],
        /// 1 if the agent's store of baselines, runs and events takes what is written, else 0. No series without one.
        store_up: Gauge [],
        /// Size of the store's files in bytes.
        store_size_bytes: Gauge [],
        /// Runs and events that the agent could not keep in its store.
        store_writes_lost_total: Counter [],
    }
}
