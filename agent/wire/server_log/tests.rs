//! Logs of real servers, whole, in any pieces, and with noise.

use std::time::{Duration, Instant};

use super::*;
use crate::sample::{Phase, Tokens};

const OLLAMA: &str = fixture!("ollama/0.34.0/server-log.txt");
const TWO_MODELS: &str = fixture!("ollama/0.34.0/server-two-models-log.txt");
const CANCELLED: &str = fixture!("ollama/0.34.0/server-cancelled-log.txt");
const OLD_OLLAMA: &str = fixture!("ollama/0.11.4/server-log.txt");
const LLAMA: &str = fixture!("llama_cpp/b11434/server-log.txt");
const ROUTER: &str = fixture!("llama_cpp/b11434/server-router-log.txt");
const LLAMA_JSON: &str = fixture!("llama_cpp/b11434/server-jsonl-log.txt");

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $path))
    };
}
use fixture;

/// A log with a clock of the test's own.
struct Reading {
    log: ServerLog,
    now: Instant,
    ended: Vec<Generation>,
}

impl Reading {
    fn new() -> Reading {
        Reading { log: ServerLog::default(), now: clock::start(), ended: Vec::new() }
    }

    fn lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        for line in lines {
            self.hear(line.as_bytes(), true);
        }
        self.wait(0);
    }

    fn hear(&mut self, line: &[u8], live: bool) {
        self.log.hear(line, Read { now: self.now, at: None, live });
    }

    fn settle(&mut self) {
        self.ended.extend(self.log.settle(self.now).into_iter().map(|one| one.generation));
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.settle();
        }
        self.settle();
    }

    fn all(mut self) -> Vec<Generation> {
        self.wait(30);
        self.ended
    }
}

/// What a log tells when it is read in looks of so many lines, a second apart.
fn told(text: &str, a_look: usize) -> Vec<Generation> {
    let mut reading = Reading::new();
    let lines: Vec<&str> = text.lines().collect();
    for look in lines.chunks(a_look) {
        reading.lines(look.iter().copied());
        reading.wait(1);
    }
    reading.all()
}

/// The parts that tests look at: status, end, tokens in, cached and out, whether the model was loaded for it, whether
/// the context cut it.
type Row = (u16, End, Option<u64>, Option<u64>, Option<u64>, bool, bool);

fn row(one: &Generation) -> Row {
    let Tokens { input, cached, output, .. } = one.tokens;
    (
        one.status.unwrap_or(0),
        one.end,
        input,
        cached,
        output,
        one.told.load.is_some(),
        one.truncated.is_some(),
    )
}

fn rows(all: &[Generation]) -> Vec<Row> {
    let mut rows: Vec<Row> = all.iter().map(row).collect();
    rows.sort_by_key(|row| format!("{row:?}"));
    rows
}

const COMPLETE: End = End::Complete;

fn whole(input: u64, cached: u64, output: u64) -> Row {
    (200, COMPLETE, Some(input), Some(cached), Some(output), false, false)
}

