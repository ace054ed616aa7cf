//! What becomes of requests that ended: counted, judged, told in the view; and that nothing a client sends makes
//! a series.

use std::time::Duration;

use opsagent::fleet::{Fleet, Live, MAX_SLOS, Slo, TrafficPlan};
use opsagent::metrics::{Format, render};
use opsagent::sample::{
    Dialect, End, Failure, Finish, Generation, MeterFault, ModelSample, Phase, Refusal, ServerSample, Source,
    Tokens,
};
use opsagent::servers::Target;
use opsagent::view::TrafficView;
use opsagent::wire::exposition::{Sample, parse};
use tokio::time::{Instant, advance};

use crate::support::counted_traffic::stream;
use crate::support::eye;

const MAX_MODELS: usize = 5;

fn fleet() -> Fleet {
    let fleet = Fleet::new(eye::agent(), MAX_MODELS);
    fleet.add(&Target::new("box", "http://127.0.0.1:11434".parse().unwrap()), false);
    fleet
}

/// A poll of a server of that kind that has these models, in memory or not.
fn poll(fleet: &Fleet, kind: &'static str, models: &[(&str, bool)]) {
    let model = |(name, loaded): &(&str, bool)| ModelSample {
        name: (*name).to_owned(),
        loaded: Some(*loaded),
        context_tokens: loaded.then_some(4096),
        ..ModelSample::default()
    };
    let models = models.iter().map(model).collect();
    let sample = ServerSample {
        kind,
        models,
        models_installed: (kind == "ollama").then_some(1),
        ..ServerSample::default()
    };
    fleet.record_poll("box", Ok(sample), Duration::ZERO);
}

fn tap(fleet: &Fleet) -> std::sync::Arc<Live> {
    fleet.record_tap("box", &[([127, 0, 0, 1], 11435).into()], None);
    fleet.live("box", Source::Tap).unwrap()
}

fn of(model: &str) -> Generation {
    // The server tells no load: what looks saw says whether it was cold.
    let mut one = stream();
    one.told.load = None;
    Generation { model: Some(model.into()), ..one }
}

fn page(fleet: &Fleet) -> Vec<Sample> {
    let view = fleet.view();
    parse(&render(&view, fleet.counted(), None, Format::Text))
}

/// The series of that name that have all these labels: the sum, or `None` where there is none.
fn sum(page: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&Sample| {
        sample.name == format!("opsagent_{name}")
            && labels.iter().all(|(name, value)| sample.labels.contains(&((*name).into(), (*value).into())))
    };
    let mut values = page.iter().filter(has).map(|sample| sample.value).peekable();
    values.peek()?;
    Some(values.sum())
}

