//! What `opsagent explain` says of real traffic: what is measured, and from where.

use super::failed_topics::{self, FAILURES};
use super::gpu_topics::Matter;
use super::topics::Topic;

/// What is measured, each with the place that it is measured at.
pub(super) static MATTERS: [Matter; 12] = [
    Matter {
        name: "tap",
        is: "A proxy in front of one server, which measures what its clients get. It changes no byte of what passes \
             but the Host that the server sees, holds none back, and keeps no text.",
        how: "Off by default. With tap = \"127.0.0.1:11435\" at the [[target]] it listens there, and clients are \
              pointed at it instead of at the server: OLLAMA_HOST=127.0.0.1:11435 for Ollama's own, \
              base_url=\"http://127.0.0.1:11435/v1\" for those of OpenAI. All paths and methods pass. All times are \
              those between agent and server, from the moment at which the whole request was handed over: a slow \
              network before the tap is not in them.",
        does: "It is in line and cannot fail open: while the agent is down, what was pointed at the tap gets no \
               answer. The way round it is one step: point the clients at the server's own address again. With \
               its socket bound by systemd (deploy/systemd/opsagent.socket) clients wait \
               during a restart and are not refused. Without a tap, log = tells requests and speeds where the server logs them.",
        series: "opsagent_requests_total, opsagent_tap_connections, opsagent_tap_added_seconds",
    },
    Matter {
        name: "log",
        is: "The server's own log, which tells of requests, their tokens and the server's own speeds without a tap, \
             when each has ended (source=\"log\").",
        how: "Off by default. log = \"journal:ollama.service\" or a path at the [[target]] turns it on. Ollama: each \
              request by its access line, and from 0.30 on the tokens and times that its llama-server writes of each \
              task. The two share no number: they are joined where only one can be meant, else the tokens count \
              without their request. llama-server: each task that writes times is a request, without the time that \
              it waited for a slot, and by its path unknown; embeddings are not told. Only a router's lines name the model; else it is \
              the one that was loaded, if one alone was, else other. It begins at the log's end; a restart of the \
              agent goes on where it was (STATE_DIRECTORY, or ~/.local/state/opsagent). What was written meanwhile is \
              counted as of when it ended, by the date of its line: it is in no window and no warning of now. \
              [canaries] stand in the log beside users' requests, and are taken out of it by their path, status, \
              tokens, time and duration.",
        does: "Read it as a server's own view. No time to first token and no gaps. An access line's status is sent \
               first, so that an answer that breaks later says 200: it is told as failed only where the log says that \
               its process ended. Below 0.30 there are requests and durations alone, and no series of tokens. What \
               opsagent canary asks from a shell the agent does not know of: it is counted as users'. Not in the journal? Add the \
               agent's user to the group systemd-journal. At debug level a server writes prompts into its log: the \
               agent keeps and passes on none of it.",
        series: "opsagent_requests_total, opsagent_output_tokens_total, opsagent_decode_seconds_total",
    },
    Matter {
        name: "ttft",
        is: "Time to first token: from the whole request handed to the server to the first piece of the answer that \
             carries generated text (an answer, reasoning or a tool call).",
        how: "Of streams alone; an answer in one piece has none, and its duration is not taken for it. Pieces \
              without text (a role, a keep-alive, progress) do not end it. It holds the server's queue and the reading \
              of the prompt. Cold starts stand apart, so that the rest can be compared. The first visible token may \
              come much later where the model reasons.",
        does: "If it grows and tokens per second per reader do not fall, requests wait or prompts are long: look at \
               the queue. If both get worse, the server has too many at once, or the model left the GPU.",
        series: "opsagent_time_to_first_token_seconds{cold}, opsagent_time_to_first_answer_seconds{cold}",
    },
    Matter {
        name: "tpot",
        is: "Time per output token: (last token - first token) / (output tokens - 1), one value a request. Tokens/s \
             per reader is what one request gets, its inverse.",
        how: "Of streams with at least two tokens, between agent and server. The first token is not in it, so neither \
              are queue and prompt. Tools that count the first token in tell larger times: do not compare.",
        does: "5 to 10 tokens per second are as fast as people read. If it falls with more requests in flight, \
               that is the price of doing them at once.",
        series: "opsagent_time_per_output_token_seconds",
    },
    Matter {
        name: "stall",
        is: "The longest gap between two pieces of one answer: what a reader sees as a hang.",
        how: "Gaps between successive pieces with generated text, in streams, between agent and server. A piece may \
              hold several tokens, so a gap is not the time of one token.",
        does: "Gaps of seconds while others begin: long prompts are read between the tokens of all. Gaps for all at \
               once: the server waits for a disk, for memory or for its GPU.",
        series: "opsagent_longest_chunk_gap_seconds, opsagent_chunk_gap_seconds",
    },
    Matter {
        name: "tokens per second",
        is: "In all: output tokens of all requests together in the last seconds, those in flight too. Per reader: the \
             median of what each request got while its answer came.",
        how: "In all is tokens over time on the clock, never a mean of single speeds. While a request runs its pieces \
              are counted; at its end the server's own count holds. Prompts are counted apart: the tokens that were not \
              in the cache, over the server's own time on them, and only where it tells both.",
        does: "Capacity is in all, comfort is per reader: with more at once the one rises and the other falls.",
        series: "opsagent_output_tokens_total, opsagent_decode_tokens_total, opsagent_decode_seconds_total, \
                 opsagent_prefill_tokens_total, opsagent_prefill_seconds_total",
    },
    Matter {
        name: "cold start",
        is: "A request that had to wait until its model was loaded.",
        how: "As the answer tells it (load_duration of Ollama from 200 ms on, which holds the wait for other models \
              too), else because the model was not in memory at the last poll before it came. Its first token is \
              counted with cold=\"true\"; a load time that is told, by itself.",
        does: "Often: the model is unloaded between requests (keep_alive, --sleep-idle-seconds), or two models put \
               each other out of memory: opsagent fits tells whether both fit.",
        series: "opsagent_load_seconds, opsagent_time_to_first_token_seconds{cold=\"true\"}",
    },
    Matter {
        name: "goodput",
        is: "Requests that met an objective ([[slo]] in the config): each of its limits, no failure, not cut by the \
             context.",
        how: "Judged for each request as a whole, never as a product of ratios: nine of ten quick and nine of ten \
              steady may be eight of ten good. A full context is a miss; the limit that a request sets itself \
              (max_tokens, truncated as length) is none: it got all that it asked for. That is not goodput as benchmarks \
              have it (DistServe, AIPerf: requests a second within limits on times, of a length that the tool sets): \
              here requests are counted, and clients set the length. Not judged: what fails by the client's own \
              fault (4xx), who left before a limit was over (who left after it had waited for longer missed it), \
              what no limit speaks of (no stream, where the limits are of streams), and answers that the tap could \
              not read, unless what it saw of them is a miss.",
        does: "Alert on missed over all by burn rate. There are no default limits: what is good on one GPU at home \
               is bad in a data centre.",
        series: "opsagent_slo_requests_total, opsagent_slo_missed_total",
    },
    Matter {
        name: "cancelled",
        is: "The client left before the answer was whole: no failure of the server.",
        how: "By how far the server was, as seen from outside. decode: tokens had come. prefill: none had. queued: the \
              server had not begun with it, which only llama-server's streams let be seen, since their answer begins \
              when the work does. Others answer with their first token: there prefill holds the queue too.",
        does: "Many in prefill: people do not wait that long for a first token. Many in decode: a client's own \
               time limit, or answers that nobody wants to the end.",
        series: "opsagent_requests_cancelled_total{phase}",
    },
    Matter {
        name: "truncated",
        is: "An answer that was cut by a limit, or a prompt that did not fit.",
        how: "length: as many tokens as the request allows (finish_reason length, stop_reason max_tokens). context: \
              the context is full.",
        does: "length: raise max_tokens or num_predict at the client, or take it as meant. context: a larger context \
               (num_ctx, --ctx-size) or shorter conversations.",
        series: "opsagent_requests_truncated_total{cause}",
    },
    Matter {
        name: "estimated tokens",
        is: "Output tokens that the server did not count: the pieces of the answer are taken for them.",
        how: "Streams of OpenAI's API tell usage only if the client asks (stream_options.include_usage); the tap does \
              not ask in its place, since that would change the request. Pieces are fewer than tokens where \
              a server sends several at once. How many tokens are estimated is a series of its own.",
        does: "Let clients ask for usage. llama-server tells its timings in any case, and Ollama counts always.",
        series: "opsagent_tokens_estimated_total, opsagent_output_tokens_total",
    },
    Matter {
        name: "in flight",
        is: "Requests that came through the tap and have not ended: those that wait, those whose prompt is read, those \
             that decode.",
        how: "Decoding are those of which a token has come. Counted where it happens, so it is exact at any moment.",
        does: "Many in flight and few decoding: they queue. Compare with the server's slots.",
        series: "opsagent_requests_in_flight",
    },
];

