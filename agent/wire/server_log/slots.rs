//! What llama-server writes of each task: `slot print_timing: id  0 | task 21 | prompt eval time = …`. Ollama's
//! children do from 0.30 on.

use std::time::Duration;

/// A task of one server: its slot, and its number.
pub(super) type Task = (u32, u64);

/// What a line says of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Event {
    /// A slot takes it: its queue ends.
    Launched,
    /// The whole prompt's tokens.
    Prompt(u64),
    /// So many of them were in the cache; told again with each batch.
    Cached(u64),
    /// The server's time on the part that was not, and its tokens.
    PromptTime(Duration, u64),
    /// From the first token to the last, and all of them.
    DecodeTime(Duration, u64),
    /// Both together.
    Total(Duration),
    /// Tokens come.
    Decoding,
    /// It ended; so many tokens are in the slot, and whether the context was full.
    Released { tokens: Option<u64>, full: bool },
    /// Lines without a task follow, as builds before mid-2026 write their times.
    Times,
}

/// What a line says of one, or of the whole server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Line {
    /// Of that task.
    Of(Task, Event),
    /// Of the task that was named before.
    More(Event),
    /// The client of this task left.
    Cancel(u64),
    /// This task failed; whether for a prompt longer than the context.
    Failed { task: u64, too_long: bool },
    /// A server starts: what it had before is gone.
    Starts,
}

/// Reads such a line.
pub(super) fn slots(text: &str) -> Option<Line> {
    if let Some(rest) = text.strip_prefix("slot ") {
        return of_slot(rest);
    }
    if let Some(rest) = text.strip_prefix("srv ") {
        return of_server(rest.trim_start());
    }
    times(text.trim_start()).map(Line::More)
}

/// Which model a router has at which port: `srv  proxy_reques: proxying request to model NAME on port PORT`.
pub(super) fn proxied(text: &str) -> Option<(u16, &str)> {
    let (_, rest) = text.strip_prefix("srv ")?.split_once(": proxying request to model ")?;
    let (model, port) = rest.rsplit_once(" on port ")?;
    Some((port.parse().ok()?, model))
}

fn of_slot(rest: &str) -> Option<Line> {
    let (_, rest) = rest.split_once(": id ")?;
    let mut parts = rest.splitn(3, '|');
    let slot = parts.next()?.trim().parse().ok()?;
    let task = parts.next()?.trim().strip_prefix("task")?.trim().parse().ok()?;
    let said = parts.next()?.trim();
    let event = if said.is_empty() {
        Event::Times
    } else if said.starts_with("processing task") {
        Event::Launched
    } else if said.starts_with("new prompt") {
        Event::Prompt(number(said, "n_prompt_tokens = ").or_else(|| number(said, "n_tokens = "))?)
    } else if let Some(cached) = number(said, "cached n_tokens = ").or_else(|| number(said, "kv cache rm ["))
    {
        Event::Cached(cached)
    } else if said.starts_with("stop processing") {
        let tokens = number(said, "n_tokens = ").or_else(|| number(said, "n_past = "));
        Event::Released { tokens, full: number(said, "truncated = ") == Some(1) }
    } else if said.starts_with("n_gen = ") {
        Event::Decoding
    } else {
        times(said)?
    };
    Some(Line::Of((slot, task), event))
}

fn of_server(rest: &str) -> Option<Line> {
    if let Some(task) = number(rest, "cancel task, id_task = ") {
        return Some(Line::Cancel(task));
    }
    if rest.starts_with("send_error: task id = ") {
        let too_long = rest.contains("exceed") && rest.contains("context");
        return Some(Line::Failed { task: number(rest, "task id = ")?, too_long });
    }
    rest.starts_with("load_model: loading model").then_some(Line::Starts)
}

/// `eval time =     225.22 ms /    20 tokens (…)`.
fn times(text: &str) -> Option<Event> {
    let (what, rest) = text.split_once('=')?;
    let (took, rest) = rest.split_once(" ms /")?;
    let took = Duration::try_from_secs_f64(took.trim().parse::<f64>().ok()? / 1e3).ok()?;
    let (tokens, _) = rest.trim_start().split_once(' ')?;
    let tokens = tokens.parse().ok()?;
    match what.trim_end() {
        "prompt eval time" => Some(Event::PromptTime(took, tokens)),
        "eval time" => Some(Event::DecodeTime(took, tokens)),
        "total time" => Some(Event::Total(took)),
        _ => None,
    }
}