#[test]
fn every_request_of_a_real_ollama_is_told_with_its_tokens() {
    let mut expected = vec![
        (200, COMPLETE, Some(15), Some(0), Some(20), true, false),
        whole(18, 9, 20),
        whole(11, 3, 6),
        whole(12, 5, 12),
        whole(11, 3, 1),
        // Both streams and plain answers are cancelled; the access line of a stream says 200.
        (200, End::Cancelled(Phase::Decode), Some(13), Some(3), Some(48), false, false),
        (500, End::Cancelled(Phase::Decode), Some(13), Some(6), Some(35), false, false),
        (200, COMPLETE, Some(2050), Some(3), Some(4), false, true),
        (200, COMPLETE, Some(2050), Some(2049), Some(4), false, true),
        (501, End::Failed(Failure::ServerError), None, None, None, false, false),
        whole(11, 3, 5),
        (404, End::Failed(Failure::NotFound), None, None, None, false, false),
        (400, End::Failed(Failure::ClientError), None, None, None, false, false),
        // It asked for no token: to load the model.
        (200, COMPLETE, None, None, None, false, false),
        whole(12, 3, 900),
        whole(12, 5, 60),
        // Its process was killed; the access line says 200.
        (200, End::Failed(Failure::StreamError), Some(13), Some(5), None, false, false),
        (200, COMPLETE, Some(12), Some(0), Some(6), true, false),
    ];
    expected.sort_by_key(|row| format!("{row:?}"));
    for a_look in [1000, 60] {
        let all = told(OLLAMA, a_look);
        assert_eq!(rows(&all), expected, "{a_look}");
        assert!(all.iter().all(|one| !one.loose));
    }
    let all = told(OLLAMA, 1000);
    let named = |model: &str| all.iter().filter(|one| one.model.as_deref() == Some(model)).count();
    assert_eq!((named("smol:latest"), named("smol2:latest")), (17, 1));
    let first = all.iter().find(|one| one.told.load.is_some()).unwrap();
    assert_eq!((first.dialect, first.duration.as_millis()), (Dialect::OllamaGenerate, 907));
    assert_eq!(first.told.load, Some(Duration::from_millis(520)));
    assert_eq!(
        (first.told.prompt, first.told.prompt_tokens),
        (Some(Duration::from_micros(105_730)), Some(15))
    );
    assert_eq!(
        (first.told.decode, first.told.decode_tokens),
        (Some(Duration::from_micros(229_300)), Some(20))
    );
}

#[test]
fn of_several_at_once_only_what_is_certain_is_joined_and_the_sums_are_whole() {
    for a_look in [1000, 40] {
        let all = told(TWO_MODELS, a_look);
        let requests: Vec<_> = all.iter().filter(|one| !one.loose).collect();
        let loose: Vec<_> = all.iter().filter(|one| one.loose).collect();
        // Two that were asked together ended together, and two were cancelled together.
        assert_eq!((requests.len(), loose.len()), (10, 4), "{a_look}");
        let output: u64 = all.iter().filter_map(|one| one.tokens.output).sum();
        assert_eq!(output, 332 + 1846 + 20 + 40 + 40 + 40 + 6 + 5);
        let cancelled = requests.iter().filter(|one| one.end == End::Cancelled(Phase::Decode));
        assert_eq!(cancelled.count(), 3, "both of the two are, whichever task was whose");
        // With two loaded no line says whose it is.
        let unnamed = requests.iter().filter(|one| one.model.is_none()).count();
        assert_eq!(unnamed, 9);
    }
}

#[test]
fn clients_that_left_in_the_queue_in_prefill_and_during_a_load_are_told_apart() {
    let all = told(CANCELLED, 1000);
    let mut expected = vec![
        (500, End::Cancelled(Phase::Queued), None, None, None, false, false),
        whole(12, 3, 200),
        (500, End::Cancelled(Phase::Prefill), Some(1510), Some(3), None, false, false),
        (500, End::Cancelled(Phase::Prefill), Some(1511), Some(515), None, false, false),
        (400, End::Failed(Failure::ContextExceeded), Some(4512), None, None, false, false),
        (499, End::Cancelled(Phase::Queued), None, None, None, false, false),
    ];
    expected.sort_by_key(|row| format!("{row:?}"));
    assert_eq!(rows(&all), expected);
}

#[test]
fn an_ollama_that_writes_no_lines_of_tasks_tells_requests_and_their_times() {
    let all = told(OLD_OLLAMA, 1000);
    let plain = (200, COMPLETE, None, None, None, false, false);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|one| row(one) == plain || one.told.load.is_some()));
    let cut = "time=x level=WARN source=runner.go:1 msg=\"truncating input prompt\" limit=4096 prompt=9000 keep=4 new=4096";
    let mut reading = Reading::new();
    reading.lines([
        cut,
        "[GIN] 2026/11/22 - 09:24:04 | 200 |  2.130402318s |       127.0.0.1 | POST     \"/api/generate\"",
    ]);
    assert!(reading.all()[0].truncated.is_some());
}

