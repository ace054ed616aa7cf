//! The network breaks in every phase of a request, between the tap and its server and between the tap and its
//! client: the client sees what it would see without the tap, and one end is counted, with its reason.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::chaos::{Chaos, Deaf, Direction, Fault, Kind, Place, refusing};
use crate::support::http1::{Client, Ended, Seen, ask};
use crate::support::stub::{Stub, request};
use crate::support::tapped::{Setup, Tapped};

/// How long a client waits for the next byte: longer than the tap.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where nothing will come, since there is no tap with a limit.
const SHORT: Duration = Duration::from_millis(600);
/// How long the tap waits in each phase: longer than a busy machine takes for what goes well.
const LIMITS: &str = "connect_timeout = \"1s\"\nfirst_byte_timeout = \"1s\"\nidle_timeout = \"1s\"";

/// What the client sees of a tapped request.
#[derive(Debug, Clone, Copy)]
enum Tapped_ {
    /// What it sees without the tap, to the byte.
    Same,
    /// The same, but the tap gives up where a client without one would wait for ever: the end is this.
    But(Ended),
    /// The tap's own answer with that status: there is no other way to tell it.
    Told(u16),
}
use Tapped_::{But, Same, Told};

/// One row: what breaks where, and what is to be counted (a reason or a phase; `None`: complete).
struct Case {
    place: &'static str,
    fault: Fault,
    tapped: Tapped_,
    counted: Option<&'static str>,
}

const HEAD: Place = Place::After(Direction::Up, b"Content-Ty");
const BODY: Place = Place::After(Direction::Up, b"messages");
const BEFORE_ANSWER: Place = Place::Before(Direction::Down, b"HTTP/1.1 ");
const ANSWER_HEAD: Place = Place::After(Direction::Down, b"HTTP/1.1 200 O");
const BEFORE_TOKEN: Place = Place::Before(Direction::Down, b"tok0");
const MID_STREAM: Place = Place::After(Direction::Down, b"tok2 ");
const BEFORE_END: Place = Place::Before(Direction::Down, b"[DONE]");

/// Between the tap and its server, of a stream.
fn upstream() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |place: &'static str, at: &Place, kind, tapped, counted| {
        cases.push(Case { place, fault: Fault { kind, place: at.clone() }, tapped, counted });
    };
    for (place, at) in [
        ("at the connection", Place::Accepted),
        ("in the request's head", HEAD),
        ("in the request's body", BODY),
        ("before the answer", BEFORE_ANSWER),
        ("in the answer's head", ANSWER_HEAD),
    ] {
        add(place, &at, Kind::Reset, Told(502), Some("reset"));
        add(place, &at, Kind::Close, Told(502), Some("reset"));
        add(place, &at, Kind::Stall, Told(504), Some("first_byte_timeout"));
    }
    for (place, at) in [
        ("before the first token", BEFORE_TOKEN),
        ("in mid-stream", MID_STREAM),
        ("before the end marker", BEFORE_END),
    ] {
        add(place, &at, Kind::Reset, Same, Some("reset"));
        add(place, &at, Kind::Close, Same, Some("cut_short"));
        add(place, &at, Kind::Truncate, Same, Some("cut_short"));
        add(place, &at, Kind::Stall, But(Ended::Cut), Some("idle_timeout"));
        add(place, &at, Kind::Slow(2000), Same, None);
        add(place, &at, Kind::Corrupt(1 << 20), Same, Some("malformed"));
    }
    add("in a token's text", &MID_STREAM, Kind::Corrupt(1), Same, None);
    add("in the request's head", &HEAD, Kind::Slow(2000), Same, None);
    add("in the request's body", &BODY, Kind::Slow(2000), Same, None);
    add("in the answer's head", &ANSWER_HEAD, Kind::Slow(2000), Same, None);
    cases
}

