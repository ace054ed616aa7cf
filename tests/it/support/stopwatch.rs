//! A client with a clock of its own: sends one request by hand and notes when each piece of the answer came.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Ten times what a busy machine needs for one piece.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stream under way.
pub struct Stream {
    connection: TcpStream,
    sent: Instant,
    line: Vec<u8>,
    head: Option<u16>,
    came: Vec<Instant>,
    tokens: Option<u64>,
    ended: Option<Instant>,
}

/// What came of a stream.
pub struct Timed {
    pub status: u16,
    /// Pieces with text.
    pub pieces: usize,
    /// Output tokens, as the server says.
    pub tokens: Option<u64>,
    first: f64,
    last: f64,
    total: f64,
    longest: f64,
}

#[expect(clippy::disallowed_methods, reason = "the client's own clock is what is compared with")]
fn now() -> Instant {
    Instant::now()
}

impl Stream {
    /// Sends the request; the clock starts when all of it is written.
    pub fn ask(to: SocketAddr, path: &str, body: &Value) -> Stream {
        let mut connection = TcpStream::connect(to).unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        Stream {
            connection,
            sent: now(),
            line: Vec::new(),
            head: None,
            came: Vec::new(),
            tokens: None,
            ended: None,
        }
    }

    /// Reads until so many more pieces came.
    pub fn pieces(&mut self, more: usize) {
        let wanted = self.came.len() + more;
        while self.came.len() < wanted {
            assert!(self.read(), "it ended after {} pieces", self.came.len());
        }
    }

    /// Reads for that many seconds.
    pub fn seconds(&mut self, seconds: f64) {
        let until = now() + Duration::from_secs_f64(seconds);
        while now() < until {
            assert!(self.read(), "it ended after {} pieces", self.came.len());
        }
    }

    /// Seconds since it was sent.
    pub fn now(&self) -> f64 {
        (now() - self.sent).as_secs_f64()
    }

    /// Pieces a second in the seconds before that time.
    pub fn rate(&self, seconds: f64, until: f64) -> f64 {
        let at = self.came.iter().map(|came| (*came - self.sent).as_secs_f64());
        at.filter(|at| (until - seconds..until).contains(at)).count() as f64 / seconds
    }

    /// Closes the connection in the midst of the answer.
    pub fn leave(self) {
        assert!(self.ended.is_none(), "it ended before its client left");
    }

    /// Reads to the end.
    pub fn whole(mut self) -> Timed {
        while self.read() {}
        let since = |at: Option<&Instant>| at.map_or(f64::NAN, |at| (*at - self.sent).as_secs_f64());
        let gaps = self.came.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64());
        Timed {
            status: self.head.expect("an answer began"),
            pieces: self.came.len(),
            tokens: self.tokens,
            first: since(self.came.first()),
            last: since(self.came.last()),
            total: since(self.ended.as_ref()),
            longest: gaps.fold(0.0, f64::max),
        }
    }

    /// Reads once. All that comes at once came at the same time.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let read = match self.connection.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => panic!("after {} pieces: {error}", self.came.len()),
        };
        let at = now();
        if read == 0 {
            self.ended.get_or_insert(at);
            return false;
        }
        for byte in &buffer[..read] {
            self.line.push(*byte);
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.take(&line, at);
            }
        }
        true
    }

    /// One line: of the head, of HTTP's chunks, or of the answer. An answer's line is one chunk, of both servers.
    fn take(&mut self, line: &[u8], at: Instant) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if self.head.is_none() {
            self.head = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        }
        if text == "0" {
            self.ended = Some(at);
        }
        let text = text.strip_prefix("data:").unwrap_or(text).trim();
        if !text.starts_with('{') {
            return;
        }
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        let piece = value["response"].as_str().or_else(|| value["content"].as_str());
        if piece.is_some_and(|piece| !piece.is_empty()) {
            self.came.push(at);
        }
        let tokens = value["eval_count"].as_u64().or_else(|| value["timings"]["predicted_n"].as_u64());
        self.tokens = tokens.or(self.tokens);
    }
}

impl Timed {
    /// The body of a GET, if it is answered with 200.
    pub fn get(to: SocketAddr, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(to).ok()?;
        connection.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(connection, "GET {path} HTTP/1.0\r\nHost: {to}\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
    }

    /// To the first piece with text, in seconds.
    pub fn time_to_first_token(&self) -> f64 {
        self.first
    }

    /// Between output tokens, by the server's number of them, in seconds.
    pub fn time_per_output_token(&self) -> f64 {
        (self.last - self.first) / (self.tokens.expect("the server says how many") - 1) as f64
    }

    /// To the last byte, in seconds.
    pub fn duration(&self) -> f64 {
        self.total
    }

    /// The longest time between two pieces, in seconds.
    pub fn longest_gap(&self) -> f64 {
        self.longest
    }
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