#[test]
fn every_task_of_a_real_llama_server_is_a_request() {
    let (done, left) = (End::Complete, End::Cancelled(Phase::Prefill));
    let mut reading = Reading::new();
    reading.log.knows(Some(Speaker::LlamaServer), None);
    reading.lines(LLAMA.lines());
    let told: Vec<_> = reading
        .ended
        .iter()
        .map(|one| {
            (one.end, one.tokens.input, one.tokens.output, one.truncated.is_some(), one.duration.as_millis())
        })
        .collect();
    let expected = [
        (done, Some(6), Some(1), false, 64),
        (done, Some(31), Some(10), false, 335),
        (done, Some(1), Some(40), false, 1053),
        (done, Some(1), Some(5), false, 94),
        (done, Some(2), Some(202), false, 3921),
        // At its default level the log does not say how long a prompt is before it is done.
        (left, None, None, false, 510),
        (left, None, None, false, 1000),
        (End::Failed(Failure::ContextExceeded), None, None, false, 1),
        (done, None, Some(21), true, 5826),
    ];
    assert_eq!(told, expected);
    assert!(reading.ended.iter().all(|one| one.dialect == Dialect::Unknown && !one.loose));
}

#[test]
fn embeddings_of_a_llama_server_are_no_generations_and_json_is_read() {
    let all = told(LLAMA_JSON, 1000);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].tokens.input, all[0].tokens.output, all[0].loose), (Some(18), Some(30), false));
}

#[test]
fn a_llama_server_that_starts_anew_has_cut_what_was_under_way() {
    let mut reading = Reading::new();
    reading.log.knows(Some(Speaker::LlamaServer), None);
    reading.lines([
        "1.00.000.000 I slot launch_slot_: id  0 | task 7 | processing task, is_child = 0",
        "0.00.100.000 I srv    load_model: loading model '/m.gguf'",
    ]);
    assert_eq!(reading.ended.iter().map(|one| one.end).collect::<Vec<_>>(), [End::Failed(Failure::Reset)]);
}

#[test]
fn a_routers_children_are_told_apart_by_their_ports() {
    let mut reading = Reading::new();
    reading.log.knows(Some(Speaker::LlamaServer), None);
    reading.lines(ROUTER.lines());
    let told: Vec<_> =
        reading.ended.iter().map(|one| (one.model.as_deref(), one.tokens.output, one.end)).collect();
    assert_eq!(told, [(Some("smollm2"), Some(5), End::Complete); 2]);
    reading.lines([
        "[48147] 0.09.000.000 I slot launch_slot_: id  0 | task 7 | processing task, is_child = 0",
        "[48148] 0.00.100.000 I srv    load_model: loading model '/other.gguf'",
        "[48148] 0.00.200.000 I slot launch_slot_: id  0 | task 7 | processing task, is_child = 0",
        "[48147] 0.09.500.000 W srv          stop: cancel task, id_task = 7",
        "[48147] 0.09.600.000 I slot      release: id  0 | task 7 | stop processing: n_tokens = 15, truncated = 0",
    ]);
    let last = reading.ended.last().unwrap();
    assert_eq!(
        (reading.ended.len(), last.end, last.duration.as_millis()),
        (3, End::Cancelled(Phase::Prefill), 600)
    );
}

