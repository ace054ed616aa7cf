//! HTTP/1.1 as a client reads it off its socket, told in what came and how it ended. It mends nothing.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One message of a stream of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its first line and headers, with the empty line.
    pub head: Vec<u8>,
    /// Its body with its framing, as far as it came.
    pub framed: Vec<u8>,
    /// The same without framing.
    pub body: Vec<u8>,
    /// Whether it is whole.
    pub state: State,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Whole,
    /// It ends with its connection.
    UntilClose,
    Unfinished,
    /// What came is no chunk, or no head.
    Malformed,
}

impl Message {
    pub fn first_line(&self) -> String {
        let end = self.head.iter().position(|byte| *byte == b'\r').unwrap_or(self.head.len());
        String::from_utf8_lossy(&self.head[..end]).into_owned()
    }

    /// The answer's status, 0 without a whole head.
    pub fn status(&self) -> u16 {
        if !self.head.ends_with(b"\r\n\r\n") {
            return 0;
        }
        self.first_line().split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let mut lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }

    /// Its headers but those that are of one connection alone, each as a line, in order.
    pub fn end_to_end(&self) -> Vec<String> {
        const OF_A_CONNECTION: [&str; 3] = ["connection", "keep-alive", "host"];
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let own = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !line.is_empty() && !OF_A_CONNECTION.contains(&name.as_str())
        };
        head.split("\r\n").filter(own).map(str::to_owned).collect()
    }
}

/// The messages in the bytes of one direction. The last may be unfinished.
pub fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let state = if plausible(bytes) { State::Unfinished } else { State::Malformed };
            found.push(Message { head: bytes.to_vec(), framed: vec![], body: vec![], state });
            break;
        };
        let (head, rest) = bytes.split_at(end + 4);
        let mut message = Message { head: head.to_vec(), framed: vec![], body: vec![], state: State::Whole };
        let used = if !plausible(head) {
            message.state = State::Malformed;
            rest.len()
        } else if message.header("transfer-encoding").is_some() {
            chunks(rest, &mut message)
        } else {
            plain(rest, &mut message)
        };
        message.framed = rest[..used].to_vec();
        found.push(message);
        bytes = &rest[used..];
    }
    found
}

/// Whether a head may be one of a request or an answer of HTTP/1.
fn plausible(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.is_ascii() && !line.iter().any(u8::is_ascii_control)
}

/// A body of a told length, of none, or until the end of its connection. How many bytes it took.
fn plain(rest: &[u8], message: &mut Message) -> usize {
    let status = message.status();
    let is_answer = message.head.starts_with(b"HTTP/");
    let length = message.header("content-length").map(|length| length.parse::<usize>());
    let used = match length {
        _ if is_answer && (status < 200 || status == 204 || status == 304) => 0,
        Some(Ok(length)) if length <= rest.len() => length,
        Some(Ok(_)) => {
            message.state = State::Unfinished;
            rest.len()
        }
        Some(Err(_)) => {
            message.state = State::Malformed;
            rest.len()
        }
        None if is_answer => {
            message.state = State::UntilClose;
            rest.len()
        }
        None => 0,
    };
    message.body = rest[..used].to_vec();
    used
}

/// A chunked body. How many bytes it took.
fn chunks(rest: &[u8], message: &mut Message) -> usize {
    let mut at = 0;
    loop {
        let Some(line) = rest[at..].windows(2).position(|two| two == b"\r\n") else {
            let broken = rest[at..].iter().any(|byte| !byte.is_ascii_hexdigit() && *byte != b'\r');
            message.state = if broken { State::Malformed } else { State::Unfinished };
            return rest.len();
        };
        let size = std::str::from_utf8(&rest[at..at + line])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else {
            message.state = State::Malformed;
            return rest.len();
        };
        at += line + 2;
        let end = at + size;
        if rest.len() < end + 2 {
            message.body.extend_from_slice(&rest[at..end.min(rest.len())]);
            message.state = State::Unfinished;
            return rest.len();
        }
        message.body.extend_from_slice(&rest[at..end]);
        if &rest[end..end + 2] != b"\r\n" {
            message.state = State::Malformed;
            return rest.len();
        }
        at = end + 2;
        if size == 0 {
            return at;
        }
    }
}

/// How an answer ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Whole, and the connection stays.
    Whole,
    /// The connection ended before it was whole.
    Cut,
    /// A reset.
    Reset,
    /// What came is no HTTP.
    Malformed,
    /// Nothing came for as long as the client waits.
    Silent,
    /// No connection.
    Refused,
}

/// What a client got for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    pub body: String,
    pub ended: Ended,
}

/// A connection that sends what it is given and says what it sees.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub async fn connect(to: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, unread: Vec::new() })
    }

    /// Sends a request and reads its answer; gives up when nothing came for `patience`.
    pub async fn ask(&mut self, request: &[u8], patience: Duration) -> Seen {
        if let Err(error) = self.send(request).await
            && error.kind() != io::ErrorKind::BrokenPipe
            && error.kind() != io::ErrorKind::ConnectionReset
        {
            panic!("a write fails: {error}");
        }
        self.answer(patience).await
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads the answer to what was sent.
    pub async fn answer(&mut self, patience: Duration) -> Seen {
        loop {
            let message = messages(&self.unread).into_iter().next();
            match &message {
                Some(Message { state: State::Whole, .. }) => return self.take(message, Ended::Whole),
                Some(Message { state: State::Malformed, .. }) => return self.take(message, Ended::Malformed),
                _ => {}
            }
            let read = tokio::time::timeout(patience, self.stream.read_buf(&mut self.unread)).await;
            let until_close = matches!(&message, Some(Message { state: State::UntilClose, .. }));
            match read {
                Err(_) => return self.take(message, Ended::Silent),
                Ok(Ok(0)) if until_close => return self.take(message, Ended::Whole),
                Ok(Ok(0)) => return self.take(message, Ended::Cut),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return self.take(message, Ended::Reset),
            }
        }
    }

    /// Reads until these bytes came. Panics when they do not.
    pub async fn until(&mut self, needle: &[u8]) {
        while !self.unread.windows(needle.len()).any(|window| window == needle) {
            let read = tokio::time::timeout(Duration::from_secs(60), self.stream.read_buf(&mut self.unread));
            let read = read.await.expect("in time").expect("no break");
            assert!(read > 0, "ended: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    fn take(&mut self, message: Option<Message>, ended: Ended) -> Seen {
        let Some(message) = message else { return Seen { status: 0, body: String::new(), ended } };
        self.unread.drain(..message.head.len() + message.framed.len());
        let body = String::from_utf8_lossy(&message.body).into_owned();
        Seen { status: message.status(), body, ended }
    }
}

/// One request on a connection of its own.
pub async fn ask(to: SocketAddr, request: &[u8], patience: Duration) -> Seen {
    match Client::connect(to).await {
        Ok(mut client) => client.ask(request, patience).await,
        Err(_) => Seen { status: 0, body: String::new(), ended: Ended::Refused },
    }
}
