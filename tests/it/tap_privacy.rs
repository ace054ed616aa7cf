//! Nothing of what passes a tap leaves the agent but as numbers: marked words are sent in every place of a request
//! and an answer, on good days and on bad ones, with everything logged, and then looked for in all that comes out.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::chaos::refusing;
use crate::support::fake::{Answer, Fake};
use crate::support::http1::{Client, ask};
use crate::support::stub::{Stub, request};
use crate::support::tapped::{Setup, Tapped};

/// In every marked word, and nowhere else.
const MARK: &str = "zqxj";
const PATIENCE: Duration = Duration::from_secs(10);

/// A request with a mark in each place where a client may put text.
fn marked(path: &str, stream: bool, more: &str) -> Vec<u8> {
    let image = "data:image/png;base64,enF4ag==";
    let body = serde_json::json!({
        "model": "zqxj-model", "stream": stream, "user": "zqxj-user", "prompt": "zqxj-prompt",
        "input": "zqxj-input", "system": "zqxj-system", "suffix": "zqxj-suffix",
        "messages": [
            { "role": "system", "content": "zqxj-system" },
            { "role": "user", "name": "zqxj-name", "content": [
                { "type": "text", "text": "zqxj-text" }, { "type": "image_url", "image_url": { "url": image } },
                { "type": "file", "file": { "filename": "zqxj-file.pdf", "file_data": "zqxj-data" } },
            ] },
            { "role": "assistant", "tool_calls": [
                { "function": { "name": "zqxj-tool", "arguments": "{\"zqxj-key\":\"zqxj-value\"}" } },
            ] },
        ],
        "tools": [{ "type": "function", "function": { "name": "zqxj-tool", "description": "zqxj-tells" } }],
        "metadata": { "zqxj-key": "zqxj-value" },
    })
    .to_string();
    format!(
        "POST {path}?zqxj-query=zqxj-value HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer zqxj-token\r\n\
         x-api-key: zqxj-key\r\nCookie: zqxj-cookie\r\nUser-Agent: zqxj-agent\r\nX-zqxj-header: 1\r\n\
         traceparent: 00-zqxj-zqxj-01\r\nReferer: http://localhost/zqxj-referer\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn chunked(head: &str, chunks: &[String]) -> Answer {
    let mut bytes =
        format!("HTTP/1.1 {head}\r\nX-zqxj: zqxj-header\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in chunks {
        bytes.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\nX-Trailer: zqxj-trailer\r\n\r\n");
    Answer::Raw(bytes)
}

fn sse(events: &[&str]) -> Answer {
    let chunks: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    chunked("200 OK\r\nContent-Type: text/event-stream", &chunks)
}

/// A server that says marked words in each way there is. Told by the path's last part.
async fn talkative() -> Fake {
    const TOKEN: &str = r#"{"model":"zqxj-answering","choices":[{"delta":{"content":"zqxj-answer","reasoning_content":"zqxj-thought","tool_calls":[{"function":{"name":"zqxj-tool","arguments":"zqxj-arguments"}}]}}]}"#;
    const LAST: &str = r#"{"choices":[{"delta":{},"finish_reason":"zqxj-finish"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    Fake::new()
        .await
        .with("/v1/models", Answer::json(r#"{"object":"list","data":[{"id":"known"}]}"#))
        .with("/v1/chat/completions", sse(&[TOKEN, TOKEN, LAST, "[DONE]"]))
        .with("/v1/completions", sse(&[TOKEN, r#"{"error":{"message":"zqxj-error","type":"zqxj-type","code":"zqxj-code"}}"#]))
        .with("/v1/responses", sse(&[TOKEN, r#"{"zqxj": nonsense "#, "\u{e9}zqxj {\"choices\":[{"]))
        .with("/v1/messages", chunked("400 zqxj-phrase", &[r#"{"error":{"message":"zqxj-error é"}}"#.into()]))
        .with("/v1/embeddings", Answer::json(r#"{"model":"zqxj-model","data":[{"embedding":[1],"zqxj":1}]}"#))
        .with("/api/chat", chunked("200 OK\r\nContent-Type: application/x-ndjson", &[
            "{\"model\":\"zqxj\",\"message\":{\"content\":\"zqxj-answer\"},\"done\":false}\n".into(),
            "{\"error\":\"zqxj-error\"}\n".into(),
        ]))
        .with("/api/generate", Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 900\r\n\r\n{\"response\":\"zqxj-cut".to_vec()))
        .with("/api/embed", Answer::Raw(b"zqxj is no HTTP at all\r\n\r\n".to_vec()))
        .with("/completion", Answer::Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzqxj\r\n".to_vec()))
        .with("/infill", Answer::Raw(format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n{MARK}-is-not-compressed-at-all").into_bytes()))
        .with("/api/v1/chat", Answer::Reset)
}

const PATHS: [&str; 13] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/completion",
    "/infill",
    "/api/v1/chat",
    "/zqxj-path",
    "/api/zqxj/../chat",
];

/// Requests that a tap does not pass on.
fn refusable() -> Vec<Vec<u8>> {
    vec![
        format!("GET /{MARK} HTTP/1.1\r\nHost: {MARK}.example\r\n\r\n").into_bytes(),
        format!("{MARK} /{MARK}\r\n\r\n").into_bytes(),
        format!("POST /{MARK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MARK}\r\n\r\n").into_bytes(),
        format!("POST /{MARK} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n")
            .into_bytes(),
        format!("POST /{MARK} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {MARK}\r\n\r\n").into_bytes(),
        format!("CONNECT {MARK}:443 HTTP/1.1\r\nHost: {MARK}:443\r\n\r\n").into_bytes(),
        format!("GET /{MARK} HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", MARK.repeat(30_000))
            .into_bytes(),
        format!("GET /{MARK} HTTP/1.1\r\nHost: localhost\r\n{MARK}\u{e9}\r\n\r\n").into_bytes(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_of_a_prompt_an_answer_a_header_or_a_query_leaves_the_agent() {
    for format in ["json", "text"] {
        let fake = talkative().await;
        let mut setup = Setup::new("first_byte_timeout = \"2s\"\nidle_timeout = \"2s\"");
        setup.tap("box", "openai", fake.address()).tap("gone", "ollama", refusing());
        setup.config("[[client]]\nname = \"named\"\ntoken = \"zqxj-token\"\n");
        setup.args(&["--log.level", "trace,opsagent=trace", "--log.format", format]);
        setup.env("TMPDIR", "tmp").env("RUST_BACKTRACE", "full");
        let agent = setup.start();
        agent.until_polled();
        let mut asked = 0;
        for path in PATHS {
            for stream in [true, false] {
                let seen = ask(agent.tap("box"), &marked(path, stream, ""), PATIENCE).await;
                let raw =
                    seen.body.contains(MARK) || matches!(path, "/api/embed" | "/completion" | "/api/v1/chat");
                assert!(
                    raw || path.contains(MARK) || seen.status == 404,
                    "{path}: the client gets it: {seen:?}"
                );
                asked += 1;
            }
        }
        for path in ["/api/chat", "/v1/chat/completions"] {
            ask(agent.tap("gone"), &marked(path, true, ""), PATIENCE).await;
        }
        for refused in refusable() {
            ask(agent.tap("box"), &refused, PATIENCE).await;
        }
        // Clients that leave: in the head, in the body, and in the midst of an answer.
        let whole = marked("/v1/chat/completions", true, "");
        for sent in [200, whole.len() - 20, whole.len()] {
            let mut client = Client::connect(agent.tap("box")).await.unwrap();
            client.send(&whole[..sent]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.reset();
        }
        let ends = agent.until(
            "all ended",
            Duration::from_secs(30),
            |agent| agent.ends_of("box"),
            |ends| ends.open == (0, 0) && ends.all > 10,
        );
        assert!(ends.apart.len() >= 4 && ends.refused.len() >= 3, "days were bad: {ends:?} of {asked}");
        let leaks = leaks(&agent).await;
        assert!(leaks.is_empty(), "{format}:\n{}", leaks.join("\n"));
        assert!(agent.process.log().contains("TRACE"), "everything was logged");
        std::fs::write(agent.process.folder().join("planted"), "a zqxj-planted\n").unwrap();
        assert_eq!(self::leaks(&agent).await.len(), 1, "and a mark would be found");
    }
}

/// The lines of all that leaves the agent in which a mark stands.
async fn leaks(agent: &Tapped) -> Vec<String> {
    let base = agent.process.url();
    let command = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_opsagent")).args(args).output().unwrap();
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    let openmetrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    let openmetrics = ask(agent.process.address(), openmetrics.as_bytes(), PATIENCE).await.body;
    let mut out = vec![
        ("the log".to_owned(), agent.process.log()),
        ("the metrics".to_owned(), agent.process.get("/metrics")),
        ("the metrics in OpenMetrics".to_owned(), openmetrics),
        ("the view".to_owned(), agent.process.get("/api/v1/view")),
        ("the page".to_owned(), agent.process.get("/")),
        ("status".to_owned(), command(&["status", &base])),
        ("status --json".to_owned(), command(&["status", "--json", &base])),
        ("explain".to_owned(), command(&["explain"])),
    ];
    assert!(
        out[2].1.ends_with("# EOF\n") && out.iter().all(|(what, text)| text.len() > 100 || what == "the log")
    );
    files(agent.process.folder(), &mut out);
    let marked = |line: &&str| {
        let small = line.to_ascii_lowercase();
        small.contains(MARK) || small.contains("enf4ag")
    };
    out.iter()
        .flat_map(|(what, text)| {
            text.lines()
                .filter(marked)
                .take(3)
                .map(move |line| format!("{what}: {}", &line[..line.len().min(400)]))
        })
        .collect()
}

/// Every file of the folder that is the agent's home and its folder for what is temporary.
fn files(folder: &Path, out: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path.file_name().is_some_and(|name| name != "opsagent.toml" && name != "log") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            out.push((path.display().to_string(), text));
        }
    }
}

/// Streams that are open, each of which had a marked prompt and a marked first piece and then went on: were text
/// held longer than the line that is being read, the marks of all would be in the agent's memory. Its allocator is
/// told to wipe what is freed, so that what is found is held; the buffer that all reads share has the last of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passed_is_not_held_in_memory_while_the_stream_goes_on_nor_after_it() {
    let stub = Stub::start();
    let mut setup = Setup::new("");
    setup.env("GLIBC_TUNABLES", "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0");
    let agent = setup.tap(OWN, "openai", stub.address).start();
    agent.until_polled();
    let mut clients = Vec::new();
    for number in 0..STREAMS {
        let script = format!(r#"{{"tokens":40,"pause_ms":1,"then":"hold","mark":"{}"}}"#, mark(number));
        let mut client = Client::connect(agent.tap(OWN)).await.unwrap();
        client.send(&request("/v1/chat/completions", true, &script)).await.unwrap();
        client.until(b"tok39 ").await;
        clients.push(client);
    }
    assert_eq!(agent.ends_of(OWN).open.0, STREAMS as u64);
    let (prompts, answers) = held(&agent, "streams open");
    assert!(prompts <= 4 && answers <= 4, "{prompts} prompts, {answers} answers");
    stub.release();
    for client in &mut clients {
        client.answer(PATIENCE).await;
    }
    drop(clients);
    agent.until("all ended", PATIENCE, |agent| agent.ends_of(OWN), |ends| ends.open == (0, 0));
    let (prompts, answers) = held(&agent, "streams ended");
    assert!(prompts <= 4 && answers <= 4, "{prompts} prompts, {answers} answers");
}

/// A server that reads a prompt for minutes before it says a word, over connections that it kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_not_held_in_memory_while_the_server_thinks_about_it() {
    let stub = Stub::start();
    let mut setup = Setup::new("");
    setup.env("GLIBC_TUNABLES", "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0");
    let agent = setup.tap(OWN, "openai", stub.address).start();
    agent.until_polled();
    let mut clients = Vec::new();
    for _ in 0..STREAMS {
        clients.push(Client::connect(agent.tap(OWN)).await.unwrap());
    }
    // Slow enough that each has a connection of its own to the server, and those are kept for the next.
    let first = request("/v1/chat/completions", false, r#"{"tokens":1,"pause_ms":300}"#);
    for client in &mut clients {
        client.send(&first).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.answer(PATIENCE).await.status, 200);
    }
    let before = stub.open();
    for (number, client) in clients.iter_mut().enumerate() {
        let script = format!(r#"{{"tokens":1,"then":"hold","mark":"{}"}}"#, mark(number));
        client.send(&request("/v1/chat/completions", false, &script)).await.unwrap();
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while stub.answering() < STREAMS as u64 {
        assert!(tokio::time::Instant::now() < deadline, "{} were asked", stub.answering());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(stub.open() < before + 4, "they go over the connections of before: {before}, {}", stub.open());
    let (prompts, _) = held(&agent, "prompts under way");
    assert!(prompts <= 4, "{prompts} prompts");
    stub.release();
    for client in &mut clients {
        assert_eq!(client.answer(PATIENCE).await.status, 200);
    }
}

/// Streams of a test that looks into the agent's memory.
const STREAMS: usize = 60;

/// What the agent does hold.
const OWN: &str = "the-box-that-is-looked-into";

/// A prompt's mark; an answer has its reverse.
fn mark(number: usize) -> String {
    format!("w{:07}v", number * 7919 + 1_000_003)
}

/// How many marks of prompts, and how many of answers, are in the agent's memory.
fn held(agent: &Tapped, what: &str) -> (usize, usize) {
    let memory = memory(agent.process.pid());
    let (mut prompts, mut answers) = (BTreeSet::new(), BTreeSet::new());
    for nine in memory.windows(9).filter(|nine| nine[1..8].iter().all(u8::is_ascii_digit)) {
        match (nine[0], nine[8]) {
            (b'w', b'v') => drop(prompts.insert(nine.to_vec())),
            (b'v', b'w') => drop(answers.insert(nine.to_vec())),
            _ => {}
        }
    }
    assert!(memory.windows(OWN.len()).any(|window| window == OWN.as_bytes()), "memory was read");
    let (prompts, answers) = (prompts.len(), answers.len());
    println!(
        "{what}: of {STREAMS} prompts {prompts} and of as many answers {answers} have left bytes behind"
    );
    (prompts, answers)
}

/// What a process may write to of its memory: heap, stacks, data.
fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::open(format!("/proc/{pid}/mem")).expect("our own child");
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("our own child");
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw-p ") || line.contains(" rw-s ")) {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let at = |number| u64::from_str_radix(number, 16).expect("hexadecimal");
        let mut part = vec![0; (at(to) - at(from)) as usize];
        // Some of the kernel's own parts cannot be read.
        if file.read_exact_at(&mut part, at(from)).is_ok() {
            all.extend_from_slice(&part);
        }
    }
    all
}