fn stream() -> Vec<u8> {
    request("/v1/chat/completions", true, r#"{"tokens":6,"pause_ms":3}"#)
}

/// What is counted of one target that had one request: how many ends, and with which reason or phase.
fn counted(agent: &Tapped, target: &str) -> (u64, Vec<String>) {
    let ends = agent.until(
        &format!("{target}: nothing is under way"),
        Duration::from_secs(20),
        |agent| agent.ends_of(target),
        |ends| ends.open == (0, 0) && ends.all > 0,
    );
    assert_eq!(ends.lost, 0, "{target}");
    (ends.all, ends.apart.into_iter().map(|(reason, count)| format!("{reason} {count}")).collect())
}

fn expected(reason: Option<&str>) -> (u64, Vec<String>) {
    (1, reason.map(|reason| format!("{reason} 1")).into_iter().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_between_tap_and_server_the_client_sees_it_and_one_end_is_counted() {
    let (stub, cases) = (Stub::start(), upstream());
    let (mut setup, mut networks) = (Setup::new(LIMITS), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        let chaos = Chaos::with(stub.address, case.fault.clone()).await;
        setup.tap(&number.to_string(), "openai", chaos.address());
        networks.push(chaos);
    }
    let agent = setup.start();
    agent.until_polled();
    let idle = agent.descriptors();
    let (beside, through): (Vec<Seen>, Vec<Seen>) = futures_util::future::join(
        futures_util::future::join_all(networks.iter().map(|chaos| one(chaos.address(), SHORT))),
        futures_util::future::join_all(
            (0..cases.len()).map(|number| one(agent.tap(&number.to_string()), PATIENCE)),
        ),
    )
    .await;
    let mut faults = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let what = format!("{:?} {}", case.fault.kind, case.place);
        let (beside, through) = (&beside[number], &through[number]);
        let fits = match case.tapped {
            Same => beside == through,
            But(ended) => {
                beside.status == through.status
                    && beside.ended != Ended::Whole
                    && through.ended == ended
                    && beside.body.starts_with(&through.body)
            }
            Told(status) => through.status == status && through.ended == Ended::Whole && beside.status == 0,
        };
        if !fits {
            faults.push(format!("{what}: beside {beside:?}, through {through:?}"));
        }
        let counted = counted(&agent, &number.to_string());
        if counted != expected(case.counted) {
            faults.push(format!("{what}: counted {counted:?}, not {:?}", case.counted));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    no_more_than(&agent, idle).await;
}

/// A first request that goes well, then one that meets the fault, if that is about connections.
async fn one(to: SocketAddr, patience: Duration) -> Seen {
    ask(to, &stream(), patience).await
}

/// Waits until no more descriptors are open than before; an idle connection to a server stays some seconds.
async fn no_more_than(agent: &Tapped, idle: usize) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let now = agent.descriptors();
        if now <= idle + 2 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{now} descriptors are open, and {idle} were");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_or_does_not_hear_is_told_as_that() {
    let deaf = Deaf::new().await;
    let mut setup = Setup::new(LIMITS);
    setup.tap("gone", "openai", refusing()).tap("deaf", "openai", deaf.address);
    let agent = setup.start();
    for (target, status, reason) in [("gone", 502, "refused"), ("deaf", 504, "connect_timeout")] {
        let seen = one(agent.tap(target), PATIENCE).await;
        assert_eq!((seen.status, seen.ended), (status, Ended::Whole), "{target}: {seen:?}");
        assert!(seen.body.contains(reason), "{target}: {seen:?}");
        assert_eq!(counted(&agent, target), expected(Some(reason)), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_one_piece_that_breaks_is_broken_for_the_client_too() {
    let stub = Stub::start();
    let mut setup = Setup::new(LIMITS);
    let other = Chaos::calm(stub.address).await;
    setup.tap("reset", "openai", stub.address).tap("cut", "ollama", other.address());
    let agent = setup.start();
    for (then, path, reason) in
        [("reset", "/v1/chat/completions", "reset"), ("cut", "/api/chat", "cut_short")]
    {
        let script = format!(r#"{{"tokens":9,"then":"{then}"}}"#);
        let asked = request(path, false, &script);
        let beside = ask(stub.address, &asked, PATIENCE).await;
        let through = ask(agent.tap(then), &asked, PATIENCE).await;
        assert_eq!(beside, through, "{then}");
        assert!(
            matches!(through.ended, Ended::Reset | Ended::Cut) && through.body.contains("tok"),
            "{through:?}"
        );
        assert_eq!(counted(&agent, then), expected(Some(reason)), "{then}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_ends_between_two_requests_harms_neither() {
    let stub = Stub::start();
    let place = Place::After(Direction::Down, b"0\r\n\r\n");
    let mut setup = Setup::new(LIMITS);
    let mut networks = Vec::new();
    for kind in [Kind::Reset, Kind::Close] {
        let chaos = Chaos::with(stub.address, Fault { kind, place: place.clone() }).await;
        setup.tap(&format!("{kind:?}"), "openai", chaos.address());
        networks.push(chaos);
    }
    let agent = setup.start();
    for kind in ["Reset", "Close"] {
        let mut client = Client::connect(agent.tap(kind)).await.unwrap();
        for _ in 0..3 {
            let seen = client.ask(&stream(), PATIENCE).await;
            assert_eq!((seen.status, seen.ended), (200, Ended::Whole), "{kind}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(client);
        assert_eq!(counted(&agent, kind), (3, vec![]), "{kind}");
    }
}

/// Between the client and the tap. What is counted; `None`: no end, since no request was there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_between_client_and_tap_the_server_is_let_go_at_once_and_one_end_is_counted() {
    const NONE: Option<&str> = Some("nothing");
    let places: [(&str, Place, Option<&str>); 7] = [
        ("at the connection", Place::Accepted, NONE),
        ("in the request's head", HEAD, NONE),
        ("in the request's body", BODY, Some("queued")),
        ("before the answer", BEFORE_ANSWER, Some("prefill")),
        ("in the answer's head", ANSWER_HEAD, Some("prefill")),
        ("before the first token", BEFORE_TOKEN, Some("decode")),
        ("in mid-stream", MID_STREAM, Some("decode")),
    ];
    let mut cases = Vec::new();
    for (place, at, counted) in &places {
        for kind in [Kind::Reset, Kind::Close] {
            cases.push((format!("{kind:?} {place}"), Fault { kind, place: at.clone() }, *counted));
        }
    }
    // What is slow or stops reading a small answer has had it, as far as a server can tell.
    cases.push(("stall".into(), Fault { kind: Kind::Stall, place: MID_STREAM }, None));
    cases.push(("slow".into(), Fault { kind: Kind::Slow(2000), place: MID_STREAM }, None));
    cases.push(("slow request".into(), Fault { kind: Kind::Slow(1000), place: HEAD }, None));

    let stub = Stub::start();
    let mut setup = Setup::new(LIMITS);
    // A target is one address.
    let mut servers = Vec::new();
    for number in 0..cases.len() {
        let server = Chaos::calm(stub.address).await;
        setup.tap(&number.to_string(), "openai", server.address());
        servers.push(server);
    }
    let agent = setup.start();
    agent.until_polled();
    let idle = agent.descriptors();
    let mut faults = Vec::new();
    let mut networks = Vec::new();
    for (number, (_, fault, _)) in cases.iter().enumerate() {
        networks.push(Chaos::with(agent.tap(&number.to_string()), fault.clone()).await);
    }
    // An answer of twenty seconds, whose tokens are far apart: its end is no accident.
    let long_before_its_end = tokio::time::Instant::now() + Duration::from_secs(15);
    let asked = |counted: Option<&str>| match counted {
        None => stream(),
        Some(_) => request("/v1/chat/completions", true, r#"{"tokens":100,"pause_ms":200}"#),
    };
    let calls = networks
        .iter()
        .zip(&cases)
        .map(async |(chaos, (_, _, counted))| ask(chaos.address(), &asked(*counted), SHORT).await);
    let seen = futures_util::future::join_all(calls).await;
    assert!(stub.requests() >= 8, "most of them reached the server: {}", stub.requests());
    while stub.answering() > 0 {
        let now = tokio::time::Instant::now();
        assert!(now < long_before_its_end, "the server is not let go: it answers {}", stub.answering());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (number, (what, fault, wanted)) in cases.iter().enumerate() {
        let ended = seen[number].ended;
        let fits = match fault.kind {
            Kind::Slow(_) => ended == Ended::Whole,
            Kind::Stall => ended == Ended::Silent,
            _ => matches!(ended, Ended::Reset | Ended::Cut | Ended::Refused),
        };
        if !fits {
            faults.push(format!("{what}: {:?}", seen[number]));
        }
        let target = number.to_string();
        let ends = agent.until(
            &format!("{what}: nothing is under way"),
            Duration::from_secs(20),
            |agent| agent.ends_of(&target),
            |ends| ends.open == (0, 0) && (ends.all > 0 || *wanted == NONE),
        );
        let apart: Vec<String> = ends.apart.keys().cloned().collect();
        let good = match wanted {
            &NONE => ends.all == 0,
            None => ends.all == 1 && apart.is_empty(),
            Some(phase) => ends.all == 1 && apart == [*phase],
        };
        if !good {
            faults.push(format!("{what}: counted {ends:?}, not {wanted:?}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    no_more_than(&agent, idle).await;
}

/// More clients than the agent may have open files: they wait, and whoever is on call is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_that_may_open_no_more_files_says_so_and_goes_on_when_it_may() {
    let stub = Stub::start();
    let mut setup = Setup::new("");
    let agent = setup.descriptors(100).tap("box", "openai", stub.address).start();
    agent.until_polled();
    // A scraper's connection, which was there before: no other one is let in either.
    let mut scraper = Client::connect(agent.process.address()).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.push(Client::connect(agent.tap("box")).await.unwrap());
    }
    let mut up = async |wanted: &str| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            scraper.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let page = scraper.answer(PATIENCE).await.body;
            let line = page.lines().find(|line| line.starts_with("opsagent_tap_up{")).unwrap_or_default();
            if line.ends_with(wanted) {
                return page;
            }
            assert!(tokio::time::Instant::now() < deadline, "{line}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    up(" 0").await;
    drop(crowd);
    up(" 1").await;
    let log = agent.process.log();
    assert_eq!(log.matches("the tap cannot accept connections").count(), 1, "{log}");
    assert!(log.contains("Too many open files") && log.contains("LimitNOFILE"), "{log}");
    assert!(log.contains("the tap accepts connections again"), "{log}");
    assert_eq!(one(agent.tap("box"), PATIENCE).await.status, 200);
}
