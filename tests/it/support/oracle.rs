//! A server of OpenAI's API that answers any prompt the same each time, with log probabilities, until its weights are
//! changed. It runs on threads of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// Answers have no token; any other number that is not 0: each such question is refused.
const SILENT: u64 = u64::MAX;

/// The server; its threads live as long as the test program.
#[derive(Clone)]
pub struct Oracle {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// What answers depend on besides the prompt.
    weights: AtomicU64,
    /// Milliseconds before each piece of a stream.
    pause: AtomicU64,
    /// 1: log probabilities are null.
    corrupt: AtomicU64,
    /// What becomes of answers.
    fails: AtomicU64,
    /// Questions so far, and streams whose client left before their end.
    asked: AtomicU64,
    left: AtomicU64,
    /// Bytes of a prompt from which on it is refused. 0: none is.
    longest: AtomicU64,
    /// The next streamed answer to a prompt with these words is another one.
    strays: Mutex<Option<String>>,
    models: Vec<&'static str>,
}

impl Oracle {
    pub fn start(models: &[&'static str]) -> Oracle {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { models: models.to_vec(), ..State::default() });
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = served.clone();
                // A client that leaves ends its thread, not the server.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Oracle { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn replace_weights(&self, weights: u64) {
        self.state.weights.store(weights, Ordering::Relaxed);
    }

    pub fn slow_down(&self, pause: Duration) {
        self.state.pause.store(pause.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    pub fn corrupt(&self) {
        self.state.corrupt.store(1, Ordering::Relaxed);
    }

    /// Each `nth` question from now on is refused with status 500.
    pub fn refuse_each(&self, nth: u64) {
        self.state.fails.store(nth, Ordering::Relaxed);
    }

    /// No answer has a token from now on.
    pub fn fall_silent(&self) {
        self.state.fails.store(SILENT, Ordering::Relaxed);
    }

    /// Prompts of so many bytes are refused from now on.
    pub fn refuse_longer(&self, bytes: u64) {
        self.state.longest.store(bytes, Ordering::Relaxed);
    }

    /// The next streamed answer to a prompt with these words is another one, once.
    pub fn stray_once(&self, words: &str) {
        *self.state.strays.lock().unwrap() = Some(words.to_owned());
    }

    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// Streams whose client left before their end.
    pub fn left(&self) -> u64 {
        self.state.left.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        match (first.starts_with("POST"), path.as_str()) {
            (false, "/v1/models") => {
                let data: Vec<Value> = state
                    .models
                    .iter()
                    .map(|id| json!({ "id": id, "object": "model", "owned_by": "oracle" }))
                    .collect();
                whole(&mut writer, 200, &json!({ "object": "list", "data": data }))?;
            }
            (true, "/v1/chat/completions" | "/v1/completions") => {
                let asked = state.asked.fetch_add(1, Ordering::Relaxed) + 1;
                let fails = state.fails.load(Ordering::Relaxed);
                if fails != SILENT && fails != 0 && asked.is_multiple_of(fails) {
                    whole(&mut writer, 500, &json!({ "error": { "message": "boom", "code": 500 } }))?;
                    continue;
                }
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                answer(&mut writer, &body, path.ends_with("chat/completions"), state)?;
            }
            _ => whole(&mut writer, 404, &json!({ "error": { "message": "not found", "code": 404 } }))?,
        }
    }
}

fn answer(writer: &mut TcpStream, body: &Value, chat: bool, state: &State) -> std::io::Result<()> {
    let prompt = if chat { body["messages"].to_string() } else { body["prompt"].to_string() };
    let most = body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64()).unwrap_or(16).min(12);
    let most = if state.fails.load(Ordering::Relaxed) == SILENT { 0 } else { most };
    let weights = state.weights.load(Ordering::Relaxed);
    let longest = state.longest.load(Ordering::Relaxed);
    if longest > 0 && prompt.len() as u64 >= longest {
        return whole(writer, 400, &json!({ "error": { "message": "no such prompt", "code": 400 } }));
    }
    let mut words: Vec<String> = (0..most).map(|nth| word(&prompt, weights, nth, 0)).collect();
    if body["stream"] == true {
        let mut strays = state.strays.lock().unwrap();
        if strays.take_if(|words| prompt.contains(words.as_str())).is_some() {
            words = vec![" astray".into()];
        }
    }
    let usage = json!({ "prompt_tokens": prompt.len() / 4, "completion_tokens": most, "total_tokens": most });
    if body["stream"] == true {
        writer.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        )?;
        let told = stream(writer, &words, &usage, chat, state);
        if told.is_err() {
            state.left.fetch_add(1, Ordering::Relaxed);
        }
        return told;
    }
    let logprobs = if body["logprobs"].is_null() || body["logprobs"] == false {
        Value::Null
    } else {
        logprobs(&prompt, weights, most, chat, state.corrupt.load(Ordering::Relaxed) == 1)
    };
    let text = words.concat();
    let choice = if chat {
        json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "length", "logprobs": logprobs })
    } else {
        json!({ "index": 0, "text": text, "finish_reason": "length", "logprobs": logprobs })
    };
    whole(
        writer,
        200,
        &json!({ "id": "x", "object": "completion", "model": body["model"], "choices": [choice], "usage": usage }),
    )
}

