//! Bad days of servers, seen through a whole agent: what its page says, and that nothing else suffers.

use std::sync::Arc;
use std::time::Duration;

use opsagent::app::{App, Options};
use opsagent::config::Config;
use opsagent::jobs::Jobs;
use opsagent::sample::{Note, ServerSample, ServerState};
use opsagent::servers::Target;
use opsagent::web::toolkit::WebConfig;
use tokio::time::Instant;

use crate::support::agent::{Agent, config, target, value};
use crate::support::authority::Authority;
use crate::support::clock::later;
use crate::support::eye::{Eye, has_note};
use crate::support::fake::{Answer, Fake, plain};
use crate::support::fixture::recorded;
use crate::support::presets::of;

#[tokio::test]
async fn one_slow_target_delays_neither_the_others_nor_the_scrape() {
    let (slow, quick) = (Fake::always(Answer::Silence).await, Fake::ollama("0.34.0").await);
    let targets = vec![target("slow", "ollama", slow.url()), target("quick", "ollama", quick.url())];
    let agent = Agent::start(config(targets)).await;
    agent
        .until("quick is up", |view| view.targets.iter().any(|t| t.name == "quick" && t.up == Some(true)))
        .await;
    let polls = |samples: &[_]| value(samples, "opsagent_polls_total", &[("target", "quick")]).unwrap();
    let before = polls(&agent.samples().await);
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        agent.page().await;
        best = best.min(start.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(best <= Duration::from_millis(50), "a scrape took {best:?} at best");
    assert!(polls(&agent.samples().await) > before, "quick is polled on while slow hangs");
    agent
        .until("slow is told", |view| {
            view.targets.iter().any(|t| t.name == "slow" && t.reason.as_deref() == Some("timeout"))
        })
        .await;
    let samples = agent.samples().await;
    assert_eq!(value(&samples, "opsagent_target_up", &[("target", "slow")]), Some(0.0));
    assert!(
        value(&samples, "opsagent_poll_errors_total", &[("target", "slow"), ("reason", "timeout")])
            >= Some(1.0)
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_hung_after_two_polls() {
    let fake = Fake::always(Answer::Silence).await;
    let mut eye =
        Eye::with("ollama", fake.url().as_str(), |target| target.timeout = Duration::from_millis(200));
    assert_eq!(eye.look().await.state, Some(ServerState::Down));
    let view = eye.look().await;
    assert_eq!((view.up, view.state), (Some(false), Some(ServerState::Hung)));
}

#[tokio::test]
async fn a_health_check_that_answers_while_nothing_else_does_is_hung() {
    let fake = Fake::ollama("0.34.0").await;
    let mut eye =
        Eye::with("ollama", fake.url().as_str(), |target| target.timeout = Duration::from_millis(300));
    assert_eq!(eye.look().await.state, Some(ServerState::Ready));
    fake.set("/api/ps", Answer::Silence);
    assert_eq!(eye.look().await.state, Some(ServerState::Ready), "once may be a load");
    let view = eye.look().await;
    assert_eq!((view.up, view.state), (Some(true), Some(ServerState::Hung)));
    assert!(view.models.iter().all(|model| model.loaded.is_none()), "nobody knows what is loaded");
}

#[tokio::test]
async fn work_in_flight_while_no_counter_moves_is_hung_but_healthy() {
    let fake = Fake::llama_cpp().await;
    let page = String::from_utf8(recorded("llama_cpp/b11434/metrics-1.http").body).unwrap();
    let stuck = page.replace("llamacpp:requests_processing 0", "llamacpp:requests_processing 1");
    fake.set("/metrics", Answer::Whole(plain("200 OK", "text/plain", &stuck)));
    let mut eye = Eye::with("llama_cpp", fake.url().as_str(), |target| {
        target.sleeps = Some(false);
        target.hung_after = Duration::from_millis(400);
    });
    assert_eq!(eye.look().await.state, Some(ServerState::Busy));
    let view = eye.until("hung", |view| view.state == Some(ServerState::Hung)).await;
    assert_eq!(view.up, Some(true), "it answers");
    assert!(has_note(&view, "no_progress"), "{:#?}", view.notes);
    let moved = stuck.replace("llamacpp:n_decode_total 109", "llamacpp:n_decode_total 110");
    assert_ne!(moved, stuck);
    fake.set("/metrics", Answer::Whole(plain("200 OK", "text/plain", &moved)));
    assert_eq!(eye.look().await.state, Some(ServerState::Busy));
}

#[tokio::test]
async fn a_stale_sample_is_never_shown_as_current() {
    let fake = Fake::ollama("0.34.0").await;
    let agent = Agent::start(config(vec![Target {
        timeout: Duration::from_secs(5),
        ..target("box", "ollama", fake.url())
    }]))
    .await;
    agent.until("up", |view| view.targets[0].up == Some(true)).await;
    fake.set_all(Answer::Silence);
    // The poll in flight waits five seconds; three beats are over long before.
    let view = agent.until("stale", |view| view.targets[0].up.is_none()).await;
    assert!(view.targets[0].models.is_empty() && view.targets[0].last_success_at.is_some());
    let samples = agent.samples().await;
    assert_eq!(value(&samples, "opsagent_target_up", &[("target", "box")]), None);
    assert_eq!(value(&samples, "opsagent_models_installed", &[("target", "box")]), None);
    assert!(value(&samples, "opsagent_poll_last_success_timestamp_seconds", &[("target", "box")]).is_some());
}

#[tokio::test]
async fn ten_thousand_models_are_counted_and_two_hundred_shown() {
    let fake = Fake::ollama("0.34.0").await;
    let one =
        |n| format!(r#"{{"name":"model-{n:05}","size":{n},"digest":"d{n}","details":{{"family":"llama"}}}}"#);
    let all: Vec<String> = (0..10_000).map(one).collect();
    fake.set("/api/tags", Answer::json(format!(r#"{{"models":[{}]}}"#, all.join(","))));
    let loaded = r#"{"models":[{"name":"model-09999","size":5,"size_vram":5}]}"#;
    fake.set("/api/ps", Answer::json(loaded));
    let agent = Agent::start(config(vec![target("box", "ollama", fake.url())])).await;
    let view = agent.until("up", |view| view.targets[0].up == Some(true)).await;
    let box_ = &view.targets[0];
    assert_eq!((box_.models_installed, box_.models.len(), box_.models_left_out), (Some(10_000), 200, 9_800));
    assert!(box_.models.iter().any(|model| model.name == "model-09999"), "what is loaded is kept");
    let samples = agent.samples().await;
    assert_eq!(value(&samples, "opsagent_models_installed", &[("target", "box")]), Some(10_000.0));
    assert!(value(&samples, "opsagent_series_dropped_total", &[("target", "box")]) > Some(0.0));
    assert!(samples.len() < 3_000, "{} series", samples.len());
}

#[tokio::test]
async fn odd_names_make_sound_labels_and_stay_apart() {
    let long = format!("{}\\\"'\\n", "x".repeat(4096));
    let body = format!(
        r#"{{"models":[{{"name":"{long}1"}},{{"name":"{long}2"}},{{"name":"a\"b\\c\nd"}},{{"name":"grün"}}]}}"#
    );
    let mut bytes = body.into_bytes();
    let at = bytes.windows(4).position(|window| window == "grü".as_bytes()).unwrap();
    bytes[at + 2] = 0xff;
    let fake = Fake::ollama("0.34.0").await;
    let mut reply = plain("200 OK", "application/json", "");
    reply.body = bytes;
    fake.set("/api/tags", Answer::Whole(reply));
    fake.set("/api/ps", Answer::json(r#"{"models":[]}"#));
    let agent = Agent::start(config(vec![target("box", "ollama", fake.url())])).await;
    let view = agent.until("up", |view| view.targets[0].up == Some(true)).await;
    assert_eq!(view.targets[0].models.len(), 4);
    let samples = agent.samples().await;
    let loaded: Vec<&str> = samples
        .iter()
        .filter(|sample| sample.name == "opsagent_model_loaded")
        .map(|sample| sample.labels.iter().find(|(name, _)| name == "model").unwrap().1.as_str())
        .collect();
    assert_eq!(loaded.len(), 4, "{loaded:?}");
    assert!(loaded.iter().all(|name| name.len() <= 200 && !name.chars().any(char::is_control)), "{loaded:?}");
}

#[tokio::test]
async fn nesting_without_end_and_bodies_without_end_cost_a_poll_and_nothing_else() {
    let fake = Fake::ollama("0.34.0").await;
    let deep = format!(r#"{{"models":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    fake.set("/api/ps", Answer::json(&deep));
    let mut eye = Eye::on("ollama", fake.url().as_str());
    let view = eye.look().await;
    assert_eq!(
        (view.up, view.models.len()),
        (Some(true), 1),
        "what it lists is no model; what is installed stands"
    );
    fake.set("/api/ps", Answer::Endless);
    let view = eye.look().await;
    assert_eq!((view.up, view.reason.as_deref()), (Some(false), Some("too_large")));
    fake.set("/api/ps", Answer::json(r#"{"models":[]}"#));
    assert_eq!(eye.look().await.up, Some(true));
}

#[tokio::test]
async fn two_agents_on_one_port_are_a_clear_error_of_the_second() {
    let agent = Agent::start(config(Vec::new())).await;
    let mut second = config(Vec::new());
    second.listen = vec![format!("127.0.0.1:{}", agent.base.port().unwrap()).parse().unwrap()];
    let error = App::start(second, Options::default()).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("cannot listen on 127.0.0.1:") && text.to_lowercase().contains("in use"), "{text}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_a_stop() {
    use tokio::io::AsyncWriteExt as _;
    let agent = Agent::start(config(Vec::new())).await;
    let mut stuck = tokio::net::TcpStream::connect(("127.0.0.1", agent.base.port().unwrap())).await.unwrap();
    stuck.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Endless: ").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    agent.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// An agent with a page of megabytes, and a client that asks for it again and again and reads nothing.
async fn with_a_client_that_never_reads(grace: Duration) -> (App, tokio::net::TcpStream, Fake) {
    use tokio::io::AsyncWriteExt as _;
    let fake = Fake::ollama("0.34.0").await;
    let all: Vec<String> = (0..8_000).map(|n| format!(r#"{{"name":"model-{n:05}"}}"#)).collect();
    fake.set("/api/tags", Answer::json(format!(r#"{{"models":[{}]}}"#, all.join(","))));
    let config = Config { grace, max_models: 8_000, ..config(vec![target("box", "ollama", fake.url())]) };
    let app = App::start(config, Options::default()).await.unwrap();
    let fleet = app.fleet().clone();
    while fleet.view().targets[0].up != Some(true) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut client = tokio::net::TcpStream::connect(app.addresses()[0]).await.unwrap();
    let ask = "GET /api/v1/view HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    client.write_all(ask.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    (app, client, fake)
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_grace_and_says_how_many_it_cut() {
    let (app, _client, _fake) = with_a_client_that_never_reads(Duration::from_secs(1)).await;
    let start = Instant::now();
    let cut = app.run(async {}, std::future::pending()).await;
    assert!(cut >= 1, "the client's answers were in flight");
    assert!(start.elapsed() >= Duration::from_secs(1), "the grace was given");
}

#[tokio::test]
async fn a_second_word_cuts_at_once() {
    let (app, _client, _fake) = with_a_client_that_never_reads(Duration::from_secs(600)).await;
    let cut = app.run(async {}, tokio::time::sleep(Duration::from_millis(200))).await;
    assert!(cut >= 1, "the client's answers were in flight");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_and_its_authority_is_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.server();
    for (name, text) in [
        ("cert.pem", certificate),
        ("key.pem", key),
        ("web.yml", "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // The agent's own listener stands for a server behind TLS: what it serves is a list of models.
    let jobs = Jobs::new(Arc::new(|_| {}));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let models = || async { axum::Json(serde_json::json!({ "object": "list", "data": [{ "id": "m" }] })) };
    let router = axum::Router::new().route("/v1/models", axum::routing::get(models));
    drop(rustls::crypto::ring::default_provider().install_default());
    let web = WebConfig::load(&folder.path().join("web.yml")).unwrap().shared();
    jobs.serve(opsagent::web::tls::serve(listener, router, web, jobs.stopping()));

    let view = Eye::on("auto", &url).look().await;
    assert_eq!((view.up, view.reason.as_deref()), (Some(false), Some("tls")), "{view:#?}");
    let trusting = |target: &mut Target| target.ca_pem = Some(authority.pem().into_bytes());
    let view = Eye::with("auto", &url, trusting).look().await;
    assert_eq!((view.up, view.kind.as_str()), (Some(true), "openai"), "{view:#?}");
    jobs.stop(Duration::from_millis(100), std::future::pending()).await;
}

#[tokio::test]
async fn another_server_in_the_place_of_one_is_recognised_without_a_refusal_between() {
    // By a config that leaves the kind open, and by discovery, which recognised the first one.
    for (kind_name, discovered) in [("auto", false), ("ollama", true)] {
        let fake = Fake::ollama("0.34.0").await;
        let mut eye = Eye::with(kind_name, fake.url().as_str(), |target| target.discovered = discovered);
        assert_eq!(eye.look().await.kind, "ollama");
        let other = Fake::llama_cpp().await;
        fake.set_all(Answer::by(move |request| other.answer_to(request)));
        eye.look().await;
        let view = eye.look().await;
        assert_eq!((view.kind.as_str(), view.up), ("llama_cpp", Some(true)), "discovered: {discovered}");
    }
}

#[tokio::test]
async fn what_is_loaded_when_a_list_is_first_had_is_no_load() {
    let fake = Fake::ollama("0.34.0").await.with("/api/ps", Answer::Silence);
    let mut eye =
        Eye::with("ollama", fake.url().as_str(), |target| target.timeout = Duration::from_millis(300));
    eye.look().await;
    fake.set("/api/ps", of("ollama", "0.34.0", "ps-loaded"));
    let view = eye.look().await;
    assert_eq!((view.models[0].loaded, view.models[0].loads), (Some(true), 0));
}

#[tokio::test]
async fn a_poll_in_which_something_hangs_stands_while_the_next_one_waits() {
    let fake = Fake::ollama("0.34.0").await.with("/api/ps", Answer::Silence);
    let mut eye = Eye::with("ollama", fake.url().as_str(), |target| {
        target.every = Duration::from_millis(100);
        target.timeout = Duration::from_millis(600);
    });
    eye.look().await;
    later(Duration::from_millis(600)).await;
    assert_eq!(eye.view().up, Some(true), "the next poll is still waiting");
    later(Duration::from_millis(600)).await;
    assert_eq!(eye.view().up, None);
}

#[tokio::test]
async fn notes_are_few_and_harmless_whatever_models_are_called() {
    let fake = Fake::llama_cpp_router(false).await;
    let one = |n| format!(r#"{{"id":"m{n}\u001b[2J\n{}","status":{{"failed":true}}}}"#, "x".repeat(4096));
    let all: Vec<String> = (0..500).map(one).collect();
    fake.set("/v1/models", Answer::json(format!(r#"{{"object":"list","data":[{}]}}"#, all.join(","))));
    let view = Eye::on("llama_cpp", fake.url().as_str()).look().await;
    assert!(has_note(&view, "model_failed") && view.notes.len() <= 20, "{} notes", view.notes.len());
    let harmless = |text: &str| !text.chars().any(char::is_control) && text.len() < 1000;
    assert!(view.notes.iter().all(|note| harmless(&note.text)), "{:?}", view.notes[0]);
}

#[tokio::test]
async fn a_warning_is_news_once_however_long_it_stands() {
    let fleet = opsagent::fleet::Fleet::new(crate::support::eye::agent(), 200);
    fleet.add(&Target::new("box", "http://127.0.0.1:1".parse().unwrap()), false);
    let poll = |texts: &[&str]| {
        let note = |text: &&str| Note::warning("no_progress", *text, None);
        let sample = ServerSample { notes: texts.iter().map(note).collect(), ..ServerSample::default() };
        let news = fleet.record_poll("box", Ok(sample), Duration::ZERO);
        news.warnings.into_iter().map(|note| note.text).collect::<Vec<_>>()
    };
    assert_eq!(poll(&["a stands still for 120 s"]), ["a stands still for 120 s"]);
    assert!(poll(&["a stands still for 135 s"]).is_empty(), "the seconds alone are no news");
    assert_eq!(poll(&["a stands still for 150 s", "b stands still for 5 s"]), ["b stands still for 5 s"]);
    assert!(poll(&[]).is_empty());
    assert_eq!(poll(&["a stands still for 9 s"]).len(), 1, "it was well in between");
}

#[tokio::test]
async fn an_address_that_drops_what_is_sent_is_down_and_not_hung_however_short_the_limit() {
    // A listener whose queue is full lets the kernel drop what comes, as a firewall would.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream);
        assert!(held.len() < 100, "the queue never fills");
    }
    let mut eye = Eye::with("ollama", &format!("http://{address}/"), |target| {
        target.timeout = Duration::from_millis(400);
    });
    for _ in 0..3 {
        let view = eye.look().await;
        assert_eq!(
            (view.state, view.reason.as_deref()),
            (Some(ServerState::Down), Some("timeout")),
            "{view:#?}"
        );
    }
}
