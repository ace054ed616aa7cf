//! What a request is taken for: cold or warm, cut, within its objectives, a user's or a canary's.

use super::*;

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
