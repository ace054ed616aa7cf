//! The fakes held against the real servers whose answers they replay: the same status, the same
//! telling headers, and the same fields of the same types.

use std::collections::BTreeSet;

use opsagent::wire::exposition;
use serde_json::Value;

use crate::support::fake::Fake;
use crate::support::real::{LlamaServer, Ollama, smollm2};

/// What stays the same from one answer to the next.
#[derive(Debug, PartialEq)]
struct Shape {
    status: u16,
    server: Option<String>,
    content_type: Option<String>,
    fields: BTreeSet<String>,
}

async fn shape(base: &str, path: &str) -> Shape {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let reply = reqwest::get(url).await.unwrap();
    let header = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, server, content_type) = (reply.status().as_u16(), header("server"), header("content-type"));
    let body = reply.text().await.unwrap();
    let mut fields = BTreeSet::new();
    match serde_json::from_str::<Value>(&body) {
        Ok(value) => walk(&value, "$", &mut fields),
        Err(_) if body.starts_with('#') => {
            fields.extend(exposition::parse(&body).into_iter().map(|sample| sample.name));
        }
        Err(_) => fields.extend([body]),
    }
    Shape { status, server, content_type, fields }
}

fn walk(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                walk(value, &format!("{path}.{key}"), fields);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, &format!("{path}[]"), fields);
            }
        }
        // A null may be anything; an integer and a float are one type in JSON.
        Value::Null => {}
        Value::Bool(_) => drop(fields.insert(format!("{path}: bool"))),
        Value::Number(_) => drop(fields.insert(format!("{path}: number"))),
        Value::String(_) => drop(fields.insert(format!("{path}: string"))),
    }
}

async fn same(fake: &Fake, real: &str, paths: &[&str]) {
    for path in paths {
        let (played, real) = (shape(fake.url().as_str(), path).await, shape(real, path).await);
        assert_eq!(played, real, "{path}: the fake (left) and the real server (right)");
    }
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_fake_llama_server_answers_as_the_real_one() {
    let server = LlamaServer::start(&smollm2(), &["--metrics", "-np", "2", "-c", "4096"]);
    for _ in 0..2 {
        server.complete("The capital of France", 2);
    }
    let fake = Fake::llama_cpp().await;
    same(&fake, &server.url(), &["/health", "/props", "/v1/models", "/metrics", "/version"]).await;
    let key = LlamaServer::start(&smollm2(), &["--metrics", "--api-key", "k"]);
    same(&Fake::llama_cpp_with_key("k").await, &key.url(), &["/health", "/props", "/v1/models"]).await;
}

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn the_fake_ollama_answers_as_the_real_one() {
    let ollama = Ollama::start(&[]);
    ollama.create("smol", &smollm2(), &["PARAMETER temperature 0"]);
    ollama.generate("smol", "hello", 2);
    let fake = Fake::ollama("0.34.0").await;
    same(&fake, &ollama.url(), &["/", "/api/version", "/api/tags", "/api/ps", "/v1/models"]).await;
}