fn traffic(fleet: &Fleet) -> TrafficView {
    fleet.view().targets.remove(0).traffic.unwrap()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_names_that_no_server_has_make_one_series() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("llama3.2:latest", true), ("Qwen3:8b", true)]);
    let live = tap(&fleet);
    let before = page(&fleet).len();
    let mut seed = 7_u64;
    for _ in 0..10_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        live.end(of(&format!("{seed:x}\n\"}}{}", "x".repeat(seed as usize % 300))));
    }
    let first = page(&fleet);
    assert_eq!(sum(&first, "requests_total", &[("target", "box"), ("model", "other")]), Some(10_000.0));
    live.end(of(&"y".repeat(1 << 16)));
    let then = page(&fleet);
    assert_eq!(then.len(), first.len(), "no request adds a series");
    assert!(then.len() < before + 200, "{} after {before}", then.len());
    let values = then.iter().flat_map(|sample| &sample.labels).filter(|(name, _)| name == "model");
    let values: std::collections::BTreeSet<&str> = values.map(|(_, value)| value.as_str()).collect();
    assert_eq!(values.into_iter().collect::<Vec<_>>(), ["Qwen3:8b", "llama3.2:latest", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_counts_under_the_name_that_the_inventory_has() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("llama3.2:latest", true), ("Qwen3:8b", true)]);
    let live = tap(&fleet);
    for name in ["llama3.2", "llama3.2:latest", "LLAMA3.2", "qwen3:8B", "gone:1b"] {
        live.end(of(name));
    }
    live.end(Generation { model: None, ..stream() });
    let page = page(&fleet);
    for (model, requests) in [("llama3.2:latest", 3.0), ("Qwen3:8b", 1.0), ("other", 2.0)] {
        assert_eq!(sum(&page, "requests_total", &[("model", model)]), Some(requests), "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_llama_server_of_one_model_answers_to_any_name_also_while_it_loads() {
    let fleet = fleet();
    poll(&fleet, "llama_cpp", &[("qwen.gguf", true)]);
    let live = tap(&fleet);
    live.end(of("gpt-4o"));
    poll(&fleet, "llama_cpp", &[]);
    live.end(of("anything"));
    assert_eq!(sum(&page(&fleet), "requests_total", &[("model", "qwen.gguf")]), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn models_beyond_the_most_count_as_other_and_those_before_stay() {
    let fleet = fleet();
    let live = tap(&fleet);
    for round in 0..4 {
        let names: Vec<String> = (0..3).map(|number| format!("m{round}-{number}")).collect();
        let models: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
        poll(&fleet, "ollama", &models);
        for name in &names {
            live.end(of(name));
        }
        fleet.settle();
    }
    live.end(of("m3-0"));
    let page = page(&fleet);
    let named = page.iter().filter(|sample| sample.name == "opsagent_output_tokens_total").count();
    assert_eq!(named, MAX_MODELS + 1);
    assert_eq!(sum(&page, "requests_total", &[("model", "m0-0")]), Some(1.0));
    assert_eq!(sum(&page, "requests_total", &[("model", "other")]), Some(8.0));
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_of_a_loaded_model_is_a_step_from_zero() {
    let fleet = fleet();
    let live = tap(&fleet);
    poll(&fleet, "ollama", &[("on-disk", false), ("loaded", true)]);
    let page_before = page(&fleet);
    let reset = |model| [("model", model), ("reason", "reset")];
    assert_eq!(sum(&page_before, "request_failures_total", &reset("loaded")), Some(0.0));
    assert_eq!(sum(&page_before, "request_failures_total", &reset("other")), Some(0.0));
    assert_eq!(sum(&page_before, "request_failures_total", &reset("on-disk")), None);
    assert_eq!(sum(&page_before, "tap_refused_requests_total", &[("reason", "host")]), Some(0.0));
    assert_eq!(sum(&page_before, "input_tokens_total", &[]), None, "nobody told of any");
    live.end(Generation { end: End::Failed(Failure::Reset), ..of("loaded") });
    live.refuse(Refusal::Host);
    live.refuse(Refusal::Host);
    let page = page(&fleet);
    assert_eq!(sum(&page, "request_failures_total", &reset("loaded")), Some(1.0));
    assert_eq!(sum(&page, "tap_refused_requests_total", &[("reason", "host")]), Some(2.0));
}

#[tokio::test(start_paused = true)]
async fn all_series_end_with_their_target() {
    let fleet = fleet();
    fleet.plan_traffic(TrafficPlan { slos: vec![Slo { name: "chat".into(), ..Slo::default() }] });
    let live = tap(&fleet);
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    live.end(stream());
    let with = |page: &[Sample]| {
        page.iter().filter(|one| one.labels.contains(&("target".into(), "box".into()))).count()
    };
    assert!(with(&page(&fleet)) > 150);
    let gone = |page: &[Sample]| sum(page, "gone_target_requests_total", &[("source", "tap")]);
    assert_eq!(gone(&page(&fleet)), Some(0.0));
    live.end(stream());
    fleet.remove("box");
    assert_eq!(gone(&page(&fleet)), Some(0.0), "what ended before was counted while it was there");
    live.end(stream());
    live.refuse(Refusal::Host);
    for _ in 0..2 {
        let page = page(&fleet);
        assert_eq!((with(&page), gone(&page)), (0, Some(1.0)), "it is told where it can be, once");
    }
    live.end(stream());
    drop(live);
    for _ in 0..2 {
        let page = page(&fleet);
        assert_eq!((with(&page), gone(&page)), (0, Some(2.0)), "also the last of whoever wrote there");
    }
}

#[tokio::test(start_paused = true)]
async fn what_ended_before_a_target_moved_is_told_by_what_the_old_server_had() {
    let fleet = fleet();
    let live = tap(&fleet);
    poll(&fleet, "ollama", &[("old:1b", true)]);
    let moved = |port| Target::new("box", format!("http://127.0.0.1:{port}").parse().unwrap());
    live.end(of("old:1b"));
    fleet.add(&moved(11_500), false);
    // What ends after that is the new server's, which has not been asked yet.
    live.end(of("old:1b"));
    fleet.add(&moved(11_500), false);
    let page = page(&fleet);
    let requests = |model| sum(&page, "requests_total", &[("target", "box"), ("model", model)]);
    assert_eq!((requests("old:1b"), requests("other")), (Some(1.0), Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn faults_of_a_target_that_goes_stay_counted() {
    let fleet = fleet();
    let live = tap(&fleet);
    live.end(Generation { fault: Some(MeterFault::Encoding), ..stream() });
    fleet.remove("box");
    let faults = sum(&page(&fleet), "tap_meter_failures_total", &[("reason", "encoding")]);
    assert_eq!(faults, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_stands_apart_by_the_servers_word_or_by_the_look_before() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("m", false)]);
    let live = tap(&fleet);
    let first_tokens = |cold| sum(&page(&fleet), "time_to_first_token_seconds_count", &[("cold", cold)]);
    // By the look: it was not in memory when the request began. The next one finds it there.
    advance(Duration::from_secs(1)).await;
    live.end(of("m"));
    assert_eq!((first_tokens("true"), first_tokens("false")), (Some(1.0), None));
    advance(Duration::from_secs(1)).await;
    live.end(of("m"));
    assert_eq!((first_tokens("true"), first_tokens("false")), (Some(1.0), Some(1.0)));
    // The server's word holds against the look.
    poll(&fleet, "ollama", &[("m", true)]);
    let told = |millis| {
        let mut one = of("m");
        one.told.load = Some(Duration::from_millis(millis));
        one
    };
    live.end(told(1500));
    live.end(told(2));
    assert_eq!((first_tokens("true"), first_tokens("false")), (Some(2.0), Some(2.0)));
    assert_eq!(sum(&page(&fleet), "load_seconds_sum", &[]), Some(1.5));
    let view = traffic(&fleet);
    assert_eq!((view.requests, view.cold), (4, 2));
    assert_eq!(view.time_to_first_token.map(|times| times.count), Some(2), "warm ones alone");
}

#[tokio::test(start_paused = true)]
async fn a_full_context_is_told_only_while_its_size_is_sure() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("m", true)]);
    let live = tap(&fleet);
    let full = |load| {
        let mut one = of("m");
        one.tokens = Tokens { input: Some(4000), output: Some(95), ..Tokens::default() };
        one.finish = Some(Finish::Length);
        one.told.load = Some(Duration::from_millis(load));
        one
    };
    let truncated = || sum(&page(&fleet), "requests_truncated_total", &[("cause", "context")]);
    live.end(full(2));
    assert_eq!(truncated(), Some(1.0));
    // A reload may have changed the context; until the next look nothing is said.
    live.end(full(900));
    advance(Duration::from_secs(1)).await;
    live.end(full(2));
    assert_eq!(truncated(), Some(1.0));
    poll(&fleet, "ollama", &[("m", true)]);
    live.end(full(2));
    assert_eq!(truncated(), Some(2.0));
    let notes = fleet.view().targets.remove(0).notes;
    assert_eq!(notes.iter().filter(|note| note.code == "context_full").count(), 1, "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_an_ollama_before_the_first_byte_left_in_prefill() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("m", true)]);
    let live = tap(&fleet);
    let left = Generation {
        model: Some("m".into()),
        streamed: Some(true),
        ..Generation::new(Dialect::OllamaChat, End::Cancelled(Phase::Queued), Duration::from_millis(30))
    };
    live.end(left.clone());
    poll(&fleet, "llama_cpp", &[("m", true)]);
    live.end(left);
    let page = page(&fleet);
    let phase = |phase| sum(&page, "requests_cancelled_total", &[("model", "m"), ("phase", phase)]);
    assert_eq!((phase("queued"), phase("prefill"), phase("decode")), (Some(1.0), Some(1.0), Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn tokens_a_second_follow_what_passes_and_agree_with_the_server_in_the_end() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("m", true)]);
    let live = tap(&fleet);
    let mut request = live.begin();
    // 20 pieces a second for 15 s.
    for _ in 0..150 {
        advance(Duration::from_millis(100)).await;
        request.pieces(2);
        fleet.settle();
    }
    let rate = traffic(&fleet).output_tokens_per_second.unwrap();
    assert!((rate - 20.0).abs() < 1.0, "{rate}");
    let view = traffic(&fleet);
    assert_eq!((view.in_flight, view.decoding), (Some(1), Some(1)));
    // In the end the server says that it was 600 tokens in those 300 pieces.
    let mut one = of("m");
    one.pieces = 300;
    one.tokens.output = Some(600);
    live.end(one);
    drop(request);
    let view = traffic(&fleet);
    let rate = view.output_tokens_per_second.unwrap();
    assert!((rate - 40.0).abs() < 2.0, "{rate}");
    assert_eq!((view.in_flight, view.decoding), (Some(0), Some(0)));
    advance(Duration::from_secs(11)).await;
    fleet.settle();
    assert_eq!(traffic(&fleet).output_tokens_per_second, Some(0.0), "nothing passes");
    // No stream: 30 tokens over 3 s, told when it ends.
    let mut whole = Generation::new(Dialect::OllamaChat, End::Complete, Duration::from_secs(3));
    whole.tokens.output = Some(30);
    live.end(whole);
    let rate = traffic(&fleet).output_tokens_per_second.unwrap();
    assert!((rate - 3.0).abs() < 0.3, "{rate}");
}

#[tokio::test(start_paused = true)]
async fn objectives_are_counted_a_request_and_told_in_the_view() {
    let fleet = fleet();
    let limit = |millis| Some(Duration::from_millis(millis));
    let slo = |name: &str, first| Slo { name: name.into(), time_to_first_token: first, ..Slo::default() };
    let elsewhere = Slo { targets: vec!["nas".into()], ..slo("elsewhere", None) };
    fleet.plan_traffic(TrafficPlan {
        slos: vec![elsewhere.clone(), slo("chat", limit(200)), slo("fast", limit(100))],
    });
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    let live = tap(&fleet);
    let told = |name| {
        let page = page(&fleet);
        let of = |metric| sum(&page, metric, &[("model", "llama3.1:8b"), ("slo", name)]);
        (of("slo_requests_total"), of("slo_missed_total"))
    };
    assert_eq!((told("chat"), told("elsewhere")), ((Some(0.0), Some(0.0)), (None, None)));
    live.end(stream());
    live.end(Generation { end: End::Failed(Failure::NotFound), ..stream() });
    assert_eq!((told("chat"), told("fast")), ((Some(1.0), Some(0.0)), (Some(1.0), Some(1.0))));
    let slos: Vec<_> =
        traffic(&fleet).slos.into_iter().map(|slo| (slo.name, slo.requests, slo.missed)).collect();
    assert_eq!(slos, [("chat".into(), 1, 0), ("fast".into(), 1, 1)]);
    // Another plan: what went has no series, what came begins at zero.
    fleet.plan_traffic(TrafficPlan { slos: vec![slo("new", None), slo("chat", limit(200))] });
    assert_eq!(
        (told("fast"), told("chat"), told("new")),
        ((None, None), (Some(1.0), Some(0.0)), (Some(0.0), Some(0.0)))
    );
    assert!(traffic(&fleet).slos.iter().all(|slo| slo.requests == 0), "the window begins anew");
    let many = (0..MAX_SLOS + 5).map(|number| slo(&format!("s{number}"), None)).collect();
    fleet.plan_traffic(TrafficPlan { slos: many });
    live.end(stream());
    assert_eq!(traffic(&fleet).slos.len(), MAX_SLOS);
}

#[tokio::test(start_paused = true)]
async fn canaries_and_logs_are_counted_and_do_not_mix_into_what_users_got() {
    let fleet = fleet();
    let whole = Some(Duration::from_secs(60));
    let slo = Slo { name: "chat".into(), duration: whole, ..Slo::default() };
    fleet.plan_traffic(TrafficPlan { slos: vec![slo] });
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    let canary = fleet.live("box", Source::Canary).unwrap();
    canary.end(stream());
    fleet.record_log("box", "journal of ollama.service", None);
    let log = fleet.live("box", Source::Log).unwrap();
    log.end(stream());
    let view = traffic(&fleet);
    assert_eq!((view.requests, view.source.as_deref(), view.in_flight), (1, Some("log"), None));
    assert!(view.log.unwrap().last_line_at.is_some());
    let live = tap(&fleet);
    live.end(stream());
    log.end(stream());
    let view = traffic(&fleet);
    assert_eq!((view.requests, view.source.as_deref()), (2, Some("tap")));
    let page = page(&fleet);
    for (source, requests) in [("tap", 1.0), ("canary", 1.0), ("log", 2.0)] {
        assert_eq!(sum(&page, "requests_total", &[("source", source)]), Some(requests), "{source}");
    }
    assert_eq!(
        sum(&page, "slo_requests_total", &[]),
        Some(2.0),
        "the log's before there was a tap, and the tap's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_is_told_of_what_a_person_can_mend_and_once() {
    let fleet = fleet();
    let live = tap(&fleet);
    fleet.record_tap("box", &[([127, 0, 0, 1], 11435).into()], Some("the address is in use".into()));
    let ends = |reason, times| {
        for _ in 0..times {
            live.end(Generation { end: End::Failed(reason), ..stream() });
        }
    };
    ends(Failure::Reset, 4);
    ends(Failure::NotFound, 1);
    let codes = || -> Vec<String> {
        fleet.view().targets.remove(0).notes.into_iter().map(|note| note.code).collect()
    };
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    assert_eq!(codes(), ["tap_down", "requests_not_found"], "four are not many");
    ends(Failure::Reset, 1);
    ends(Failure::ClientError, 9);
    let news = fleet.record_poll(
        "box",
        Ok(ServerSample { kind: "ollama", ..ServerSample::default() }),
        Duration::ZERO,
    );
    assert_eq!(news.warnings.iter().map(|note| note.code.as_str()).collect::<Vec<_>>(), ["requests_fail"]);
    assert_eq!(codes(), ["tap_down", "requests_fail", "requests_not_found"]);
    for _ in 0..60 {
        live.end(stream());
    }
    assert_eq!(codes(), ["tap_down", "requests_not_found"], "five of 75 are few");
    fleet.record_tap("box", &[([127, 0, 0, 1], 11435).into()], None);
    advance(Duration::from_secs(301)).await;
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    assert_eq!(codes(), [""; 0], "it is over");
}

#[test]
fn every_end_is_counted_once_while_scrapes_look() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    let live = tap(&fleet);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let mut request = live.begin();
                    request.pieces(1);
                    live.end(stream());
                }
            });
        }
        for _ in 0..20 {
            fleet.settle();
            std::thread::yield_now();
        }
    });
    let page = page(&fleet);
    let of = |name| sum(&page, name, &[("model", "llama3.1:8b")]);
    assert_eq!(of("requests_total"), Some(20_000.0), "after {:?}", begun.elapsed());
    assert_eq!(of("time_to_first_token_seconds_count"), Some(20_000.0));
    assert_eq!(of("chunk_gap_seconds_count"), Some(60_000.0));
    assert_eq!(sum(&page, "request_ends_lost_total", &[("source", "tap")]), Some(0.0));
    assert_eq!(sum(&page, "requests_in_flight", &[("source", "tap")]), Some(0.0));
}

#[test]
fn ends_that_nobody_takes_are_lost_and_told() {
    let fleet = fleet();
    let live = tap(&fleet);
    for _ in 0..70_000 {
        live.end(Generation::new(Dialect::OllamaChat, End::Complete, Duration::ZERO));
    }
    let page = page(&fleet);
    let counted = sum(&page, "requests_total", &[]).unwrap();
    let lost = sum(&page, "request_ends_lost_total", &[]).unwrap();
    assert!(lost > 0.0 && (counted + lost - 70_000.0).abs() < 0.1, "{counted} {lost}");
}
