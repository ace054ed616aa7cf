//! A server that streams as OpenAI's and Ollama's do, fast, and does what each request's `user` field says. It
//! runs on a thread of its own.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What it is to do with one request. Told in the request: `"user": "{\"tokens\": 8}"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Script {
    /// Pieces of text.
    pub tokens: usize,
    /// Before each piece.
    pub pause_ms: u64,
    /// After the last piece.
    pub then: Then,
    /// Its reverse is the first piece's text, if there is one.
    pub mark: String,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Whole.
    Finish,
    /// Whole, once [`Stub::release`] was called.
    Hold,
    /// A reset.
    Reset,
    /// The connection ends in order in the midst of it.
    Cut,
    /// An error in the stream, which then ends as if it were whole.
    Error,
    /// Status 500 in place of an answer.
    Refuse,
}

impl Default for Script {
    fn default() -> Script {
        Script { tokens: 4, pause_ms: 0, then: Then::Finish, mark: String::new() }
    }
}

/// The server. Dropped, it is gone.
pub struct Stub {
    pub address: SocketAddr,
    release: watch::Sender<bool>,
    counts: Arc<Counts>,
    stop: CancellationToken,
}

/// What it saw.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    answering: AtomicU64,
    open: AtomicU64,
}

impl Stub {
    pub fn start() -> Stub {
        let (release, released) = watch::channel(false);
        let (stop, counts) = (CancellationToken::new(), Arc::<Counts>::default());
        let (told, address) = std::sync::mpsc::channel();
        let (stopped, counted) = (stop.clone(), counts.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
                let listener = socket.listen(4096).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                stopped.run_until_cancelled(serve(listener, released, counted)).await;
            });
        });
        Stub { address: address.recv().unwrap(), release, counts, stop }
    }

    /// Lets every answer that holds go on to its end.
    pub fn release(&self) {
        self.release.send_replace(true);
    }

    /// POST requests so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// POST requests whose answer goes on.
    pub fn answering(&self) -> u64 {
        self.counts.answering.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A request for it, whole: a stream of OpenAI's chat, of Ollama's (`/api/chat`), or with `stream: false`.
pub fn request(path: &str, stream: bool, script: &str) -> Vec<u8> {
    let body = serde_json::json!({
        "model": "stub", "stream": stream, "user": script, "messages": [{ "role": "user", "content": "hello" }],
    });
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

async fn serve(listener: TcpListener, released: watch::Receiver<bool>, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let (released, counts) = (released.clone(), counts.clone());
        connections.spawn(async move {
            counts.open.fetch_add(1, Ordering::Relaxed);
            // A client that breaks off is its own affair.
            drop(connection(stream, released, &counts).await);
            counts.open.fetch_sub(1, Ordering::Relaxed);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(
    mut stream: TcpStream,
    mut released: watch::Receiver<bool>,
    counts: &Counts,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    while let Some((line, body)) = read_request(&mut stream, &mut unread).await? {
        if !line.starts_with("POST ") {
            stream.write_all(INVENTORY).await?;
            continue;
        }
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let asked: Asked = serde_json::from_slice(&body).unwrap_or_default();
        let script: Script = serde_json::from_str(&asked.user).unwrap_or_default();
        let dialect = if line.contains("/api/") { Dialect::Ollama } else { Dialect::Openai };
        let then = script.then;
        let mut answer = Answer { stream: &mut stream, dialect, held: Vec::new(), script };
        counts.answering.fetch_add(1, Ordering::Relaxed);
        let whole = match (then, asked.stream) {
            (Then::Refuse, _) => answer.refuse().await,
            (_, true) => answer.streamed(&mut released).await,
            (_, false) => answer.whole(&mut released).await,
        };
        counts.answering.fetch_sub(1, Ordering::Relaxed);
        if !whole? {
            break;
        }
    }
    Ok(())
}

/// `/v1/models`, for those who look whether it is there.
const INVENTORY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 80\r\n\r\n\
    {\"object\":\"list\",\"data\":[{\"id\":\"stub\",\"object\":\"model\",\"owned_by\":\"the tests\"}]}";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    stream: bool,
    user: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Openai,
    Ollama,
}

struct Answer<'a> {
    stream: &'a mut TcpStream,
    dialect: Dialect,
    /// Written, and sent with the next pause.
    held: Vec<u8>,
    script: Script,
}

impl Answer<'_> {
    /// Whether the connection stays.
    async fn streamed(&mut self, released: &mut watch::Receiver<bool>) -> io::Result<bool> {
        let content_type = match self.dialect {
            Dialect::Openai => "text/event-stream",
            Dialect::Ollama => "application/x-ndjson",
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
        self.held.extend_from_slice(head.as_bytes());
        if self.dialect == Dialect::Openai {
            self.event(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#);
        }
        if !self.script.mark.is_empty() {
            let mark: String = self.script.mark.chars().rev().collect();
            self.piece(&mark);
        }
        for token in 0..self.script.tokens {
            self.pause().await?;
            self.piece(&format!("tok{token} "));
        }
        self.pause().await?;
        match self.script.then {
            Then::Hold => {
                self.flush().await?;
                released.wait_for(|released| *released).await.ok();
            }
            Then::Reset | Then::Cut => return self.broken().await,
            Then::Error => {
                self.event(r#"{"error":{"message":"the model is gone","type":"server_error"}}"#);
                self.held.extend_from_slice(b"0\r\n\r\n");
                self.flush().await?;
                return Ok(true);
            }
            Then::Finish | Then::Refuse => {}
        }
        let tokens = self.script.tokens;
        match self.dialect {
            Dialect::Openai => {
                self.event(&format!(
                    r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":{tokens}}}}}"#
                ));
                self.event("[DONE]");
            }
            Dialect::Ollama => self.event(&format!(
                r#"{{"model":"stub","message":{{"role":"assistant","content":""}},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":{tokens}}}"#
            )),
        }
        self.held.extend_from_slice(b"0\r\n\r\n");
        self.flush().await?;
        Ok(true)
    }

    async fn whole(&mut self, released: &mut watch::Receiver<bool>) -> io::Result<bool> {
        let tokens = self.script.tokens;
        let text: String = (0..tokens).fold(String::new(), |mut text, token| {
            write!(text, "tok{token} ").expect("a string takes everything");
            text
        });
        let body = match self.dialect {
            Dialect::Openai => format!(
                r#"{{"model":"stub","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":{tokens}}}}}"#
            ),
            Dialect::Ollama => format!(
                r#"{{"model":"stub","message":{{"role":"assistant","content":"{text}"}},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":{tokens}}}"#
            ),
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        self.pause().await?;
        if self.script.then == Then::Hold {
            released.wait_for(|released| *released).await.ok();
        }
        self.held.extend_from_slice(head.as_bytes());
        self.held.extend_from_slice(&body.as_bytes()[..length / 2]);
        self.pause().await?;
        if matches!(self.script.then, Then::Reset | Then::Cut) {
            return self.broken().await;
        }
        self.held.extend_from_slice(&body.as_bytes()[length / 2..]);
        self.flush().await?;
        Ok(true)
    }

    async fn refuse(&mut self) -> io::Result<bool> {
        let body = r#"{"error":{"message":"no","type":"server_error"}}"#;
        let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length:";
        let answer = format!("{head} {}\r\n\r\n{body}", body.len());
        self.stream.write_all(answer.as_bytes()).await?;
        Ok(true)
    }

    async fn broken(&mut self) -> io::Result<bool> {
        self.flush().await?;
        if self.script.then == Then::Reset {
            // What was sent is to arrive: the kernel drops what it has not sent yet.
            tokio::time::sleep(Duration::from_millis(30)).await;
            self.stream.set_zero_linger()?;
        }
        Ok(false)
    }

    fn piece(&mut self, text: &str) {
        match self.dialect {
            Dialect::Openai => self.event(&format!(
                r#"{{"model":"stub","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#
            )),
            Dialect::Ollama => self.event(&format!(
                r#"{{"model":"stub","message":{{"role":"assistant","content":"{text}"}},"done":false}}"#
            )),
        }
    }

    /// One event of the stream, in a chunk of its own.
    fn event(&mut self, data: &str) {
        let (before, after) = match self.dialect {
            Dialect::Openai => ("data: ", "\n\n"),
            Dialect::Ollama => ("", "\n"),
        };
        let length = before.len() + data.len() + after.len();
        self.held.extend_from_slice(format!("{length:x}\r\n{before}{data}{after}\r\n").as_bytes());
    }

    /// Sends what is written, if there is a pause; without one, an answer is one write.
    async fn pause(&mut self) -> io::Result<()> {
        if self.script.pause_ms > 0 {
            self.flush().await?;
            tokio::time::sleep(Duration::from_millis(self.script.pause_ms)).await;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.held).await?;
        self.held.clear();
        Ok(())
    }
}

/// First line and body of the next request.
async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<(String, Vec<u8>)>> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&unread[..end]).to_ascii_lowercase();
    let line = String::from_utf8_lossy(&unread[..end]).lines().next().unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
    while unread.len() < end + length {
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    let body = unread[end..end + length].to_vec();
    unread.drain(..end + length);
    Ok(Some((line, body)))
}
