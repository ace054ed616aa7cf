//! The metrics that are read off the view, afresh at every scrape: a model that is unloaded and a
//! target that goes take their series with them, and no code removes any.

use super::declare::metrics;

metrics! {
    /// What the last poll of each target saw, and how the agent itself fares.
    pub(super) struct Observed<'a> in "opsagent_" {
        /// 1, with the agent's version and the revision that it was built from.
        build_info: Gauge ["version", "revision"],
        /// When the agent started, in seconds since the Unix epoch.
        start_timestamp_seconds: Gauge [],
        /// 1 if what the agent shows is simulated (opsagent run --demo), else 0.
        demo: Gauge [],
        /// 1 if the last reload of the agent's config was taken, 0 if it was refused and the config before it is in force.
        config_last_reload_successful: Gauge [],
        /// When the config in force was read, in seconds since the Unix epoch.
        config_last_reload_success_timestamp_seconds: Gauge [],
        /// How long the last poll of the target took, in seconds.
        poll_duration_seconds: Gauge ["target"],
        /// When the target was last polled with success, in seconds since the Unix epoch.
        poll_last_success_timestamp_seconds: Gauge ["target"],

        /// 1 if the last poll was answered as this kind of server answers, else 0. No series before the first poll, nor when the last one is more than three beats old.
        target_up: Gauge ["target", "kind"],
        /// 1 for the state that the last poll found, 0 for the others: loading, ready, busy, sleeping, hung, down.
        target_state: Gauge ["target", "state"],
        /// 1, with what the server says of itself in the last poll, and its address without user and secret.
        target_info: Gauge ["target", "kind", "version", "build", "url"],
        /// 1 if the agent found the target by itself, 0 if the config names it.
        target_discovered: Gauge ["target"],
        /// Requests that the server can work on at once for this model, as the last poll saw (llama-server's /slots or /props).
        slots: Gauge ["target", "model"],
        /// Requests that the server works on for this model, as the last poll saw (llama-server's /slots).
        slots_busy: Gauge ["target", "model"],
        /// Requests that wait for a slot, as the last poll saw (llama-server's requests_deferred).
        queue_depth: Gauge ["target", "model"],
        /// Requests in flight through whoever sees them (source: tap).
        requests_in_flight: Gauge ["target", "source"],
        /// 1 if the tap in front of the target accepts connections, 0 if it cannot. No series for a target without one.
        tap_up: Gauge ["target"],
        /// Connections of clients that are open at the tap.
        tap_connections: Gauge ["target"],
        /// 1 if the server's log is read, 0 if it cannot be. No series for a target whose log is not followed.
        server_log_up: Gauge ["target"],
        /// Models on the server's disk, loaded or not, as the last poll saw (Ollama's /api/tags, LM Studio's and other model lists).
        models_installed: Gauge ["target"],
        /// Processes of models that outlived the Ollama which started them and still hold its memory, as the last poll saw in /proc.
        orphans: Gauge ["target"],

        /// 1, with what the server's model list says of the model in the last poll.
        model_info: Gauge ["target", "model", "digest", "quantization", "parameters", "format", "family"],
        /// 1 if the model is in memory, 0 if it is only on disk, as the last poll saw.
        model_loaded: Gauge ["target", "model"],
        /// Size of the model's files in bytes, as the server's model list says.
        model_size_bytes: Gauge ["target", "model"],
        /// Memory that the loaded model takes (weights, cache and buffers) in bytes, by the server's own estimate (Ollama's /api/ps).
        model_memory_bytes: Gauge ["target", "model"],
        /// The part of the loaded model that is on GPUs in bytes, by the server's own estimate (Ollama's /api/ps).
        model_vram_bytes: Gauge ["target", "model"],
        /// The part of the loaded model that is on GPUs, 0..1: VRAM by memory, both as the server tells them.
        model_offload_ratio: Gauge ["target", "model"],
        /// Context allocated for one request in tokens, as the server tells (Ollama's /api/ps, llama-server's /props).
        model_context_tokens: Gauge ["target", "model"],
        /// Context that the model was trained for in tokens, as the server's model list says.
        model_context_trained_tokens: Gauge ["target", "model"],
        /// When the server unloads the model if nobody asks, in seconds since the Unix epoch (Ollama's /api/ps). No series for a model that stays; while a request runs the time may lie in the past.
        model_expires_timestamp_seconds: Gauge ["target", "model"],
        /// Loads of the model that polls saw since the agent started: it was not in memory and is, or another process runs it.
        model_loads_total: Counter ["target", "model"],
        /// 1 if the llama-server that Ollama runs the model in answers a poll, 0 if it does not or is gone.
        child_up: Gauge ["target", "model"],
        /// 1 if the llama-server that Ollama runs the model in has its /metrics on, 0 if LLAMA_ARG_ENDPOINT_METRICS=1 is missing in Ollama's environment.
        child_metrics: Gauge ["target", "model"],

        /// Requests that the server finished, by its own count, kept over its restarts while the agent runs.
        server_requests_total: Counter ["target", "model"],
        /// Prompt tokens that the server computed, without those out of its cache, by its own count, kept over its restarts while the agent runs.
        server_prompt_tokens_total: Counter ["target", "model"],
        /// Prompt tokens that the server took out of its cache, by its own count, kept over its restarts while the agent runs.
        server_cached_tokens_total: Counter ["target", "model"],
        /// Tokens that the server generated, by its own count, kept over its restarts while the agent runs. llama-server counts them when a request ends.
        server_output_tokens_total: Counter ["target", "model"],
        /// Seconds that the server spent on prompts, by its own count, kept over its restarts while the agent runs.
        server_prompt_seconds_total: Counter ["target", "model"],
        /// Seconds that the server spent on generating, by its own count, kept over its restarts while the agent runs. llama-server counts them when a request ends.
        server_decode_seconds_total: Counter ["target", "model"],
        /// Tokens drafted by speculative decoding, by the server's own count, kept over its restarts while the agent runs.
        server_draft_tokens_total: Counter ["target", "model"],
        /// Drafted tokens that were accepted, by the server's own count, kept over its restarts while the agent runs.
        server_draft_accepted_tokens_total: Counter ["target", "model"],
    }
}

metrics! {
    /// What can be said of a page only when the rest of it is known.
    pub(super) struct OfPage<'a> in "opsagent_" {
        /// Series on this page of the agent, this one included.
        series: Gauge [],
    }
}

impl Default for Observed<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl OfPage<'_> {
    /// The families, of a page that has so many series besides.
    pub(super) fn of(others: usize) -> Self {
        let mut page = Self::new();
        page.series.set([], (others + 1) as f64);
        page
    }
}