#[test]
fn times_in_lines_of_their_own_are_of_the_task_before() {
    let mut reading = Reading::new();
    reading.log.knows(Some(Speaker::LlamaServer), None);
    reading.lines([
        "slot launch_slot_: id  0 | task 7 | processing task",
        "slot update_slots: id  0 | task 7 | new prompt, n_ctx_slot = 4096, n_keep = 0, n_prompt_tokens = 11",
        "slot update_slots: id  0 | task 7 | kv cache rm [4, end)",
        "slot      release: id  0 | task 7 | stop processing: n_past = 15, truncated = 0",
        "slot launch_slot_: id  0 | task 8 | processing task",
        "slot update_slots: id  0 | task 8 | new prompt, n_ctx_slot = 4096, n_keep = 0, n_prompt_tokens = 11",
        "slot print_timing: id  0 | task 8 | ",
        "prompt eval time =     100.00 ms /     7 tokens (   14.29 ms per token,    70.00 tokens per second)",
        "       eval time =     200.00 ms /     5 tokens (   40.00 ms per token,    25.00 tokens per second)",
        "      total time =     300.00 ms /    12 tokens",
        "slot      release: id  0 | task 8 | stop processing: n_past = 15, truncated = 0",
    ]);
    let [one] = &reading.ended[..] else { panic!("{:?}", reading.ended) };
    assert_eq!((one.tokens.input, one.tokens.cached, one.tokens.output), (Some(11), Some(4), Some(5)));
    assert_eq!(one.duration, Duration::from_millis(300));
}

#[test]
fn a_model_is_named_only_where_one_alone_was_loaded() {
    let answer = "[GIN] 2026/11/22 - 09:24:04 | 404 |  1.3s |       127.0.0.1 | POST     \"/api/generate\"";
    let model = |loaded: &[&str], age: Option<u64>, live: bool, before: &[&str]| {
        let mut reading = Reading::new();
        for line in before {
            reading.hear(line.as_bytes(), true);
        }
        reading.now += Duration::from_secs(60);
        let loaded = age.map(|age| Loaded {
            models: loaded.iter().map(ToString::to_string).collect(),
            at: reading.now.checked_sub(Duration::from_secs(age)).unwrap(),
        });
        reading.log.knows(None, loaded);
        reading.hear(answer.as_bytes(), live);
        reading.all().remove(0).model
    };
    let loads = [
        "time=x level=INFO source=x msg=\"starting llama-server\" cmd=x",
        "time=x level=INFO source=x msg=\"template selection\" model=registry.ollama.ai/library/a:latest selected=x",
        "time=x level=INFO source=x msg=\"loaded runners\" count=1",
    ];
    let second = ["time=x level=INFO source=x msg=\"loaded runners\" count=2"];
    assert_eq!(model(&["b"], Some(1), true, &[]).as_deref(), Some("b"));
    assert_eq!(model(&["b"], Some(1), false, &[]), None, "what was written before the agent came");
    assert_eq!(model(&["b", "c"], Some(1), true, &[]), None);
    assert_eq!(
        model(&["b"], Some(59), true, &loads).as_deref(),
        Some("a:latest"),
        "the load is newer than the poll"
    );
    assert_eq!(model(&["b"], Some(1), true, &loads).as_deref(), Some("b"), "the poll is newer than the load");
    assert_eq!(model(&[], Some(1), true, &loads).as_deref(), Some("a:latest"), "unloaded since");
    assert_eq!(model(&[], None, true, &loads).as_deref(), Some("a:latest"));
    assert_eq!(model(&["b"], Some(59), true, &[&loads[..], &second[..]].concat()), None);
}

