//! Real clients on real servers, directly and through the tap: they get the same, to the byte, and what is counted
//! is what they made of it.

use std::collections::BTreeMap;
use std::time::Duration;

use opsagent::view::TargetView;
use serde_json::Value;

use crate::support::chaos::{Chaos, Passed};
use crate::support::clients::{Client, KEY, Made};
use crate::support::fake::{Answer, Fake};
use crate::support::http1::{Message, State, messages};
use crate::support::process::Process;
use crate::support::real::{LlamaServer, Ollama, smollm2};
use crate::support::tapped::{Ends, Setup, Tapped};
use crate::support::tiny_model::TinyModel;

/// A chat template that tells tools and calls as those of the Hermes family do.
const TOOLS_TEMPLATE: &str = r#"{%- if tools %}<|im_start|>system <tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>
For each function call return a json object within <tool_call></tool_call> tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }} {{ m.content or '' }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"#;

/// The same in Ollama's own language.
const TOOLS_MODELFILE: &str = r#"TEMPLATE """{{ if .Tools }}<|im_start|>system <tools>{{ .Tools }}</tools><|im_end|>{{ end }}{{- range .Messages }}<|im_start|>{{ .Role }} {{ .Content }}{{ if .ToolCalls }}<tool_call>
{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}
</tool_call>{{ end }}<|im_end|>{{ end }}<|im_start|>assistant """"#;

/// What a case brought, without its times.
fn facts(made: &Made) -> BTreeMap<&str, BTreeMap<&str, &Value>> {
    const TIMES: [&str; 3] = ["first_after", "last_after", "duration"];
    let mut facts = BTreeMap::new();
    for (case, value) in made {
        let all = value.as_object().expect("an object").iter().map(|(name, fact)| (name.as_str(), fact));
        facts.insert(case.as_str(), all.filter(|(name, _)| !TIMES.contains(name)).collect());
    }
    facts
}

fn text(made: &Made, case: &str, fact: &str) -> String {
    made[case][fact].as_str().unwrap_or_default().to_owned()
}

/// Requests with their answers, of all connections; not those of the agent's own polls.
fn exchanges(passed: &[Passed]) -> Vec<(Message, Message)> {
    let nothing = || Message { head: vec![], framed: vec![], body: vec![], state: State::Unfinished };
    let mut found = Vec::new();
    for connection in passed {
        let mut answers = messages(&connection.down).into_iter().filter(|answer| answer.status() >= 200);
        for asked in messages(&connection.up) {
            found.push((asked, answers.next().unwrap_or_else(nothing)));
        }
    }
    found.retain(|(asked, _)| !asked.header("user-agent").is_some_and(|agent| agent.starts_with("opsagent")));
    found
}

/// Holds what passed before the tap against what passed behind it: each request and each answer, its lines in
/// their order and its body with its frames.
fn same_bytes(before: &[Passed], behind: &[Passed]) {
    let mut behind = exchanges(behind);
    let before = exchanges(before);
    for (asked, answer) in &before {
        let fits = |(theirs, told): &(Message, Message)| {
            let whole = answer.state == State::Whole;
            let body =
                if whole { told.framed == answer.framed } else { told.framed.starts_with(&answer.framed) };
            theirs.end_to_end() == asked.end_to_end()
                && theirs.framed == asked.framed
                && told.end_to_end() == answer.end_to_end()
                && body
        };
        let Some(at) = behind.iter().position(fits) else {
            let shown =
                |one: &Message| String::from_utf8_lossy(&[&*one.head, &one.framed].concat()).into_owned();
            let all: String = behind.iter().map(|(asked, told)| shown(asked) + &shown(told)).collect();
            panic!("before the tap:\n{}{}\nnot behind it:\n{all}", shown(asked), shown(answer));
        };
        behind.remove(at);
    }
    assert!(behind.is_empty(), "the tap asks nothing of its own: {behind:#?}");
}

/// One client asks one server beside the tap and through it.
struct Scene {
    agent: Tapped,
    through: Made,
}

impl Scene {
    /// Everything that is the same whatever the server: what the client made of it, and the bytes.
    async fn play(client: Client, kind: &str, server: &Process, model: &str, cases: &[&str]) -> Scene {
        let ask = |url: &str| tokio::task::block_in_place(|| client.ask(url, model, cases));
        if client == Client::PythonAnthropic {
            ask(&server.url()); // in that API the tokens of a prompt are those that were not cached
        }
        let beside = ask(&server.url());
        let behind = Chaos::calm(server.address()).await;
        let mut setup = Setup::new("");
        setup.tap_with("box", kind, behind.address(), &format!("token = \"{KEY}\"\n"));
        let agent = setup.start();
        agent.until_polled();
        let before = Chaos::calm(agent.tap("box")).await;
        let through = ask(&before.url());
        let (seen, expected) = (facts(&through), facts(&beside));
        assert!(!seen.is_empty() && seen.keys().eq(expected.keys()), "{client:?}");
        for (case, facts) in seen {
            assert_eq!(facts, expected[case], "{client:?} {case}");
        }
        let none = |ends: &Ends| ends.open.0 == 0;
        agent.until("nothing is under way", Duration::from_secs(20), |agent| agent.ends_of("box"), none);
        same_bytes(&before.passed(), &behind.passed());
        Scene { agent, through }
    }

    /// What was counted is what the client made of it: so many ends, and the tokens of those that were told.
    fn counted(&self, ends: u64, apart: &[(&str, u64)]) {
        let counted = self.agent.ends_of("box");
        let apart: BTreeMap<String, u64> =
            apart.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!((counted.all, &counted.apart), (ends, &apart), "{:#?}", self.through);
        assert!(counted.refused.is_empty() && counted.lost == 0, "{counted:?}");
        let samples = self.agent.samples();
        let total = |name: &str| -> u64 {
            samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value as u64).sum()
        };
        let told =
            |name: &str| -> u64 { self.through.values().filter_map(|facts| facts[name].as_u64()).sum() };
        let estimated = total("opsagent_tokens_estimated_total");
        assert_eq!(total("opsagent_output_tokens_total") - estimated, told("output"), "{:#?}", self.through);
        assert_eq!(total("opsagent_input_tokens_total"), told("input"), "{:#?}", self.through);
        assert_eq!(total("opsagent_tap_meter_failures_total"), 0);
    }
}

fn tiny_ollama() -> (Vec<tempfile::TempDir>, Ollama) {
    let ollama = Ollama::start(&[("LLAMA_ARG_EMBEDDINGS", "1"), ("LLAMA_ARG_POOLING", "mean")]);
    let ((one, tiny), (other, calls)) = (TinyModel::new().saved(), TinyModel::new().calling_a_tool().saved());
    ollama.create("tiny", &tiny, &[TOOLS_MODELFILE]);
    ollama.create("calls", &calls, &[TOOLS_MODELFILE]);
    (vec![one, other], ollama)
}

fn tiny_llama(model: &TinyModel) -> (tempfile::TempDir, LlamaServer) {
    let (folder, path) = model.saved();
    let template = folder.path().join("template.jinja");
    std::fs::write(&template, TOOLS_TEMPLATE).unwrap();
    let template = template.to_str().unwrap();
    let args = ["--jinja", "--chat-template-file", template, "--alias", "tiny", "--api-key", KEY];
    let server = LlamaServer::start(&path, &[&args[..], &["--embeddings", "--pooling", "mean"]].concat());
    (folder, server)
}

/// All that an OpenAI client is asked but tools.
const OPENAI: [&str; 10] = [
    "chat",
    "chat_stream",
    "complete",
    "complete_stream",
    "responses_stream",
    "embed",
    "models",
    "unknown_model",
    "bad_key",
    "cancelled",
];
const OLLAMA: [&str; 8] =
    ["chat", "chat_stream", "complete", "complete_stream", "embed", "models", "unknown_model", "cancelled"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn ollamas_own_clients_get_the_same_through_the_tap() {
    let (_folders, ollama) = tiny_ollama();
    for client in [Client::PythonOllama, Client::JsOllama] {
        let scene = Scene::play(client, "ollama", &ollama, "tiny", &OLLAMA).await;
        assert_eq!(text(&scene.through, "chat_stream", "text"), "the the the ", "{client:?}");
        assert_eq!(scene.through["unknown_model"]["status"], 404);
        assert!(scene.through["embed"]["text"].as_str().is_some_and(|text| text.len() > 1000));
        scene.counted(7, &[("not_found", 1), ("decode", 1)]);
        let scene = Scene::play(client, "ollama", &ollama, "calls", &["tools"]).await;
        assert_eq!(scene.through["tools"]["calls"][0]["arguments"]["city"], "Paris", "{client:?}");
        scene.counted(1, &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn openais_clients_get_the_same_of_ollama_through_the_tap() {
    let (_folders, ollama) = tiny_ollama();
    for client in [Client::PythonOpenai, Client::JsOpenai] {
        // Ollama has no keys: a bad one is as good as none.
        let scene = Scene::play(client, "ollama", &ollama, "tiny", &OPENAI).await;
        assert_eq!(text(&scene.through, "chat_stream", "text"), "the the the ", "{client:?}");
        scene.counted(9, &[("not_found", 1), ("decode", 1)]);
        let scene = Scene::play(client, "ollama", &ollama, "calls", &["tools", "tools_stream"]).await;
        assert!(text(&scene.through, "tools_stream", "text").contains("Paris"), "{client:?}");
        scene.counted(2, &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn openais_clients_get_the_same_of_llama_server_through_the_tap() {
    let (_folder, plain) = tiny_llama(&TinyModel::new());
    let (_other, calling) = tiny_llama(&TinyModel::new().calling_a_tool());
    for client in [Client::PythonOpenai, Client::JsOpenai] {
        // It has one model, whatever the request names.
        let scene = Scene::play(client, "llama_cpp", &plain, "tiny", &OPENAI).await;
        assert_eq!(text(&scene.through, "chat_stream", "text"), "the the the ", "{client:?}");
        assert_eq!(scene.through["bad_key"]["status"], 401);
        scene.counted(9, &[("unauthorized", 1), ("decode", 1)]);
        let scene = Scene::play(client, "llama_cpp", &calling, "tiny", &["tools", "tools_stream"]).await;
        assert!(text(&scene.through, "tools_stream", "text").contains("Paris"), "{client:?}");
        scene.counted(2, &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn anthropics_client_gets_the_same_of_both_through_the_tap() {
    let (_folders, ollama) = tiny_ollama();
    let (_folder, llama) = tiny_llama(&TinyModel::new());
    let servers: [(&str, &Process); 2] = [("ollama", &ollama), ("llama_cpp", &llama)];
    for (kind, server) in servers {
        let scene =
            Scene::play(Client::PythonAnthropic, kind, server, "tiny", &["chat", "chat_stream"]).await;
        assert_eq!(text(&scene.through, "chat_stream", "text"), "the the the ", "{kind}");
        let ends = scene.agent.ends_of("box");
        assert_eq!((ends.all, ends.apart.len()), (2, 0), "{kind}: {ends:?}");
    }
}

/// An upstream that compresses, as some gateways do, each event by itself so that a stream streams.
async fn compressing() -> Fake {
    use std::io::Write as _;
    let events = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"all "}}],"id":"1","model":"m","object":"chat.completion.chunk","created":1}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"well"},"finish_reason":"stop"}],"id":"1","model":"m","object":"chat.completion.chunk","created":1}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":13,"total_tokens":34},"id":"1","model":"m","object":"chat.completion.chunk","created":1}"#,
        "[DONE]",
    ];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    let mut chunk = |bytes: &[u8]| {
        answer.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        answer.extend_from_slice(bytes);
        answer.extend_from_slice(b"\r\n");
    };
    for event in events {
        write!(gzip, "data: {event}\n\n").unwrap();
        gzip.flush().unwrap();
        chunk(&std::mem::take(gzip.get_mut()));
    }
    chunk(&gzip.finish().unwrap());
    chunk(b"");
    Fake::new()
        .await
        .with("/v1/models", Answer::json(r#"{"object":"list","data":[{"id":"tiny","object":"model"}]}"#))
        .with("/v1/chat/completions", Answer::Raw(answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn a_compressed_answer_stays_compressed_and_is_measured_all_the_same() {
    for client in [Client::PythonOpenai, Client::JsOpenai] {
        let fake = compressing().await;
        let behind = Chaos::calm(fake.address()).await;
        let mut setup = Setup::new("");
        let agent = setup.tap("box", "openai", behind.address()).start();
        let before = Chaos::calm(agent.tap("box")).await;
        let made = tokio::task::block_in_place(|| client.ask(&before.url(), "tiny", &["chat_stream"]));
        assert_eq!(text(&made, "chat_stream", "text"), "all well", "{client:?}: {made:?}");
        let asked = fake.requests().into_iter().find(|request| request.method == "POST").unwrap();
        assert!(asked.header("accept-encoding").is_some_and(|value| value.contains("gzip")), "{asked:?}");
        same_bytes(&before.passed(), &behind.passed());
        Scene { agent, through: made }.counted(1, &[]);
    }
}

/// The numbers of a person who measures: a client's clock against the tap's, on a model that takes its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "real parts: run tests/run"]
async fn the_numbers_agree_with_what_the_client_measured_itself() {
    let ollama = Ollama::start(&[]);
    ollama.create("smollm2", &smollm2(), &[]);
    ollama.generate("smollm2", "warm", 1);
    let mut setup = Setup::new("");
    let agent = setup.tap("box", "ollama", ollama.address()).start();
    agent.until_polled();
    let url = format!("http://{}", agent.tap("box"));
    let made = tokio::task::block_in_place(|| Client::PythonOllama.ask(&url, "smollm2", &["long_stream"]));
    let own = |fact: &str| made["long_stream"][fact].as_f64().unwrap();
    let (first, last, output) = (own("first_after"), own("last_after"), own("output"));
    let counted = |target: &TargetView| target.traffic.as_ref().is_some_and(|traffic| traffic.requests == 1);
    let view = agent.until("counted", Duration::from_secs(10), |agent| agent.target("box"), counted);
    let traffic = view.traffic.unwrap();
    let seen = (
        traffic.time_to_first_token.unwrap().p50,
        1.0 / traffic.time_per_output_token.unwrap().p50,
        traffic.duration.unwrap().p50,
    );
    let client = (first, (output - 1.0) / (last - first), own("duration"));
    println!("client: first token, tokens a second, all: {client:?}; tap: {seen:?}; {output} tokens");
    // A client's own work before it sends and after it has read, on a busy machine.
    let own_work = 0.02;
    let near = |seen: f64, client: f64, slack: f64| (seen - client).abs() <= 0.01 * client + slack;
    assert!(near(seen.0, client.0, own_work), "time to first token");
    assert!(near(seen.1, client.1, 0.0), "tokens a second");
    assert!(near(seen.2, client.2, own_work), "duration");
}
