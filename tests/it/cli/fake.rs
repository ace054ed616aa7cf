//! A fake agent: answers every question with the same bytes, or not at all.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A listener whose thread lives as long as the test program.
pub struct Agent {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    pub fn with_view(view: &Value) -> Agent {
        Agent::answering(json_body(view))
    }

    pub fn answering(answer: String) -> Agent {
        Agent::start(Some(answer))
    }

    /// Accepts, reads, and never answers.
    pub fn silent() -> Agent {
        Agent::start(None)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often it was asked.
    pub fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The last question's head.
    pub fn asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }

    fn start(answer: Option<String>) -> Agent {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                heard.lock().unwrap().push(String::from_utf8(head).unwrap());
                match &answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes())),
                    None => kept.push(stream),
                }
            }
        });
        Agent { address, asked }
    }
}

pub fn json_body(value: &Value) -> String {
    answer("application/json", &value.to_string())
}

pub fn html(body: &str) -> String {
    answer("text/html", body)
}

fn answer(kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// A port on which nothing listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