#[test]
fn a_request_whose_tasks_lines_come_a_look_later_is_joined_and_a_slow_client_too() {
    let task = |task: u64, millis: u64| {
        [
            format!("slot launch_slot_: id  0 | task {task} | processing task, is_child = 0"),
            format!(
                "slot print_timing: id  0 | task {task} | prompt eval time =      10.00 ms /     9 tokens (x"
            ),
            format!(
                "slot print_timing: id  0 | task {task} |        eval time =     {millis}.00 ms /    20 tokens (x"
            ),
            format!(
                "slot print_timing: id  0 | task {task} |       total time =     {millis}.00 ms /    29 tokens"
            ),
            format!("slot      release: id  0 | task {task} | stop processing: n_tokens = 37, truncated = 0"),
        ]
    };
    let answer = |seconds: f64| {
        format!("[GIN] 2026/11/22 - 09:24:04 | 200 |  {seconds}s |       127.0.0.1 | POST     \"/api/chat\"")
    };
    let mut reading = Reading::new();
    let first = task(1, 300);
    reading.lines([first[0].as_str(), &answer(0.31)]);
    reading.wait(1);
    reading.lines(first[1..].iter().map(String::as_str));
    // This one reads its answer for five seconds; meanwhile another is asked and answered.
    let (slow, quick) = (task(2, 400), task(3, 100));
    reading.lines(slow.iter().map(String::as_str));
    reading.wait(2);
    let quick_answer = answer(0.11);
    reading.lines(quick.iter().map(String::as_str).chain([quick_answer.as_str()]));
    reading.wait(3);
    reading.lines([answer(5.4).as_str()]);
    let all = reading.all();
    let mut told: Vec<_> = all
        .iter()
        .map(|one| (one.duration.as_millis(), one.told.decode.map(|took| took.as_millis()), one.loose))
        .collect();
    told.sort();
    assert_eq!(told, [(110, Some(100), false), (310, Some(300), false), (5400, Some(400), false)]);
}

#[test]
fn what_never_ends_or_comes_in_floods_takes_bounded_memory_and_nothing_is_lost() {
    let mut reading = Reading::new();
    for task in 0..5000 {
        let line = format!("slot launch_slot_: id  0 | task {task} | processing task");
        reading.hear(line.as_bytes(), true);
    }
    for _ in 0..5000 {
        let line = "[GIN] 2026/11/22 - 09:24:04 | 200 |  1.3s |       127.0.0.1 | POST     \"/api/generate\"";
        reading.hear(line.as_bytes(), true);
    }
    assert!(reading.log.requests.len() <= MAX_WAITING);
    assert_eq!(reading.all().len(), 5000);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    #[test]
    fn how_a_log_is_read_in_pieces_and_what_else_stands_in_it_changes_no_sum(
        a_look in 1_usize..300,
        noise in proptest::collection::vec((0_usize..200, "[ -~]{0,60}"), 0..30),
    ) {
        let mut lines: Vec<&str> = OLLAMA.lines().collect();
        let harmless = |text: &str| !["[GIN]", "slot", "srv", "time=", "{", "I ", "W ", "E ", "D "].iter().any(|start| text.contains(start)) && !text.contains(" = ");
        for (at, text) in noise.iter().filter(|(_, text)| harmless(text)) {
            lines.insert((*at).min(lines.len()), text);
        }
        let text = lines.join("\n");
        let all = told(&text, a_look);
        let sum = |of: fn(&Generation) -> Option<u64>| all.iter().filter_map(of).sum::<u64>();
        proptest::prop_assert_eq!(all.iter().filter(|one| !one.loose).count(), 18);
        let expected = told(OLLAMA, 1000);
        proptest::prop_assert_eq!(sum(|one| one.tokens.output), expected.iter().filter_map(|one| one.tokens.output).sum::<u64>());
        proptest::prop_assert_eq!(sum(|one| one.told.decode_tokens), expected.iter().filter_map(|one| one.told.decode_tokens).sum::<u64>());
    }

    #[test]
    fn any_bytes_give_an_answer(lines in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..80), 0..30), from in 0_usize..150, cut in 0_usize..200) {
        let mut reading = Reading::new();
        for (line, of_real) in lines.iter().zip(OLLAMA.lines().skip(from)) {
            reading.hear(line, true);
            let real = of_real.as_bytes();
            reading.hear(&real[..cut.min(real.len())], true);
            reading.hear(&real[cut.min(real.len())..], true);
        }
        reading.all();
    }
}

#[cfg(test)]
mod clock {
    /// Any instant will do; there is no other way to have one.
    pub(super) fn start() -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }
}