fn stream(
    writer: &mut TcpStream,
    words: &[String],
    usage: &Value,
    chat: bool,
    state: &State,
) -> std::io::Result<()> {
    let mut send = |value: String| {
        let data = format!("data: {value}\n\n");
        writer.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
    };
    for word in words {
        std::thread::sleep(Duration::from_millis(state.pause.load(Ordering::Relaxed)));
        let choice = if chat {
            json!({ "index": 0, "delta": { "content": word }, "finish_reason": null })
        } else {
            json!({ "index": 0, "text": word, "finish_reason": null })
        };
        send(json!({ "id": "x", "object": "chat.completion.chunk", "choices": [choice] }).to_string())?;
    }
    let end = if chat {
        json!({ "index": 0, "delta": {}, "finish_reason": "stop" })
    } else {
        json!({ "index": 0, "text": "", "finish_reason": "stop" })
    };
    send(
        json!({ "id": "x", "object": "chat.completion.chunk", "choices": [end], "usage": usage }).to_string(),
    )?;
    send("[DONE]".into())?;
    writer.write_all(b"0\r\n\r\n")
}

fn whole(writer: &mut TcpStream, status: u16, value: &Value) -> std::io::Result<()> {
    let body = value.to_string();
    let length = body.len();
    writer.write_all(
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

/// The `rank`th likeliest token of a place: it depends on all that it may depend on. With an escape that would clear a
/// terminal.
fn word(prompt: &str, weights: u64, place: u64, rank: u64) -> String {
    format!(" w{}\u{1b}[2J", hash(&format!("{prompt}|{weights}|{place}|{rank}")) % 5000)
}

fn logprobs(prompt: &str, weights: u64, most: u64, chat: bool, corrupt: bool) -> Value {
    let value = |place: u64, rank: u64| {
        let noise = (hash(&format!("{prompt}|{weights}|{place}|{rank}|p")) % 1000) as f64 / 2000.0;
        if corrupt { Value::Null } else { json!(-0.3 - rank as f64 * 0.9 - noise) }
    };
    let list = |place: u64| -> Vec<(String, Value)> {
        (0..20).map(|rank| (word(prompt, weights, place, rank), value(place, rank))).collect()
    };
    if chat {
        let content: Vec<Value> = (0..most)
            .map(|place| {
                let top: Vec<Value> = list(place)
                    .into_iter()
                    .map(|(token, logprob)| json!({ "token": token, "bytes": token.as_bytes(), "logprob": logprob }))
                    .collect();
                json!({ "token": top[0]["token"], "bytes": top[0]["bytes"], "logprob": top[0]["logprob"], "top_logprobs": top })
            })
            .collect();
        return json!({ "content": content });
    }
    let tokens: Vec<String> = (0..most).map(|place| word(prompt, weights, place, 0)).collect();
    let chosen: Vec<Value> = (0..most).map(|place| value(place, 0)).collect();
    let top: Vec<Value> =
        (0..most).map(|place| list(place).into_iter().collect::<serde_json::Map<_, _>>().into()).collect();
    json!({ "tokens": tokens, "token_logprobs": chosen, "top_logprobs": top, "text_offset": [] })
}

fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