/// The number behind a name.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text[text.find(name)? + name.len()..].trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: f64) -> Duration {
        Duration::from_secs_f64(millis / 1e3)
    }

    #[test]
    fn every_line_of_a_task_is_read() {
        let task = (0, 21);
        for (text, event) in [
            ("slot launch_slot_: id  0 | task 21 | processing task, is_child = 0", Event::Launched),
            ("slot launch_slot_: id 0 | task 21 | processing task", Event::Launched),
            (
                "slot   operator(): id  0 | task 21 | new prompt, n_ctx_slot = 4096, n_keep = 4, task.n_tokens = 18",
                Event::Prompt(18),
            ),
            (
                "slot update_slots: id  0 | task 21 | new prompt, n_ctx_slot = 4096, n_keep = 0, n_prompt_tokens = 11",
                Event::Prompt(11),
            ),
            (
                "slot   operator(): id  0 | task 21 | cached n_tokens = 9, memory_seq_rm [9, end)",
                Event::Cached(9),
            ),
            ("slot update_slots: id  0 | task 21 | kv cache rm [7, end)", Event::Cached(7)),
            (
                "slot print_timing: id  0 | task 21 | prompt eval time =      71.66 ms /     9 tokens (    7.96 ms per token,   125.59 tokens per second)",
                Event::PromptTime(millis(71.66), 9),
            ),
            (
                "slot print_timing: id  0 | task 21 |        eval time =     225.22 ms /    20 tokens (   11.85 ms per token,    84.36 tokens per second)",
                Event::DecodeTime(millis(225.22), 20),
            ),
            (
                "slot print_timing: id  0 | task 21 |       total time =     296.88 ms /    29 tokens",
                Event::Total(millis(296.88)),
            ),
            ("slot print_timing: id  0 | task 21 | ", Event::Times),
            (
                "slot print_timing: id  0 | task 21 | n_gen =    293, tg =  97.29 t/s, tg_3s =  97.63 t/s",
                Event::Decoding,
            ),
            (
                "slot      release: id  0 | task 21 | stop processing: n_tokens = 37, truncated = 0",
                Event::Released { tokens: Some(37), full: false },
            ),
            (
                "slot      release: id  0 | task 21 | stop processing: n_past = 511, truncated = 1",
                Event::Released { tokens: Some(511), full: true },
            ),
        ] {
            assert_eq!(slots(text), Some(Line::Of(task, event)), "{text}");
        }
    }

    #[test]
    fn lines_of_the_server_are_read() {
        for (text, line) in [
            ("srv          stop: cancel task, id_task = 64", Line::Cancel(64)),
            ("srv  cancel_tasks: cancel task, id_task = 64", Line::Cancel(64)),
            (
                "srv    send_error: task id = 343, error: request (1501 tokens) exceeds the available context size (512 tokens), try increasing it",
                Line::Failed { task: 343, too_long: true },
            ),
            (
                "srv    send_error: task id = 3, error: Invalid input batch.",
                Line::Failed { task: 3, too_long: false },
            ),
            ("srv    load_model: loading model '/m.gguf'", Line::Starts),
            (
                "prompt eval time =     100.00 ms /     4 tokens (x)",
                Line::More(Event::PromptTime(millis(100.0), 4)),
            ),
            ("      total time =     296.88 ms /    29 tokens", Line::More(Event::Total(millis(296.88)))),
        ] {
            assert_eq!(slots(text), Some(line), "{text}");
        }
    }

    #[test]
    fn a_router_says_which_model_is_at_which_port() {
        let text = "srv  proxy_reques: proxying request to model smollm2 on port 48147";
        assert_eq!(proxied(text), Some((48147, "smollm2")));
        for text in ["", "srv  proxy_reques: proxying request to model x on port", "srv  stop: x on port 1"] {
            assert_eq!(proxied(text), None, "{text}");
        }
    }

    #[test]
    fn other_lines_say_nothing() {
        for text in [
            "",
            "slot ",
            "slot get_availabl: id  0 | task -1 | selected slot by LRU, t_last = -1",
            "slot print_timing: id  0 | task 21 |    graphs reused =         37",
            "slot print_timing: id  0 | task 151 | prompt processing, n_tokens =   1024, progress = 0.50, t =   5.34 s / 191.92 tokens per second",
            "slot      release: id  x | task 21 | stop processing",
            "slot print_timing: id  0 | task 21 | prompt eval time = nan ms / 9 tokens (",
            "slot print_timing: id  0 | task 21 | prompt eval time = -1 ms / 9 tokens (",
            "slot launch_slot_: id  0 | task 99999999999999999999999 | processing task",
            "srv  update_slots: all slots are idle",
            "srv          stop: all tasks already finished, no need to cancel",
            "llama_perf_context_print:        eval time =       1.00 ms /     1 runs   (",
        ] {
            assert_eq!(slots(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "\\PC{0,200}", number in "[0-9.a-z ]{0,12}") {
            slots(&text);
            slots(&format!("slot x: id {number} | task {number} | {text}"));
            slots(&format!("slot x: id 0 | task 1 | eval time = {number} ms / {number} tokens {text}"));
            slots(&format!("srv  {text}"));
        }
    }
}
