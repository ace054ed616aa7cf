//! A server's own log, followed by the job: what reaches metrics and view, and what never leaves.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::logs::{LogPlace, Positions};
use opsagent::metrics::{Format, render};
use opsagent::poll::FollowLog;
use opsagent::view::TrafficView;
use opsagent::wire::exposition::{Sample, parse};

use crate::support::agent::target;
use crate::support::eye;

const OLLAMA: &str = include_str!("../fixtures/ollama/0.34.0/server-log.txt");
const LLAMA: &str = include_str!("../fixtures/llama_cpp/b11434/server-log.txt");

/// A target whose log is a file of the test's.
struct Bench {
    folder: tempfile::TempDir,
    kind: &'static str,
    fleet: Fleet,
    job: FollowLog,
}

impl Bench {
    fn new(kind: &'static str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.log"), "").unwrap();
        let (fleet, job) = started(&folder, kind);
        Bench { folder, kind, fleet, job }
    }

    /// The agent is started anew.
    fn restart(&mut self) {
        (self.fleet, self.job) = started(&self.folder, self.kind);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn write(&self, text: &str) {
        OpenOptions::new().append(true).open(self.path()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    async fn beats(&mut self, beats: u32) {
        for _ in 0..beats {
            self.job.once().await;
            self.fleet.settle();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    fn page(&self) -> String {
        self.fleet.settle();
        render(&self.fleet.view(), self.fleet.counted(), None, Format::Text)
    }

    fn sum(&self, name: &str) -> u64 {
        let of_log = |sample: &&Sample| {
            sample.name == name && sample.labels.iter().any(|label| label.0 == "source" && label.1 == "log")
        };
        parse(&self.page()).iter().filter(of_log).map(|sample| sample.value).sum::<f64>().round() as u64
    }

    fn traffic(&self) -> TrafficView {
        self.fleet.view().targets[0].traffic.clone().unwrap()
    }
}

fn started(folder: &tempfile::TempDir, kind: &str) -> (Fleet, FollowLog) {
    let fleet = Fleet::new(eye::agent(), 10);
    fleet.add(&target("box", kind, "http://127.0.0.1:9/".parse().unwrap()), false);
    let place = LogPlace::File(folder.path().join("server.log"));
    let positions = Positions::within(folder.path().join("state"));
    let job = FollowLog::new("box", place, positions, fleet.clone());
    (fleet, job)
}

#[tokio::test(start_paused = true)]
async fn an_ollamas_log_becomes_requests_tokens_and_speeds_of_source_log() {
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    assert_eq!(bench.traffic().source.as_deref(), Some("log"));
    assert_eq!(bench.sum("opsagent_requests_total"), 0);
    for line in OLLAMA.split_inclusive('\n').collect::<Vec<_>>().chunks(50) {
        bench.write(&line.concat());
        bench.beats(1).await;
    }
    bench.beats(20).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 18);
    assert_eq!(bench.sum("opsagent_request_failures_total"), 4);
    assert_eq!(bench.sum("opsagent_requests_cancelled_total"), 2);
    assert_eq!(bench.sum("opsagent_requests_truncated_total"), 2);
    let output = 20 + 20 + 6 + 12 + 1 + 48 + 35 + 4 + 4 + 5 + 900 + 60 + 6;
    assert_eq!(bench.sum("opsagent_output_tokens_total"), output);
    assert_eq!(bench.sum("opsagent_load_seconds_count"), 2);
    assert_eq!(bench.sum("opsagent_time_to_first_token_seconds_count"), 0, "a log does not tell");
    let traffic = bench.traffic();
    assert_eq!((traffic.requests, traffic.cancelled, traffic.truncated, traffic.cold), (18, 2, 2, 2));
    assert!(traffic.decode_tokens_per_second.unwrap() > 29.0);
    assert_eq!(traffic.log.unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_llama_servers_tasks_are_its_requests() {
    let mut bench = Bench::new("llama_cpp");
    bench.beats(1).await;
    bench.write(LLAMA);
    bench.beats(2).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 9);
    assert_eq!(bench.sum("opsagent_output_tokens_total"), 1 + 10 + 40 + 5 + 202 + 21);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_while_the_agent_was_away_is_told_once() {
    let mut bench = Bench::new("ollama");
    let answer = "[GIN] 2026/11/22 - 16:12:12 | 404 |  372.386µs |  127.0.0.1 | POST     \"/api/generate\"\n";
    bench.write(answer);
    bench.beats(2).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 0, "it was there before");
    bench.write(answer);
    bench.beats(2).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 1);
    bench.write(&answer.repeat(2));
    bench.restart();
    bench.write(answer);
    bench.beats(3).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_told_and_so_is_its_coming_back() {
    let mut bench = Bench::new("ollama");
    std::fs::remove_file(bench.path()).unwrap();
    bench.beats(1).await;
    let log = bench.traffic().log.unwrap();
    assert_eq!(log.place, bench.path().display().to_string());
    assert!(log.error.unwrap().contains("No such file"));
    std::fs::write(bench.path(), "").unwrap();
    bench.beats(3).await;
    assert_eq!(bench.traffic().log.unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_debug_log_full_of_prompts_leaves_nothing_of_them() {
    const SECRET: &str = "my-secret-prompt";
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    for line in OLLAMA.lines() {
        bench.write(&format!("{line}\n"));
        for noise in [
            format!("time=x level=DEBUG source=routes.go:1 msg=\"chat request\" prompt=\"{SECRET}\"\n"),
            format!("slot update_slots: id  0 | task 21 | prompt: '{SECRET}'\n"),
            format!("{{\"type\":\"log\",\"time\":1,\"msg\":\"{SECRET}\"}}\n"),
            format!("[GIN] 2026/11/22 - 16:12:12 | 200 |  1ms |  127.0.0.1 | POST     \"/api/{SECRET}\"\n"),
        ] {
            bench.write(&noise);
        }
    }
    bench.beats(25).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 18);
    let view = serde_json::to_string(&bench.fleet.view()).unwrap();
    let kept: Vec<String> = std::fs::read_dir(bench.folder.path().join("state"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept.len(), 1);
    for out in [bench.page(), view, kept.concat(), format!("{:?}", bench.job)] {
        assert!(!out.contains(SECRET), "{out}");
    }
}

/// A log of so many requests that each failed in their model's midst, one a second, after this time of day.
fn failures(requests: u32, from: jiff::Timestamp) -> String {
    let line = |number: u32| {
        let at = (from + jiff::SignedDuration::from_secs(number.into())).to_zoned(jiff::tz::TimeZone::UTC);
        let at = at.strftime("%Y/%m/%d - %H:%M:%S");
        format!("[GIN] {at} | 500 |  30.4ms |  127.0.0.1 | POST     \"/api/generate\"\n")
    };
    let at = from.strftime("%Y-%m-%dT%H:%M:%S.000Z");
    let zone =
        format!("time={at} level=INFO source=routes.go:1 msg=\"server config\" env=\"map[PROMPT:secret]\"\n");
    zone + &(0..requests).map(line).collect::<String>()
}

#[tokio::test(start_paused = true)]
async fn what_failed_hours_ago_counts_and_is_not_told_as_of_now() {
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    bench.write(&failures(1, jiff::Timestamp::now()));
    bench.beats(5).await;
    assert_eq!(bench.traffic().requests, 1, "what is read live is of now");
    let hours_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3);
    bench.write(&failures(50, hours_ago));
    bench.restart();
    bench.beats(20).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 50);
    assert_eq!(bench.sum("opsagent_request_failures_total"), 50);
    let traffic = bench.traffic();
    assert_eq!((traffic.requests, traffic.failures.len()), (0, 0));
    let notes = &bench.fleet.view().targets[0].notes;
    assert!(notes.iter().all(|note| note.code != "requests_fail"), "{notes:?}");
    let last = hours_ago.as_second() + 49;
    assert_eq!(traffic.last_end_at.map(jiff::Timestamp::as_second), Some(last));
    let (watched, used) = bench.fleet.last_use("box", "other");
    assert_eq!((watched, used.map(jiff::Timestamp::as_second)), (true, Some(last)));
    bench.write(&failures(2, jiff::Timestamp::now()));
    bench.beats(5).await;
    assert_eq!(bench.traffic().requests, 2, "and then it is of now again");
}

/// What a request leaves whose client left while it was being answered: its answer began with a 200.
fn left(task: u32) -> String {
    format!(
        "slot launch_slot_: id  0 | task {task} | processing task, is_child = 0\n\
         slot   operator(): id  0 | task {task} | new prompt, n_ctx_slot = 4096, n_keep = 4, task.n_tokens = 13\n\
         [GIN] 2026/11/22 - 16:11:55 | 200 |  1.3s |  127.0.0.1 | POST     \"/api/generate\"\n\
         srv          stop: cancel task, id_task = {task}\n\
         slot      release: id  0 | task {task} | stop processing: n_tokens = 47, truncated = 0\n"
    )
}

#[tokio::test(start_paused = true)]
async fn how_requests_ended_while_the_agent_was_away_is_told_of_all_of_them() {
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    bench.write("x\n");
    bench.beats(1).await;
    bench.write(&(0..900).map(left).collect::<String>());
    bench.restart();
    bench.beats(30).await;
    assert_eq!(bench.sum("opsagent_requests_total"), 900);
    assert_eq!(bench.sum("opsagent_requests_cancelled_total"), 900);
    assert_eq!(bench.sum("opsagent_output_tokens_total"), 900 * 35);
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_midst_loses_no_request_and_tells_none_twice() {
    let lines: Vec<&str> = OLLAMA.split_inclusive('\n').collect();
    for each in [1, 7, 23] {
        let mut bench = Bench::new("ollama");
        bench.beats(1).await;
        let (mut requests, mut cancelled, mut output) = (0, 0, 0);
        for (number, some) in lines.chunks(each).enumerate() {
            bench.write(&some.concat());
            bench.beats(if number % 3 == 0 { 1 } else { 2 }).await;
            if number % 2 == 0 || number + 1 == lines.len().div_ceil(each) {
                if number % 2 == 1 {
                    bench.beats(20).await;
                }
                requests += bench.sum("opsagent_requests_total");
                cancelled += bench.sum("opsagent_requests_cancelled_total");
                output += bench.sum("opsagent_output_tokens_total");
                bench.restart();
            }
        }
        bench.beats(20).await;
        requests += bench.sum("opsagent_requests_total");
        cancelled += bench.sum("opsagent_requests_cancelled_total");
        output += bench.sum("opsagent_output_tokens_total");
        let wanted = 20 + 20 + 6 + 12 + 1 + 48 + 35 + 4 + 4 + 5 + 900 + 60 + 6;
        assert_eq!((requests, cancelled, output), (18, 2, wanted), "{each} lines a look");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_a_log_does_not_tell_are_absent_and_not_zero() {
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    let answer = "[GIN] 2026/11/22 - 16:12:12 | 200 |  1.2s |  127.0.0.1 | POST     \"/api/generate\"\n";
    bench.write(&answer.repeat(3));
    bench.beats(20).await;
    assert_eq!(bench.traffic().requests, 3);
    let tells = |bench: &Bench, name: &str| bench.page().contains(&format!("\n{name}{{"));
    for name in ["opsagent_output_tokens_total", "opsagent_tokens_estimated_total"] {
        assert!(!tells(&bench, name), "{name}");
    }
    assert_eq!(bench.traffic().output_tokens_per_second, None);
    bench.write(OLLAMA);
    bench.beats(20).await;
    for name in ["opsagent_output_tokens_total", "opsagent_tokens_estimated_total"] {
        assert!(tells(&bench, name), "{name}");
    }
    assert_eq!(bench.sum("opsagent_tokens_estimated_total"), 0);
    assert!(bench.traffic().output_tokens_per_second.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_load_is_told_of_the_request_that_waited_for_it() {
    let mut bench = Bench::new("ollama");
    bench.beats(1).await;
    bench.write(
        "time=2026-11-22T16:11:47.602Z level=INFO source=x msg=\"llama-server started in 5.00 seconds\"\n\
         time=2026-11-22T16:11:47.603Z level=INFO source=x msg=\"loaded runners\" count=1\n\
         [GIN] 2026/11/22 - 16:11:48 | 404 |  1.2ms |  127.0.0.1 | POST     \"/api/generate\"\n\
         [GIN] 2026/11/22 - 16:11:49 | 200 |  6.2s |  127.0.0.1 | POST     \"/api/generate\"\n",
    );
    bench.beats(20).await;
    assert_eq!(bench.sum("opsagent_load_seconds_count"), 1);
    assert_eq!(bench.traffic().cold, 1);
}
