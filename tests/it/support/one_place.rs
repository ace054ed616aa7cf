//! An Ollama that has room for one model, and takes its time to load it. It answers with what was recorded of a real
//! one, and writes down what it loaded, and what somebody made it break off. It runs on threads of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fixture::recorded;

/// How long a model stays after its last request.
const KEEP_ALIVE: Duration = Duration::from_secs(600);

/// The context of a request that names none.
const CONTEXT: u64 = 4096;

/// How often a load looks whether somebody still waits for it.
const STEP: Duration = Duration::from_millis(5);

/// What it did, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// Got a request for that model, which must wait until what has the place is at rest.
    Wait(String),
    /// Began to answer a request for that model.
    Answer(String),
    /// Loaded that model, which took the place of what was there.
    Load(String),
    /// Began to load it, and its client left before the end: nothing is in memory.
    Abort(String),
}

/// The server; its threads live as long as the test program.
#[derive(Clone)]
pub struct OnePlace {
    pub address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    models: Vec<&'static str>,
    /// What has the place.
    place: Option<Loaded>,
    /// Requests that are answered by it.
    at_work: usize,
    /// Requests that wait for the place.
    waiting: usize,
    load_takes: Duration,
    answer_takes: Duration,
    /// Who comes while the next answer is on its way.
    visitor: Option<&'static str>,
    did: Vec<Did>,
}

struct Loaded {
    model: String,
    context: u64,
    expires_at: Timestamp,
}

