//! The metrics of real traffic: what taps, canaries and logs saw end, one by one.
//!
//! Which series there are. A histogram has a series from its first observation on: what is asked of it is a share
//! of many, and one more or less does not matter. A counter of what should not happen must be at zero before,
//! else its first step is not seen: failures by reason, cancels by phase, truncations by cause and objectives are
//! there at zero for each model that is loaded or was used, and for `other`, and so are the tokens generated;
//! never for models that only lie on a disk. Requests by dialect are there once that dialect was spoken; what a
//! server need not tell (tokens of the prompt, its times) once it told it: zero would say that there were none.

use super::declare::metrics;

mod count;
mod kept;

pub use count::{Whose, decode, prefill};

metrics! {
    /// What was counted of real traffic, from the agent's start.
    pub struct Traffic in "opsagent_" {
        /// Requests that ended, however they did, by who saw them (source: tap, canary, log) and by what was spoken (dialect: ollama_generate, ollama_chat, ollama_embed, openai_chat, openai_completions, openai_responses, openai_embeddings, llama_cpp_completion, llama_cpp_infill, llama_cpp_embedding, anthropic_messages, lm_studio_chat; unknown: a log that does not tell). The model is spelled as the target's inventory spells it; other: it has no such model, or the request names none.
        requests_total: Counter ["target", "model", "source", "dialect"],
        /// Requests that failed, by reason: refused, unreachable, connect_timeout, first_byte_timeout, idle_timeout, reset, cut_short (the answer ended without its end), stream_error (an error after a 200), overloaded (429, 503), unauthorized (401, 403), not_found (404), context_exceeded, client_error (another 4xx, or refused by the tap for its body), server_error (another 5xx), malformed, agent_stopped.
        request_failures_total: Counter ["target", "model", "source", "reason"],
        /// Requests whose client left before the answer was whole, by how far they were: queued (the server had not begun), prefill (no token had come; of servers that answer only with their first token the queue too), decode (tokens had come). No failure of the server.
        requests_cancelled_total: Counter ["target", "model", "source", "phase"],
        /// Answers or prompts that were cut, by cause: length (the most tokens that the request allows), context (what the model was loaded with is full).
        requests_truncated_total: Counter ["target", "model", "source", "cause"],
        /// From the request handed to the server to the first piece of the answer with generated text of any kind, in seconds. Of streams alone. cold="true": the model had to be loaded first.
        time_to_first_token_seconds: Histogram ["target", "model", "source", "cold"] buckets first_token,
        /// From the request handed to the server to the first piece with visible answer text, in seconds: later than the first token where the model reasons. Of streams alone. cold="true": the model had to be loaded first.
        time_to_first_answer_seconds: Histogram ["target", "model", "source", "cold"] buckets first_token,
        /// (last token - first token) / (output tokens - 1) of one answer, in seconds; one observation a request. Of streams with at least two tokens.
        time_per_output_token_seconds: Histogram ["target", "model", "source"] buckets per_token,
        /// Gaps between successive pieces of an answer that carry generated text, in seconds. A piece may hold several tokens.
        chunk_gap_seconds: Histogram ["target", "model", "source"] buckets chunk_gap,
        /// The longest gap between two pieces of one answer, in seconds: the stall that its reader saw; one observation a request.
        longest_chunk_gap_seconds: Histogram ["target", "model", "source"] buckets stall,
        /// From the request handed to the server to the last byte of the answer, in seconds, by outcome: complete, failed, cancelled. Without embeddings.
        request_duration_seconds: Histogram ["target", "model", "source", "outcome"] buckets request,
        /// From the request handed to the server to the last byte of the answer, in seconds, of requests for embeddings, by outcome: complete, failed, cancelled.
        embedding_duration_seconds: Histogram ["target", "model", "source", "outcome"] buckets request,
        /// What requests waited for their model to be loaded, in seconds, as the server says (Ollama's load_duration, its queue for loads included). Of requests that waited 0.2 s or more: a model that is loaded answers in milliseconds.
        load_seconds: Histogram ["target", "model", "source"] buckets load,
        /// Tokens of prompts, cached ones too, as the server says in its answers.
        input_tokens_total: Counter ["target", "model", "source"],
        /// The part of the prompts' tokens that came out of the server's cache, as it says in its answers.
        cached_input_tokens_total: Counter ["target", "model", "source"],
        /// Tokens generated (answers, reasoning, tool calls), as the server says in its answers, or where it does not, estimated by the pieces of the answer: see tokens_estimated_total.
        output_tokens_total: Counter ["target", "model", "source"],
        /// The part of the generated tokens that is reasoning, as the server says in its answers.
        reasoning_tokens_total: Counter ["target", "model", "source"],
        /// The part of output_tokens_total that is estimated by counting pieces, since the server told no number.
        tokens_estimated_total: Counter ["target", "model", "source"],
        /// Prompt tokens that the server computed (uncached ones) in the time of prefill_seconds_total, as it says in its answers: rate by rate is the speed of prefill.
        prefill_tokens_total: Counter ["target", "model", "source"],
        /// Seconds that the server spent on prefill_tokens_total, as it says in its answers.
        prefill_seconds_total: Seconds ["target", "model", "source"],
        /// Tokens after the first of each answer, generated in decode_seconds_total: rate by rate is the speed that one reader sees.
        decode_tokens_total: Counter ["target", "model", "source"],
        /// Seconds from first to last token, over all answers: measured on streams, else as the server says in its answers.
        decode_seconds_total: Seconds ["target", "model", "source"],
        /// Requests that an objective of the config (slo) was judged on. Not those that fail by the client's own fault (unauthorized, not_found, context_exceeded, client_error), nor those whose client left before a limit had passed, those that no limit speaks of (not streamed, where the limits are of streams), and those that could not be measured and missed no limit as far as was seen.
        slo_requests_total: Counter ["target", "model", "slo"],
        /// Requests that missed an objective of the config: a limit was passed, the request failed, or the context was full. The limit that a request sets itself (max_tokens) is no miss: the client asked for no more.
        slo_missed_total: Counter ["target", "model", "slo"],
        /// What the tap itself added to a request, in seconds: its own work from the end of its read to its write of the same bytes, on the request and on the first token together. Not in it: how long bytes waited for the tap's thread before they were read, and the connection to the server.
        tap_added_seconds: Histogram ["target"] buckets tap_added,
        /// Answers that passed the tap and were not measured to their end, by reason: panic (a fault of the agent), line_too_long, encoding, malformed.
        tap_meter_failures_total: Counter ["reason"],
        /// Requests through the tap by client, of those to which the config gives a name: whatever they ask for, not only generations.
        tap_client_requests_total: Counter ["target", "client"],
        /// Requests that the tap answered itself with an error, by reason: connections (as many are open as the config allows), head_too_large, body_too_large, slow (the head or the body came too slowly), host (not let in), malformed, unsupported. Generations that are refused for their body are in request_failures_total too, as client_error.
        tap_refused_requests_total: Counter ["target", "reason"],
        /// Requests whose end was not counted anywhere, since too many ended at once.
        request_ends_lost_total: Counter ["target", "source"],
        /// Requests that ended after their target was taken out of the config or forgotten. Its series are gone, so they are counted here alone.
        gone_target_requests_total: Counter ["source"],
    }
}