/// Other words for them.
const ALIASES: [(&str, &str); 16] = [
    ("proxy", "tap"),
    ("time to first token", "ttft"),
    ("first token", "ttft"),
    ("time per output token", "tpot"),
    ("itl", "stall"),
    ("chunk gap", "stall"),
    ("longest stall", "stall"),
    ("tokens/s", "tokens per second"),
    ("throughput", "tokens per second"),
    ("cold", "cold start"),
    ("cold starts", "cold start"),
    ("slo", "goodput"),
    ("slos", "goodput"),
    ("cancelled phases", "cancelled"),
    ("tokens estimated", "estimated tokens"),
    ("estimated", "estimated tokens"),
];

/// The groups, with their titles.
pub(super) fn groups() -> Vec<(&'static str, Vec<Topic>)> {
    vec![
        ("Real traffic", MATTERS.iter().map(Topic::Matter).collect()),
        ("Reasons why a request failed", FAILURES.iter().map(Topic::Failed).collect()),
    ]
}

/// The topic of that name: a matter, `request reset` or, where nothing else is called so, `idle_timeout`.
pub(super) fn find(word: &str) -> Option<Topic> {
    let spaced = word.replace('_', " ");
    let name = ALIASES.iter().find(|(alias, _)| *alias == spaced).map_or(spaced.as_str(), |(_, name)| name);
    let matter = MATTERS.iter().find(|matter| matter.name == name).map(Topic::Matter);
    let reason = word.strip_prefix("request ").or_else(|| word.strip_prefix("request_")).unwrap_or(word);
    matter.or_else(|| failed_topics::of_reason(reason).map(Topic::Failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_lead_to_what_they_mean() {
        for (alias, name) in ALIASES {
            assert_eq!(find(&alias.replace(' ', "_")).map(|topic| topic.name()), Some(name), "{alias}");
            assert!(MATTERS.iter().all(|matter| matter.name != alias), "{alias} is itself a name");
        }
    }
}