impl OnePlace {
    /// One that has these models on its disk.
    pub fn start(models: &[&'static str], load_takes: Duration, answer_takes: Duration) -> OnePlace {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            models: models.to_vec(),
            place: None,
            at_work: 0,
            waiting: 0,
            load_takes,
            answer_takes,
            visitor: None,
            did: Vec::new(),
        };
        let server = OnePlace { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let served = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                // A client that leaves ends its thread, not the server.
                std::thread::spawn(move || drop(served.serve(stream)));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it did since this was asked last.
    pub fn take(&self) -> Vec<Did> {
        std::mem::take(&mut self.lock().did)
    }

    /// A user's request to that model, answered.
    pub fn user(&self, model: &str) {
        let body = json!({ "model": model, "prompt": "Hi", "stream": false, "raw": true }).to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /api/generate HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// While the next answer is on its way, a user asks that model: however slow the machine, they wait for the place
    /// before the answer ends.
    pub fn visit_during_next_answer(&self, model: &'static str) {
        self.lock().visitor = Some(model);
    }

    /// Whether that model has the place.
    pub fn is_loaded(&self, model: &str) -> bool {
        self.lock().place.as_ref().is_some_and(|loaded| loaded.model == model)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first)? == 0 {
                return Ok(());
            }
            let (mut length, mut closes) = (0, false);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let line = line.trim().to_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                closes |= line == "connection: close";
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or_default();
            let (kind, answer) = match path {
                "/api/version" => told("version"),
                "/api/show" => told("show"),
                "/api/tags" => ("application/json".into(), self.tags()),
                "/api/ps" => ("application/json".into(), self.ps()),
                "/api/chat" | "/api/generate" => match self.generate(path, &body, &writer) {
                    Some(answer) => answer,
                    None => return Ok(()),
                },
                _ => return Ok(()),
            };
            let end = if closes { "Connection: close\r\n" } else { "" };
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{end}Content-Length: {length}\r\n\r\n");
            let written = writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&answer));
            // The place is free again also where whoever asked had left.
            if matches!(path, "/api/chat" | "/api/generate") {
                self.end();
            }
            written?;
            if closes {
                return Ok(());
            }
        }
    }

    /// The answer, once the model has the place. `None`: its client left.
    fn generate(&self, path: &str, body: &Value, client: &TcpStream) -> Option<(String, Vec<u8>)> {
        let model = body["model"].as_str().unwrap_or_default().trim_end_matches(":latest").to_owned();
        let context = body.pointer("/options/num_ctx").and_then(Value::as_u64).unwrap_or(CONTEXT);
        let load = self.place(&model, context, client)?;
        let recording = match (path, body["stream"] == true) {
            ("/api/chat", true) => "ask-chat-stream",
            ("/api/chat", false) => "ask-chat",
            _ => "ask-generate-raw",
        };
        let takes = {
            let mut state = self.lock();
            state.did.push(Did::Answer(model));
            if let Some(visitor) = state.visitor.take() {
                let server = self.clone();
                std::thread::spawn(move || server.user(visitor));
                state = self.state.1.wait_while(state, |state| state.waiting == 0).unwrap();
            }
            state.answer_takes
        };
        std::thread::sleep(takes);
        let (kind, answer) = told(recording);
        Some((kind, with_load(&answer, load)))
    }

    /// Waits until the model has the place, and says how long it was loaded.
    fn place(&self, model: &str, context: u64, client: &TcpStream) -> Option<Duration> {
        let mut state = self.lock();
        let has = |state: &State| {
            state.place.as_ref().is_some_and(|loaded| loaded.model == model && loaded.context == context)
        };
        // As a real one has it: what is loaded is asked at once, also while others wait for its place.
        if has(&state) {
            state.at_work += 1;
            return Some(Duration::from_millis(2));
        }
        if state.at_work > 0 {
            state.did.push(Did::Wait(model.to_owned()));
        }
        state.waiting += 1;
        self.state.1.notify_all();
        let mut state = self.state.1.wait_while(state, |state| state.at_work > 0).unwrap();
        state.waiting -= 1;
        if has(&state) {
            state.at_work += 1;
            return Some(Duration::from_millis(2));
        }
        // Others wait as long as it loads.
        state.at_work += 1;
        state.place = None;
        let takes = state.load_takes;
        drop(state);
        client.set_nonblocking(true).ok()?;
        let mut slept = Duration::ZERO;
        while slept < takes {
            std::thread::sleep(STEP);
            slept += STEP;
            if matches!(client.peek(&mut [0]), Ok(0)) {
                let mut state = self.lock();
                state.did.push(Did::Abort(model.to_owned()));
                state.at_work -= 1;
                self.state.1.notify_all();
                return None;
            }
        }
        client.set_nonblocking(false).ok()?;
        let mut state = self.lock();
        let expires_at = Timestamp::now() + KEEP_ALIVE;
        state.place = Some(Loaded { model: model.to_owned(), context, expires_at });
        state.did.push(Did::Load(model.to_owned()));
        Some(takes)
    }

    /// A request ended. The model's time begins anew, unless somebody waits for its place.
    fn end(&self) {
        let mut state = self.lock();
        state.at_work -= 1;
        if state.at_work == 0 && state.waiting == 0 {
            let expires_at = Timestamp::now() + KEEP_ALIVE;
            if let Some(loaded) = &mut state.place {
                loaded.expires_at = expires_at;
            }
        }
        drop(state);
        // A process takes a moment to end.
        std::thread::sleep(STEP * 4);
        self.state.1.notify_all();
    }

    fn tags(&self) -> Vec<u8> {
        let whole = recorded("ollama/0.34.0/tags.http").json();
        let models: Vec<Value> =
            self.lock().models.iter().map(|model| named(&whole["models"][0], model)).collect();
        json!({ "models": models }).to_string().into_bytes()
    }

    fn ps(&self) -> Vec<u8> {
        let whole = recorded("ollama/0.34.0/ps-loaded.http").json();
        let state = self.lock();
        let models: Vec<Value> = state
            .place
            .iter()
            .map(|loaded| {
                let mut one = named(&whole["models"][0], &loaded.model);
                one["context_length"] = loaded.context.into();
                one["expires_at"] = loaded.expires_at.to_string().into();
                one
            })
            .collect();
        json!({ "models": models }).to_string().into_bytes()
    }
}

/// Type and body of what was recorded.
fn told(what: &str) -> (String, Vec<u8>) {
    let recorded = recorded(&format!("ollama/0.34.0/{what}.http"));
    (recorded.header("content-type").unwrap_or("application/json").to_owned(), recorded.body)
}

/// The same entry under another name.
fn named(entry: &Value, name: &str) -> Value {
    let mut entry = entry.clone();
    let full = format!("{name}:latest");
    (entry["name"], entry["model"]) = (full.as_str().into(), full.as_str().into());
    let digest = name.bytes().fold(0_u128, |digest, byte| digest << 8 | u128::from(byte));
    entry["digest"] = format!("{digest:064x}").into();
    entry
}

/// The same answer after a load that took so long.
fn with_load(answer: &[u8], load: Duration) -> Vec<u8> {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let key = "\"load_duration\":";
    let at = text.rfind(key).expect("an answer of Ollama tells it") + key.len();
    let rest = text[at..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{}{}{rest}", &text[..at], load.as_nanos()).into_bytes()
}
