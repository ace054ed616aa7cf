//! Many streams at once and many after another: each is alive, each ends once, and none is lost or told twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::stub::{Stub, request};
use crate::support::tapped::{Ends, Setup};

/// Descriptors beside those of streams: of the agent's own work, of other tests in this process.
const BESIDE: u64 = 600;

/// Those that take thousands of them wait for each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// As many streams as asked for, or as the hard limit of descriptors allows: each needs two in the agent, and two
/// in this process, which is client and server. Raises the soft limit of this process.
fn streams(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let current = Some(limit.current.unwrap_or(hard).max((2 * wanted + BESIDE).min(hard)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }).unwrap();
    let possible = hard.saturating_sub(BESIDE) / 2;
    if possible < wanted {
        println!("the hard limit of {hard} descriptors allows {possible} streams, not {wanted}");
    }
    possible.min(wanted)
}

/// One connection, read as far as is needed.
struct Reader {
    stream: TcpStream,
    /// What came last: enough to find what is looked for where it is cut in two.
    tail: Vec<u8>,
}

impl Reader {
    async fn connect(to: SocketAddr) -> Reader {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Reader { stream, tail: Vec::new() }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads until these bytes came. Whether they did before an end or a break.
    async fn until(&mut self, needle: &[u8]) -> bool {
        loop {
            if let Some(at) = self.tail.windows(needle.len()).position(|window| window == needle) {
                self.tail.drain(..at + needle.len());
                return true;
            }
            let keep = self.tail.len().saturating_sub(needle.len());
            self.tail.drain(..keep);
            if !matches!(self.stream.read_buf(&mut self.tail).await, Ok(read) if read > 0) {
                return false;
            }
        }
    }
}

const END: &[u8] = b"data: [DONE]\n\n\r\n0\r\n\r\n";

/// `wanted` streams at once, each with its first token and then nothing; then all end.
async fn idle_streams(wanted: u64) {
    let _alone = ALONE.lock().await;
    let wanted = streams(wanted);
    let stub = Stub::start();
    let mut setup = Setup::new(&format!("max_connections = {}", wanted + 10));
    let agent = setup.tap("many", "openai", stub.address).start();
    agent.until_polled();
    let (empty, tap) = (agent.resident(), agent.tap("many"));

    let asked = request("/v1/chat/completions", true, r#"{"tokens":1,"then":"hold"}"#);
    let mut readers = Vec::new();
    // In lots, as the queue of a listening socket is short.
    while (readers.len() as u64) < wanted {
        let lot = 200.min(wanted - readers.len() as u64);
        let calls = (0..lot).map(async |_| {
            let mut reader = Reader::connect(tap).await;
            reader.send(&asked).await;
            assert!(reader.until(b"tok0 ").await, "a stream ended before its time");
            reader
        });
        readers.extend(futures_util::future::join_all(calls).await);
    }
    let ends = agent.ends_of("many");
    assert_eq!((ends.all, ends.open), (0, (wanted, wanted)), "all are alive: {ends:?}");
    assert_eq!(stub.requests(), wanted);
    let each = agent.resident().saturating_sub(empty) / wanted;
    println!("{wanted} idle streams: {each} bytes of memory for each, {} descriptors", agent.descriptors());
    // Not that of a buffer for each, which would be 16 KiB and more on both sides, nor the work of a connection
    // within each of the layers around it, which was four times as much.
    assert!(each < 10 << 10, "{each} bytes a stream");

    stub.release();
    let whole =
        futures_util::future::join_all(readers.iter_mut().map(async |reader| reader.until(END).await)).await;
    assert!(whole.into_iter().all(|whole| whole), "a stream broke");
    drop(readers);
    let ends = agent.until(
        "every end is told",
        Duration::from_secs(60),
        |agent| agent.ends_of("many"),
        |ends| ends.open == (0, 0) && ends.all >= wanted,
    );
    assert_eq!(ends, Ends { all: wanted, ..Ends::default() });
}

/// `total` streams over some connections: of each hundred, these are cut by the server, reset by it, refused, end
/// with an error in the stream, or are cancelled by their client.
async fn short_streams(total: u64, connections: u64) {
    let _alone = ALONE.lock().await;
    let stub = Stub::start();
    let mut setup = Setup::new("");
    let agent = setup.tap("busy", "openai", stub.address).start();
    agent.until_polled();
    let (tap, start) = (agent.tap("busy"), tokio::time::Instant::now());
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(async move {
            let ask = |script: &str| request("/v1/chat/completions", true, script);
            let whole = ask(r#"{"tokens":3}"#);
            let mut reader = Reader::connect(tap).await;
            for number in 0..total / connections {
                let (script, end): (&str, &[u8]) = match number % 100 {
                    7 => (r#"{"tokens":2,"then":"cut"}"#, b"tok1 "),
                    17 => (r#"{"tokens":2,"then":"reset"}"#, b"tok1 "),
                    27 => (r#"{"then":"refuse"}"#, b"server_error\"}}"),
                    37 => (r#"{"tokens":2,"then":"error"}"#, b"0\r\n\r\n"),
                    47 => (r#"{"tokens":2,"then":"hold"}"#, b"tok1 "),
                    _ => ("", END),
                };
                let asked = if script.is_empty() { whole.clone() } else { ask(script) };
                reader.send(&asked).await;
                assert!(reader.until(end).await, "{number}: {script}");
                match number % 100 {
                    7 | 17 => {
                        assert!(!reader.until(END).await, "{number}: a break is a break");
                        reader = Reader::connect(tap).await;
                    }
                    47 => {
                        reader = Reader::connect(tap).await;
                    }
                    _ => {}
                }
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "{total} short streams over {connections} connections in {took:.1} s: {:.0} a second",
        total as f64 / took
    );
    let ends = agent.until(
        "every end is told",
        Duration::from_secs(60),
        |agent| agent.ends_of("busy"),
        |ends| ends.open == (0, 0) && ends.all >= total,
    );
    let each = total / connections / 100 * connections;
    let apart =
        ["cut_short", "reset", "server_error", "stream_error", "decode"].map(|what| (what.to_owned(), each));
    let expected = Ends { all: total, apart: BTreeMap::from(apart), ..Ends::default() };
    assert_eq!(ends, expected);
    assert_eq!(stub.requests(), total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_streams_live_and_each_ends_once() {
    idle_streams(1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn ten_thousand_idle_streams_or_all_that_descriptors_allow_live_and_each_ends_once() {
    idle_streams(10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_thousand_short_streams_every_end_is_told_once() {
    short_streams(5000, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn of_a_hundred_thousand_short_streams_every_end_is_told_once() {
    short_streams(100_000, 200).await;
}
