//! HTTP byte by byte: a client that sees each chunk as it comes, and a server that sends one when it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Ten times what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Asks and reads the answer, on a connection that stays.
pub async fn get(stream: &mut TcpStream, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reader = Reader::new(stream);
    let status = reader.status().await;
    let body = reader.rest().await.expect("the answer is whole");
    Answer { status, body }
}

/// Reads one answer as it comes.
pub struct Reader<'a> {
    stream: &'a mut TcpStream,
    bytes: VecDeque<u8>,
    length: Option<usize>,
}

impl<'a> Reader<'a> {
    pub fn new(stream: &'a mut TcpStream) -> Reader<'a> {
        Reader { stream, bytes: VecDeque::new(), length: None }
    }

    /// The status, with the head read.
    pub async fn status(&mut self) -> u16 {
        let head = self.line().await.expect("an answer begins");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        loop {
            let line = self.line().await.expect("its head ends");
            if line.is_empty() {
                return status.unwrap_or_else(|| panic!("{head:?}"));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                self.length = value.trim().parse().ok();
            }
        }
    }

    /// The next chunk; an empty one is the last. `None`: the connection broke.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let mut chunk = self.exactly(size + 2).await?;
        assert_eq!(chunk.split_off(size), b"\r\n");
        Some(chunk)
    }

    /// All that is left of the body. `None`: the connection broke first.
    pub async fn rest(&mut self) -> Option<Vec<u8>> {
        if let Some(length) = self.length {
            return self.exactly(length).await;
        }
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            line.push(self.byte().await?);
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return String::from_utf8(line).ok();
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.push(self.byte().await?);
        }
        Some(bytes)
    }

    async fn byte(&mut self) -> Option<u8> {
        if self.bytes.is_empty() {
            let mut buffer = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("it hangs").ok()?;
            self.bytes.extend(&buffer[..read]);
        }
        self.bytes.pop_front()
    }
}

/// A server whose answers come in chunks, when the test says so.
pub struct Upstream {
    address: SocketAddr,
    /// One for each request, in their order.
    requests: mpsc::UnboundedReceiver<Told>,
    _tasks: JoinSet<()>,
}

/// The answer to one request, in the hands of the test.
pub struct Told {
    chunks: mpsc::UnboundedSender<Vec<u8>>,
    gone: mpsc::UnboundedReceiver<()>,
}

impl Told {
    /// Sends one chunk; an empty one is the last.
    pub fn chunk(&self, bytes: &[u8]) {
        let size = format!("{:x}\r\n", bytes.len());
        self.chunks.send([size.as_bytes(), bytes, b"\r\n"].concat()).ok();
    }

    /// Waits until whoever asked is gone.
    pub async fn until_gone(&mut self) {
        timeout(PATIENCE, self.gone.recv()).await.expect("it stays");
    }
}

impl Upstream {
    /// One that waits for the test.
    pub async fn new() -> Upstream {
        let (tell, requests) = mpsc::unbounded_channel();
        let (address, tasks) = listen(move |stream| serve(stream, tell.clone())).await;
        Upstream { address, requests, _tasks: tasks }
    }

    /// One that says the same to everything.
    pub async fn saying(words: &'static str) -> Upstream {
        let (_, requests) = mpsc::unbounded_channel();
        let (address, tasks) = listen(move |stream| say(stream, words)).await;
        Upstream { address, requests, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request that is to be answered by the test; those for other paths get an empty object.
    pub async fn request(&mut self) -> Told {
        timeout(PATIENCE, self.requests.recv()).await.expect("none comes").expect("it runs")
    }
}

async fn listen<W: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> W + Send + 'static,
) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    (address, tasks)
}

async fn say(mut stream: TcpStream, words: &str) {
    while head(&mut stream).await.is_some() {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{words}", words.len());
        stream.write_all(answer.as_bytes()).await.ok();
    }
}

/// Polls of the agent (all are GETs) get an empty object; a POST is the test's.
async fn serve(mut stream: TcpStream, tell: mpsc::UnboundedSender<Told>) {
    while let Some(request) = head(&mut stream).await {
        if !request.starts_with("POST ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.ok();
            continue;
        }
        let (chunks, mut inbox) = mpsc::unbounded_channel::<Vec<u8>>();
        let (end, gone) = mpsc::unbounded_channel();
        tell.send(Told { chunks, gone }).ok();
        let begin =
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(begin.as_bytes()).await.ok();
        let mut nothing = [0; 1];
        loop {
            tokio::select! {
                chunk = inbox.recv() => match chunk {
                    Some(chunk) => {
                        stream.write_all(&chunk).await.ok();
                        if chunk == b"0\r\n\r\n" {
                            break;
                        }
                    }
                    // The test let go of it: the connection breaks.
                    None => return,
                },
                read = stream.read(&mut nothing) => {
                    if !matches!(read, Ok(1..)) {
                        end.send(()).ok();
                        return;
                    }
                }
            }
        }
    }
}

/// A request's head with the body that its length tells. `None`: the connection ended.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}
