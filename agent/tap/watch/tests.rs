use std::cell::Cell;
use std::sync::Mutex;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::jobs::Jobs;
use crate::tap::{Limits, Plan, serve};

thread_local! {
    /// Which of the next calls of the meter panics.
    static PLANTED: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Called before each call of the meter.
pub(super) fn panic_if_planted() {
    let left = PLANTED.get();
    PLANTED.set(left.and_then(|left| left.checked_sub(1)));
    assert!(left != Some(0), "planted: with the text of somebody's prompt");
}

fn watch(live: &Arc<Live>) -> Watch {
    Watch::new(
        Some(Dialect::OllamaChat),
        live,
        Some("bot".into()),
        Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    )
}

#[test]
fn the_end_is_told_once_with_who_asked_and_what_was_added() {
    let live: Arc<Live> = Arc::default();
    let mut one = watch(&live);
    assert_eq!(live.in_flight().0, 1);
    one.add(Duration::from_millis(2));
    one.sent(Instant::now());
    one.end(Close::Whole, Instant::now());
    one.end(Close::ClientGone, Instant::now());
    drop(one);
    let ends = live.ends();
    assert_eq!((ends.len(), live.in_flight().0), (1, 0));
    assert_eq!((ends[0].client.as_deref(), ends[0].added), (Some("bot"), Some(Duration::from_millis(2))));
    assert!(ends[0].trace_id.is_some());
}

#[test]
fn one_that_is_cut_is_told_as_such_and_what_is_no_generation_is_not_told() {
    let live: Arc<Live> = Arc::default();
    drop(watch(&live));
    drop(Watch::new(None, &live, None, None));
    let ends: Vec<End> = live.ends().iter().map(|generation| generation.end).collect();
    assert_eq!(ends, [End::Failed(Failure::AgentStopped)]);
}

/// What a client gets of one request and its answer through a tap that runs on this very thread.
async fn answer_through(live: &Arc<Live>) -> String {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = Plan {
        target: "box".into(),
        upstream: format!("http://{}", server.local_addr().unwrap()).parse().unwrap(),
        ca_pem: None,
        allow_hosts: Vec::new(),
        limits: Limits::default(),
        clients: Vec::new(),
        live: Arc::clone(live),
    };
    let jobs = Jobs::new(Arc::new(|job| panic!("{job}")));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    jobs.serve(serve(listener, Arc::new(ArcSwap::from_pointee(plan)), jobs.clone(), jobs.stopping()));
    let body = r#"{"model":"m","messages":[]}"#;
    let request = format!(
        "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut upstream, _) = server.accept().await.unwrap();
    let mut bytes = vec![0; 4096];
    let read = upstream.read(&mut bytes).await.unwrap();
    assert!(bytes[..read].ends_with(body.as_bytes()));
    for part in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\n{}\n\r\n",
        "3\r\n{}\n\r\n",
        "0\r\n\r\n",
    ] {
        upstream.write_all(part.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    jobs.stop(Duration::from_secs(5), std::future::pending()).await;
    answer
}

#[tokio::test]
async fn a_meter_that_panics_at_any_call_changes_no_byte_and_its_words_are_not_told() {
    static SAID: Mutex<String> = Mutex::new(String::new());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        SAID.lock().unwrap().push_str(&panic.to_string());
        before(panic);
    }));
    let live: Arc<Live> = Arc::default();
    let good = answer_through(&live).await;
    assert!(good.ends_with("\r\n3\r\n{}\n\r\n3\r\n{}\n\r\n0\r\n\r\n"), "{good}");
    let calls = 0..7;
    for call in calls.clone() {
        PLANTED.set(Some(call));
        assert_eq!(answer_through(&live).await, good, "call {call}");
        PLANTED.set(None);
    }
    let ends = live.ends();
    assert_eq!((ends.len(), live.in_flight().0), (1 + calls.len(), 0));
    assert!(ends[1..].iter().all(|generation| generation.fault == Some(MeterFault::Panic)), "{ends:?}");
    assert!(!SAID.lock().unwrap().contains("planted"), "{}", SAID.lock().unwrap());
}
