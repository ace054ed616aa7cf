//! Fake servers that answer with recorded bodies, and can be told to misbehave while they run.
//! They write to the socket themselves, byte for byte: a web framework would mend the heads.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

use super::fixture::{Recorded, recorded};

/// What a fake does with a request.
#[derive(Clone)]
pub enum Answer {
    /// That answer, whole.
    Whole(Recorded),
    /// Reads the request and never answers.
    Silence,
    /// The answer, a byte at a time with that pause between.
    Drip(Recorded, Duration),
    /// A head, then bytes without end.
    Endless,
    /// The head and half the body, then a reset.
    Half(Recorded),
    /// A reset in place of an answer.
    Reset,
    /// These bytes and no others, then the connection ends.
    Raw(Vec<u8>),
    /// What the function makes of the request.
    By(Arc<dyn Fn(&Request) -> Answer + Send + Sync>),
}

/// A request that a fake got.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// A recorded answer, such as `ollama/0.34.0/version.http`.
    pub fn recorded(path: &str) -> Answer {
        Answer::Whole(recorded(path))
    }

    /// Status 200 and that JSON.
    pub fn json(body: impl AsRef<str>) -> Answer {
        Answer::status("200 OK", "application/json", body.as_ref())
    }

    /// Status 200 and a page.
    pub fn html(body: &str) -> Answer {
        Answer::status("200 OK", "text/html; charset=utf-8", body)
    }

    /// Any status and text.
    pub fn status(status: &str, content_type: &str, body: &str) -> Answer {
        Answer::Whole(plain(status, content_type, body))
    }

    /// A redirect to that place.
    pub fn redirect(to: &str) -> Answer {
        let mut answer = plain("302 Found", "text/html", "<a href=\"/\">Found</a>");
        answer.headers.push(("Location".into(), to.into()));
        Answer::Whole(answer)
    }

    /// What the function makes of the request.
    pub fn by(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Answer {
        Answer::By(Arc::new(answer))
    }
}

/// An answer without a recording.
pub fn plain(status: &str, content_type: &str, body: &str) -> Recorded {
    Recorded {
        status: status.into(),
        headers: vec![("Content-Type".into(), content_type.into())],
        body: body.as_bytes().to_vec(),
    }
}

/// A fake server on loopback. Dropped, it is gone: its port refuses.
pub struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    // Held for its drop, which ends the listener and every connection.
    _tasks: JoinSet<()>,
}

struct State {
    routes: HashMap<String, Answer>,
    rest: Answer,
    guard: Option<Guard>,
    requests: Vec<Request>,
}

/// Wants a key.
struct Guard {
    token: String,
    open: &'static [&'static str],
    refusal: Answer,
}

impl State {
    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some(guard) = &self.guard
            && !guard.open.contains(&path)
            && request.header("authorization") != Some(&guard.token)
        {
            return guard.refusal.clone();
        }
        self.routes.get(&request.path).or_else(|| self.routes.get(path)).unwrap_or(&self.rest).clone()
    }
}

impl Fake {
    /// A server on a free port that answers 404 to everything.
    pub async fn new() -> Fake {
        Fake::on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at a given address, such as the port of one that was dropped.
    pub async fn on(address: SocketAddr) -> Fake {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            routes: HashMap::new(),
            rest: Answer::status("404 Not Found", "text/plain", "404 page not found"),
            guard: None,
            requests: Vec::new(),
        }));
        let (mut tasks, shared) = (JoinSet::new(), state.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let state = shared.clone();
                    // A client that breaks off is its own affair.
                    connections.spawn(async move { drop(connection(stream, &state).await) });
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Fake { address, state, _tasks: tasks }
    }

    /// A server that does the same with every request.
    pub async fn always(answer: Answer) -> Fake {
        Fake::new().await.rest(answer)
    }

    /// An address that refuses connections.
    pub async fn refused() -> Url {
        Fake::new().await.url()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    /// Changes the answer to a path, of whatever method; with a query in it, to just that query.
    pub fn set(&self, path: &str, answer: Answer) {
        self.lock().routes.insert(path.into(), answer);
    }

    /// Takes a path away: it is as unknown as any other.
    pub fn unset(&self, path: &str) {
        self.lock().routes.remove(path);
    }

    /// Does the same with every request from now on, whatever the routes say.
    pub fn set_all(&self, answer: Answer) {
        let mut state = self.lock();
        state.routes.clear();
        state.guard = None;
        state.rest = answer;
    }

    /// `set`, to be chained.
    #[must_use]
    pub fn with(self, path: &str, answer: Answer) -> Fake {
        self.set(path, answer);
        self
    }

    /// Changes the answer to all other paths.
    #[must_use]
    pub fn rest(self, answer: Answer) -> Fake {
        self.lock().rest = answer;
        self
    }

    /// Wants that bearer token on every path but `open`, else gives `refusal`.
    #[must_use]
    pub fn guarded(self, token: &str, open: &'static [&'static str], refusal: Answer) -> Fake {
        self.lock().guard = Some(Guard { token: format!("Bearer {token}"), open, refusal });
        self
    }

    /// What it would answer to that request, for a fake that speaks for another.
    pub fn answer_to(&self, request: &Request) -> Answer {
        self.lock().answer(request)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// The requests so far in the form `GET /path`.
    pub fn asked(&self) -> Vec<String> {
        self.lock().requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// The same, and forgets them.
    pub fn take_asked(&self) -> Vec<String> {
        let asked = self.asked();
        self.lock().requests.clear();
        asked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Serves one connection until either side ends it.
async fn connection(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread).await? {
        let mut answer = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            state.answer(&request)
        };
        while let Answer::By(make) = &answer {
            answer = make(&request);
        }
        let recorded = match answer {
            Answer::Whole(recorded) => {
                stream.write_all(&wire(&recorded, &request.method)).await?;
                recorded
            }
            Answer::Drip(recorded, pause) => {
                for byte in wire(&recorded, &request.method) {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                recorded
            }
            Answer::Half(recorded) => {
                let bytes = wire(&recorded, &request.method);
                stream.write_all(&bytes[..bytes.len() - recorded.body.len() / 2]).await?;
                // Let the half arrive: a reset throws away what the other side has not read yet.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return stream.set_zero_linger();
            }
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[").await?;
                loop {
                    stream.write_all(&[b' '; 8192]).await?;
                }
            }
            Answer::Raw(bytes) => return stream.write_all(&bytes).await,
            Answer::Reset => return stream.set_zero_linger(),
            Answer::Silence | Answer::By(_) => pending().await,
        };
        if recorded.header("connection") == Some("close") {
            break;
        }
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.into(), v.into())).collect();
    let mut request = Request { method, path, headers, body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap_or(0));
    while unread.len() < end + 4 + length {
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    request.body = unread[end + 4..end + 4 + length].to_vec();
    unread.drain(..end + 4 + length);
    Ok(Some(request))
}

fn wire(answer: &Recorded, method: &str) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", answer.body.len()).as_bytes());
    if method != "HEAD" {
        bytes.extend_from_slice(&answer.body);
    }
    bytes
}
