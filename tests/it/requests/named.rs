//! Under which model's name a request counts, and how long its series stand.

use super::*;

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
